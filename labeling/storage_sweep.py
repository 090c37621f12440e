"""Which files of the storage belong to nobody, and which rows name a file that is not there."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import islice

from django.core.files.storage import default_storage
from django.utils import timezone

from labeling.models import Export, Face, Media, Snapshot, WorkState
from labeling.snapshots import carried, stored

YOUNG = timedelta(days=1)
"""What is younger may be on its way: its row comes after it."""
OURS = ("media", "crops", "pictures", "exports", "snapshots", "making", "parts")
"""Folders of the storage that this site writes; in others nothing is ever deleted."""
_CHUNK = 500


def ownerless() -> Iterator[str]:
    """Names of files that no row owns, whatever their age; folder by folder, in no more memory than one takes."""
    for folder, names in _folders(""):
        for chunk in _chunks(f"{folder}/{name}" if folder else name for name in names):
            owned = _owned(chunk)
            yield from (name for name in chunk if name not in owned)


def missing() -> Iterator[tuple[str, str]]:
    """(row, name) for each row that names a file which is not there."""
    for media in Media.objects.order_by("pk").only("stored_as").iterator(2_000):
        yield from _unless_there(f"media {media.pk}", media.stored_as)
    for face in Face.objects.order_by("pk").only("crop").iterator(2_000):
        yield from _unless_there(f"face {face.pk}", face.crop)
    for export in Export.objects.filter(state=WorkState.DONE).iterator():
        yield from _unless_there(f"export {export.pk}", export.stored_as)
    for snapshot in Snapshot.objects.filter(state=WorkState.DONE).iterator():
        yield from _unless_there(f"snapshot {snapshot.pk}", f"{snapshot.folder}/manifest.json")


def delete(name: str) -> bool:
    """Delete an ownerless file of ours that is older than a day. Returns whether it is gone."""
    if name.partition("/")[0] not in OURS or "/" not in name:
        return False
    try:
        if default_storage.get_modified_time(name) > timezone.now() - YOUNG:
            return False
    except FileNotFoundError:
        return True
    # Asked once more: its row may have come since.
    if name in _owned([name]):
        return False
    default_storage.delete(name)
    return True


def _unless_there(row: str, name: str) -> Iterator[tuple[str, str]]:
    if not default_storage.exists(name):
        yield row, name


def _folders(folder: str) -> Iterator[tuple[str, list[str]]]:
    try:
        folders, files = default_storage.listdir(folder)
    except FileNotFoundError:
        return
    yield folder, sorted(files)
    for name in sorted(folders):
        yield from _folders(f"{folder}/{name}" if folder else name)


def _chunks(names: Iterator[str]) -> Iterator[list[str]]:
    while chunk := list(islice(names, _CHUNK)):
        yield chunk


def _owned(names: list[str]) -> set[str]:
    owned = {
        *Media.objects.filter(stored_as__in=names).order_by().values_list("stored_as", flat=True),
        *Face.objects.filter(crop__in=names).order_by().values_list("crop", flat=True),
        *Export.objects.filter(stored_as__in=names).order_by().values_list("stored_as", flat=True),
    }
    return owned | _pictures(names) | _of_snapshots(names)


def _pictures(names: list[str]) -> set[str]:
    """What was made of media for pages: pictures/aa/SHA256-…"""
    media = {
        name: name.rpartition("/")[2].partition("-")[0] for name in names if name.startswith("pictures/")
    }
    there = set(Media.objects.filter(sha256__in=set(media.values())).values_list("sha256", flat=True))
    return {name for name, sha256 in media.items() if sha256 in there}


def _of_snapshots(names: list[str]) -> set[str]:
    folders = {name: name.rpartition("/")[0] for name in names if name.startswith("snapshots/")}
    if not folders:
        return set()
    there = set(Snapshot.objects.filter(folder__in=set(folders.values())).values_list("folder", flat=True))
    kept = {
        stored.pack_of(pack) for each in Snapshot.objects.values_list("packs", flat=True) for pack in each
    }
    campaigns = Snapshot.objects.order_by().values_list("campaign", flat=True).distinct()
    kept |= {carried.name_of(campaign) for campaign in campaigns}
    return {name for name, folder in folders.items() if folder in there or name in kept}
