"""An erasure, step by step. Each step may be done again, so that one killed anywhere goes on to its end."""

import hashlib
import re
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import Any

from django.db import transaction
from django.utils import timezone

from labeling import work
from labeling.erasure import (
    files,
    holders,
    planning,
    preview,
    remains,
    rows,
    scope,
    tombstones,
    uploads,
)
from labeling.fetching.patience import nap
from labeling.models import Erasure, Item, Snapshot, Source, Tombstone, WorkState
from labeling.models.work import OVER
from labeling.sayings import gettext_noop

Tell = Callable[[int, int | None, str], None]
_PLANNING = gettext_noop("Finding out what is to go")
_FACES = gettext_noop("Erasing faces")
_MEDIA = gettext_noop("Erasing media")
_SNAPSHOTS = gettext_noop("Taking the faces out of snapshots")
_REMAINS = gettext_noop("Erasing what was made of them")
_FILES = gettext_noop("Deleting files")
_GONE = gettext_noop("Erased: media {media:,}, faces {faces:,}.")
_UNOPENED = gettext_noop("Versions that could not be opened: {versions:,}.")
_HASH = re.compile("[0-9a-f]{64}")
_PAUSE_S = 0.5
_KEPT = ("media", "faces", "pictures_stay", "elsewhere", "claimed_count")
"""What the preview says, and is kept with the deed."""


def silent(done: int, total: int | None, message: str) -> None:
    """For whom progress does not matter."""


def carry_out(pk: int, *, tell: Tell = silent) -> None:
    """Do it, or go on with it where it was. Raises AlreadyClaimed."""
    with work.claimed(Erasure, pk) as job:
        _Steps(job, tell).all()
        job.leave(
            WorkState.DONE,
            message=_summary(job.row.touched),
            what=_without_names(job.row),
        )


def _summary(touched: dict[str, Any]) -> str:
    said = [_GONE.format(media=touched.get("media", 0), faces=touched.get("faces", 0))]
    if unopened := touched.get("unopened"):
        said.append(_UNOPENED.format(versions=len(unopened)))
    return " ".join(said)


def _without_names(erasure: Erasure) -> list[Any]:
    """An author's name is what a person may have asked to be forgotten. Done before, it is a hash."""
    if erasure.scope != scope.Scope.AUTHOR:
        return list(erasure.what)
    return [
        name if _HASH.fullmatch(name) else hashlib.sha256(name.encode()).hexdigest()
        for name in map(str, erasure.what)
    ]


