"""Taking a place's media in: add a source, and work through its items one by one."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils.translation import gettext as _

from labeling import likeness, work
from labeling.erasure.tombstones import ERASED, erasure_of
from labeling.fetching.patience import nap
from labeling.likeness import COMPARING
from labeling.models import Detection, Item, Scan, Source, WorkState
from labeling.refusals import Refusal
from labeling.sayings import gettext_noop
from labeling.sources import faces, intake, places, store, uploaded, watching
from labeling.sources.base import (
    BadContent,
    CannotAdd,
    CannotRead,
    KnownContent,
    LabelledContent,
    NotYet,
    Offer,
    Place,
    RowContent,
)
from labeling.sources.labelled.taking import Taking

__all__ = [
    "CannotAdd",
    "IsErased",
    "NothingRefused",
    "add",
    "ingest",
    "refresh",
    "resume_or_add",
    "retry_refused",
]

_BATCH = 500
_AT = gettext_noop("At {name}")
_LOOKING = gettext_noop("Looking: {items:,} items")
_IN = gettext_noop("{items:,} items in")
_IN_AND_REFUSED = gettext_noop("{items:,} items in, {refused:,} refused")
_AND_WAITING = gettext_noop("{reason}; {left:,} are still being written and wait for the next look")
_NOT_SEARCHED = gettext_noop("All media are in, but no faces are looked for: {reason}")

Tell = Callable[[int, int | None, str], None]
"""Told how far the work is: done, total, message."""


class IsErased(Refusal):
    """The source was erased as a whole: it takes nothing in any more."""


class NothingRefused(Refusal):
    """There is nothing to try again."""


def silent(done: int, total: int | None, message: str) -> None:
    """For whom progress does not matter."""


def add(
    *,
    kind: str = "",
    location: str | Path,
    name: str = "",
    options: Mapping[str, Any] | None = None,
    licence: str = "",
    author: str = "",
    created_by: Any = None,
    watch_minutes: int | None = None,
    wake: bool = True,
) -> Source:
    """A new source, to be ingested when a worker takes it up. Raises CannotAdd, CannotWatch.

    kind: a key of KINDS or SITES; empty: what the location looks like. location: a path, or for SITES the address of
    a page. options: `detect`, a list of detectors to run afterwards; `basis`, a key of rights.BASES, which what is
    fetched must have, and `basis_note`, what more there is to say of it; for FER2013 also `rows`, [first, last] from 1,
    and `ferplus`, the path of the vote table; for Flickr `most`, a number of photos. watch_minutes: look again that
    often; None: once. wake: False if the caller does the work itself.
    """
    fields = places.checked(kind, location, options)
    if watch_minutes is not None:
        watching.check(fields["kind"], watch_minutes)
    with transaction.atomic():
        source = Source.objects.create(
            **fields,
            name=(name or places.name_of(fields))[:200],
            licence=licence,
            author=author,
            watch_minutes=watch_minutes,
            created_by=created_by,
        )
        if wake:
            work.enqueue(source)
    return source


def resume_or_add(
    *,
    kind: str = "",
    location: str | Path,
    options: Mapping[str, Any] | None = None,
    wake: bool = True,
    **rest: Any,
) -> Source:
    """The newest source of that place and those options, made to go on; else a new one. Raises CannotAdd, CannotWatch.

    So a command started again after it was cut off continues, and one started again after it was done takes
    in what is new.
    """
    fields = places.checked(kind, location, options)
    there = Source.objects.filter(kind=fields["kind"], location=fields["location"]).order_by("-pk")
    same = (one for one in there if one.options == fields["options"])
    source = next((one for one in same if erasure_of(one) is None), None)
    if source is None:
        return add(kind=kind, location=location, options=options, wake=wake, **rest)
    if rest.get("watch_minutes") is not None:
        watching.watch(source=source, minutes=rest["watch_minutes"])
    if source.is_over:
        refresh(source=source, wake=wake)
    return source


def refresh(*, source: Source, wake: bool = True) -> None:
    """Look through the place again: go on with what is unfinished, take in what is new.

    Raises CannotMove, IsErased.
    """
    with transaction.atomic():
        _demand_not_erased(source)
        work.restart(source, also_done=True, wake=wake)


def _demand_not_erased(source: Source) -> None:
    # Held, so that it is not being erased at this moment.
    Source.objects.select_for_update().get(pk=source.pk)
    if erasure_of(source) is not None:
        raise IsErased(
            _("This source was erased and takes nothing in any more. Add what else is there as a new source.")
        )


def retry_refused(*, source: Source, item: int | None = None, reason: str = "") -> bool:
    """Try refused items again: all, one by its key, or those with a reason. Raises NothingRefused, IsErased.

    Returns whether that begins now; else a worker is at the source, and goes on with them once it has come to its end.
    """
    with transaction.atomic():
        _demand_not_erased(source)
        # The worker asks for them when it ends, holding the row: it sees these, or has ended before.
        row = Source.objects.select_for_update().get(pk=source.pk)
        refused = row.items.filter(state=Item.State.REFUSED).exclude(reason__startswith=ERASED)
        if item is not None:
            refused = refused.filter(pk=item)
        if reason:
            refused = refused.filter(reason=reason)
        again = refused.update(state=Item.State.FOUND, reason="")
        if not again:
            raise NothingRefused(_("Nothing of this source was refused; there is nothing to try again."))
        begins = row.is_over
        if begins:
            work.restart(row, also_done=True)
    source.refresh_from_db()
    return begins


def ingest(source_id: int, *, tell: Tell = silent, wake: bool = True) -> None:
    """Do the work: find the items, take in those not dealt with yet, queue the searches for faces asked for.

    Killed at any instruction and begun again it goes on with the next item. What somebody wants tried again meanwhile
    is, in a look of its own. wake: whether workers are told of the searches. Raises AlreadyClaimed.
    """
    again = _look(source_id, tell, wake)
    while again:
        again = False
        # Else another worker was quicker.
        with suppress(work.AlreadyClaimed):
            again = _look(source_id, tell, wake)


def _look(source_id: int, tell: Tell, wake: bool) -> bool:
    """Work through the place once. Returns whether items are to be tried again, for which it is queued by then."""
    with work.claimed(Source, source_id) as job:
        source = job.row
        store.sweep_leftovers()
        taken = _Taken() if uploaded.is_gone(source) else _take_all(job, tell)
        uploaded.release(source, job.beat)
        # The faces of a table; those in pictures are compared when they have been found.
        job.beat(force=True, message=COMPARING)
        likeness.compare_new(alive=job.beat)
        _detect(source, wake)
        with transaction.atomic():
            # See retry_refused.
            Source.objects.select_for_update().get(pk=source.pk)
            again = source.items.filter(state=Item.State.FOUND).exclude(pk__in=taken.silent).exists()
            job.leave(WorkState.DONE, message=_summary(source, taken.left))
            if again:
                work.restart(source, also_done=True, wake=False)
        return again
    return False


@dataclass
class _Taken:
    left: int = 0
    """How much changed meanwhile, or is still being written, and waits for the next look."""
    silent: set[int] = field(default_factory=set)
    """Items of which the place said nothing."""


def _take_all(job: work.Job[Source], tell: Tell) -> _Taken:
    """Find what there is and take it in."""
    source = job.row
    try:
        with places.opened(source.kind, source.location, source.options, job.beat) as place:
            taken = _find_and_take(job, place, tell)
            if taken.left and source.watch_minutes is not None:
                # What was copied there a moment ago is whole in a moment, and need not wait for the next look.
                nap(watching.QUIET_S + 1, job.beat)
                taken = _find_and_take(job, place, tell)
    except CannotRead as reason:
        raise work.Refused(str(reason)) from reason
    return taken


def _find_and_take(job: work.Job[Source], place: Place, tell: Tell) -> _Taken:
    taken = _Taken(left=_find(job, place, tell))
    _take(job, place, tell, taken)
    return taken


def _find(job: work.Job[Source], place: Place, tell: Tell) -> int:
    """Keep what is offered. Returns how much of it is still being written; of a place that is watched that can wait."""
    offers = place.find()
    found = left = 0
    while batch := list(islice(offers, _BATCH)):
        ready = [
            offer for offer in batch if job.row.watch_minutes is None or not watching.is_unfinished(offer)
        ]
        _keep_offers(job.row, ready)
        found += len(ready)
        left += len(batch) - len(ready)
        message = _LOOKING.format(items=found)
        job.beat(message=message)
        tell(found, None, message)
    return left


def _keep_offers(source: Source, offers: list[Offer]) -> None:
    """Offers are items at once; those known already stay as they are."""
    with transaction.atomic():
        Item.objects.bulk_create(
            (Item(source=source, locator=offer.locator) for offer in offers), ignore_conflicts=True
        )
        for offer in offers:
            if offer.reason:
                same = source.items.filter(locator=offer.locator, state=Item.State.FOUND)
                same.update(state=Item.State.REFUSED, reason=offer.reason[:500])


def _take(job: work.Job[Source], place: Place, tell: Tell, taken: _Taken) -> None:
    """Take the items in that were not dealt with. Those that changed meanwhile are items no more."""
    source = job.row
    labelled: Taking | None = None
    total, done = source.items.count(), source.items.exclude(state=Item.State.FOUND).count()
    job.beat(force=True, done=done, total=total)
    for number, batch in enumerate(_batches(source.items.filter(state=Item.State.FOUND))):
        if number:
            # A whole batch is dealt with: what ended earlier attempts did not lie in it. A long import may well
            # outlive more workers than MAX_ATTEMPTS.
            job.got_further()
        items = {item.locator: item for item in batch}
        taken.silent |= {item.pk for item in batch}
        rows: list[tuple[Item, RowContent]] = []
        for content in place.contents(list(items)):
            item = items[content.locator]
            taken.silent.discard(item.pk)
            message = _AT.format(name=item.locator)[:500]
            tell(done, total, message)
            job.beat(done=done, message=message)
            if isinstance(content, RowContent):
                rows.append((item, content))
            elif isinstance(content, BadContent):
                intake.refuse(item, content.reason)
            elif isinstance(content, KnownContent):
                intake.point(item, content)
            else:
                try:
                    if isinstance(content, LabelledContent):
                        labelled = labelled or Taking(source, job.beat)
                        labelled.add(item, content)
                    else:
                        intake.take_file(item=item, content=content, source=source, alive=job.beat)
                except NotYet:
                    source.items.filter(pk=item.pk).delete()
                    taken.left += 1
            done += 1
        if rows:
            intake.take_rows(rows=rows, source=source)
        if labelled:
            labelled.flush()
    job.beat(force=True, done=done)
    tell(done, total, "")


def _batches(items: QuerySet[Item]) -> Iterator[list[Item]]:
    after = 0
    while batch := list(items.filter(pk__gt=after).order_by("pk")[:_BATCH]):
        yield batch
        after = batch[-1].pk


def _detect(source: Source, wake: bool) -> None:
    for name in source.options.get(places.DETECT, []):
        if _is_all_searched(source, name):
            continue
        try:
            faces.detect_in(source=source, detector=name, wake=wake)
        except faces.CannotDetect as reason:
            raise work.Refused(_NOT_SEARCHED.format(reason=reason)) from reason


def _is_all_searched(source: Source, detector: str) -> bool:
    """Whether a search by this detector has ended and no media of the source came after it."""
    ended = Detection.objects.filter(source=source, detector=detector, state=WorkState.DONE)
    scanned = Exists(Scan.objects.filter(media=OuterRef("media"), detector=detector))
    return ended.exists() and not source.items.filter(~scanned, media__isnull=False).exists()


def _summary(source: Source, left: int) -> str:
    refused = source.items.filter(state=Item.State.REFUSED).count()
    taken = source.items.exclude(state=Item.State.REFUSED).count()
    summary = (_IN_AND_REFUSED if refused else _IN).format(items=taken, refused=refused)
    return _AND_WAITING.format(reason=summary, left=left) if left else summary
