"""The bytes of uploads on the disk: which paths may be written, and one writer at a time."""

import errno
import fcntl
import os
import shutil
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

from django.conf import settings
from django.utils.translation import gettext as _

from labeling.refusals import Refusal
from labeling.sayings import gettext_noop

LONGEST_PATH = 1000
LONGEST_NAME_BYTES = 255
DEEPEST = 32
_RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}
_BUSY = gettext_noop("This file is being written by another request; ask again in a moment.")
_FULL = (errno.ENOSPC, errno.EDQUOT)


class BadPath(Refusal):
    """A file may not be kept under such a name."""


class Busy(Refusal):
    """Another request is writing the same file just now."""


class NoRoom(Refusal):
    """The server's disk has no room for what was announced or sent."""


def safe_path(text: str) -> str:
    """The path as it is kept, relative to its batch, with /. Raises BadPath.

    Nothing is mended: a name that means something else on another system is refused, so that what somebody sees in
    the browser is what lies on the disk.
    """
    if len(text) > LONGEST_PATH:
        raise BadPath(_("The path has more than {most} characters.").format(most=LONGEST_PATH))
    if any(_is_hostile(letter) for letter in text):
        raise BadPath(
            _("“{path}” holds a character that no file name may have here; rename the file.").format(
                path="".join("�" if _is_hostile(letter) else letter for letter in text)[:200]
            )
        )
    parts = text.split("/")
    if len(parts) > DEEPEST:
        raise BadPath(_("The folders are more than {most} deep.").format(most=DEEPEST))
    for part in parts:
        _check_part(part, text)
    return text


def _is_hostile(letter: str) -> bool:
    return letter == "\\" or unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp")


def _check_part(part: str, text: str) -> None:
    if part in ("", ".", ".."):
        raise BadPath(_("“{path}” is no path inside a folder.").format(path=text[:200]))
    if len(part.encode()) > LONGEST_NAME_BYTES:
        raise BadPath(_("“{name}…” is too long for the name of a file.").format(name=part[:60]))
    if part.split(".")[0].strip().lower() in _RESERVED or ":" in part or part != part.rstrip(" "):
        raise BadPath(
            _("“{name}” is a name that some systems keep for themselves; rename it.").format(name=part)
        )


def folder_of(batch: UUID) -> Path:
    folder: Path = settings.UPLOAD_ROOT / str(batch)
    return folder


def path_of(batch: UUID, path: str) -> Path:
    return folder_of(batch) / path


def length(batch: UUID, path: str) -> int:
    """Bytes of the file that are there; 0 if it is not. This, and not the row, is how much has come."""
    try:
        return path_of(batch, path).stat().st_size
    except OSError:
        return 0


@contextmanager
def locked(batch: UUID, path: str) -> Iterator[BinaryIO]:
    """The file, made if it is not there, for this request alone. Raises Busy, BadPath, NoRoom.

    The lock is the kernel's: whoever holds it and is killed lets go of it.
    """
    with _opened(path_of(batch, path)) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Busy(_(_BUSY)) from error
        yield file


def _opened(path: Path) -> BinaryIO:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Never a link, whoever put one there.
        return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o640), "r+b", buffering=0)
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise BadPath(
            _("“{path}” is a file and a folder at once in these files; rename one.").format(path=path.name)
        ) from error
    except FileNotFoundError as error:
        # Its folder was found empty and removed just now.
        raise Busy(_(_BUSY)) from error
    except OSError as error:
        if error.errno in _FULL:
            raise full() from error
        raise BadPath(
            _("The server cannot make this file ({error}).").format(error=error.strerror)
        ) from error


def write(file: BinaryIO, block: bytes) -> None:
    """All of the block at the file's position. Raises NoRoom; what had room stays."""
    left = memoryview(block)
    while left:
        try:
            left = left[file.write(left) :]
        except OSError as error:
            if error.errno in _FULL:
                raise full() from error
            raise


def full() -> NoRoom:
    return NoRoom(
        _("The server's disk is full; nothing more can be sent. Ask an operator to make room, then go on.")
    )


def room() -> int:
    """Bytes that may still be written before the disk is as full as it may get; never below 0."""
    settings.UPLOAD_ROOT.mkdir(parents=True, exist_ok=True)
    kept_free: int = settings.UPLOAD_KEEP_FREE_BYTES
    return max(0, shutil.disk_usage(settings.UPLOAD_ROOT).free - kept_free)


def remove(batch: UUID, path: str) -> None:
    """The file, and the folders that are empty without it."""
    file = path_of(batch, path)
    with suppress(FileNotFoundError, NotADirectoryError):
        file.unlink()
    for folder in file.parents:
        if folder == settings.UPLOAD_ROOT:
            break
        try:
            folder.rmdir()
        except OSError:
            break


def remove_all(batch: UUID) -> None:
    shutil.rmtree(folder_of(batch), ignore_errors=True)


def remove_strays(batch: UUID, known: set[str]) -> None:
    """Files that no row knows of: what a request that was killed had begun to write."""
    top = folder_of(batch)
    for folder, _folders, names in os.walk(top):
        for name in names:
            path = (Path(folder) / name).relative_to(top).as_posix()
            if path not in known:
                remove(batch, path)
