"""Whether a network is right as often as it says, and the one number that makes it so."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.integer[Any]]
Shares = NDArray[np.floating[Any]]

BINS = 15
LEAST_TEMPERATURE, MOST_TEMPERATURE = 0.05, 20.0
FLOOR = 1e-12
"""A smaller probability counts as this, so that no logarithm is infinite."""
_HALVINGS = 100
LEAST_FACES = 30
"""From fewer no temperature is taken: one face more or less that is judged wrongly would move it far."""


def reliability(labels: Labels, probabilities: Shares, bins: int = BINS) -> list[dict[str, float]]:
    """The images by how sure the network is of its answer, in `bins` equal widths of (0, 1], empty ones left out.

    labels: (N,) true class indices. probabilities: (N, K), rows adding up to one. Of each bin: its bounds (low
    excluded, high included), how many images fall in it, the mean probability of the answers and the share of right
    ones, both 0–1.
    """
    sure = probabilities.max(axis=1).astype(np.float64)
    right = probabilities.argmax(axis=1) == labels
    edges = np.arange(bins + 1) / bins
    # Rounding may leave a probability a hair above one.
    places = np.clip(np.searchsorted(edges, sure, side="left") - 1, 0, bins - 1)
    return [
        {
            "low": float(edges[place]),
            "high": float(edges[place + 1]),
            "images": int((here := places == place).sum()),
            "confidence": float(sure[here].mean()),
            "accuracy": float(right[here].mean()),
        }
        for place in np.unique(places)
    ]


def expected_calibration_error(labels: Labels, probabilities: Shares, bins: int = BINS) -> float:
    """ECE = Σ_b |B_b| / N · |accuracy(B_b) − confidence(B_b)| over the bins of `reliability`; 0–1, N ≥ 1.

    Guo et al. 2017, formula 3 (arXiv 1706.04599): 15 bins of equal width.
    """
    rows = reliability(labels, probabilities, bins)
    return sum(row["images"] * abs(row["accuracy"] - row["confidence"]) for row in rows) / len(labels)


def tempered(probabilities: Shares, temperature: float) -> NDArray[np.float64]:
    """softmax(logits / temperature) of each row, from the probabilities alone: their logarithms are the logits up
    to a constant that softmax does not see. (N, K). Above 1 the network becomes less sure; no answer changes.
    """
    logits = _logarithms(probabilities)
    return _softmax(logits, logits.max(axis=1, keepdims=True), temperature)


def _softmax(
    logits: NDArray[np.float64], tops: NDArray[np.float64], temperature: float
) -> NDArray[np.float64]:
    """softmax(logits / temperature). tops: (N, 1) the largest of each row, which a division leaves the largest: whoever
    tries many temperatures looks for it once.
    """
    unscaled = np.exp(logits / temperature - tops / temperature)
    shares: NDArray[np.float64] = unscaled / unscaled.sum(axis=1, keepdims=True)
    return shares


@dataclass(frozen=True)
class Heat:
    """A temperature to use. unfitted: why it is 1 instead of one that was fitted; empty where it was."""

    temperature: float
    unfitted: str = ""

    def told(self) -> dict[str, Any]:
        """As result.json has it."""
        return {"temperature": self.temperature} | ({"unfitted": self.unfitted} if self.unfitted else {})


def heat_for(targets: Shares, probabilities: Shares) -> Heat:
    """What `fit_temperature_to` finds, or 1 where that is no finding: from too few faces, or a bound. A network that
    makes no mistake among them fits ever better the lower its temperature is, and would then be sure of anything.
    """
    faces = len(targets)
    if faces < LEAST_FACES:
        why = f"A temperature is fitted on {LEAST_FACES} validation faces or more, and here are {faces}: 1 is used."
        return Heat(1.0, why)
    found = fit_temperature_to(targets, probabilities)
    if found == LEAST_TEMPERATURE:
        why = f"On {faces} validation faces a lower temperature always fits better, as without a mistake: 1 is used."
        return Heat(1.0, why)
    if found == MOST_TEMPERATURE:
        why = (
            f"On {faces} validation faces a higher temperature always fits better, as of guesses: 1 is used."
        )
        return Heat(1.0, why)
    return Heat(found)


def why_unfitted(result: Mapping[str, Any]) -> str:
    """Why result.json has no fitted temperature for the labels; empty where it has one, or says nothing of it."""
    return str(result["splits"].get("validation", {}).get("calibrated", {}).get("unfitted", ""))


def temperature_of(result: Mapping[str, Any]) -> float:
    """What result.json, or an ensemble's file, has fitted for the labels; 1 where it has none. Raises KeyError,
    TypeError, ValueError or AttributeError for what is neither.
    """
    found = float(result["splits"].get("validation", {}).get("calibrated", {}).get("temperature", 1.0))
    # Runs judged by earlier versions have a bound where none was found.
    return found if LEAST_TEMPERATURE < found < MOST_TEMPERATURE else 1.0


def fit_temperature(labels: Labels, probabilities: Shares) -> float:
    """The temperature in [0.05, 20] with the least negative log-likelihood of these images' labels; N ≥ 1.

    Guo et al. 2017, section 4.2. `fit_temperature_to` says how, and what stands at the bounds.
    """
    return fit_temperature_to(np.eye(probabilities.shape[1])[labels], probabilities)


def fit_temperature_to(targets: Shares, probabilities: Shares) -> float:
    """The temperature in [0.05, 20] with the least mean cross-entropy −Σ_k q_k ln p_k to the targets q; N ≥ 1.

    targets: (N, K), rows adding up to one. In β = 1 / temperature the cross-entropy is convex, and its slope is the
    mean of Σ_k (p_k(β) − q_k) z_k with z = ln p: the slope's one zero is found by halving the bracket, the same
    everywhere. A bound comes back where the zero lies beyond, as for a network that makes no mistake.
    """
    logits = _logarithms(probabilities)
    tops = logits.max(axis=1, keepdims=True)
    wanted = (targets * logits).sum(axis=1)

    def slope(beta: float) -> float:
        shares = _softmax(logits, tops, 1 / beta)
        return float(((shares * logits).sum(axis=1) - wanted).mean())

    low, high = 1 / MOST_TEMPERATURE, 1 / LEAST_TEMPERATURE
    if slope(low) >= 0:
        return MOST_TEMPERATURE
    if slope(high) <= 0:
        return LEAST_TEMPERATURE
    for _ in range(_HALVINGS):
        middle = (low * high) ** 0.5
        if not low < middle < high:
            break
        low, high = (middle, high) if slope(middle) < 0 else (low, middle)
    return 2 / (low + high)


def _logarithms(probabilities: Shares) -> NDArray[np.float64]:
    return np.log(np.maximum(probabilities.astype(np.float64), FLOOR))
