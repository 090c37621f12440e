"""What an annotator's pages ask about their own work: never a word about anybody else's."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Exists, OuterRef, QuerySet

from labeling.models import Campaign, CampaignFace, Lease, Skip, Vote

COUNT_LIMIT = 1_000
"""Faces left are counted no further, so that a page costs the same at a million faces."""


@dataclass(frozen=True)
class OwnCampaign:
    campaign: Campaign
    votes: int
    waiting: bool
    """Whether a face waits for this annotator."""


@dataclass(frozen=True)
class OwnProgress:
    votes: int
    left: int
    """Faces this annotator could still vote on, counted up to COUNT_LIMIT."""
    more: bool
    """There are more left than were counted."""

    @property
    def all(self) -> int:
        return max(1, self.votes + self.left)


def campaigns_of(annotator: Any) -> list[OwnCampaign]:
    """Open campaigns, newest first, and others one has voted in. Two statements."""
    own = Vote.objects.filter(annotator=annotator).order_by().values_list("campaign")
    votes: dict[int, int] = dict(own.annotate(Count("pk")))
    free = Exists(_free_for(annotator).filter(campaign=OuterRef("pk")))
    held = Exists(Lease.objects.filter(campaign=OuterRef("pk"), annotator=annotator))
    return [
        OwnCampaign(campaign, votes.get(campaign.pk, 0), campaign.free or campaign.held)
        for campaign in Campaign.objects.annotate(free=free, held=held).order_by("-pk")
        if campaign.state == Campaign.State.OPEN or campaign.pk in votes
    ]


def progress_of(*, campaign: Campaign, annotator: Any) -> OwnProgress:
    """How much one has done and has before oneself in the campaign. Three statements."""
    mine = {"campaign": campaign, "annotator": annotator}
    free = _free_for(annotator).filter(campaign=campaign).values("pk")[: COUNT_LIMIT + 1].count()
    left = free + Lease.objects.filter(**mine).count()
    votes = Vote.objects.filter(**mine).count()
    return OwnProgress(votes=votes, left=min(left, COUNT_LIMIT), more=left > COUNT_LIMIT)


def _free_for(annotator: Any) -> QuerySet[CampaignFace]:
    """Faces with a free place that the annotator neither holds nor answered nor skipped in this round."""
    mine = {"campaign_face": OuterRef("pk"), "annotator": annotator}
    return CampaignFace.objects.filter(
        ~Exists(Vote.objects.filter(**mine, round=OuterRef("round"))),
        ~Exists(Skip.objects.filter(**mine, round=OuterRef("round"))),
        ~Exists(Lease.objects.filter(**mine)),
        state=CampaignFace.State.OPEN,
        places__gt=0,
    )
