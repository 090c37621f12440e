"""A corrected face, and what is asked about."""

from pathlib import Path
from uuid import uuid4

import numpy as np
from django.core.files.storage import default_storage
from PIL import Image

from labeling.models import Campaign, Face
from labeling.voting import votes
from vemo.accounts.models import User

BOX = (50, 30, 40, 50)
MOVED = (58, 24, 44, 52)


def pixels_of(name: str) -> np.ndarray:
    with default_storage.open(name) as file:
        return np.asarray(Image.open(file).convert("RGB"))


def crops_stored() -> set[str]:
    return {path.name for path in Path(default_storage.path("crops")).rglob("*.png")}


def fresh(face: Face) -> Face:
    return Face.objects.get(pk=face.pk)


def asked_about(campaign: Campaign) -> set[int | None]:
    return set(campaign.campaign_faces.values_list("face", flat=True))


def vote(campaign: Campaign, annotator: User, answer: str = "happy") -> None:
    (leased,) = votes.lease(campaign=campaign, annotator=annotator, limit=1)
    votes.cast(
        campaign=campaign,
        annotator=annotator,
        campaign_face_id=leased.campaign_face_id,
        answer=answer,
        client_key=uuid4(),
    )
