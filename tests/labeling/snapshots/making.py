"""Campaigns with settled faces, snapshots frozen from them, and what was written of those."""

from typing import Any

from django.core.files.storage import default_storage

from labeling.models import Campaign, Export, Snapshot
from labeling.snapshots import freezing
from tests.factories import make_campaign, make_faces, settle


def make_settled(
    faces: int = 40, *, per_media: int = 1, labels: tuple[str, ...] = ("happy", "sad"), **fields: Any
) -> Campaign:
    """A campaign whose faces are labelled in turn."""
    campaign = make_campaign(make_faces(faces, per_media=per_media), **fields)
    for number, row in enumerate(campaign.campaign_faces.all()):
        settle(row, labels[number % len(labels)])
    return campaign


def frozen(campaign: Campaign, **rule: Any) -> Snapshot:
    snapshot = freezing.freeze(campaign=campaign, **rule)
    freezing.run_freeze(snapshot.pk)
    snapshot.refresh_from_db()
    return snapshot


def whole(row: Export) -> bytes:
    """The export's file."""
    with default_storage.open(row.stored_as) as file:
        content: bytes = file.read()
    return content
