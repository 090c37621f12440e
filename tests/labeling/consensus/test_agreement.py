"""Agreement of annotators, against figures computed by others."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from labeling.consensus.agreement import fleiss_kappa, pairwise_agreement

FLEISS = np.array(
    [
        [0, 0, 0, 0, 14],
        [0, 2, 6, 4, 2],
        [0, 0, 3, 5, 6],
        [0, 3, 9, 2, 0],
        [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0],
        [3, 2, 6, 3, 0],
        [2, 5, 3, 2, 2],
        [6, 5, 2, 1, 0],
        [0, 2, 2, 3, 7],
    ]
)
"""The worked example of Wikipedia's article on Fleiss' kappa: 10 subjects, 14 raters, kappa 0.210."""


def test_kappa_of_the_worked_example() -> None:
    assert fleiss_kappa(FLEISS) == pytest.approx(0.210, abs=0.0005)


def test_pairwise_agreement_of_the_worked_example() -> None:
    assert pairwise_agreement(FLEISS) == pytest.approx(0.378, abs=0.0005)


def test_perfect_agreement_on_different_answers_is_one() -> None:
    assert fleiss_kappa(np.array([[5, 0], [0, 5], [5, 0]])) == 1.0
    assert pairwise_agreement(np.array([[5, 0], [0, 5]])) == 1.0


def test_everybody_always_the_same_answer_says_nothing_about_chance() -> None:
    assert np.isnan(fleiss_kappa(np.array([[5, 0], [5, 0]])))


def test_no_faces_or_lone_votes_have_no_agreement() -> None:
    none = np.zeros((0, 3), dtype=np.int64)
    assert np.isnan(fleiss_kappa(none))
    assert np.isnan(pairwise_agreement(none))
    assert np.isnan(pairwise_agreement(np.array([[1, 0], [0, 1]])))


def test_kappa_refuses_unequal_numbers_of_votes() -> None:
    with pytest.raises(ValueError, match="same number of votes"):
        fleiss_kappa(np.array([[5, 0], [4, 0]]))


def by_hand(counts: np.ndarray) -> float:
    """Over all pairs of votes, one by one."""
    same = pairs = 0
    for row in counts:
        votes = [answer for answer, count in enumerate(row) for _ in range(count)]
        for n, one in enumerate(votes):
            for other in votes[n + 1 :]:
                same, pairs = same + (one == other), pairs + 1
    return same / pairs


@given(arrays(np.int64, (4, 3), elements=st.integers(1, 5)))
def test_pairwise_agreement_is_what_counting_pairs_gives(counts: np.ndarray) -> None:
    assert pairwise_agreement(counts) == pytest.approx(by_hand(counts))
