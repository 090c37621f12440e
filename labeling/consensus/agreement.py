"""How far annotators agree, from the table of their counts.

counts is (rows, answers): votes per answer. Many faces have the same counts, so a row may stand for several: faces is
(rows,), how many have these counts; one each if left out.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]
Statistic = Callable[[Counts, Counts], float]


def pairwise_agreement(counts: Counts, faces: Counts | None = None) -> float:
    """The share of pairs of votes on one face that are the same answer, over all pairs of all faces.

    Faces with fewer than two votes do not count. NaN without any pair.
    """
    each = _each(counts, faces)
    votes = counts.sum(axis=1)
    pairs = float(each @ (votes * (votes - 1)))
    same = (counts * (counts - 1)).sum(axis=1)
    return float(each @ same) / pairs if pairs else float("nan")


def fleiss_kappa(counts: Counts, faces: Counts | None = None) -> float:
    """Fleiss' kappa: agreement beyond what the answers' frequencies alone would give; 1 is perfect, 0 is chance.

    Every row has the same number of votes, at least 2. NaN without faces or when everybody always gave one and
    the same answer. Raises ValueError for unequal rows. Fleiss 1971, Psychological Bulletin 76 (5).
    """
    each = _each(counts, faces)
    if not each.sum():
        return float("nan")
    votes = counts.sum(axis=1)
    n = int(votes[0])
    if n < 2 or (votes != n).any():
        raise ValueError("Fleiss' kappa needs the same number of votes, at least 2, on every face.")
    observed = float(each @ ((counts**2).sum(axis=1) - n)) / (each.sum() * n * (n - 1))
    totals = each @ counts
    chance = float(((totals / totals.sum()) ** 2).sum())
    return float((observed - chance) / (1 - chance)) if chance < 1 else float("nan")


def krippendorff_alpha(counts: Counts, faces: Counts | None = None) -> float:
    """Krippendorff's alpha for nominal data: 1 is perfect agreement, 0 is chance; votes may be missing anywhere.

    Faces with fewer than two votes do not count. NaN when nothing can be compared or all answers are the same.
    Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability", section D; Hayes & Krippendorff 2007,
    Communication Methods and Measures 1 (1).
    """
    votes = counts.sum(axis=1)
    pairable = votes >= 2
    each, rows, votes = _each(counts, faces)[pairable], counts[pairable], votes[pairable]
    totals = each @ rows
    n = float(totals.sum())
    expected = n**2 - float((totals.astype(np.float64) ** 2).sum())
    if not expected:
        return float("nan")
    observed = float(each @ ((votes**2 - (rows**2).sum(axis=1)) / (votes - 1)))
    return 1 - (n - 1) * observed / expected


def bootstrap_interval(
    counts: Counts,
    statistic: Statistic,
    *,
    faces: Counts | None = None,
    repeats: int = 200,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[float, float]:
    """Where the statistic would lie had other faces of the same kind been asked about: the percentile interval.

    Draws as many faces again, with replacement, so many times; not faces one by one but how often each distinct row
    comes, which is the same and costs the distinct rows alone. (NaN, NaN) without faces, or where the statistic is
    NaN. Efron & Tibshirani 1993, "An Introduction to the Bootstrap", chapter 13.
    """
    distinct, index = np.unique(counts, axis=0, return_inverse=True)
    each = np.bincount(index.ravel(), weights=_each(counts, faces), minlength=len(distinct)).astype(np.int64)
    total = int(each.sum())
    if not total or np.isnan(statistic(distinct, each)):
        return float("nan"), float("nan")
    drawn = np.random.default_rng(seed).multinomial(total, each / total, size=repeats)
    figures = [statistic(distinct, again) for again in drawn]
    low, high = np.nanquantile(figures, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _each(counts: Counts, faces: Counts | None) -> Counts:
    return np.ones(len(counts), dtype=np.int64) if faces is None else faces
