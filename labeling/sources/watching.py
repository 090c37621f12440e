"""Sources that are looked through again and again: which may be, when next, and what is not ready to be taken."""

import time
from contextlib import suppress
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from labeling import work
from labeling.erasure.tombstones import erasure_of
from labeling.models import Source, WorkState
from labeling.refusals import Refusal
from labeling.sources.base import Offer

LEAST_MINUTES = {
    "folder": 1, "s3": 1, "labelled": 1, "web": 1,
    # Somebody else's interface, with a quota.
    "flickr": 60, "google": 60, "youtube": 60,
}  # fmt: skip
"""The kinds that can be watched, and how often at most. A zip or a table does not grow."""
_CHOICES = (5, 15, 60, 6 * 60, 24 * 60, 7 * 24 * 60)
MOST_MINUTES = 30 * 24 * 60
QUIET_S = 10
"""A file that was written to so short a time ago may be unfinished."""
_UNFINISHED_NAMES = (".part", ".tmp", ".partial", ".crdownload", ".filepart")
_FIRST_PAUSE = timedelta(minutes=5)
_LONGEST_PAUSE = timedelta(hours=1)
"""Between looks that fail, unless good ones are further apart."""


class CannotWatch(Refusal):
    """The source is not watched as asked; the text says why."""


def check(kind: str, minutes: int) -> None:
    """Raises CannotWatch if a source of this kind cannot be looked at that often."""
    least = LEAST_MINUTES.get(kind)
    if least is None:
        raise CannotWatch(
            _("A source of kind {kind} is looked through once; what can be watched is {known}.").format(
                kind=kind, known=", ".join(LEAST_MINUTES)
            )
        )
    if not least <= minutes <= MOST_MINUTES:
        raise CannotWatch(
            _(
                "A source of kind {kind} can be looked at every {least} to {most} minutes, not {value}."
            ).format(kind=kind, least=least, most=MOST_MINUTES, value=minutes)
        )


def choices(kind: str) -> list[int]:
    """Minutes to choose from; none for a kind that is looked through once."""
    least = LEAST_MINUTES.get(kind)
    return [] if least is None else [minutes for minutes in _CHOICES if minutes >= least]


def watch(*, source: Source, minutes: int) -> None:
    """Look through the source again every so many minutes from its last look on. Raises CannotWatch."""
    check(source.kind, minutes)
    with transaction.atomic():
        # Held, so that it is not being erased at this moment.
        Source.objects.select_for_update().get(pk=source.pk)
        if erasure_of(source) is not None:
            raise CannotWatch(_("This source was erased and takes nothing in any more."))
        _set(source, minutes)


def unwatch(*, source: Source) -> None:
    """Look only when somebody asks; a look that has begun goes on to its end."""
    _set(source, None)


def _set(source: Source, minutes: int | None) -> None:
    Source.objects.filter(pk=source.pk).update(watch_minutes=minutes)
    source.refresh_from_db()


def next_look(source: Source) -> datetime | None:
    """When the source is looked at next; None while it is being looked at, rests, or is not watched.

    After a look that failed the pauses double, from five minutes (or the usual time, if that is less) to an hour (or
    the usual time, if that is more). A source that somebody stopped rests until somebody lets it go on.
    """
    if source.watch_minutes is None or source.ended_at is None or source.state == WorkState.STOPPED:
        return None
    usual = pause = timedelta(minutes=source.watch_minutes)
    if source.state != WorkState.DONE:
        failures = max(1, min(source.attempt, 20))
        pause = min(min(usual, _FIRST_PAUSE) * 2 ** (failures - 1), max(usual, _LONGEST_PAUSE))
    at: datetime = source.ended_at + pause
    return at


def look_again() -> int:
    """Queue the looks that are due. Returns how many."""
    count, now = 0, timezone.now()
    watched = Source.objects.filter(watch_minutes__isnull=False)
    for source in watched.filter(state__in=(WorkState.DONE, WorkState.FAILED)):
        at = next_look(source)
        if at is not None and at <= now:
            with suppress(work.CannotMove):
                # Failures in a row are told by the attempts, which a look that went well sets back.
                work.restart(source, also_done=True, anew=source.state == WorkState.DONE)
                count += 1
    return count


def is_unfinished(offer: Offer) -> bool:
    """Whether the item may still be on its way: by its name, or as it was written to within QUIET_S."""
    if offer.locator.lower().endswith(_UNFINISHED_NAMES):
        return True
    return offer.changed_at is not None and abs(time.time() - offer.changed_at) < QUIET_S