class _Steps:
    def __init__(self, job: work.Job[Erasure], tell: Tell) -> None:
        self._job, self._tell = job, tell
        self._erasure = job.row

    def all(self) -> None:
        if self._erasure.planned_at is None:
            self._plan()
        self._remove_rows()
        self._forget_counts()
        rows.write_audit(self._erasure)
        keys = frozenset(self._keys())
        campaigns = frozenset(int(pk) for pk in self._erasure.touched.get("campaigns", {}))
        holders.let_go(self._erasure, keys, self._at(_SNAPSHOTS))
        self._forget_remains(keys, campaigns)
        self._say(_FILES)
        files.forget_all(self._erasure, self._at(_FILES))
        self._forget_uploads()

    def _plan(self) -> None:
        self._say(_PLANNING)
        erasure, alive = self._erasure, self._at(_PLANNING)
        if erasure.scope == scope.Scope.SOURCE:
            self._end_sources()
        # Another erasure may have come first: then there is nothing left to do.
        if left := scope.there(erasure.scope, erasure.what):
            found = preview.preview(erasure.scope, left, erasure.with_media, alive=alive)
            planning.plan(erasure, alive)
            erasure.touched = {name: value for name, value in asdict(found).items() if name in _KEPT}
            erasure.touched["runs"] = found.made_of_them
            erasure.touched["exports"] = found.exports
        erasure.planned_at = timezone.now()
        self._job.beat(force=True, planned_at=erasure.planned_at, touched=erasure.touched)

    def _end_sources(self) -> None:
        """What is to go brings in no more: what comes in after the planning would stay."""
        for source in Source.objects.filter(pk__in=self._erasure.what):
            while not self._has_ended(source):
                nap(_PAUSE_S, self._at(_PLANNING))
            source.items.filter(state=Item.State.FOUND).update(
                state=Item.State.REFUSED, reason=tombstones.reason_of(self._erasure)
            )
            for search in source.detections.all():
                if not search.is_over:
                    work.stop(search)

    @transaction.atomic
    def _has_ended(self, source: Source) -> bool:
        # Whoever lets it go on holds it too: either is seen here, or sees this erasure.
        Source.objects.select_for_update().get(pk=source.pk)
        Source.objects.filter(pk=source.pk).update(watch_minutes=None)
        work.stop(source)
        return work.has_ended(source)

    def _remove_rows(self) -> None:
        erasure = self._erasure
        whole = False
        while not whole:
            total = erasure.tombstones.filter(kind=Tombstone.Kind.FACE).count()
            rows.remove_faces(erasure, partial(self._say, _FACES, total=total))
            self._say(_MEDIA)
            gone = rows.remove_media(erasure, self._at(_MEDIA))
            whole = gone and rows.none_found_again(erasure, self._at(_MEDIA))
            if not whole:
                planning.plan_newcomers(erasure, self._at(_PLANNING))

    def _forget_counts(self) -> None:
        """What a source said at the end of its look, how much is in and how much refused, is so no more."""
        gone = {"items__state": Item.State.REFUSED, "items__reason": tombstones.reason_of(self._erasure)}
        Source.objects.filter(state__in=OVER, **gone).update(message="")

    def _forget_remains(self, keys: frozenset[str], campaigns: frozenset[int]) -> None:
        touched = self._erasure.touched
        held = [entry["pk"] for name in ("snapshots", "unopened") for entry in touched.get(name, [])]
        gone = remains.Gone(keys, tuple(Snapshot.objects.filter(pk__in=held)), campaigns)
        self._erasure.touched["runs"] = remains.touched(held)
        self._job.beat(force=True, message=_REMAINS, touched=self._erasure.touched)
        remains.forget(gone, self._at(_REMAINS))

    def _forget_uploads(self) -> None:
        erasure = self._erasure
        items = Item.objects.filter(
            state=Item.State.REFUSED, reason=tombstones.reason_of(erasure), media__isnull=True
        )
        originals = list(uploads.originals(items))
        ours = [original for original in originals if uploads.is_uploaded(original.path)]
        left = uploads.delete_files(ours, self._at(_FILES))
        if erasure.scope == scope.Scope.SOURCE:
            for source in Source.objects.filter(pk__in=erasure.what):
                uploads.delete_source(source)
            left = [original for original in left if not uploads.is_gone(original)]
        own = [*left, *(original for original in originals if original not in set(ours))]
        erasure.touched |= {
            "uploaded": len(ours),
            "originals": [original.words for original in own[: preview.SHOWN]],
            "originals_count": len(own),
        }
        self._job.beat(force=True, touched=erasure.touched)

    def _keys(self) -> Any:
        stones = self._erasure.tombstones.filter(kind=Tombstone.Kind.FACE)
        return stones.order_by().values_list("key", flat=True).iterator(5_000)

    def _say(self, message: str, done: int = 0, total: int | None = None) -> None:
        self._job.beat(done=done, total=total, message=message)
        self._tell(done, total, message)

    def _at(self, message: str) -> Callable[[], None]:
        return partial(self._say, message)


@transaction.atomic
def resume(erasure: Erasure) -> None:
    """Go on with one that stopped or failed, or that could not open every version. Raises CannotMove."""
    work.restart(erasure, also_done=bool(erasure.touched.get("unopened")))
