"""What the page of one annotator in one campaign shows, beyond the figures of labeling.annotator_queries."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Max, QuerySet
from django.db.models.functions import TruncDay, TruncHour

from labeling.models import Campaign, GoldAnswer, Vote

LAST = 24
"""Votes shown, newest first."""
COLUMNS = 48
"""Hours, or days, of the chart at most."""


@dataclass(frozen=True)
class Column:
    """One hour or day of work."""

    begins: datetime
    votes: int
    share: float
    """Of the highest column."""

    @property
    def height(self) -> str:
        """Of 100; as the page's drawing writes it, in no language."""
        return f"{100 * self.share:.1f}"

    @property
    def top(self) -> str:
        return f"{100 - 100 * self.share:.1f}"


@dataclass(frozen=True)
class Pace:
    """Votes per hour of the newest two days, or per day if the work took longer; those without votes too."""

    columns: list[Column]
    by_hour: bool

    @property
    def most(self) -> int:
        return max((column.votes for column in self.columns), default=0)


def pace(campaign: Campaign, annotator: Any) -> Pace:
    """How the annotator's votes came in over time. Up to three statements, all along the annotator's own index."""
    mine = Vote.objects.filter(campaign=campaign, annotator=annotator).order_by()
    newest = mine.aggregate(at=Max("cast_at"))["at"]
    if newest is None:
        return Pace([], by_hour=True)
    by_hour = not mine.filter(cast_at__lt=newest - timedelta(hours=COLUMNS)).exists()
    step = timedelta(hours=1) if by_hour else timedelta(days=1)
    counted = _counted(mine.filter(cast_at__gte=newest - COLUMNS * step), TruncHour if by_hour else TruncDay)
    begin = min(counted)
    spans = [begin + n * step for n in range(COLUMNS + 1)]
    most = max(counted.values())
    columns = [
        Column(at, counted.get(at, 0), counted.get(at, 0) / most) for at in spans if at <= max(counted)
    ]
    return Pace(columns, by_hour)


def _counted(votes: QuerySet[Vote], trunc: Callable[[str], Any]) -> dict[datetime, int]:
    return dict(votes.annotate(span=trunc("cast_at")).values_list("span").annotate(Count("pk")))


@dataclass(frozen=True)
class Share:
    """How often one answer was given, by one annotator and by everybody."""

    answer: str
    votes: int
    share: float
    everybody: float


def shares(own: dict[str, int], everybody: dict[str, int], order: list[str]) -> list[Share]:
    """The answers side by side: those of the campaign in its order, then others that were once asked for."""
    names = [*order, *sorted(set(everybody) - set(order))]
    mine, all_votes = sum(own.values()) or 1, sum(everybody.values()) or 1
    return [
        Share(name, own.get(name, 0), own.get(name, 0) / mine, everybody.get(name, 0) / all_votes)
        for name in names
    ]


def last_votes(campaign: Campaign, annotator: Any) -> list[Vote]:
    """The newest votes, with their faces. One statement."""
    mine = Vote.objects.filter(campaign=campaign, annotator=annotator)
    return list(mine.select_related("campaign_face").order_by("-cast_at", "-pk")[:LAST])


def last_misses(campaign: Campaign, annotator: Any) -> list[GoldAnswer]:
    """The newest gold faces, mixed in unannounced, that were answered otherwise than known. One statement."""
    mine = GoldAnswer.objects.filter(campaign=campaign, annotator=annotator, attempt=0, right=False)
    return list(mine.select_related("campaign_face__gold").order_by("-cast_at")[: LAST // 2])
