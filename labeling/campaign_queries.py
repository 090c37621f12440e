"""What the lists of campaigns ask of the database: each answer in a fixed number of statements."""

from dataclasses import dataclass

from django.db.models import Count, Q, QuerySet, Sum

from labeling.models import Campaign, CampaignFace, Face, Source
from labeling.queries import in_source


@dataclass(frozen=True)
class CampaignRow:
    campaign: Campaign
    faces: int
    settled: int
    votes: int
    """Votes cast in the present round of each face."""
    wanted: int


def campaign_rows(campaigns: list[Campaign]) -> list[CampaignRow]:
    """The campaigns with how far each has come. One statement however many there are."""
    faces = CampaignFace.objects.filter(campaign__in=campaigns).order_by()
    counted = faces.values_list("campaign").annotate(
        every=Count("pk"),
        settled=Count("pk", filter=Q(state=CampaignFace.State.SETTLED)),
        votes_now=Sum("votes"),
        wanted_now=Sum("wanted"),
    )
    found = {pk: rest for pk, *rest in counted}
    return [CampaignRow(campaign, *found.get(campaign.pk, (0, 0, 0, 0))) for campaign in campaigns]


def choose_faces(*, source: Source | None, detector: str) -> QuerySet[Face]:
    """The faces a manager picked for a campaign; nothing named means all."""
    chosen = Face.objects.all()
    if detector:
        chosen = chosen.filter(detector=detector)
    return chosen.filter(in_source(source.pk)) if source else chosen
