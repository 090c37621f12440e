"""From a face's votes to its consensus."""

from collections import Counter
from typing import Any

from django.utils import timezone

from labeling.consensus.majority import Consensus, majority
from labeling.expressions import NOT_A_FACE
from labeling.models import Adjudication, Campaign, CampaignFace, Outcome, Vote

_PERHAPS_DECIDED = (Outcome.ADJUDICATED, Outcome.NOT_A_FACE)
"""What a face says that a manager may have decided on; no other needs a look at the decisions."""


def consensus_of(row: CampaignFace, *, up_to_round: int | None = None) -> Consensus:
    """What the votes on the face add up to, by its campaign's rule.

    After a re-opened round each person's newest answer counts: who has looked again has corrected themselves,
    and nobody counts twice.
    """
    return _consensus(row, row.campaign, row.round if up_to_round is None else up_to_round)


def consensus_fields(
    row: CampaignFace, campaign: Campaign, *, up_to_round: int | None = None
) -> dict[str, Any]:
    """The columns that settle the face, for the UPDATE that counts its last vote.

    With up_to_round: the consensus columns alone as they stood after that round; empty for round 0.
    A manager's decision that stands keeps outcome and label; counts and agreement are the votes' in any case.
    """
    if up_to_round == 0:
        return {"outcome": "", "label": "", "agreement": None, "counts": {}, **_decision(row)}
    found = _consensus(row, campaign, row.round if up_to_round is None else up_to_round)
    fields = {
        "outcome": found.outcome,
        "label": found.label,
        "agreement": found.agreement,
        "counts": found.counts,
        **_decision(row),
    }
    if up_to_round is None:
        fields |= {"state": CampaignFace.State.SETTLED, "settled_at": timezone.now()}
    return fields


def standing(row: CampaignFace) -> Adjudication | None:
    """The manager's decision that holds: the newest, unless it was taken back."""
    newest = Adjudication.objects.filter(campaign_face=row).order_by("-pk").first()
    return newest if newest and newest.retracted_at is None else None


def decided(label: str) -> dict[str, str]:
    """The columns a decision sets."""
    if label == NOT_A_FACE:
        return {"outcome": Outcome.NOT_A_FACE, "label": ""}
    return {"outcome": Outcome.ADJUDICATED, "label": label}


def _decision(row: CampaignFace) -> dict[str, str]:
    stands = standing(row) if row.outcome in _PERHAPS_DECIDED else None
    return decided(stands.label) if stands else {}


def _consensus(row: CampaignFace, campaign: Campaign, last_round: int) -> Consensus:
    votes = Vote.objects.filter(campaign_face=row, round__lte=last_round).order_by("round")
    newest = dict(votes.values_list("annotator", "answer"))
    counts = Counter(newest.values())
    return majority(counts, rule=campaign.rule, minimum_agreement=campaign.minimum_agreement)
