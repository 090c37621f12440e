"""The faces people disagree on: which there are, which comes next, and what agreed faces look like beside one."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Exists, F, IntegerField, OuterRef, Q, QuerySet
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast, Coalesce

from labeling.expressions import OTHER_ANSWERS
from labeling.models import Adjudication, Campaign, CampaignFace, Outcome, Vote

LIKENESSES = 6
"""Agreed faces shown of each of two labels."""
CANDIDATES = 500
"""The newest agreed faces of a label, of which the most similar are shown."""
WELL_AGREED = 0.75


@dataclass(frozen=True)
class Wanted:
    """Which disputes. pair: two answers, both in front on the face; low, high: the agreement, 0–1."""

    pair: tuple[str, str] | None = None
    low: float = 0.0
    high: float = 1.0


EVERY = Wanted()


def disputes(campaign: Campaign, wanted: Wanted = EVERY) -> QuerySet[CampaignFace]:
    """The settled faces people disagree on, the most disputed first."""
    rows = CampaignFace.objects.filter(campaign=campaign, state=CampaignFace.State.SETTLED, agreement__lt=1)
    if wanted.low > 0:
        rows = rows.filter(agreement__gte=wanted.low)
    if wanted.high < 1:
        rows = rows.filter(agreement__lte=wanted.high)
    if wanted.pair:
        rows = _between(rows, campaign, wanted.pair)
    return rows.order_by("agreement", "pk").select_related("face")


def _between(
    rows: QuerySet[CampaignFace], campaign: Campaign, pair: tuple[str, str]
) -> QuerySet[CampaignFace]:
    """Faces on which both answers were given, and no other more often than either."""
    one, other = map(_count, pair)
    rows = rows.annotate(one=one, other=other).filter(one__gt=0, other__gt=0)
    for number, answer in enumerate((*campaign.expressions, *OTHER_ANSWERS)):
        if answer not in pair:
            rows = rows.annotate(**{f"rest_{number}": _count(answer)})
            rest = {f"{name}__gte": F(f"rest_{number}") for name in ("one", "other")}
            rows = rows.filter(**rest)
    return rows


def _count(answer: str) -> Any:
    return Coalesce(Cast(KeyTextTransform(answer, "counts"), IntegerField()), 0)


def pairs(campaign: Campaign, most: int = 30) -> list[tuple[str, str, int]]:
    """The two answers in front on disputed faces and on how many faces, most first. Few rows are fetched."""
    found = Counter[tuple[str, str]]()
    for counts, faces in disputes(campaign).order_by().values_list("counts").annotate(Count("pk")):
        if pair := leading(counts):
            found[pair] += faces
    return [(*pair, faces) for pair, faces in found.most_common(most)]


def leading(counts: dict[str, int]) -> tuple[str, str] | None:
    """The two most frequent answers, in the order of their names; None if there are no two."""
    first = sorted(
        (answer for answer in counts if counts[answer]), key=lambda answer: (-counts[answer], answer)
    )
    return (min(first[:2]), max(first[:2])) if len(first) > 1 else None


def undecided(rows: QuerySet[CampaignFace]) -> QuerySet[CampaignFace]:
    """Without those on which a manager's decision stands."""
    newer = Adjudication.objects.filter(campaign_face=OuterRef("campaign_face"), pk__gt=OuterRef("pk"))
    stands = Adjudication.objects.filter(~Exists(newer), campaign_face=OuterRef("pk"), retracted_at=None)
    return rows.exclude(outcome=Outcome.ADJUDICATED).exclude(Exists(stands))


def after(rows: QuerySet[CampaignFace], place: tuple[float, int] | None) -> QuerySet[CampaignFace]:
    """The disputes behind a place in their order: (agreement, key)."""
    if place is None:
        return rows
    return rows.filter(Q(agreement__gt=place[0]) | Q(agreement=place[0], pk__gt=place[1]))


def before(rows: QuerySet[CampaignFace], place: tuple[float, int]) -> QuerySet[CampaignFace]:
    """The disputes ahead of a place, the nearest first."""
    ahead = rows.filter(Q(agreement__lt=place[0]) | Q(agreement=place[0], pk__lt=place[1]))
    return ahead.order_by("-agreement", "-pk")


@dataclass(frozen=True)
class Second:
    """A mixed answer: mostly one expression, with something of another."""

    answer: str
    second: str
    votes: int


def seconds(row: CampaignFace) -> list[Second]:
    """The mixed answers on a face, most frequent first. One statement."""
    mixed = Vote.objects.filter(campaign_face=row).exclude(second="").order_by()
    found = Counter(mixed.values_list("answer", "second"))
    return [Second(answer, second, votes) for (answer, second), votes in found.most_common()]


@dataclass(frozen=True)
class Likeness:
    """Agreed faces of one label, for comparison."""

    label: str
    faces: list[CampaignFace]


def likenesses(row: CampaignFace) -> list[Likeness]:
    """For the two expressions in front on a face: agreed faces with the votes most like its own."""
    expressions = {name: n for name, n in row.counts.items() if name not in OTHER_ANSWERS}
    first = sorted(expressions, key=lambda name: (-expressions[name], name))[:2]
    return [Likeness(label, _most_like(row, label)) for label in first]


def _most_like(row: CampaignFace, label: str) -> list[CampaignFace]:
    agreed = CampaignFace.objects.filter(
        campaign=row.campaign_id,
        state=CampaignFace.State.SETTLED,
        outcome=Outcome.AGREED,
        label=label,
        agreement__gte=WELL_AGREED,
    ).exclude(pk=row.pk)
    candidates = agreed.only("face", "counts", "agreement", "label").order_by("-pk")[:CANDIDATES]
    return sorted(candidates, key=lambda found: (-_overlap(row.counts, found.counts), -found.pk))[:LIKENESSES]


def _overlap(one: dict[str, int], other: dict[str, int]) -> float:
    """How much two distributions of votes have in common: 1 if they are alike, 0 if no answer is in both."""
    whole, all_others = sum(one.values()) or 1, sum(other.values()) or 1
    return sum(min(votes / whole, other.get(answer, 0) / all_others) for answer, votes in one.items())
