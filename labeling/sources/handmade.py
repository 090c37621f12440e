"""Faces whose box a person has drawn, where no detector found one."""

import logging
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from labeling.erasure import files, places
from labeling.models import CampaignFace, Face, Media
from labeling.refusals import Refusal
from labeling.sayings import told
from labeling.sources import looking, pictures
from labeling.vision.detectors import Found

DETECTOR = "person"
"""Stands where else the detector's name does."""
LEAST = 8
"""Pixels of the shorter side: what is smaller is a slip of the hand."""
_log = logging.getLogger(__name__)


class CannotDraw(Refusal):
    """Nothing was changed; the text says what to do."""


def draw(*, media: Media, box: tuple[int, int, int, int], time_ms: int = 0, by: Any) -> Face:
    """Keep a face a person has drawn, its crop cut and measured as those of detectors. Raises CannotDraw.

    box: x, y, width, height in pixels of the upright picture; what is outside the picture is cut off. time_ms: of a
    video, the moment; the frame shown then is the face's. Pictures have but one. With which others it is alike is found
    by the next search.
    """
    time_ms, frame = _frame_at(media, time_ms) if media.kind == Media.Kind.VIDEO else (0, 0)
    face = prepared(media=media, box=box, frame=frame, time_ms=time_ms)
    keep(face)
    _log.info("%s drew face %d in media %d", by, face.pk, media.pk)
    return face


def _frame_at(media: Media, time_ms: int) -> tuple[int, int]:
    """When the frame shown at this moment begins, and its number. Raises CannotDraw."""
    known = Face.objects.filter(media=media, time_ms=time_ms).values_list("frame", flat=True).first()
    if known is not None:
        return time_ms, known
    try:
        begins = pictures.moment(media, time_ms)
        return begins, pictures.frame_number(media, begins)
    except pictures.CannotShow as reason:
        raise CannotDraw(told(str(reason))) from reason


def prepared(*, media: Media, box: tuple[int, int, int, int], frame: int, time_ms: int) -> Face:
    """A drawn face, its crop in the storage; not saved. Raises CannotDraw."""
    try:
        pixels = pictures.upright(media, time_ms)
    except pictures.CannotShow as reason:
        raise CannotDraw(told(str(reason))) from reason
    found = Found(*_inside(box, pixels.shape[1], pixels.shape[0]), score=1.0)
    (face,) = looking.faces_of(
        media, DETECTOR, pixels, [found], looking.Choices(), frame=frame, time_ms=time_ms
    )
    return face


def keep(face: Face) -> None:
    """Save a prepared face. Raises CannotDraw."""
    try:
        with transaction.atomic():
            _demand_not_erased(face)
            face.save()
    except IntegrityError as error:
        raise CannotDraw(_("This box is there already.")) from error
    except CannotDraw:
        files.forget([face.crop])
        raise


def _demand_not_erased(face: Face) -> None:
    # Held, so that it is not being erased at this moment.
    held = Media.objects.select_for_update(no_key=True).filter(pk=face.media_id).first()
    if held is None:
        raise CannotDraw(_("This picture was erased."))
    erased = places.ErasedPlaces()
    erased.catch_up()
    if erased.have(face, held.sha256):
        raise CannotDraw(_("The face here was erased; it is not taken in again."))


def remove(*, face: Face, by: Any) -> None:
    """Take a drawn face away, and its crop. Raises CannotDraw."""
    if face.detector != DETECTOR:
        raise CannotDraw(_("A detector found this face: leave it out instead."))
    with transaction.atomic():
        held = Face.objects.select_for_update().filter(pk=face.pk).first()
        if held is None:
            raise CannotDraw(_("This face is gone already."))
        if CampaignFace.objects.filter(face=held).exists():
            raise CannotDraw(_("This face is in a campaign: leave it out instead."))
        if held.replaces.exists():
            raise CannotDraw(_("This box corrects another: undo the correction instead."))
        held.delete()
    files.forget([held.crop])
    _log.info("%s removed the drawn face %d", by, face.pk)


def _inside(box: tuple[int, int, int, int], width: int, height: int) -> tuple[int, int, int, int]:
    left, top = max(0, box[0]), max(0, box[1])
    right, bottom = min(width, box[0] + box[2]), min(height, box[1] + box[3])
    if min(right - left, bottom - top) < LEAST:
        text = _("The box is too small: at least {least} pixels of each side lie in the picture.")
        raise CannotDraw(text.format(least=LEAST))
    return left, top, right - left, bottom - top
