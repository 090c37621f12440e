"""What managers do to faces in the gallery: leave out, take back, add to a campaign, sort near-duplicates.

Each verb returns a Deed: what was changed, and a token by which `undo` sets it back. Faces somebody else has changed
since are left as they are.
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

from django.core import signing
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from labeling import asked_about, audit, campaigns, corrections
from labeling.campaign_queries import unseen
from labeling.likeness import LOCK
from labeling.models import Campaign, CampaignFace, Face, Pulse
from labeling.placing import chunked
from labeling.refusals import Refusal
from labeling.voting import line

MOST = 50_000
"""Faces one deed may change: their keys are its token."""
_SALT = "labeling.gallery"
_log = logging.getLogger(__name__)


class CannotChangeFaces(Refusal):
    """Nothing was changed; the text says what to do."""


@dataclass(frozen=True)
class Change:
    column: str
    """left_out or likeness."""
    was: Any
    now: Any
    faces: list[int]


@dataclass(frozen=True)
class Deed:
    verb: str
    """left_out, taken_back, added, let_in, merged, parted or corrected."""
    faces: int
    """How many were changed."""
    token: str
    beside: int = 0
    """left_out: those that stay in a campaign they are in; added: those left out, which were not added; taken_back:
    those whose box was corrected, which others stand for; corrected: campaigns in which the old face stays."""
    kept_out: int = 0
    """added: those that the campaign's rule on quality keeps out."""


def leave_out(*, faces: QuerySet[Face], by: Any) -> Deed:
    """Offer these faces to no campaign any more; those that are in one stay in it. Raises CannotChangeFaces."""
    with transaction.atomic():
        keys = [pk for pk, left_out in _held(faces) if not left_out]
        change = Change("left_out", "", Face.LeftOut.PERSON.value, keys)
        _write([change])
        asked = sum(
            CampaignFace.objects.filter(face__in=chunk).values("face").distinct().count()
            for chunk in chunked(keys)
        )
    _log.info("%s left out %d faces", by, len(keys))
    return Deed("left_out", len(keys), _token([change]), beside=asked)


def take_back(*, faces: QuerySet[Face], by: Any) -> Deed:
    """Offer faces that were left out to campaigns again. Raises CannotChangeFaces.

    Those whose box was corrected stay out, as another face stands for each: `corrections.undo` brings them back.
    """
    with transaction.atomic():
        held = _held(faces)
        of = {reason: [pk for pk, left_out in held if left_out == reason] for reason in Face.LeftOut}
        corrected = len(of.pop(Face.LeftOut.CORRECTED))
        changes = [Change("left_out", reason.value, "", keys) for reason, keys in of.items()]
        _write(changes)
    count = sum(len(change.faces) for change in changes)
    _log.info("%s took back %d faces", by, count)
    return Deed("taken_back", count, _token(changes), beside=corrected)


def add_to_campaign(
    *, faces: QuerySet[Face], campaign: Campaign, by: Any, whatever_quality: bool = False
) -> Deed:
    """Ask the campaign's question about these faces too, but for those left out. Raises CannotChangeFaces.

    whatever_quality: also those that its rule on quality keeps out.
    """
    with transaction.atomic():
        held = _held(faces)
        kept = [pk for pk, left_out in held if not left_out]
        before = _keys_in(campaign, kept)
        kept_out = sum(
            campaigns.add_faces(
                campaign=campaign,
                faces=Face.objects.filter(pk__in=chunk),
                by=by,
                whatever_quality=whatever_quality,
            ).kept_out.faces
            for chunk in chunked(kept)
        )
        added = sorted(_keys_in(campaign, kept) - before)
    token = signing.dumps({"campaign": campaign.pk, "faces": _steps(added)}, salt=_SALT, compress=True)
    verb = "let_in" if whatever_quality else "added"
    return Deed(verb, len(added), token, beside=len(held) - len(kept), kept_out=kept_out)


def correct(*, face: Face, box: tuple[int, int, int, int], by: Any) -> tuple[Deed, Face]:
    """`corrections.correct`, as a deed that can be undone, and the new face."""
    done = corrections.correct(face=face, box=box, by=by)
    token = signing.dumps({"corrected": face.pk}, salt=_SALT, compress=True)
    return Deed("corrected", 1, token, beside=len(done.stayed)), done.face


def merge(*, groups: Iterable[int], by: Any) -> Deed:
    """Make one group of these groups of near-duplicates, by their names. Raises CannotChangeFaces."""
    with transaction.atomic():
        _hold_groups()
        members = {name: _members(name) for name in sorted(set(groups))}
        members = {name: keys for name, keys in members.items() if keys}
        if len(members) < 2:
            raise CannotChangeFaces(_("Choose two groups or more to merge; others may have changed them."))
        into = min(members)
        changes = [Change("likeness", name, into, keys) for name, keys in members.items() if name != into]
        _write(changes)
    _log.info("%s merged the groups of near-duplicates %s", by, sorted(members))
    return Deed("merged", sum(map(len, members.values())), _token(changes))


