"""What a campaign asks about: the sources its faces are of, and the detectors that found them.

Both are kept as faces come in: to ask all faces of a large campaign takes long.
"""

from collections.abc import Collection
from dataclasses import dataclass

from django.db import transaction
from django.db.models import QuerySet

from labeling.models import Campaign, CampaignDetector, CampaignFace, Face, Item


@dataclass(frozen=True)
class AskedAbout:
    """No detectors: the campaign has had no face yet. No sources: its faces are of none."""

    detectors: list[str]
    sources: list[int]


def by(campaign: Campaign) -> AskedAbout:
    """Two statements, whatever the campaign's size."""
    return AskedAbout(
        list(campaign.detectors.order_by("detector").values_list("detector", flat=True)),
        list(campaign.sources.order_by("pk").values_list("pk", flat=True)),
    )


def add(campaign: Campaign, faces: Collection[int]) -> None:
    """These faces, by key and as many as one statement takes, came into the campaign."""
    _keep(campaign, Face.objects.filter(pk__in=faces))


@transaction.atomic
def tell_again(campaign: Campaign) -> None:
    """Faces left the campaign: ask all that are in it. Takes a second for some hundred thousand."""
    campaign.detectors.all().delete()
    campaign.sources.clear()
    inside = CampaignFace.objects.filter(campaign=campaign, face__isnull=False)
    _keep(campaign, Face.objects.filter(pk__in=inside.values("face")))


def _keep(campaign: Campaign, faces: QuerySet[Face]) -> None:
    found_by = faces.order_by().values_list("detector", flat=True).distinct()
    CampaignDetector.objects.bulk_create(
        [CampaignDetector(campaign=campaign, detector=name) for name in found_by], ignore_conflicts=True
    )
    items = Item.objects.filter(media__in=faces.order_by().values("media"))
    campaign.sources.add(*items.order_by().values_list("source", flat=True).distinct())
