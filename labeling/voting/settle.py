"""From a face's votes to its consensus."""

from collections import Counter
from typing import Any

from django.utils import timezone

from labeling.consensus.majority import Consensus, majority
from labeling.models import Campaign, CampaignFace, Vote


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
    """
    if up_to_round == 0:
        return {"outcome": "", "label": "", "agreement": None, "counts": {}}
    found = _consensus(row, campaign, row.round if up_to_round is None else up_to_round)
    fields = {
        "outcome": found.outcome,
        "label": found.label,
        "agreement": found.agreement,
        "counts": found.counts,
    }
    if up_to_round is None:
        fields |= {"state": CampaignFace.State.SETTLED, "settled_at": timezone.now()}
    return fields


def _consensus(row: CampaignFace, campaign: Campaign, last_round: int) -> Consensus:
    votes = Vote.objects.filter(campaign_face=row, round__lte=last_round).order_by("round")
    newest = dict(votes.values_list("annotator", "answer"))
    counts = Counter(newest.values())
    return majority(counts, rule=campaign.rule, minimum_agreement=campaign.minimum_agreement)
