"""What a network is worth in people, against every way of holding out a vote and drawing others."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.core.people import divergence, worth


def by_enumeration(counts: list[int], people: int, smoothing: float) -> float:
    """The mean loss over each vote held out and each set of others."""
    ballots = [j for j, count in enumerate(counts) for _ in range(count)]
    losses = []
    for out, truth in enumerate(ballots):
        for drawn in combinations(ballots[:out] + ballots[out + 1 :], people):
            share = (drawn.count(truth) + smoothing) / (people + smoothing * len(counts))
            losses.append(-np.log(share))
    return float(np.mean(losses))


@given(
    st.lists(st.integers(0, 3), min_size=2, max_size=4).filter(lambda counts: sum(counts) >= 2),
    st.floats(0.05, 2),
)
def test_the_crowds_loss_is_that_of_every_draw(counts: list[int], smoothing: float) -> None:
    votes, shares = np.array([counts]), np.full((1, len(counts)), 1 / len(counts))
    curve = worth(votes, shares, smoothing)["curve"]
    assert [row["people"] for row in curve] == list(range(sum(counts)))
    for row in curve:
        assert row["crowd"] == pytest.approx(by_enumeration(counts, row["people"], smoothing))
        assert row["network"] == pytest.approx(np.log(len(counts)))


def test_two_voters_by_hand() -> None:
    # One face, two votes apart, two classes, smoothing 1/2. Nobody known: ln 2. One known, always of the other
    # class: −ln(½ / 2) = ln 4. A network that says ½, ½ is worth nobody.
    found = worth(np.array([[1, 1]]), np.array([[0.5, 0.5]]))
    assert [row["crowd"] for row in found["curve"]] == pytest.approx([np.log(2), np.log(4)])
    assert (found["people"], found["at_least"], found["smoothing"]) == (0.0, False, 0.5)


def test_the_figure_lies_between_the_two_nearest_crowds() -> None:
    votes = np.array([[4, 0]])
    losses = [np.log(2), -np.log(1.5 / 2), -np.log(2.5 / 3), -np.log(3.5 / 4)]
    middle = np.exp(-(losses[1] + losses[2]) / 2)
    found = worth(votes, np.array([[middle, 1 - middle]]))
    assert [row["crowd"] for row in found["curve"]] == pytest.approx(losses)
    assert (found["people"], found["at_least"]) == (pytest.approx(1.5), False)


def test_a_network_better_than_any_crowd_is_worth_at_least_the_largest() -> None:
    found = worth(np.array([[10, 0, 0]]), np.array([[1.0, 0.0, 0.0]]))
    assert (found["people"], found["at_least"]) == (9.0, True)


def test_a_network_that_is_wrong_is_worth_nobody() -> None:
    assert worth(np.array([[10, 0, 0]]), np.array([[0.1, 0.8, 0.1]]))["people"] == 0


def test_each_crowd_is_compared_on_the_faces_that_have_it() -> None:
    votes = np.array([[1, 0], [2, 1], [3, 2]])
    curve = worth(votes, np.array([[0.9, 0.1], [0.5, 0.5], [0.2, 0.8]]))["curve"]
    assert [row["faces"] for row in curve] == [3, 2, 2]
    assert curve[1]["network"] == pytest.approx(
        np.mean([-np.log(0.5), -0.6 * np.log(0.2) - 0.4 * np.log(0.8)])
    )
    assert curve[1]["crowd"] == pytest.approx(np.mean([by_enumeration(c, 1, 0.5) for c in ([2, 1], [3, 2])]))


def test_the_divergence_by_hand() -> None:
    votes, shares = np.array([[8, 2], [5, 0]]), np.array([[0.5, 0.5], [0.25, 0.75]])
    first = 0.8 * np.log(0.8 / 0.5) + 0.2 * np.log(0.2 / 0.5)
    assert divergence(votes, shares) == pytest.approx((first + np.log(1 / 0.25)) / 2)
    assert divergence(votes, votes / votes.sum(axis=1, keepdims=True)) == pytest.approx(0, abs=1e-12)
