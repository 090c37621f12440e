"""Agreement of annotators, against figures computed by others."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from labeling.consensus.agreement import (
    bootstrap_interval,
    fleiss_kappa,
    krippendorff_alpha,
    pairwise_agreement,
)

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
    # What statsmodels 0.15.0 computes of the same table.
    assert fleiss_kappa(FLEISS) == pytest.approx(0.20993070442195522, abs=1e-12)


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


KRIPPENDORFF = ("12332141 2...", "12332241 25.3", ".3332342 251.", "12332441 251.")
"""Four observers of twelve units, some missing: Krippendorff 2011, section C; alpha for nominal data is 0.743."""


def krippendorffs_counts() -> np.ndarray:
    seen = [list(row.replace(" ", "")) for row in KRIPPENDORFF]
    return np.array([[unit.count(value) for value in "12345"] for unit in zip(*seen, strict=True)])


def test_alpha_of_krippendorffs_own_example() -> None:
    assert krippendorff_alpha(krippendorffs_counts()) == pytest.approx(0.743, abs=0.0005)


def alpha_by_hand(counts: np.ndarray) -> float:
    """From the matrix of coincidences, pair by pair."""
    answers = counts.shape[1]
    coincidences = np.zeros((answers, answers))
    for row in counts:
        votes = [answer for answer, count in enumerate(row) for _ in range(count)]
        for n, one in enumerate(votes):
            for m, other in enumerate(votes):
                if n != m:
                    coincidences[one, other] += 1 / (len(votes) - 1)
    totals = coincidences.sum(axis=1)
    n = totals.sum()
    observed = n - np.trace(coincidences)
    expected = (n**2 - (totals**2).sum()) / (n - 1)
    return 1 - observed / expected


@given(arrays(np.int64, (5, 3), elements=st.integers(0, 4)))
def test_alpha_is_what_the_matrix_of_coincidences_gives(counts: np.ndarray) -> None:
    pairable = counts[counts.sum(axis=1) >= 2]
    if (pairable.sum(axis=0) > 0).sum() < 2:
        assert np.isnan(krippendorff_alpha(counts))
    else:
        assert krippendorff_alpha(counts) == pytest.approx(alpha_by_hand(counts))


@pytest.mark.parametrize("statistic", [pairwise_agreement, fleiss_kappa, krippendorff_alpha])
def test_a_row_that_stands_for_many_faces_is_many_rows(statistic) -> None:
    faces = np.array([3, 0, 1, 2, 5, 1, 1, 7, 1, 2])
    assert statistic(FLEISS, faces) == pytest.approx(statistic(np.repeat(FLEISS, faces, axis=0)))


def drawn(faces: int, seed: int, sure: float = 0.7) -> np.ndarray:
    """Ten votes each on faces that show one of four expressions; each vote sees it so surely."""
    dice = np.random.default_rng(seed)
    chances = np.full((4, 4), (1 - sure) / 3) + np.eye(4) * (sure - (1 - sure) / 3)
    return dice.multinomial(10, chances[dice.integers(0, 4, faces)])


def test_the_interval_is_that_of_faces_drawn_one_by_one() -> None:
    counts, dice = drawn(200, seed=1), np.random.default_rng(2)
    figures = [fleiss_kappa(counts[dice.integers(0, 200, 200)]) for _ in range(4000)]
    one_by_one = np.quantile(figures, [0.025, 0.975])
    assert bootstrap_interval(counts, fleiss_kappa, repeats=4000) == pytest.approx(one_by_one, abs=0.004)


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    truth = pairwise_agreement(drawn(200_000, seed=0))
    held = 0
    for seed in range(1, 201):
        low, high = bootstrap_interval(drawn(150, seed=seed), pairwise_agreement, seed=seed)
        held += low <= truth <= high
    assert 180 <= held <= 199


def test_of_nothing_there_is_no_interval() -> None:
    nothing = np.zeros((0, 3), dtype=np.int64)
    assert np.isnan(bootstrap_interval(nothing, krippendorff_alpha)).all()
    assert np.isnan(bootstrap_interval(np.array([[5, 0], [5, 0]]), fleiss_kappa)).all()
