"""Campaigns with settled faces, and snapshots frozen from them."""

from typing import Any

from labeling.models import Campaign, Snapshot
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
