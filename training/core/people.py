"""The network against the people who voted: how far it is from their votes, and how many of them it replaces."""

from functools import lru_cache
from math import comb, log
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.core.calibration import FLOOR, Shares

Votes = NDArray[np.integer[Any]]

MOST_PEOPLE = 30


def divergence(votes: Votes, probabilities: Shares) -> float:
    """Mean over the faces of KL(votes ‖ network) = Σ_j q_j ln(q_j / p_j), in nats, ≥ 0; q: the shares of the votes.

    votes: (N, K) counts of the classes, at least one a face. Also a network that knew what a whole nation sees in a
    face would not reach 0: ten votes are a sample.
    """
    shares = votes / votes.sum(axis=1, keepdims=True)
    given = np.maximum(probabilities.astype(np.float64), FLOOR)
    terms = shares * (np.log(np.maximum(shares, FLOOR)) - np.log(given))
    return float(terms.sum(axis=1).mean())


def worth(votes: Votes, probabilities: Shares, smoothing: float | None = None) -> dict[str, Any]:
    """How many people's votes tell as much of one more person's vote as the network does.

    votes: (N, K) counts of the classes, at least one a face. One of a face's n votes is held out, each as likely as
    another; j is its class. The network loses −ln p_j. The crowd is k of the n − 1 other votes, drawn without
    replacement; it loses −ln((X + a) / (k + a K)), X of the k being of class j and a the smoothing: by default 1 / K,
    one vote's worth spread evenly. The expectation over who is held out and who is drawn is exact:

        L_k(face) = Σ_j c_j / n · Σ_x P(X = x) · −ln((x + a) / (k + a K)),  X ~ hypergeometric(n − 1, c_j − 1, k).

    For each k both are averaged over the same faces, those with more than k votes; k = 0 is a crowd that knows
    nothing, and k goes on while half of the faces have the votes. `people` is where the crowd becomes as good as the
    network, straight between the two nearest k; `at_least` says that no k was reached that is as good. Another
    smoothing gives another figure: compare only figures with the same.
    """
    classes = votes.shape[1]
    added = 1 / classes if smoothing is None else smoothing
    totals = votes.sum(axis=1)
    lost = -np.log(np.maximum(probabilities.astype(np.float64), FLOOR))
    network = (votes * lost).sum(axis=1) / totals
    # Faces share few pairs of (total, count): each is worked out once.
    pairs, back = np.unique(totals[:, None] * (totals.max() + 1) + votes, return_inverse=True)
    kinds = [divmod(pair, int(totals.max()) + 1) for pair in pairs.tolist()]
    curve = []
    for people in range(_most_people(totals) + 1):
        known = totals > people
        cells = np.array([_expected_loss(*kind, people, classes, added) for kind in kinds])
        crowd = (votes * cells[back.reshape(votes.shape)]).sum(axis=1)[known] / totals[known]
        curve.append(
            {
                "people": people,
                "faces": int(known.sum()),
                "crowd": float(crowd.mean()),
                "network": float(network[known].mean()),
            }
        )
    reached, at_least = _crossing([row["crowd"] - row["network"] for row in curve])
    return {"people": reached, "at_least": at_least, "smoothing": added, "curve": curve}


def _most_people(totals: NDArray[Any]) -> int:
    """The largest k for which at least half of the faces have more than k votes."""
    return min(MOST_PEOPLE, int(np.sort(totals)[::-1][(len(totals) - 1) // 2]) - 1)


def _crossing(leads: list[float]) -> tuple[float, bool]:
    """Where the network's lead over k = 0, 1, … people is used up, and whether it never was."""
    if leads[0] <= 0:
        return 0.0, False
    for people in range(1, len(leads)):
        before, after = leads[people - 1], leads[people]
        if after <= 0:
            return people - 1 + before / (before - after), False
    return float(len(leads) - 1), True


@lru_cache(maxsize=100_000)
def _expected_loss(total: int, count: int, people: int, classes: int, smoothing: float) -> float:
    """The crowd's expected loss when a vote is held out for whose class `count` of `total` voted; 0 where no such
    vote, or no such crowd, can be.
    """
    if not count or people >= total:
        return 0.0
    same, other = count - 1, total - count
    spread = people + smoothing * classes
    return sum(
        comb(same, x) * comb(other, people - x) / comb(total - 1, people) * -log((x + smoothing) / spread)
        for x in range(max(0, people - other), min(people, same) + 1)
    )
