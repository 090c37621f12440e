"""The majority decides; a tie decides nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeling.consensus.majority import RULES, Consensus, majority
from labeling.expressions import CANT_TELL, NOT_A_FACE, SEVEN

answers = st.sampled_from([*SEVEN, CANT_TELL, NOT_A_FACE])
ballots = st.lists(answers, max_size=30).map(lambda cast: {answer: cast.count(answer) for answer in cast})
rules = st.sampled_from(RULES)
shares = st.floats(0, 1)


def decide(counts: dict[str, int], rule: str = "plurality", share: float = 0.0) -> tuple[str, str]:
    consensus = majority(counts, rule=rule, minimum_agreement=share)
    return consensus.outcome, consensus.label


def test_the_most_frequent_answer_is_the_label() -> None:
    assert majority({"happy": 4, "sad": 3, "fear": 3}, rule="plurality") == Consensus(
        "agreed", "happy", 0.4, {"fear": 3, "happy": 4, "sad": 3}, "plurality"
    )


@pytest.mark.parametrize("rule", RULES)
def test_a_tie_is_no_consensus(rule: str) -> None:
    assert decide({"happy": 5, "sad": 5}, rule) == ("no_consensus", "")


def test_half_of_the_votes_is_no_strict_majority_and_one_more_is() -> None:
    assert decide({"happy": 5, "sad": 3, "fear": 2}, "strict_majority") == ("no_consensus", "")
    assert decide({"happy": 6, "sad": 4}, "strict_majority") == ("agreed", "happy")


def test_minimum_agreement_is_met_by_exactly_that_share() -> None:
    counts = {"happy": 4, "sad": 3, "fear": 3}
    assert decide(counts, "minimum_agreement", 0.4) == ("agreed", "happy")
    assert decide(counts, "minimum_agreement", 0.41) == ("no_consensus", "")


@pytest.mark.parametrize(("most", "total"), [(7, 10), (3, 5), (2, 3), (29, 100), (55, 100)])
def test_a_share_written_as_a_fraction_is_met_whatever_its_last_bit(most: int, total: int) -> None:
    assert decide({"happy": most, **_others(total - most)}, "minimum_agreement", most / total)[0] == "agreed"


def _others(count: int) -> dict[str, int]:
    return {f"other {n}": 1 for n in range(count)}


def test_cant_tell_in_front_is_no_consensus_and_counts_against_a_majority() -> None:
    assert decide({CANT_TELL: 6, "happy": 4}) == ("no_consensus", "")
    assert decide({CANT_TELL: 4, "happy": 5, "sad": 1}, "strict_majority") == ("no_consensus", "")


def test_not_a_face_wins_by_the_same_rule() -> None:
    assert decide({NOT_A_FACE: 6, "happy": 4}, "strict_majority") == ("not_a_face", "")
    assert decide({NOT_A_FACE: 5, "happy": 4, "sad": 1}, "strict_majority") == ("no_consensus", "")


def test_without_votes_there_is_no_consensus() -> None:
    assert majority({}, rule="plurality") == Consensus("no_consensus", "", 0.0, {}, "plurality")


def test_an_unknown_rule_and_a_negative_count_are_refused() -> None:
    with pytest.raises(ValueError, match="There is no rule “loudest”"):
        majority({"happy": 1}, rule="loudest")
    with pytest.raises(ValueError, match="cannot be negative"):
        majority({"happy": -1}, rule="plurality")


@given(ballots, rules, shares)
def test_there_is_a_label_exactly_when_agreed(counts: dict[str, int], rule: str, share: float) -> None:
    found = majority(counts, rule=rule, minimum_agreement=share)
    assert (found.outcome == "agreed") == (found.label in SEVEN)
    assert (found.outcome != "agreed") == (found.label == "")


@given(ballots, rules, shares)
def test_a_label_has_more_votes_than_every_other_answer(
    counts: dict[str, int], rule: str, share: float
) -> None:
    found = majority(counts, rule=rule, minimum_agreement=share)
    if found.label:
        assert all(counts[found.label] > count for answer, count in counts.items() if answer != found.label)


@given(ballots, rules, shares)
def test_the_order_of_the_answers_does_not_matter(counts: dict[str, int], rule: str, share: float) -> None:
    turned = dict(reversed(counts.items()))
    assert majority(turned, rule=rule, minimum_agreement=share) == majority(
        counts, rule=rule, minimum_agreement=share
    )


@given(ballots, shares)
def test_what_a_strict_majority_agrees_on_plurality_agrees_on_too(
    counts: dict[str, int], share: float
) -> None:
    strict = majority(counts, rule="strict_majority")
    if strict.label:
        assert majority(counts, rule="plurality").label == strict.label


@given(ballots, rules, shares)
def test_one_more_vote_for_the_winner_changes_nothing(
    counts: dict[str, int], rule: str, share: float
) -> None:
    found = majority(counts, rule=rule, minimum_agreement=share)
    if found.label:
        more = {**counts, found.label: counts[found.label] + 1}
        assert majority(more, rule=rule, minimum_agreement=share).label == found.label