def part(*, face: int, by: Any) -> Deed:
    """Take a face out of its group: it is like no other. Raises CannotChangeFaces.

    A face with the very same fingerprint as one of the group joins it again when faces are next compared.
    """
    with transaction.atomic():
        _hold_groups()
        name = Face.objects.filter(pk=face).values_list("likeness", flat=True).first()
        others = [pk for pk in _members(name) if pk != face] if name is not None else []
        if not others or name is None:
            raise CannotChangeFaces(_("This face is in no group any more."))
        changes = [Change("likeness", name, face, [face])]
        if min(others) != name:
            # The group was named by the face that goes.
            changes.append(Change("likeness", name, min(others), others))
        _write(changes)
    _log.info("%s took face %d out of the group of near-duplicates %d", by, face, name)
    return Deed("parted", 1, _token(changes))


def undo(*, token: str, by: Any) -> int:
    """Set back what a deed changed, where it still is as the deed left it. Returns how many faces.

    Faces added to a campaign are taken out where nobody has seen them yet. Raises CannotChangeFaces.
    """
    try:
        kept = signing.loads(token, salt=_SALT)
    except signing.BadSignature as error:
        raise CannotChangeFaces(_("This can no longer be undone.")) from error
    if "corrected" in kept:
        old = Face.objects.filter(pk=kept["corrected"]).first()
        if old is None:
            raise CannotChangeFaces(_("This can no longer be undone."))
        corrections.undo(face=old, by=by)
        return 1
    with transaction.atomic():
        if "campaign" in kept:
            return _take_out(kept["campaign"], _keys(kept["faces"]), by)
        _hold_groups()
        # Last first: of two changes of one deed the later may stand on the earlier.
        count = sum(
            _written(Change(column, now, was, _keys(faces)))
            for column, was, now, faces in reversed(kept["changes"])
        )
    _log.info("%s undid a change of %d faces", by, count)
    return count


def _held(faces: QuerySet[Face]) -> list[tuple[int, str]]:
    """The faces' keys, and why each is left out; locked."""
    chosen = Face.objects.filter(pk__in=faces.order_by().values("pk")).select_for_update(no_key=True)
    held = list(chosen.order_by("pk").values_list("pk", "left_out")[: MOST + 1])
    if len(held) > MOST:
        text = _("More than {most} faces at once cannot be undone, so nothing was changed. Filter further.")
        raise CannotChangeFaces(text.format(most=number_format(MOST, force_grouping=True)))
    if not held:
        raise CannotChangeFaces(_("No face is selected."))
    return held


def _hold_groups() -> None:
    """Until the end of the transaction nobody else changes groups, and who compares just now begins again."""
    Pulse.objects.get_or_create(name=LOCK, defaults={"at": timezone.now()})
    Pulse.objects.filter(name=LOCK).update(at=timezone.now())


def _members(name: int) -> list[int]:
    members = list(Face.objects.filter(likeness=name).order_by("pk").values_list("pk", flat=True)[: MOST + 1])
    if len(members) > MOST:
        raise CannotChangeFaces(_("This group is too large to be changed by hand."))
    return members


def _keys_in(campaign: Campaign, keys: Sequence[int]) -> set[int]:
    return {
        face
        for chunk in chunked(keys)
        for face in CampaignFace.objects.filter(campaign=campaign, face__in=chunk).values_list(
            "face", flat=True
        )
    }


def _write(changes: Iterable[Change]) -> None:
    for change in changes:
        _written(change)


def _written(change: Change) -> int:
    as_it_was = Face.objects.filter(**{change.column: change.was})
    return sum(
        as_it_was.filter(pk__in=chunk).update(**{change.column: change.now})
        for chunk in chunked(change.faces)
    )


def _take_out(campaign_pk: int, keys: list[int], by: Any) -> int:
    campaign = Campaign.objects.filter(pk=campaign_pk).first()
    if campaign is None:
        raise CannotChangeFaces(_("This campaign is no longer there."))
    # The line is held first, as who adds faces does: what is told of the campaign below leaves out none of them.
    line.end(campaign.pk, room=0)
    untouched = unseen(CampaignFace.objects.filter(campaign=campaign))
    taken = 0
    for chunk in chunked(keys):
        rows = untouched.filter(face__in=chunk).select_for_update(of=("self",)).order_by("pk")
        taken += (
            CampaignFace.objects.filter(pk__in=[row.pk for row in rows])
            .delete()[1]
            .get(CampaignFace._meta.label, 0)
        )
    if taken:
        asked_about.tell_again(campaign)
        audit.write(campaign, "faces_removed", by=by, faces=taken)
    return taken


def _token(changes: Iterable[Change]) -> str:
    rows = [[change.column, change.was, change.now, _steps(change.faces)] for change in changes]
    return signing.dumps({"changes": [row for row in rows if row[-1]]}, salt=_SALT, compress=True)


def _steps(keys: list[int]) -> list[int]:
    """Sorted keys as the first and the steps between them, which pack well."""
    return [*keys[:1], *(after - before for before, after in pairwise(keys))]


def _keys(steps: list[int]) -> list[int]:
    return list(accumulate(steps))
