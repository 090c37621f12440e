"""Which images make up a step, and in which parts they go through the network."""

import numpy as np
from numpy.typing import NDArray

from training.core.contradictions import LEAST_PART

Rows = NDArray[np.int64]


def epoch_batches(rows: Rows, batch_size: int, seed: int, epoch: int, parts: int = 1) -> list[Rows]:
    """The training rows in this epoch's order, in batches, each large enough for `parts` parts. A function of
    (seed, epoch) alone.
    """
    order = np.random.default_rng([seed, epoch]).permutation(rows)
    batches = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    if len(batches) > 1 and len(batches[-1]) < LEAST_PART * parts:
        batches[-2:] = [np.concatenate(batches[-2:])]
    return batches


def parts_of(rows: Rows, parts: int) -> list[Rows]:
    """The batch in as many parts of nearly equal size."""
    return list(np.array_split(rows, parts))
