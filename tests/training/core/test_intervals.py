"""Intervals and tests against numbers from tables and by hand."""

import numpy as np
import pytest

from training.core.intervals import binomial_two_sided, bootstrap_of_signs, wilson_interval


@pytest.mark.parametrize(
    ("right", "images", "low", "high"),
    [(74, 100, 0.6463, 0.8160), (0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (2661, 3589, 0.7269, 0.7555)],
)
def test_the_wilson_interval(right: int, images: int, low: float, high: float) -> None:
    assert wilson_interval(right, images) == pytest.approx((low, high), abs=1e-4)


def test_the_binomial_test_by_hand() -> None:
    # 1 against 5: the tails hold C(6, 0) + C(6, 1) = 7 of 64 outcomes, twice.
    assert binomial_two_sided(1, 6) == 14 / 64
    assert binomial_two_sided(3, 6) == 1.0
    assert binomial_two_sided(0, 0) == 1.0


def test_the_bootstrap_is_that_of_drawing_image_by_image() -> None:
    values = np.array([1] * 30 + [-1] * 18 + [0] * 152)
    drawn = np.random.default_rng(1).choice(values, (4_000, len(values))).mean(axis=1)
    found = bootstrap_of_signs(30, 18, 200, draws=4_000, seed=0)
    assert found.mean() == pytest.approx(12 / 200, abs=0.002)
    assert found.std() == pytest.approx(drawn.std(), rel=0.05)
    assert np.array_equal(found, bootstrap_of_signs(30, 18, 200, draws=4_000, seed=0))
