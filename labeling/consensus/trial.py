"""Try a rule on votes that are there: how many faces would be agreed on, and what is odd about the rule itself."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np

from labeling.consensus.agreement import Counts
from labeling.consensus.majority import AGREED, NO_CONSENSUS, NOT_A_FACE_OUTCOME, RULES, majority


@dataclass(frozen=True)
class Rule:
    """A number of votes per face and how they decide."""

    votes: int
    rule: str
    minimum_agreement: float = 0.0

    @property
    def needed(self) -> int:
        """Votes the first answer must have at least; 0 where most votes are enough."""
        if self.rule == "strict_majority":
            return self.votes // 2 + 1
        if self.rule == "minimum_agreement":
            # Rounded first: 0.55 × 100 is a little more than 55.
            return ceil(round(self.minimum_agreement * self.votes, 9))
        return 0


@dataclass(frozen=True)
class Trial:
    """What a rule makes of stored votes. by_label: faces per label. drawn: faces of which fewer votes were drawn.

    short: faces that have fewer votes than the rule asks for, and were judged by those they have.
    """

    faces: int
    agreed: int
    no_consensus: int
    not_a_face: int
    by_label: dict[str, int]
    drawn: int
    short: int


def trial(faces: Sequence[Mapping[str, int]], rule: Rule, *, seed: int = 0) -> Trial:
    """Decide each face by the rule. Of a face with more votes than it asks for, so many are drawn at random.

    faces: answer → votes. The draw is the same for the same seed.
    """
    answers = sorted({answer for counts in faces for answer in counts})
    table = np.array([[counts.get(answer, 0) for answer in answers] for counts in faces], dtype=np.int64)
    table = table.reshape(len(faces), len(answers))
    votes = table.sum(axis=1)
    outcomes, labels = Counter[str](), Counter[str]()
    distinct, times = np.unique(_drawn(table, rule.votes, seed), axis=0, return_counts=True)
    for row, many in zip(distinct, times, strict=True):
        counts = dict(zip(answers, map(int, row), strict=True))
        found = majority(counts, rule=rule.rule, minimum_agreement=rule.minimum_agreement)
        outcomes[found.outcome] += int(many)
        labels[found.label] += int(many)
    del labels[""]
    return Trial(
        faces=len(faces),
        agreed=outcomes[AGREED],
        no_consensus=outcomes[NO_CONSENSUS],
        not_a_face=outcomes[NOT_A_FACE_OUTCOME],
        by_label=dict(labels),
        drawn=int((votes > rule.votes).sum()),
        short=int((votes < rule.votes).sum()),
    )


def _drawn(table: Counts, votes: int, seed: int) -> Counts:
    """(faces, answers) of votes, at most so many of each face: drawn from those it has, without putting back."""
    rng = np.random.default_rng(seed)
    many = table.sum(axis=1) > votes
    kinds, faces = np.unique(table[many], axis=0, return_counts=True)
    draws = [
        rng.multivariate_hypergeometric(kind, votes, size=n) for kind, n in zip(kinds, faces, strict=True)
    ]
    return np.concatenate([table[~many], *draws])


@dataclass(frozen=True)
class Verdicts:
    """One face's votes, and what each rule says of them: rule → label, `not_a_face` or "" for no consensus."""

    face: int
    counts: dict[str, int]
    says: dict[str, str]


def telling(faces: Sequence[tuple[int, Mapping[str, int]]], rule: Rule, *, most: int = 6) -> list[Verdicts]:
    """The faces that show best what the choice of a rule does: on which the rules differ, then the most disputed.

    faces: (key, answer → votes). No two with the same votes.
    """
    distinct = {tuple(sorted(counts.items())): (key, dict(counts)) for key, counts in reversed(faces)}
    judged = [Verdicts(key, counts, _says(counts, rule)) for key, counts in distinct.values()]
    return sorted(judged, key=_tameness)[:most]


def _tameness(face: Verdicts) -> tuple[int, float, int]:
    total = sum(face.counts.values())
    top = max(face.counts.values(), default=0) / total if total else 1.0
    # Those about which the rules differ and that are nearest to a half say most.
    return -len(set(face.says.values())), abs(top - 0.5), face.face


def _says(counts: Mapping[str, int], rule: Rule) -> dict[str, str]:
    found = {name: majority(counts, rule=name, minimum_agreement=rule.minimum_agreement) for name in RULES}
    return {
        name: "not_a_face" if one.outcome == NOT_A_FACE_OUTCOME else one.label for name, one in found.items()
    }


ONE_VOTE, UNANIMOUS, NEVER_BINDS, ALWAYS_MORE_THAN_HALF, CAN_TIE = (
    "one_vote",
    "unanimous",
    "never_binds",
    "more_than_half",
    "can_tie",
)


def oddities(rule: Rule, *, answers: int) -> list[str]:
    """What a manager may not expect of the rule, as codes. answers: how many answers may be given, others included.

    one_vote: a single opinion is always "agreed". unanimous: every vote must say the same. never_binds: the share is
    reached by whoever has most votes. more_than_half: the share is as strict as the rule of more than half, or
    stricter. can_tie: two answers may have the same number of votes, and then there is no consensus.
    """
    if rule.votes == 1:
        return [ONE_VOTE]
    found = []
    if rule.needed >= rule.votes:
        found.append(UNANIMOUS)
    if rule.rule == "minimum_agreement":
        # The fewest votes with which one answer can be ahead of all others.
        ahead = ceil((rule.votes + answers - 1) / answers)
        if rule.needed <= ahead:
            found.append(NEVER_BINDS)
        elif rule.votes // 2 < rule.needed < rule.votes:
            found.append(ALWAYS_MORE_THAN_HALF)
    if rule.votes % 2 == 0 and rule.needed <= rule.votes // 2:
        found.append(CAN_TIE)
    return found
