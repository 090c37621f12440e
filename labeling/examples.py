"""Faces a campaign's instructions show for an expression: what people are to go by before they vote."""

from collections import defaultdict
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from labeling import audit
from labeling.expressions import OTHER_ANSWERS
from labeling.models import Campaign, CampaignFace, Example, Face, Gold
from labeling.refusals import Refusal

LONGEST_NOTE = 300
Shown = list[tuple[str, list[tuple[int, str]]]]
"""Expression and its example faces, as (face, note)."""


class CannotShowExample(Refusal):
    """The instructions stay as they were; the text says why."""


def of(campaign: Campaign) -> Shown:
    """The examples of a campaign by expression, in the order of its keys; an expression without one is left out."""
    found: dict[str, list[tuple[int, str]]] = defaultdict(list)
    rows = Example.objects.filter(campaign=campaign).order_by("pk")
    for expression, face, note in rows.values_list("expression", "face", "note"):
        found[expression].append((face, note))
    known = [name for name in (*campaign.expressions, *OTHER_ANSWERS) if name in found]
    # What the campaign called otherwise when the example was made still stands there, at the end.
    return [(name, found[name]) for name in (*known, *(name for name in found if name not in known))]


def voted_on(campaign: Campaign) -> set[int]:
    """The examples the campaign still asks about: who has seen them here answers no more blindly. One statement."""
    shown = Example.objects.filter(campaign=campaign).values("face")
    rows = CampaignFace.objects.filter(campaign=campaign, state=CampaignFace.State.OPEN, face__in=shown)
    return set(rows.values_list("face", flat=True))


def set_example(*, campaign: Campaign, face: int, expression: str, note: str = "", by: Any) -> Example:
    """Show a face in the instructions, or say something else of one that is shown. Raises CannotShowExample.

    A gold face is refused: who has seen it with its answer is not measured by it any more.
    """
    note = note.strip()
    if expression not in (*campaign.expressions, *OTHER_ANSWERS):
        text = _("“{label}” is no answer of this campaign. Choose one that is.")
        raise CannotShowExample(text.format(label=expression))
    if len(note) > LONGEST_NOTE:
        raise CannotShowExample(
            _("A note has at most {most} characters. Shorten it.").format(most=LONGEST_NOTE)
        )
    if not Face.objects.filter(pk=face).exists():
        raise CannotShowExample(_("There is no such face. Choose one from the gallery."))
    with transaction.atomic():
        # The face's row, if the campaign asks about it, so that it does not become gold at this moment.
        row = _locked(campaign, face)
        if Gold.objects.filter(campaign=campaign, campaign_face__face=face).exists():
            text = _(
                "This face is gold: shown here, it would give its answer away. Take it out of the gold first."
            )
            raise CannotShowExample(text)
        values: dict[str, Any] = {"expression": expression, "note": note}
        made, _new = Example.objects.update_or_create(campaign=campaign, face_id=face, defaults=values)
        audit.write(campaign, "example_set", by=by, campaign_face_id=row, face=face, **values)
        return made


def remove_example(*, campaign: Campaign, face: int, by: Any) -> None:
    """Show the face no more. Raises CannotShowExample when it is not shown."""
    with transaction.atomic():
        row = _locked(campaign, face)
        if not Example.objects.filter(campaign=campaign, face=face).delete()[0]:
            raise CannotShowExample(
                _("This face is no example of this campaign. There is nothing to take away.")
            )
        audit.write(campaign, "example_removed", by=by, campaign_face_id=row, face=face)


def _locked(campaign: Campaign, face: int) -> int | None:
    rows = CampaignFace.objects.select_for_update(no_key=True).filter(campaign=campaign, face=face)
    return rows.values_list("pk", flat=True).first()
