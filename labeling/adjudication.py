"""A manager decides what the votes could not. The decision stands beside the votes, which stay as they were."""

from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from labeling import audit
from labeling.expressions import NOT_A_FACE, word
from labeling.models import Adjudication, CampaignFace
from labeling.refusals import Refusal
from labeling.voting import settle

SHORTEST_REASON, LONGEST_REASON = 3, 500


class CannotAdjudicate(Refusal):
    """Nothing was decided; the text says why."""


class DecidedMeanwhile(CannotAdjudicate):
    """Somebody else has decided on the face since it was looked at."""

    code = "decided"

    def __init__(self, newest: Adjudication) -> None:
        self.newest = newest
        super().__init__(_told(newest))


def _told(newest: Adjudication) -> str:
    if newest.by is None:
        text = _("This face was decided meanwhile: “{label}”, because “{reason}”. Decide again to override.")
    else:
        text = _(
            "{name} has decided on this face meanwhile: “{label}”, because “{reason}”. Decide again to override."
        )
    return text.format(name=newest.by, label=word(newest.label), reason=newest.reason)


def adjudicate(
    *, campaign_face_id: int, label: str, reason: str, by: Any, seen: int | None = None
) -> Adjudication:
    """Give a settled face this label, whatever its votes say. An older decision is superseded and stays on record.

    label: an expression of the campaign, or `not_a_face`. seen: the key of the newest decision the decider knew of, 0
    for none; None: whatever there is. Raises CannotAdjudicate; DecidedMeanwhile when a newer decision is there.
    """
    reason = reason.strip()
    _demand_reason(reason)
    with transaction.atomic():
        row = _locked(campaign_face_id)
        if row.state != CampaignFace.State.SETTLED:
            raise CannotAdjudicate(_("This face is being voted on. Decide when it has all its votes."))
        if label not in (*row.campaign.expressions, NOT_A_FACE):
            text = _("“{label}” is no expression of this campaign. Choose one that is.")
            raise CannotAdjudicate(text.format(label=label))
        _demand_seen(row, seen)
        made = Adjudication.objects.create(campaign_face=row, label=label, reason=reason, by=by)
        CampaignFace.objects.filter(pk=row.pk).update(**settle.decided(label))
        was = row.label or row.outcome
        audit.write(
            row.campaign, "adjudicated", by=by, campaign_face_id=row.pk, reason=reason, label=label, was=was
        )
        return made


def retract(*, campaign_face_id: int, by: Any) -> Adjudication:
    """Take the standing decision back: the face says again what its votes say. Raises CannotAdjudicate.

    The decision itself stays on record, with who took it back and when.
    """
    with transaction.atomic():
        row = _locked(campaign_face_id)
        standing = settle.standing(row)
        if standing is None:
            raise CannotAdjudicate(_("No decision stands on this face. There is nothing to take back."))
        standing.retracted_at = timezone.now()
        standing.retracted_by = by
        standing.save(update_fields=["retracted_at", "retracted_by"])
        settled = row.state == CampaignFace.State.SETTLED
        last_round = row.round if settled else row.round - 1
        fields = settle.consensus_fields(row, row.campaign, up_to_round=last_round)
        CampaignFace.objects.filter(pk=row.pk).update(**fields)
        audit.write(row.campaign, "retracted", by=by, campaign_face_id=row.pk, label=standing.label)
        return standing


def _demand_seen(row: CampaignFace, seen: int | None) -> None:
    if seen is None:
        return
    newest = Adjudication.objects.filter(campaign_face=row).select_related("by").order_by("-pk").first()
    if newest is not None and newest.pk != seen:
        raise DecidedMeanwhile(newest)


def _locked(campaign_face_id: int) -> CampaignFace:
    rows = CampaignFace.objects.select_related("campaign").select_for_update(of=("self",), no_key=True)
    row = rows.filter(pk=campaign_face_id).first()
    if row is None:
        raise CannotAdjudicate(_("This face is not in the campaign. Go back to its disputes."))
    if row.state == CampaignFace.State.ERASED:
        raise CannotAdjudicate(_("This face was erased; there is nothing to decide on."))
    return row


def _demand_reason(reason: str) -> None:
    if len(reason) < SHORTEST_REASON:
        raise CannotAdjudicate(_("Say why, in a word or two: whoever trains on this label will ask."))
    if len(reason) > LONGEST_REASON:
        raise CannotAdjudicate(
            _("A reason has at most {most} characters. Shorten it.").format(most=LONGEST_REASON)
        )
