"""The files of what is erased: in the storage, and those that were uploaded."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from django.core.files.storage import default_storage

from labeling.models import Erasure, Face, Media, Tombstone
from labeling.sources import store

PICTURES = "pictures"
"""Where labeling.sources.pictures and surroundings keep what they make of media."""
Alive = Callable[[], None]


@dataclass
class Removed:
    files: int = 0
    bytes: int = 0

    def add(self, name: str) -> None:
        size = _size(name)
        if size is not None:
            default_storage.delete(name)
            self.files += 1
            self.bytes += size


def forget(names: Collection[str]) -> Removed:
    """Delete stored files that no row names any more: equal pictures share one file."""
    removed = Removed()
    for name in set(names) - _owned(names):
        removed.add(name)
    return removed


def _owned(names: Collection[str]) -> set[str]:
    return {
        *Face.objects.filter(crop__in=names).order_by().values_list("crop", flat=True),
        *Media.objects.filter(stored_as__in=names).order_by().values_list("stored_as", flat=True),
    }


def forget_all(erasure: Erasure, alive: Alive) -> None:
    """Delete the files of all that the erasure has taken out of the database. Killed, it goes on with the rest."""
    left = erasure.tombstones.filter(row__isnull=True).exclude(files=[])
    while stones := list(left.order_by("pk")[:500]):
        removed = forget([name for stone in stones for name in stone.files])
        _forget_pictures(stones, removed)
        # First the count, then the names: whoever is killed between deletes nothing twice, and counts nothing twice.
        touched = erasure.touched
        touched["files"] = touched.get("files", 0) + removed.files
        touched["bytes"] = touched.get("bytes", 0) + removed.bytes
        Erasure.objects.filter(pk=erasure.pk).update(touched=touched)
        erasure.tombstones.filter(pk__in=[stone.pk for stone in stones]).update(files=[])
        alive()
    _forget_parts(erasure)


def _forget_pictures(stones: Iterable[Tombstone], removed: Removed) -> None:
    """What was made of the media for pages, and of single faces the second around them."""
    whole = {stone.key for stone in stones if stone.kind == Tombstone.Kind.MEDIA}
    by_folder: dict[str, list[str]] = defaultdict(list)
    for sha256 in whole:
        by_folder[f"{PICTURES}/{sha256[:2]}"].append(sha256)
    for folder, hashes in by_folder.items():
        for name in _files_in(folder):
            if name.partition("-")[0] in hashes:
                removed.add(f"{folder}/{name}")
    for stone in stones:
        if stone.box is not None:
            removed.add(_second(stone.box))


def _second(box: dict[str, int | str]) -> str:
    where = "-".join(str(box[name]) for name in ("x", "y", "width", "height"))
    sha256 = str(box["media"])
    return f"{PICTURES}/{sha256[:2]}/{sha256}-second-{box['time_ms']}-{where}.jpg"


def _forget_parts(erasure: Erasure) -> None:
    """Files on their way into the storage whose worker was killed when they were whole."""
    for part in store.parts():
        with part.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        if erasure.tombstones.filter(kind=Tombstone.Kind.MEDIA, key=sha256).exists():
            part.unlink(missing_ok=True)


def _files_in(folder: str) -> list[str]:
    try:
        return default_storage.listdir(folder)[1]
    except FileNotFoundError:
        return []


def _size(name: str) -> int | None:
    """None: there is no such file."""
    try:
        return default_storage.size(name) if name else None
    except (FileNotFoundError, OSError):
        return None
