"""What networks say of faces, kept apart from what people say."""

from collections.abc import Iterable, Mapping
from itertools import islice

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from labeling.expressions import OTHER_ANSWERS
from labeling.models import Campaign, CampaignFace, Outcome, Suggestion

BATCH = 500
Row = tuple[int, Mapping[str, float]]
"""A CampaignFace's primary key, and expression → probability (adding up to 1)."""


def doubt(
    *, outcome: str, label: str, counts: Mapping[str, int], probabilities: Mapping[str, float]
) -> float:
    """How strongly a network's opinion disagrees with the votes, 0 (not at all) to 1.

    With p the network's probabilities and q the face's votes as shares of the votes that name an expression:

    - agreed on `label`, or adjudicated: 1 − p(label), what the network leaves for all other labels together;
    - no consensus: ½ Σ |p − q|, the total variation distance, so that a network as undecided as the
      voters, between the same labels, doubts nothing;
    - not a face, no vote for any expression, or not settled: 0, as there is nothing it could disagree with.
    """
    if outcome in (Outcome.AGREED, Outcome.ADJUDICATED):
        return _unit(1.0 - probabilities.get(label, 0.0))
    named = {answer: count for answer, count in counts.items() if count and answer not in OTHER_ANSWERS}
    if outcome != Outcome.NO_CONSENSUS or not named:
        return 0.0
    votes = sum(named.values())
    labels = named.keys() | probabilities.keys()
    return _unit(sum(abs(probabilities.get(at, 0.0) - named.get(at, 0) / votes) for at in labels) / 2)


def _unit(value: float) -> float:
    return min(max(value, 0.0), 1.0)


def store(*, origin: str, rows: Iterable[Row]) -> int:
    """Keep the opinions of `origin`, in place of older ones of it; faces gone meanwhile are left out.

    Returns how many were stored. Every BATCH is one transaction; doing it all again changes nothing.
    """
    left = iter(rows)
    stored = 0
    while batch := dict(islice(left, BATCH)):
        stored += _store_batch(origin, batch)
    return stored


@transaction.atomic(savepoint=False)
def _store_batch(origin: str, opinions: dict[int, Mapping[str, float]]) -> int:
    # Held, so that none is erased at this moment: of an erased face nothing is kept.
    rows = CampaignFace.objects.select_for_update(no_key=True).filter(pk__in=opinions, face__isnull=False)
    faces = rows.order_by("pk").only("outcome", "label", "counts")
    made = [_suggestion(origin, face, opinions[face.pk]) for face in faces]
    Suggestion.objects.bulk_create(
        made,
        update_conflicts=True,
        unique_fields=["campaign_face", "origin"],
        update_fields=["label", "probabilities", "doubt", "made_at"],
    )
    return len(made)


def _suggestion(origin: str, face: CampaignFace, probabilities: Mapping[str, float]) -> Suggestion:
    return Suggestion(
        campaign_face=face,
        origin=origin,
        label=max(probabilities, key=lambda label: probabilities[label]),
        probabilities=dict(probabilities),
        doubt=doubt(outcome=face.outcome, label=face.label, counts=face.counts, probabilities=probabilities),
        made_at=timezone.now(),
    )


def _settled(campaign: Campaign, origin: str) -> QuerySet[Suggestion]:
    return Suggestion.objects.filter(
        origin=origin, campaign_face__campaign=campaign, campaign_face__state=CampaignFace.State.SETTLED
    )


def doubted(*, campaign: Campaign, origin: str) -> QuerySet[Suggestion]:
    """The settled faces with the opinion of `origin` on each, the most doubted first.

    Left out: faces retired as not a face, and those settled since the opinion was formed (`outdated`).
    """
    return (
        _settled(campaign, origin)
        .filter(made_at__gte=F("campaign_face__settled_at"), doubt__gt=0)
        .exclude(campaign_face__outcome=Outcome.NOT_A_FACE)
        .select_related("campaign_face")
        .order_by("-doubt", "pk")
    )


def outdated(*, campaign: Campaign, origin: str) -> QuerySet[Suggestion]:
    """Opinions on faces that have settled since: their doubt is measured against older votes."""
    return _settled(campaign, origin).filter(made_at__lt=F("campaign_face__settled_at"))
