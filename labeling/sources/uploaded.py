"""What was uploaded for a source goes from UPLOAD_ROOT once it is in the storage: no byte is kept twice for good.

What was refused stays, to be tried again; of a table then all of it.
"""

import os
import shutil
import zipfile
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.db.models import Q, QuerySet
from django.utils import timezone

from labeling import work
from labeling.erasure.tombstones import ERASED
from labeling.erasure.uploads import delete_empty, drop, is_uploaded, members
from labeling.models import Item, Source, WorkState
from labeling.sources import store
from labeling.sources.base import Alive

_LASTING = ("web",)
"""Lists of addresses are no media; they are read again at each look."""
_TAKEN = (Item.State.INGESTED, Item.State.KNOWN)


def is_gone(source: Source) -> bool:
    """Whether all that was uploaded for the source was taken in and removed: there is nothing left to look through."""
    gone = _is_ours(source) and not Path(source.location).exists()
    return gone and _is_all_taken(source)


def release(source: Source, alive: Alive) -> None:
    """Remove what is in the storage now. The source must be ours to work on. Begun again, it goes on with the rest."""
    place = Path(source.location)
    if not (_is_ours(source) and place.exists()):
        return
    store.settle(alive)
    lies_there = _of_folder(place) if place.is_dir() else _of_zip(place)
    safe, whole = set[str](), True
    for locator, name, size in _taken(source).iterator(2_000):
        alive()
        if not store.is_there(name, size):
            whole = False
        elif place.is_dir():
            if lies_there(locator):
                (place / locator).unlink(missing_ok=True)
                delete_empty((place / locator).parent, below=place)
        elif lies_there(locator):
            safe.add(locator)
    if whole and source.watch_minutes is None and _is_all_taken(source):
        # Files that are no items, such as a sources.csv, are of no more use.
        shutil.rmtree(place) if place.is_dir() else place.unlink(missing_ok=True)
        delete_empty(place.parent)
    elif safe:
        drop(place, safe, alive)


def _of_folder(place: Path) -> Callable[[str], bool]:
    """Whether such a file is there; what a link leads to is not ours."""
    return lambda locator: (place / locator).is_file() and is_uploaded(str(place / locator))


def _of_zip(place: Path) -> Callable[[str], bool]:
    """Whether a zip has such a member; a table has none."""
    if not zipfile.is_zipfile(place):
        return lambda locator: False
    with zipfile.ZipFile(place) as archive:
        names = set(members(archive))
    return lambda locator: locator in names


def release_old() -> int:
    """Have sources looked through once more whose uploads lie there for UPLOAD_KEEP_DAYS though they were taken in.

    Returns how many. Also removes what a form brought that never became a source.
    """
    old = timezone.now() - timedelta(days=settings.UPLOAD_KEEP_DAYS)
    count = 0
    done = Source.objects.filter(state=WorkState.DONE, ended_at__lt=old, watch_minutes=None)
    for source in done.filter(location__startswith=f"{settings.UPLOAD_ROOT}{os.sep}"):
        if _is_ours(source) and _lies_there(source):
            with suppress(work.CannotMove):
                work.restart(source, also_done=True)
                count += 1
    _remove_strays(old.timestamp())
    return count


def _is_ours(source: Source) -> bool:
    return source.kind not in _LASTING and is_uploaded(source.location)


def _is_all_taken(source: Source) -> bool:
    """Whether no item is still to be read, or may be tried again."""
    left = source.items.exclude(Q(state__in=_TAKEN) | Q(reason__startswith=ERASED))
    return source.items.exists() and not left.exists()


def _taken(source: Source) -> "QuerySet[Item, tuple[str, str, int]]":
    """Of what was taken in the locator, and its media's name and bytes in the storage."""
    taken = source.items.filter(state__in=_TAKEN, media__isnull=False).order_by("pk")
    return taken.values_list("locator", "media__stored_as", "media__bytes")


def _lies_there(source: Source) -> bool:
    place = Path(source.location)
    if not place.is_dir():
        return place.exists() and _is_all_taken(source)
    # They are removed in this order: where the last is gone all are.
    last = _taken(source).order_by("-pk").first()
    return last is not None and (place / last[0]).is_file()


def _remove_strays(old: float) -> None:
    """Folders of the form without JavaScript that no source names."""
    for folder in settings.UPLOAD_ROOT.iterdir() if settings.UPLOAD_ROOT.is_dir() else ():
        is_one = len(folder.name) == 16 and set(folder.name) <= set("0123456789abcdef")
        named = Source.objects.filter(location__startswith=f"{folder}{os.sep}")
        if is_one and folder.stat().st_mtime < old and not named.exists():
            shutil.rmtree(folder, ignore_errors=True)
