"""What is around a face, in its picture or in its video's second: for who is to judge it, and cannot by the crop."""

import io
from typing import Any

from django.core.files.storage import default_storage
from django.db.models import Exists, OuterRef, Q
from PIL import Image, ImageDraw

from labeling.models import CampaignFace, Face, GoldAnswer, Lease, Media, Vote
from labeling.sources import pictures, store
from labeling.vision import video
from labeling.vision.images import Pixels

LONGEST_SIDE = 1280
"""Pixels."""
FRAME = (("#10131a", 0), ("#f6c133", 1))
"""Dark outside, bright inside, so that the frame stands out from any picture: colour, and lines further in."""
SECOND_MS = (-500, -250, 0, 250, 500)
"""The moments shown of a video, from the face's own."""
SIDE = 480
"""Pixels: each of them is a square."""
AROUND = 2.5
"""How much wider than the face the square is."""


class NoVideo(Exception):
    """The face is from a picture, which has no second."""


def own_face(*, campaign_pk: int, campaign_face_pk: int, annotator: Any) -> Face | None:
    """The face, if the annotator holds it or has voted on it in this campaign; else None. One statement."""
    mine = {"campaign_face": OuterRef("pk"), "annotator": annotator}
    kinds = (Lease.objects, Vote.objects, GoldAnswer.objects)
    concerns = Q(*(Q(Exists(kind.filter(**mine))) for kind in kinds), _connector=Q.OR)
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


def second(face: Face) -> bytes:
    """JPEG of the video's second around the face: the frames at SECOND_MS side by side, each SIDE pixels square.

    Each shows the same part of the picture, the face in its middle. The middle one has a frame around the face.
    Made once, kept in the storage. Raises pictures.CannotShow, and NoVideo for the face of a picture.
    """
    if face.media.kind != Media.Kind.VIDEO:
        raise NoVideo
    box = f"{face.x}-{face.y}-{face.width}-{face.height}"
    name = f"pictures/{face.media.sha256[:2]}/{face.media.sha256}-second-{face.time_ms}-{box}.jpg"
    if not default_storage.exists(name):
        strip = _strip(face)
        with store.staged() as part:
            strip.save(part, "JPEG", quality=pictures.QUALITY)
            store.keep_file(part, name)
    with default_storage.open(name, "rb") as file:
        return bytes(file.read())


def _strip(face: Face) -> Image.Image:
    strip = Image.new("RGB", (SIDE * len(SECOND_MS), SIDE))
    try:
        with store.local_file(face.media.stored_as) as path:
            for n, after in enumerate(SECOND_MS):
                picture = video.frame_at(path, max(0, face.time_ms + after))
                strip.paste(_cutout(picture, face, framed=after == 0), (SIDE * n, 0))
    except (FileNotFoundError, video.BadVideo) as reason:
        raise pictures.CannotShow(str(reason)) from reason
    return strip


def _cutout(pixels: Pixels, face: Face, *, framed: bool) -> Image.Image:
    """The square around the face, moved into the picture as far as that is large enough; dark beyond its edges."""
    picture = Image.fromarray(pixels)
    side = round(AROUND * max(face.width, face.height))
    left = _inside(face.x + face.width / 2 - side / 2, side, picture.width)
    top = _inside(face.y + face.height / 2 - side / 2, side, picture.height)
    square = picture.crop((left, top, left + side, top + side)).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    if framed:
        scale = SIDE / side
        edges = (face.x - left, face.y - top, face.x + face.width - left, face.y + face.height - top)
        _draw_box(square, tuple(scale * edge for edge in edges))
    return square


def _inside(start: float, length: int, whole: int) -> int:
    """Where a stretch begins so that it lies within 0 … whole; in the middle if it is longer."""
    return round(min(max(0, start), whole - length)) if length <= whole else (whole - length) // 2


def _draw_frame(picture: Image.Image, face: Face) -> None:
    wide, high = picture.width / face.media.width, picture.height / face.media.height
    edges = (face.x * wide, face.y * high, (face.x + face.width) * wide, (face.y + face.height) * high)
    _draw_box(picture, edges)


def _draw_box(picture: Image.Image, edges: tuple[float, ...]) -> None:
    """Around these left, top, right and bottom edges, as far as the picture goes: a box may reach beyond it."""
    line = max(1, round(max(picture.size) / 320))
    left, top, right, bottom = (
        edge + 2 * line * side for edge, side in zip(edges, (-1, -1, 1, 1), strict=True)
    )
    box = (max(0, left), max(0, top), min(picture.width - 1, right), min(picture.height - 1, bottom))
    draw = ImageDraw.Draw(picture)
    for colour, inward in FRAME:
        step = line * inward
        inner = (box[0] + step, box[1] + step, box[2] - step, box[3] - step)
        if inner[0] < inner[2] and inner[1] < inner[3]:
            draw.rectangle(inner, outline=colour, width=line)
