"""What a manager does about one annotator of a campaign: let them pause, and go on. Their votes: labeling.discards."""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from labeling import audit
from labeling.models import Campaign, CampaignFace, Lease, Participation
from labeling.refusals import Refusal
from labeling.voting import leasing

SHORTEST_REASON, LONGEST_REASON = 3, 500


class CannotPause(Refusal):
    """Nothing was changed for the annotator; the text says why."""


def pause_annotator(*, campaign: Campaign, annotator: Any, reason: str, by: Any) -> None:
    """Let the annotator vote no more in this campaign for now; what they hold goes back to the queue.

    Their votes count on. Raises CannotPause.
    """
    reason = demand_reason(reason, CannotPause)
    _let_in(campaign, annotator)
    with transaction.atomic():
        own = _locked(campaign, annotator)
        if own.paused_at is not None:
            raise CannotPause(_("{name} is paused in this campaign already.").format(name=annotator))
        Participation.objects.filter(pk=own.pk).update(paused_at=timezone.now())
        held = _give_all_back(campaign, annotator)
        audit.write(campaign, "annotator_paused", by=by, annotator=annotator, reason=reason, held=held)


def resume_annotator(*, campaign: Campaign, annotator: Any, by: Any, reason: str = "") -> None:
    """Let a paused annotator vote again. Raises CannotPause."""
    with transaction.atomic():
        own = Participation.objects.filter(campaign=campaign, annotator=annotator, paused_at__isnull=False)
        if not own.update(paused_at=None):
            raise CannotPause(_("{name} is not paused in this campaign.").format(name=annotator))
        audit.write(
            campaign, "annotator_resumed", by=by, annotator=annotator, reason=reason.strip()[:LONGEST_REASON]
        )


def is_paused(campaign: Campaign, annotator: Any) -> bool:
    return Participation.objects.filter(
        campaign=campaign, annotator=annotator, paused_at__isnull=False
    ).exists()


def paused(campaign: Campaign) -> dict[int, datetime]:
    """Who is paused in the campaign (their keys), and since when."""
    rows = Participation.objects.filter(campaign=campaign, paused_at__isnull=False)
    return {who: at for who, at in rows.values_list("annotator", "paused_at") if at}


def demand_reason(reason: str, refuse: type[Refusal]) -> str:
    """The reason without the space around it, if it is one."""
    reason = reason.strip()
    if len(reason) < SHORTEST_REASON:
        raise refuse(_("Say why, in a word or two: it stands in the campaign's log."))
    if len(reason) > LONGEST_REASON:
        raise refuse(_("A reason has at most {most} characters. Shorten it.").format(most=LONGEST_REASON))
    return reason


def _let_in(campaign: Campaign, annotator: Any) -> None:
    """Somebody who has never asked for a face has no participation yet. In a transaction of its own, as it ends with
    the line's lock, which is the last in the order of locks."""
    if not Participation.objects.filter(campaign=campaign, annotator=annotator).exists():
        leasing.join(campaign, annotator)


def _locked(campaign: Campaign, annotator: Any) -> Participation:
    # From here on nothing is leased to them: leasing waits for this row.
    rows = Participation.objects.select_for_update(no_key=True)
    return rows.get(campaign=campaign, annotator=annotator)


def _give_all_back(campaign: Campaign, annotator: Any) -> int:
    """End every hold of the annotator. Returns how many there were."""
    mine = Lease.objects.filter(campaign=campaign, annotator=annotator)
    pks = sorted(mine.values_list("campaign_face", flat=True))
    locked = CampaignFace.objects.select_for_update(no_key=True).filter(pk__in=pks).order_by("pk")
    # All faces are locked before the first joins the end of the line, whose lock comes last.
    return sum(leasing.give_back(row, mine.filter(campaign_face=row)) for row in list(locked))
