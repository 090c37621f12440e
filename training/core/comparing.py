"""Whether one run is better than another on the same images, or only luckier."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.core.intervals import binomial_two_sided, bootstrap_of_signs
from training.core.predictions import Predictions
from training.core.refusals import Refusal

EXACT_BELOW = 25
"""With fewer discordant pairs the chi-squared approximation is too rough."""
DRAWS = 10_000


class NotComparable(Refusal):
    """Two runs were not judged by the same images with the same labels."""


def compare(first: Predictions, second: Predictions, *, seed: int = 0, draws: int = DRAWS) -> dict[str, Any]:
    """The second run against the first on the same images, their rows in any order; at least one image.

    difference: accuracy of the second less that of the first, −1 to 1, with the 95 % interval of a paired bootstrap
    (Efron and Tibshirani 1993: whole images are drawn with replacement, each with both runs' answers; the interval
    lies between the 2.5th and the 97.5th percentile). Images count as independent; faces of one media are less so,
    and then the interval is too narrow. mcnemar: see `mcnemar`. Raises NotComparable.
    """
    second = aligned(first, second)
    if not len(first):
        raise NotComparable("There is no image to compare by.")
    right = [said.probabilities.argmax(axis=1) == said.labels for said in (first, second)]
    only_first, only_second = int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())
    images = len(first)
    drawn = bootstrap_of_signs(only_second, only_first, images, draws=draws, seed=seed)
    return {
        "images": images,
        "accuracy": [float(one.mean()) for one in right],
        "difference": (only_second - only_first) / images,
        "interval": np.percentile(drawn, [2.5, 97.5]).tolist(),
        "bootstrap": {"draws": draws, "seed": seed},
        "both_right": int((right[0] & right[1]).sum()),
        "only_first_right": only_first,
        "only_second_right": only_second,
        "both_wrong": int((~right[0] & ~right[1]).sum()),
        "mcnemar": mcnemar(only_first, only_second),
    }


def mcnemar(only_first: int, only_second: int) -> dict[str, Any]:
    """Were the runs equally good, how likely is a split of the discordant pairs at least as uneven as this one?

    McNemar 1947 (doi 10.1007/BF02295996). Below 25 pairs the exact binomial test, two-sided; from there on
    χ² = (|b − c| − 1)² / (b + c) with one degree of freedom, Edwards' correction for continuity. `test` says which;
    `statistic` is χ², None for the exact test; `p` is 0–1.
    """
    pairs = only_first + only_second
    if pairs < EXACT_BELOW:
        p = binomial_two_sided(min(only_first, only_second), pairs)
        return {"test": "exact binomial", "pairs": pairs, "statistic": None, "p": p}
    squared = max(0, abs(only_first - only_second) - 1) ** 2 / pairs
    # The upper tail of χ² with one degree of freedom is that of a squared normal.
    p = math.erfc(math.sqrt(squared / 2))
    return {"test": "chi-squared, continuity corrected", "pairs": pairs, "statistic": squared, "p": p}


def aligned(first: Predictions, other: Predictions) -> Predictions:
    """The other's rows in the order of the first's. Raises NotComparable unless both hold the same faces with the
    same labels and classes.
    """
    if first.classes != other.classes:
        raise NotComparable(
            f"The runs tell different classes apart: {', '.join(first.classes)}; {', '.join(other.classes)}."
        )
    if first.keys != other.keys and (strangers := len(set(first.keys) ^ set(other.keys))):
        raise NotComparable(
            f"The runs were judged by different images: {strangers} of them are with one run only. "
            f"Judge both by the same snapshot."
        )
    ordered = other if first.keys == other.keys else other.of(_places(first, other))
    relabelled = int((first.labels != ordered.labels).sum())
    if relabelled:
        raise NotComparable(
            f"{relabelled} images have other labels with one run than with the other. "
            f"Judge both by the same snapshot."
        )
    return ordered


def _places(first: Predictions, other: Predictions) -> NDArray[np.int64]:
    place = {key: number for number, key in enumerate(other.keys)}
    return np.array([place[key] for key in first.keys], np.int64)
