"""Small real objects for tests."""

import hashlib
import io
import itertools
from datetime import timedelta
from typing import Any
from uuid import uuid4

import numpy as np
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone
from PIL import Image

from labeling.models import Campaign, CampaignFace, Face, Media, Vote, WorkState
from labeling.models.work import OVER
from labeling.voting import votes
from vemo.accounts.models import User

_numbers = itertools.count(1)


def make_user(role: str = "annotator", name: str = "") -> User:
    """role: annotator, manager, trainer, admin or nobody. The password is `secret`."""
    user = User(username=name or f"{role}-{next(_numbers)}")
    if role == "admin":
        user.is_staff = user.is_superuser = True
    elif role != "nobody":
        setattr(user, f"is_{role}", True)
        user.is_staff = role == "trainer"
    user.set_password("secret")
    user.save()
    return user


def make_png(size: int = 48, seed: int = 0) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (size, size), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def make_media(number: int | None = None, **fields: Any) -> Media:
    number = next(_numbers) if number is None else number
    data = make_png(seed=number)
    digest = hashlib.sha256(data).hexdigest()
    name = default_storage.save(f"media/{digest}.png", ContentFile(data))
    defaults: dict[str, Any] = {
        "sha256": digest,
        "kind": "image",
        "mime": "image/png",
        "stored_as": name,
        "bytes": len(data),
        "width": 48,
        "height": 48,
        "original_name": f"{number}.png",
    }
    return Media.objects.create(**{**defaults, **fields})


def make_faces(count: int, *, per_media: int = 1, **fields: Any) -> list[Face]:
    """Faces with real crops; each media holds per_media of them, side by side."""
    faces = []
    media = None
    for n in range(count):
        if n % per_media == 0:
            media = make_media()
        assert media is not None
        data = make_png(seed=media.pk * 1000 + n)
        digest = hashlib.sha256(data).hexdigest()
        name = default_storage.save(f"crops/{digest}.png", ContentFile(data))
        defaults: dict[str, Any] = {
            "media": media,
            "detector": "haar",
            "score": 1.0,
            "x": n % per_media,
            "y": 0,
            "width": 48,
            "height": 48,
            "crop": name,
            "crop_sha256": digest,
            "crop_width": 48,
            "crop_height": 48,
        }
        faces.append(Face.objects.create(**{**defaults, **fields}))
    return faces


def make_campaign(faces: int | list[Face] = 0, **fields: Any) -> Campaign:
    campaign = Campaign.objects.create(**{"name": f"campaign {next(_numbers)}", **fields})
    chosen = make_faces(faces) if isinstance(faces, int) else faces
    CampaignFace.objects.bulk_create(
        CampaignFace(
            campaign=campaign,
            face=face,
            wanted=campaign.votes_per_face,
            places=campaign.votes_per_face,
            shuffle=(n * 2654435761) % 2**31,
        )
        for n, face in enumerate(chosen)
    )
    return campaign


def vote_next(campaign: Campaign, annotator: User, answer: str = "happy") -> None:
    """This person's vote on the face that comes next in their line, as the vote page casts it."""
    (leased,) = votes.lease(campaign=campaign, annotator=annotator, limit=1)
    votes.cast(
        campaign=campaign,
        annotator=annotator,
        campaign_face_id=leased.campaign_face_id,
        answer=answer,
        client_key=uuid4(),
    )


def settle(campaign_face: CampaignFace, label: str, *, agreement: float = 1.0) -> None:
    """Put a consensus on the face without the voting, for tests of what comes after."""
    counts = {label: campaign_face.wanted}
    CampaignFace.objects.filter(pk=campaign_face.pk).update(
        state="settled",
        votes=campaign_face.wanted,
        leases=0,
        places=0,
        outcome="agreed",
        label=label,
        agreement=agreement,
        counts=counts,
        settled_at=timezone.now(),
    )
    campaign_face.refresh_from_db()


def make_votes(
    rows: list[CampaignFace], person: User, answers: list[str], *, every_s: float = 0, **fields: Any
) -> None:
    """One person's answers on these faces, one each, without the voting; a day ago, every_s seconds apart."""
    begin = timezone.now() - timedelta(days=1)
    Vote.objects.bulk_create(
        Vote(
            campaign_id=row.campaign_id,
            campaign_face=row,
            annotator=person,
            round=1,
            answer=answer,
            client_key=uuid4(),
            cast_at=begin + timedelta(seconds=every_s * n),
            **fields,
        )
        for n, (row, answer) in enumerate(zip(rows, answers, strict=True))
    )


def make_over(row: Any, state: WorkState = WorkState.DONE, **fields: Any) -> None:
    """Put a Work row straight into an end state."""
    assert state in OVER
    type(row).objects.filter(pk=row.pk).update(state=state, ended_at=timezone.now(), worker="", **fields)
    row.refresh_from_db()
