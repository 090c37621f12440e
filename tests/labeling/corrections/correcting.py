"""A corrected face, and what is asked about."""

from pathlib import Path

from django.core.files.storage import default_storage

from labeling.models import Campaign, Face

BOX = (50, 30, 40, 50)
MOVED = (58, 24, 44, 52)


def crops_stored() -> set[str]:
    return {path.name for path in Path(default_storage.path("crops")).rglob("*.png")}


def fresh(face: Face) -> Face:
    return Face.objects.get(pk=face.pk)


def asked_about(campaign: Campaign) -> set[int | None]:
    return set(campaign.campaign_faces.values_list("face", flat=True))
