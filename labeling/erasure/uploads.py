"""Where erased media came from on our own disks: what was uploaded is ours to delete, what is in folders of the user's
own is not."""

import os
import secrets
import shutil
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet

from labeling.models import Item, Source, Upload
from labeling.sources import SITES

Alive = Callable[[], None]
_BLOCK = 1024 * 1024
_UNREADABLE = (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError)


@dataclass(frozen=True)
class Original:
    """A file an erased media was taken from. member: of a zip, or a row of a table; empty for the file itself."""

    path: str
    member: str = ""

    @property
    def words(self) -> str:
        return f"{self.path} ({self.member})" if self.member else self.path


def originals(items: QuerySet[Item]) -> Iterator[Original]:
    """Of these items; those of sites and addresses have none."""
    for item in items.select_related("source").order_by("pk").iterator(2_000):
        if (original := _original(item.source, item.locator)) is not None:
            yield original


def _original(source: Source, locator: str) -> Original | None:
    if source.kind in SITES or source.kind == "web" or source.location.startswith(("http://", "https://")):
        return None
    if "://" in source.location:
        return Original(f"{source.location.rstrip('/')}/{locator}")
    place = Path(source.location)
    if place.is_dir():
        return Original(str(place / locator))
    if source.kind == "file":
        return Original(str(place))
    return Original(str(place), locator)


def is_uploaded(path: str) -> bool:
    """Whether the file came in by a browser, and so is ours."""
    if "://" in path:
        return False
    root = Path(settings.UPLOAD_ROOT).resolve()
    place = Path(path).resolve()
    return place != root and place.is_relative_to(root)


def delete_files(wanted: Collection[Original], alive: Alive) -> list[Original]:
    """Delete uploaded originals; of zips the members. Returns what stays: rows of tables are the user's to delete."""
    members: dict[str, set[str]] = defaultdict(set)
    left = []
    for original in wanted:
        if not original.member:
            _delete(Path(original.path))
        elif zipfile.is_zipfile(original.path):
            members[original.path].add(original.member)
        elif not is_gone(original):
            left.append(original)
        alive()
    for path, names in members.items():
        drop(Path(path), names, alive)
    return left


def is_gone(original: Original) -> bool:
    return not Path(original.path).exists()


def delete_source(source: Source) -> None:
    """Delete all that was uploaded for a source."""
    batches = {str(batch) for batch in source.uploads.values_list("batch", flat=True)}
    for path in (source.location, *(str(Path(settings.UPLOAD_ROOT) / batch) for batch in batches)):
        if is_uploaded(path):
            place = Path(path)
            shutil.rmtree(place) if place.is_dir() and not place.is_symlink() else place.unlink(
                missing_ok=True
            )
            delete_empty(place.parent)
    Upload.objects.filter(source=source).delete()


def _delete(path: Path) -> None:
    if is_uploaded(str(path)):
        path.unlink(missing_ok=True)
        inside = path.resolve().relative_to(Path(settings.UPLOAD_ROOT).resolve())
        with suppress(ValueError):
            Upload.objects.filter(batch=UUID(inside.parts[0]), path="/".join(inside.parts[1:])).delete()
        delete_empty(path.parent)


def delete_empty(folder: Path, below: Path | None = None) -> None:
    """Remove the folder if it is empty, and then those around it, up to one that stays; else up to UPLOAD_ROOT."""
    root = (below or Path(settings.UPLOAD_ROOT)).resolve()
    while folder.resolve() != root and folder.resolve().is_relative_to(root):
        try:
            folder.rmdir()
        except OSError:
            return
        folder = folder.parent


def drop(path: Path, names: set[str], alive: Alive) -> None:
    """Write the zip anew without these members, in its place at one moment. Members nobody can read go as well."""
    part = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        with zipfile.ZipFile(path) as old, zipfile.ZipFile(part, "w") as new:
            for info in (info for name, info in members(old).items() if name not in names):
                with suppress(*_UNREADABLE):
                    _copy(old, new, info, alive)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _copy(old: zipfile.ZipFile, new: zipfile.ZipFile, info: zipfile.ZipInfo, alive: Alive) -> None:
    made = zipfile.ZipInfo(info.filename, info.date_time)
    made.compress_type, made.external_attr = info.compress_type, info.external_attr
    with old.open(info) as source, new.open(made, "w", force_zip64=True) as target:
        while block := source.read(_BLOCK):
            target.write(block)
            alive()


def members(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """By the names a source knows them by: one that is there twice has a number, as in labeling.sources.zipped."""
    named, seen = {}, dict[str, int]()
    for info in archive.infolist():
        count = seen[info.filename] = seen.get(info.filename, 0) + 1
        named[info.filename if count == 1 else f"{info.filename} #{count}"] = info
    return named
