"""How far a campaign's people agree, how sure that is, and when they will be through."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
from django.contrib.auth import get_user_model
from django.db.models import Count, IntegerField, Min, OuterRef, QuerySet, Subquery, Sum
from django.utils import timezone

from labeling.consensus.agreement import (
    Counts,
    Statistic,
    bootstrap_interval,
    fleiss_kappa,
    krippendorff_alpha,
    pairwise_agreement,
)
from labeling.expressions import OTHER_ANSWERS
from labeling.models import Campaign, CampaignFace, Vote

DAY = timedelta(hours=24)


class Estimate(NamedTuple):
    """A figure and its 95 % interval; NaN while nothing can be said."""

    value: float
    low: float
    high: float

    @property
    def is_known(self) -> bool:
        return not math.isnan(self.low)


@dataclass(frozen=True)
class Reliability:
    """Over the settled faces, as first answered. kappa: over those with the most common number of votes."""

    agreement: Estimate
    kappa: Estimate
    alpha: Estimate


def reliability(campaign: Campaign) -> Reliability:
    """Three figures of agreement with their intervals, in one statement."""
    counts, faces = tally(campaign)
    return Reliability(
        agreement=_estimate(pairwise_agreement, counts, faces),
        kappa=_estimate(fleiss_kappa, *usual(counts, faces)),
        alpha=_estimate(krippendorff_alpha, counts, faces),
    )


def _estimate(statistic: Statistic, counts: Counts, faces: Counts) -> Estimate:
    return Estimate(statistic(counts, faces), *bootstrap_interval(counts, statistic, faces=faces))


def tally(campaign: Campaign) -> tuple[Counts, Counts]:
    """(rows, answers) of the votes on settled faces, and how many faces have each row: few rows are fetched."""
    rows = CampaignFace.objects.filter(campaign=campaign, state=CampaignFace.State.SETTLED, round=1)
    answers = [*campaign.expressions, *OTHER_ANSWERS]
    grouped = list(rows.order_by().values_list("counts").annotate(Count("pk")))
    table = [[counts.get(answer, 0) for answer in answers] for counts, _ in grouped]
    distinct = np.array(table, dtype=np.int64).reshape(-1, len(answers))
    return distinct, np.array([faces for _, faces in grouped], dtype=np.int64)


def usual(counts: Counts, faces: Counts) -> tuple[Counts, Counts]:
    """Only the faces with the most common number of votes, if that is two or more: kappa needs it to be one number."""
    votes = counts.sum(axis=1)
    number = np.bincount(votes, weights=faces).argmax() if len(votes) else 0
    kept = (votes == number) & (votes > 1)
    return counts[kept], faces[kept]


@dataclass(frozen=True)
class Pace:
    last_hour: int
    per_hour: float
    """Votes per hour over the last 24 hours in which people voted; NaN before there are two votes."""
    end: datetime | None
    """When the votes will be in at that pace; None when nobody has voted for a day, or nothing is left or open."""


def pace(campaign: Campaign, *, now: datetime | None = None) -> Pace:
    """How fast votes come in, in four statements that walk each annotator's index and no other votes."""
    now = now or timezone.now()
    newest = max(_newest(campaign), default=None)
    if newest is None:
        return Pace(0, float("nan"), None)
    hour, _ = _since(campaign, now - timedelta(hours=1))
    votes, first = _since(campaign, newest - DAY)
    hours = (newest - first).total_seconds() / 3600
    per_hour = (votes - 1) / hours if hours else float("nan")
    return Pace(hour, per_hour, _end(campaign, per_hour, now) if newest > now - DAY else None)


def _votes_of(campaign: Campaign) -> QuerySet[Vote]:
    # From the people, each by their own index: none leads from the campaign to its votes.
    return Vote.objects.filter(annotator=OuterRef("pk"), campaign=campaign).order_by()


def _newest(campaign: Campaign) -> list[datetime]:
    latest = _votes_of(campaign).order_by("-cast_at").values("cast_at")[:1]
    people = get_user_model().objects.order_by().annotate(at=Subquery(latest)).filter(at__isnull=False)
    return list(people.values_list("at", flat=True))


def _since(campaign: Campaign, moment: datetime) -> tuple[int, datetime]:
    """The votes since then, and the first of them."""
    recent = _votes_of(campaign).filter(cast_at__gte=moment).values("annotator")
    people = (
        get_user_model()
        .objects.order_by()
        .annotate(
            recent=Subquery(recent.annotate(n=Count("pk")).values("n"), output_field=IntegerField()),
            began=Subquery(recent.annotate(at=Min("cast_at")).values("at")),
        )
    )
    found: dict[str, Any] = people.aggregate(votes=Sum("recent"), first=Min("began"))
    return found["votes"] or 0, found["first"]


def _end(campaign: Campaign, per_hour: float, now: datetime) -> datetime | None:
    faces = CampaignFace.objects.filter(campaign=campaign).aggregate(wanted=Sum("wanted"), votes=Sum("votes"))
    left = (faces["wanted"] or 0) - (faces["votes"] or 0)
    if not left or not per_hour > 0 or campaign.state != Campaign.State.OPEN:
        return None
    hours = left / per_hour
    # Beyond a century nobody plans, and a date may not exist.
    return now + timedelta(hours=hours) if hours < 876_000 else None
