"""A rule is tried on votes that are there."""

import pytest

from labeling.consensus.trial import Rule, oddities, telling, trial

TEN = [{"happy": 10}, {"happy": 5, "sad": 5}, {"happy": 6, "sad": 4}, {"not_a_face": 8, "sad": 2}]


@pytest.mark.parametrize(
    ("rule", "share", "found"),
    [
        ("plurality", 0.0, (2, 1, 1, {"happy": 2})),
        ("strict_majority", 0.0, (2, 1, 1, {"happy": 2})),
        ("minimum_agreement", 0.9, (1, 3, 0, {"happy": 1})),
    ],
)
def test_as_many_votes_as_there_are_say_what_the_rule_says(
    rule: str, share: float, found: tuple[int, int, int, dict[str, int]]
) -> None:
    tried = trial(TEN, Rule(10, rule, share))
    assert (tried.agreed, tried.no_consensus, tried.not_a_face, tried.by_label) == found
    assert (tried.faces, tried.drawn, tried.short) == (4, 0, 0)


def test_of_more_votes_so_many_are_drawn_always_the_same() -> None:
    tried = trial(TEN * 100, Rule(3, "strict_majority"))
    assert tried == trial(TEN * 100, Rule(3, "strict_majority"))
    assert (tried.drawn, tried.agreed + tried.no_consensus + tried.not_a_face) == (400, 400)
    # Of five happy and five sad, three votes always have a majority, of either kind as often.
    assert tried.no_consensus == 0
    even = trial([{"happy": 5, "sad": 5}] * 1000, Rule(3, "strict_majority"))
    assert 400 < even.by_label["happy"] < 600


def test_faces_with_fewer_votes_are_judged_by_those_they_have() -> None:
    tried = trial([{"happy": 2}, {}], Rule(10, "strict_majority"))
    assert (tried.short, tried.agreed, tried.no_consensus) == (2, 1, 1)


def test_the_telling_faces_are_those_on_which_rules_differ_and_no_two_alike() -> None:
    faces = [
        (1, {"happy": 10}),
        (2, {"happy": 4, "neutral": 3, "sad": 3}),
        (3, {"happy": 10}),
        (4, {"sad": 5}),
    ]
    found = telling(faces, Rule(10, "strict_majority"), most=2)
    assert found[0].face == 2
    assert found[0].says == {"plurality": "happy", "strict_majority": "", "minimum_agreement": "happy"}
    assert [face.face for face in telling(faces, Rule(10, "plurality"))] == [2, 1, 4]


@pytest.mark.parametrize(
    ("rule", "needed", "odd"),
    [
        (Rule(10, "strict_majority"), 6, []),
        (Rule(10, "plurality"), 0, ["can_tie"]),
        (Rule(9, "plurality"), 0, []),
        (Rule(1, "plurality"), 0, ["one_vote"]),
        (Rule(2, "strict_majority"), 2, ["unanimous"]),
        (Rule(10, "minimum_agreement", 0.2), 2, ["never_binds", "can_tie"]),
        (Rule(10, "minimum_agreement", 0.3), 3, ["can_tie"]),
        (Rule(10, "minimum_agreement", 0.7), 7, ["more_than_half"]),
        (Rule(100, "minimum_agreement", 0.55), 55, ["more_than_half"]),
        (Rule(10, "minimum_agreement", 1.0), 10, ["unanimous"]),
    ],
)
def test_odd_rules_are_known(rule: Rule, needed: int, odd: list[str]) -> None:
    assert (rule.needed, oddities(rule, answers=9)) == (needed, odd)
