"""Files in the storage, named by their content: a file is there whole or not at all."""

import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

from django.conf import settings
from django.core.files import File
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from labeling.sayings import gettext_noop
from labeling.sources import leftovers
from labeling.storage_paths import local_path

_PARTS = "parts"
_LEFTOVER_S = 24 * 3600
_NO_FILE = gettext_noop("The storage holds no file “{name}”.")


@dataclass(frozen=True)
class Kept:
    name: str
    """In the storage."""
    sha256: str


def keep_bytes(folder: str, extension: str, data: bytes) -> Kept:
    """Store the bytes as folder/aa/sha256.extension, unless they are there."""
    sha256 = hashlib.sha256(data).hexdigest()
    name = name_of(folder, sha256, extension)
    if not default_storage.exists(name):
        if local_path(name) is None:
            default_storage.save(name, ContentFile(data))
        else:
            with staged() as part:
                part.write_bytes(data)
                _move(part, name)
    return Kept(name, sha256)


def keep_file(part: Path, name: str) -> None:
    """Store a staged file under the name, unless it is there. A local storage takes it over by a rename."""
    if default_storage.exists(name):
        return
    if local_path(name) is not None:
        _move(part, name)
    else:
        with part.open("rb") as file:
            default_storage.save(name, File(file))


def name_of(folder: str, sha256: str, extension: str) -> str:
    return f"{folder}/{sha256[:2]}/{sha256}.{extension}"


@contextmanager
def staged() -> Iterator[Path]:
    """A path to write a file to before it is known what it is; whatever is left there goes at the end."""
    part = _parts() / leftovers.new_name()
    try:
        yield part
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def local_file(name: str) -> Iterator[Path]:
    """A stored file as a path on this machine; fetched for the while if the storage is elsewhere.

    Raises FileNotFoundError.
    """
    path = local_path(name)
    if path is not None:
        if not path.is_file():
            raise FileNotFoundError(_NO_FILE.format(name=name))
        yield path
        return
    with staged() as part:
        with default_storage.open(name) as source, part.open("wb") as target:
            shutil.copyfileobj(source, target)
        yield part


def settle(alive: Callable[[], None]) -> None:
    """Have what was stored outlast a loss of power. A storage elsewhere answers for itself."""
    if local_path("") is None:
        return
    sync = Thread(target=os.sync)
    sync.start()
    while sync.is_alive():
        alive()
        sync.join(0.5)


def is_there(name: str, size: int) -> bool:
    """Whether the storage holds so many bytes under the name. A storage elsewhere is believed."""
    path = local_path(name)
    return path is None or (path.is_file() and path.stat().st_size == size)


def sweep_leftovers() -> None:
    """Delete what killed attempts left unfinished: those of this machine at once, others' after a day."""
    old = time.time() - _LEFTOVER_S
    for part in _parts().iterdir():
        with suppress(FileNotFoundError):  # another worker finished it meanwhile, or sweeps too
            if leftovers.is_of_the_dead(part.name) or part.stat().st_mtime < old:
                part.unlink()


def parts() -> list[Path]:
    """Files on their way into the storage, and those that killed attempts left."""
    return [part for part in _parts().iterdir() if part.is_file()]


def _parts() -> Path:
    # On the storage's own disk where that can be, so that finishing a file is one rename.
    folder = local_path(_PARTS) or Path(settings.WORK_ROOT) / _PARTS
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _move(part: Path, name: str) -> None:
    path = local_path(name)
    assert path is not None
    path.parent.mkdir(parents=True, exist_ok=True)
    os.replace(part, path)
