"""How far a source has come, and what went wrong with it: each answer in a fixed number of statements."""

from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Count, Min, Q, QuerySet, Sum
from django.utils import timezone

from labeling.erasure.tombstones import ERASED
from labeling.face_filter import media_keys
from labeling.models import Item, Media, Source, WorkState

WINDOW = timedelta(minutes=1)
NEWEST = 2000
"""At most so many of the newest media are looked at for the speed."""
MOST_REASONS = 20


@dataclass(frozen=True)
class Amounts:
    """What is in of a source."""

    media: int
    bytes: int


@dataclass(frozen=True)
class Pace:
    """How fast new media came in during the last minute; None where nothing new came, or nothing runs."""

    bytes_per_second: float | None = None
    items_per_second: float | None = None
    seconds_left: int | None = None


@dataclass(frozen=True)
class Reasons:
    """Why items were refused: (reason, how many), the commonest first."""

    shown: list[tuple[str, int]]
    others: int
    """Items refused for reasons that are not shown."""
    may_be_tried: int
    """Items that may be tried again: what was erased is not."""


def amounts(source: Source) -> Amounts:
    told = Media.objects.filter(pk__in=media_keys(source.pk)).aggregate(count=Count("pk"), bytes=Sum("bytes"))
    return Amounts(told["count"], told["bytes"] or 0)


def pace(source: Source, *, left: int) -> Pace:
    """left: items that are still to do. Costs a statement only while the source is at work."""
    if source.state != WorkState.RUNNING or source.started_at is None:
        return Pace()
    now = timezone.now()
    since = max(now - WINDOW, source.started_at)
    # A source's media have rising keys; those it knew already lie below and are older.
    newest = source.items.filter(state=Item.State.INGESTED, media__isnull=False).order_by("-media_id")
    came = Media.objects.filter(pk__in=newest.values("media_id")[:NEWEST], fetched_at__gte=since)
    told = came.aggregate(items=Count("pk"), bytes=Sum("bytes"), first=Min("fetched_at"))
    if not told["items"]:
        return Pace()
    span = now - (told["first"] if told["items"] == NEWEST else since)
    seconds = max(1.0, span.total_seconds())
    per_second = told["items"] / seconds
    # While a place is still looked through, nobody knows how much there is.
    known = source.total is not None
    return Pace(told["bytes"] / seconds, per_second, round(left / per_second) if known else None)


def reasons(source: Source, *, refused: int) -> Reasons:
    """refused: how many items are."""
    items = source.items.filter(state=Item.State.REFUSED).order_by()
    counted = items.values_list("reason").annotate(count=Count("pk")).order_by("-count", "reason")
    shown = list(counted[:MOST_REASONS])
    others = refused - sum(count for _reason, count in shown)
    return Reasons(shown, others, items.exclude(reason__startswith=ERASED).count() if refused else 0)


def items_of(source: Source, *, state: str = "", reason: str = "") -> QuerySet[Item]:
    """Items in a state, refused for a reason; empty: of any."""
    wanted = Q()
    if state in Item.State.values:
        wanted &= Q(state=state)
    if reason:
        wanted &= Q(reason=reason)
    return source.items.filter(wanted).select_related("media")
