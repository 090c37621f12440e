"""Make a campaign, give it faces, open and close it, and see how far it is."""

import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Count, QuerySet, Sum
from django.utils import timezone

from labeling.expressions import OTHER_ANSWERS, SEVEN
from labeling.models import Campaign, CampaignFace, Face, Outcome, Participation
from labeling.models.campaign import LAP
from labeling.refusals import Refusal
from labeling.voting import line

CHUNK = 2_000


class CannotCreate(Refusal):
    """The campaign was not made; the text says what to change."""


class CannotChange(Refusal):
    """The campaign's state does not allow this."""


def create(
    *, name: str, expressions: Sequence[str] = SEVEN, created_by: Any = None, **fields: Any
) -> Campaign:
    """A new, open campaign without faces. fields: any other column of Campaign. Raises CannotCreate."""
    names = [str(expression).strip() for expression in expressions]
    if len(names) < 2 or len(set(names)) != len(names) or not all(names) or set(names) & set(OTHER_ANSWERS):
        raise CannotCreate("A campaign needs at least two expressions, each with a name of its own.")
    campaign = Campaign(name=name.strip(), expressions=names, created_by=created_by, **fields)
    try:
        campaign.full_clean(exclude=["created_by"])
        with transaction.atomic():
            campaign.save()
    except ValidationError as error:
        raise CannotCreate(" ".join(error.messages)) from error
    except IntegrityError as error:
        raise CannotCreate(f"There is a campaign called “{name}” already.") from error
    return campaign


def add_faces(*, campaign: Campaign, faces: QuerySet[Face]) -> int:
    """Ask the campaign's question about these faces too. Returns how many were new to it.

    Until the first annotator has begun, they mix with those that are in it; later they go to the end of the line.
    """
    new = (
        faces.exclude(campaign_faces__campaign=campaign)
        .order_by("pk")
        .values_list("pk", flat=True)
        .distinct()
    )
    pks = iter(list(new))
    count = 0
    while chunk := list(islice(pks, CHUNK)):
        with transaction.atomic():
            lap = _lap_for_new_faces(campaign)
            before = CampaignFace.objects.filter(campaign=campaign, face__in=chunk).count()
            rows = (_row(campaign, pk, lap) for pk in chunk)
            CampaignFace.objects.bulk_create(rows, ignore_conflicts=True)
            count += CampaignFace.objects.filter(campaign=campaign, face__in=chunk).count() - before
    return count


def _lap_for_new_faces(campaign: Campaign) -> int:
    # The line is held first: nobody begins their walk between the question and the adding.
    line.end(campaign.pk, room=0)
    begun = Participation.objects.filter(campaign=campaign).exists()
    return line.end(campaign.pk, room=LAP) if begun else 0


def _row(campaign: Campaign, face_pk: int, lap: int) -> CampaignFace:
    return CampaignFace(
        campaign=campaign,
        face_id=face_pk,
        wanted=campaign.votes_per_face,
        places=campaign.votes_per_face,
        shuffle=lap + zlib.crc32(f"{campaign.pk}:{face_pk}".encode()) % LAP,
    )


def pause(*, campaign: Campaign) -> None:
    """Take no votes for now."""
    _move(campaign, Campaign.State.PAUSED, allowed=[Campaign.State.OPEN])


def reopen(*, campaign: Campaign) -> None:
    """Take votes again."""
    allowed = [Campaign.State.PAUSED, Campaign.State.CLOSED]
    _move(campaign, Campaign.State.OPEN, allowed=allowed, closed_at=None)


def close(*, campaign: Campaign) -> None:
    """Take no more votes."""
    _move(campaign, Campaign.State.CLOSED, allowed=[Campaign.State.OPEN, Campaign.State.PAUSED])
    # Only now, when the move is committed: whatever vote still saw the campaign open began, and has its time, earlier.
    closed = Campaign.objects.filter(pk=campaign.pk, state=Campaign.State.CLOSED, closed_at=None)
    closed.update(closed_at=timezone.now())
    campaign.refresh_from_db()


def _move(
    campaign: Campaign, to: Campaign.State, *, allowed: list[Campaign.State], **fields: datetime | None
) -> None:
    moved = Campaign.objects.filter(pk=campaign.pk, state__in=allowed).update(state=to, **fields)
    campaign.refresh_from_db()
    if not moved:
        raise CannotChange(f"This campaign is {campaign.get_state_display()}; it cannot become {to.label}.")


@dataclass(frozen=True)
class Progress:
    """How far a campaign is. How far its people agree: labeling.campaign_figures."""

    faces: int
    settled: int
    agreed: int
    adjudicated: int
    no_consensus: int
    not_a_face: int
    votes: int
    wanted: int
    by_label: dict[str, int]
    votes_so_far: dict[int, int]


def progress(campaign: Campaign) -> Progress:
    """Figures of a campaign, in three queries whatever its size."""
    rows = CampaignFace.objects.filter(campaign=campaign)
    settled = Counter[str]()
    by_label = dict.fromkeys(campaign.expressions, 0)
    grouped = (
        rows.filter(state=CampaignFace.State.SETTLED).values_list("outcome", "label").annotate(Count("pk"))
    )
    for outcome, label, count in grouped:
        settled[outcome] += count
        if label:
            by_label[label] = by_label.get(label, 0) + count
    open_rows = rows.values_list("votes").annotate(Count("pk")).order_by("votes")
    votes_so_far = dict(open_rows)
    sums = rows.aggregate(wanted=Sum("wanted"), votes=Sum("votes"))
    return Progress(
        faces=sum(votes_so_far.values()),
        settled=sum(settled.values()),
        agreed=settled[Outcome.AGREED],
        adjudicated=settled[Outcome.ADJUDICATED],
        no_consensus=settled[Outcome.NO_CONSENSUS],
        not_a_face=settled[Outcome.NOT_A_FACE],
        votes=sums["votes"] or 0,
        wanted=sums["wanted"] or 0,
        by_label=by_label,
        votes_so_far=votes_so_far,
    )


def disputes(campaign: Campaign) -> QuerySet[CampaignFace]:
    """The settled faces people disagree on, the most disputed first."""
    settled = CampaignFace.objects.filter(campaign=campaign, state=CampaignFace.State.SETTLED)
    return settled.filter(agreement__lt=1).order_by("agreement", "pk").select_related("face")
