"""How far annotators agree, from the table of their counts."""

import numpy as np
from numpy.typing import NDArray


def pairwise_agreement(counts: NDArray[np.int64]) -> float:
    """The share of pairs of votes on one face that are the same answer, over all pairs of all faces.

    counts: (faces, answers), votes per answer; faces with fewer than two votes do not count. NaN without any pair.
    """
    votes = counts.sum(axis=1)
    pairs = float((votes * (votes - 1)).sum())
    return float((counts * (counts - 1)).sum() / pairs) if pairs else float("nan")


def fleiss_kappa(counts: NDArray[np.int64]) -> float:
    """Fleiss' kappa: agreement beyond what the answers' frequencies alone would give; 1 is perfect, 0 is chance.

    counts: (faces, answers), every row with the same number of votes, at least 2. NaN without rows or when
    everybody always gave one and the same answer. Raises ValueError for unequal rows. Fleiss 1971,
    Psychological Bulletin 76 (5).
    """
    if not len(counts):
        return float("nan")
    votes = counts.sum(axis=1)
    n = int(votes[0])
    if n < 2 or (votes != n).any():
        raise ValueError("Fleiss' kappa needs the same number of votes, at least 2, on every face.")
    observed = float(((counts**2).sum(axis=1) - n).mean() / (n * (n - 1)))
    shares = counts.sum(axis=0) / counts.sum()
    chance = float((shares**2).sum())
    return (observed - chance) / (1 - chance) if chance < 1 else float("nan")
