"""A manager decides what the votes could not. The decision stands beside the votes, which stay as they were."""

from typing import Any

from django.db import transaction
from django.utils import timezone

from labeling.expressions import NOT_A_FACE
from labeling.models import Adjudication, CampaignFace
from labeling.refusals import Refusal
from labeling.voting import settle

SHORTEST_REASON, LONGEST_REASON = 3, 500


class CannotAdjudicate(Refusal):
    """Nothing was decided; the text says why."""


def adjudicate(*, campaign_face_id: int, label: str, reason: str, by: Any) -> Adjudication:
    """Give a settled face this label, whatever its votes say. An older decision is superseded and stays on record.

    label: an expression of the campaign, or `not_a_face`. Raises CannotAdjudicate.
    """
    reason = reason.strip()
    _demand_reason(reason)
    with transaction.atomic():
        row = _locked(campaign_face_id)
        if row.state != CampaignFace.State.SETTLED:
            raise CannotAdjudicate("This face is being voted on. Decide when it has all its votes.")
        if label not in (*row.campaign.expressions, NOT_A_FACE):
            raise CannotAdjudicate(f"“{label}” is no expression of this campaign. Choose one that is.")
        made = Adjudication.objects.create(campaign_face=row, label=label, reason=reason, by=by)
        CampaignFace.objects.filter(pk=row.pk).update(**settle.decided(label))
        return made


def retract(*, campaign_face_id: int, by: Any) -> Adjudication:
    """Take the standing decision back: the face says again what its votes say. Raises CannotAdjudicate.

    The decision itself stays on record, with who took it back and when.
    """
    with transaction.atomic():
        row = _locked(campaign_face_id)
        standing = settle.standing(row)
        if standing is None:
            raise CannotAdjudicate("No decision stands on this face. There is nothing to take back.")
        standing.retracted_at = timezone.now()
        standing.retracted_by = by
        standing.save(update_fields=["retracted_at", "retracted_by"])
        settled = row.state == CampaignFace.State.SETTLED
        last_round = row.round if settled else row.round - 1
        fields = settle.consensus_fields(row, row.campaign, up_to_round=last_round)
        CampaignFace.objects.filter(pk=row.pk).update(**fields)
        return standing


def _locked(campaign_face_id: int) -> CampaignFace:
    rows = CampaignFace.objects.select_related("campaign").select_for_update(of=("self",), no_key=True)
    row = rows.filter(pk=campaign_face_id).first()
    if row is None:
        raise CannotAdjudicate("This face is not in the campaign. Go back to its disputes.")
    return row


def _demand_reason(reason: str) -> None:
    if len(reason) < SHORTEST_REASON:
        raise CannotAdjudicate("Say why, in a word or two: whoever trains on this label will ask.")
    if len(reason) > LONGEST_REASON:
        raise CannotAdjudicate(f"A reason has at most {LONGEST_REASON} characters. Shorten it.")
