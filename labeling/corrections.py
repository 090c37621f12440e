"""A face whose box a person has moved: another face stands for it, and takes its place where nobody has seen it yet.

What a face is, is its box: votes on the old crop speak of the old crop. So the old face stays as it was, left out, with
its votes, its gold and what experts and the source say of it; none of that passes to the new one.
"""

import logging
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from labeling import audit, campaign_changes, campaigns
from labeling.campaign_queries import unseen
from labeling.erasure import files
from labeling.models import Campaign, CampaignFace, Example, Face, FaceLabel, Media
from labeling.refusals import Refusal
from labeling.sources import handmade

_log = logging.getLogger(__name__)


class CannotCorrect(Refusal):
    """Nothing was changed; the text says what to do."""


@dataclass(frozen=True)
class Corrected:
    """What became of a correction, or of its undoing."""

    face: Face
    """The one that stands for both now."""
    moved: list[str]
    """Names of the campaigns that ask about it in place of the other."""
    stayed: list[str]
    """Names of the campaigns in which somebody has seen the other, which stays there."""


def correct(*, face: Face, box: tuple[int, int, int, int], by: Any) -> Corrected:
    """Let a face with this box stand for the face. Raises CannotCorrect, CannotDraw.

    box: x, y, width, height in pixels of the upright picture; what is outside the picture is cut off. The new face
    takes over the track, and whether it is left out. In campaigns where nobody has seen the old one (no vote, skip,
    lease, gold) the new one takes its place and asks for all votes; in others the old one stays.
    """
    _demand_correctable(face)
    # Decoding takes long: it is done before anything is held.
    new = handmade.prepared(media=face.media, box=box, frame=face.frame, time_ms=face.time_ms)
    try:
        with transaction.atomic():
            done = _replace(face, new, by)
    except CannotCorrect:
        files.forget([new.crop])
        raise
    _log.info("%s corrected face %d: face %d stands for it", by, face.pk, new.pk)
    return done


def undo(*, face: Face, by: Any) -> Corrected:
    """Let the old face of a correction stand for itself again. Raises CannotCorrect.

    The new one goes, or is left out where somebody has seen it or said something of it. face: the old one.
    """
    with transaction.atomic():
        new = Face.objects.filter(pk=face.replaced_by_id or 0).first()
        old, *others = _held(face, *([new] if new else []))
        if old.left_out != Face.LeftOut.CORRECTED or old.replaced_by_id != (new.pk if new else None):
            raise CannotCorrect(_("This correction has been undone already."))
        if new is None:
            # It was erased; what it stood for is still there.
            Face.objects.filter(pk=old.pk).update(left_out="")
            return Corrected(old, [], [])
        (new,) = others
        if new.left_out == Face.LeftOut.CORRECTED:
            raise CannotCorrect(_("The corrected box was corrected in its turn: undo that first."))
        Face.objects.filter(pk=old.pk).update(left_out=new.left_out, replaced_by=None)
        done = Corrected(old, *_exchange(new, old, "correction_undone", by))
        _take_away(new)
    files.forget([new.crop])
    _log.info("%s undid the correction of face %d", by, face.pk)
    old.refresh_from_db()
    return done


def _replace(face: Face, new: Face, by: Any) -> Corrected:
    (old,) = _held(face)
    _demand_correctable(old)
    if (new.x, new.y, new.width, new.height) == (old.x, old.y, old.width, old.height):
        raise CannotCorrect(_("The box is where it was: there is nothing to save."))
    new.track_id, new.left_out = old.track_id, old.left_out
    handmade.keep(new)
    Face.objects.filter(pk=old.pk).update(left_out=Face.LeftOut.CORRECTED, replaced_by=new)
    return Corrected(new, *_exchange(old, new, "face_corrected", by))


def _demand_correctable(face: Face) -> None:
    if face.row:
        raise CannotCorrect(_("This face is a row of a table: there is no picture around it."))
    if face.left_out == Face.LeftOut.CORRECTED:
        raise CannotCorrect(_("Somebody has corrected this box already. Look at the new one."))


def _held(*faces: Face) -> list[Face]:
    """The faces of one media as they are now, locked. The media first, as who erases it does."""
    list(Media.objects.select_for_update(no_key=True).filter(pk=faces[0].media_id))
    keys = [face.pk for face in faces]
    rows = Face.objects.select_for_update(of=("self",), no_key=True).filter(pk__in=keys).order_by("pk")
    found = {row.pk: row for row in rows}
    if len(found) < len(keys):
        raise CannotCorrect(_("This face is gone."))
    return [found[key] for key in keys]


def _exchange(gone: Face, new: Face, verb: str, by: Any) -> tuple[list[str], list[str]]:
    """Put the new face where nobody has seen the other one. Returns the names of those campaigns, and of the others."""
    # Locked first: from here on nobody begins to look at it.
    list(CampaignFace.objects.select_for_update(of=("self",)).filter(face=gone).order_by("pk"))
    rows = CampaignFace.objects.filter(face=gone)
    free = set(unseen(rows).values_list("pk", flat=True))
    moved, stayed = [], []
    for row in rows.select_related("campaign").order_by("pk"):
        campaign: Campaign = row.campaign
        if row.pk not in free:
            stayed.append(campaign.name)
            continue
        row.delete()
        campaigns.place(
            campaign, [(new.pk, new.media_id)], first_lap=not campaign_changes.has_begun(campaign)
        )
        audit.write(campaign, verb, by=by, faces=1)
        moved.append(campaign.name)
    return moved, stayed


def _take_away(new: Face) -> None:
    seen = [
        rows.filter(face=new).exists() for rows in (CampaignFace.objects, Example.objects, FaceLabel.objects)
    ]
    if any(seen):
        Face.objects.filter(pk=new.pk).update(left_out=Face.LeftOut.PERSON)
    else:
        new.delete()
