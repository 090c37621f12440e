"""How far figures from a limited number of images can be trusted."""

import math
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

Z95 = 1.959963984540054


def wilson_interval(right: int, images: int, z: float = Z95) -> tuple[float, float]:
    """The 95 % interval of a share, after Wilson 1927 (doi 10.1080/01621459.1927.10502953); images ≥ 1."""
    share, z2 = right / images, z * z
    centre = (share + z2 / (2 * images)) / (1 + z2 / images)
    half = z / (1 + z2 / images) * (share * (1 - share) / images + z2 / (4 * images**2)) ** 0.5
    return max(0.0, centre - half), min(1.0, centre + half)


def binomial_two_sided(fewer: int, trials: int) -> float:
    """P of a split at least as uneven as `fewer` against the rest, were both sides equally likely; 0–1.

    Exact: 2 · Σ_{i ≤ fewer} C(trials, i) / 2^trials, at most 1. fewer ≤ trials / 2.
    """
    tail = sum(math.comb(trials, i) for i in range(fewer + 1))
    # Whole numbers up to the last division: 2**trials may be beyond any float.
    return min(1.0, float(Fraction(2 * tail, 2**trials)))


def bootstrap_of_signs(plus: int, minus: int, images: int, *, draws: int, seed: int) -> NDArray[np.float64]:
    """(draws,) means of `images` values drawn with replacement from `plus` ones, `minus` minus ones, else noughts.

    How many of each a draw holds is multinomial, so nothing need be drawn image by image. images ≥ 1.
    """
    shares = np.array([plus, minus, images - plus - minus]) / images
    counts = np.random.default_rng(seed).multinomial(images, shares, size=draws)
    return (counts[:, 0] - counts[:, 1]) / images
