"""The majority decides; a tie decides nothing."""

from collections.abc import Mapping
from dataclasses import dataclass

from labeling.expressions import CANT_TELL, NOT_A_FACE

AGREED, NO_CONSENSUS, NOT_A_FACE_OUTCOME = "agreed", "no_consensus", "not_a_face"
RULES = ("plurality", "strict_majority", "minimum_agreement")


@dataclass(frozen=True)
class Consensus:
    """What the votes of one face add up to.

    outcome: agreed, no_consensus or not_a_face. label: an expression exactly when agreed, else "".
    agreement: share of the most frequent answer among all votes, 0–1; 0 without votes.
    """

    outcome: str
    label: str
    agreement: float
    counts: dict[str, int]
    rule: str


def majority(counts: Mapping[str, int], *, rule: str, minimum_agreement: float = 0.0) -> Consensus:
    """Decide by the most frequent answer, if the rule is content with it.

    counts: answer → votes, `cant_tell` and `not_a_face` among them; all count as votes.
    rule: `plurality` (most votes), `strict_majority` (more than half of all), `minimum_agreement` (most votes,
    and at least that share of all). A tie for the most votes, and `cant_tell` in front, are no consensus.
    Raises ValueError for an unknown rule or a negative count.
    """
    if rule not in RULES:
        raise ValueError(f"There is no rule “{rule}”; choose one of {', '.join(RULES)}.")
    if any(count < 0 for count in counts.values()):
        raise ValueError("A count of votes cannot be negative.")
    cast = {answer: count for answer, count in sorted(counts.items()) if count}
    total = sum(cast.values())
    most = max(cast.values(), default=0)
    agreement = most / total if total else 0.0
    first = [answer for answer, count in cast.items() if count == most]
    if len(first) != 1 or not _contents(rule, most, total, minimum_agreement) or first[0] == CANT_TELL:
        return Consensus(NO_CONSENSUS, "", agreement, cast, rule)
    if first[0] == NOT_A_FACE:
        return Consensus(NOT_A_FACE_OUTCOME, "", agreement, cast, rule)
    return Consensus(AGREED, first[0], agreement, cast, rule)


def _contents(rule: str, most: int, total: int, minimum_agreement: float) -> bool:
    if rule == "strict_majority":
        return 2 * most > total
    # Divided, not multiplied: 0.55 × 100 is a little more than 55.
    return rule == "plurality" or most / total >= minimum_agreement
