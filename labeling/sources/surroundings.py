"""The picture a face was found in, with the face in a frame: for who is to judge it, and cannot by the crop."""

import io
from typing import Any

from django.core.files.storage import default_storage
from django.db.models import Exists, OuterRef, Q
from PIL import Image, ImageDraw

from labeling.models import CampaignFace, Face, Lease, Vote
from labeling.sources import pictures

LONGEST_SIDE = 1280
"""Pixels."""
FRAME = (("#10131a", 0), ("#f6c133", 1))
"""Dark outside, bright inside, so that the frame stands out from any picture: colour, and lines further in."""


def own_face(*, campaign_pk: int, campaign_face_pk: int, annotator: Any) -> Face | None:
    """The face, if the annotator holds it or has voted on it in this campaign; else None. One statement."""
    mine = {"campaign_face": OuterRef("pk"), "annotator": annotator}
    concerns = Q(Exists(Lease.objects.filter(**mine))) | Q(Exists(Vote.objects.filter(**mine)))
    rows = CampaignFace.objects.filter(concerns, pk=campaign_face_pk, campaign=campaign_pk)
    row = rows.select_related("face__media").first()
    return None if row is None else row.face


def marked(face: Face) -> bytes:
    """JPEG of the upright picture (of a video: at the face's moment) with a frame around the face.

    Its longest side is at most LONGEST_SIDE pixels. Raises pictures.CannotShow.
    """
    name = pictures.kept(media=face.media, longest_side=LONGEST_SIDE, time_ms=face.time_ms)
    with default_storage.open(name, "rb") as file, Image.open(file) as kept:
        picture = kept.convert("RGB")
    _draw_frame(picture, face)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=pictures.QUALITY)
    return buffer.getvalue()


def _draw_frame(picture: Image.Image, face: Face) -> None:
    """Around the box, as far as the picture goes: a box may reach beyond its edges."""
    wide, high = picture.width / face.media.width, picture.height / face.media.height
    line = max(1, round(max(picture.size) / 320))
    left, right = face.x * wide - 2 * line, (face.x + face.width) * wide + 2 * line
    top, bottom = face.y * high - 2 * line, (face.y + face.height) * high + 2 * line
    box = (max(0, left), max(0, top), min(picture.width - 1, right), min(picture.height - 1, bottom))
    draw = ImageDraw.Draw(picture)
    for colour, inward in FRAME:
        step = line * inward
        inner = (box[0] + step, box[1] + step, box[2] - step, box[3] - step)
        if inner[0] < inner[2] and inner[1] < inner[3]:
            draw.rectangle(inner, outline=colour, width=line)
