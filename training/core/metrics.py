"""What predictions are worth: numpy in, plain figures out. Class indices are positions in the snapshot's
classes.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.core.calibration import FLOOR, expected_calibration_error, reliability
from training.core.intervals import wilson_interval

Figures = dict[str, Any]
Probabilities = NDArray[np.float32]
"""(N, K), rows adding up to one."""


def figures(
    labels: NDArray[np.integer[Any]], probabilities: NDArray[np.floating[Any]], classes: Sequence[str]
) -> Figures:
    """Everything we say about one split.

    labels: (N,) true class indices. probabilities: (N, K), rows adding up to one; N ≥ 1. The keys are those
    of result.json. `macro_f1` and `mean_recall` average over the classes that have images here: a class that
    nobody could have found says nothing about the network. Raises ValueError where there is no image.
    """
    matrix = confusion(labels, probabilities.argmax(axis=1), len(classes))
    right, images = int(np.trace(matrix)), int(matrix.sum())
    per_class = class_figures(matrix, classes)
    seen = [row for row in per_class if row["images"]]
    return {
        "images": images,
        "accuracy": right / images,
        "accuracy_interval": list(wilson_interval(right, images)),
        "macro_f1": float(np.mean([row["f1"] for row in seen])),
        "mean_recall": float(np.mean([row["recall"] for row in seen])),
        "top2_accuracy": top_accuracy(labels, probabilities, 2),
        **sureness(labels, probabilities),
        "per_class": per_class,
        "confusion": matrix.tolist(),
    }


def sureness(labels: NDArray[np.integer[Any]], probabilities: NDArray[np.floating[Any]]) -> Figures:
    """The figures that depend on how sure the network is, not on its answers alone: nll, ece, reliability."""
    return {
        "nll": negative_log_likelihood(labels, probabilities),
        "ece": expected_calibration_error(labels, probabilities),
        "reliability": reliability(labels, probabilities),
    }


def top_accuracy(
    labels: NDArray[np.integer[Any]], probabilities: NDArray[np.floating[Any]], answers: int
) -> float:
    """The share of images whose true class is among the `answers` likeliest, 0–1. Of equals the first counts."""
    likeliest = np.argsort(-probabilities, axis=1, kind="stable")[:, :answers]
    return float((likeliest == np.asarray(labels)[:, None]).any(axis=1).mean())


def confusion(
    labels: NDArray[np.integer[Any]], predicted: NDArray[np.integer[Any]], classes: int
) -> NDArray[np.int64]:
    """(K, K) counts: true class in rows, predicted class in columns. Raises ValueError where there is no
    image.
    """
    if len(labels) == 0:
        raise ValueError("There is no image to judge by.")
    cells = labels.astype(np.int64) * classes + predicted
    return np.bincount(cells, minlength=classes * classes).reshape(classes, classes)


def class_figures(matrix: NDArray[np.int64], classes: Sequence[str]) -> list[Figures]:
    """Precision, recall and F1 of each class from a confusion matrix; 0 where the quotient is 0 / 0."""
    hits = np.diag(matrix)
    true, predicted = matrix.sum(axis=1), matrix.sum(axis=0)
    precision, recall = _share(hits, predicted), _share(hits, true)
    f1 = _share(2 * hits, true + predicted)
    return [
        {
            "label": label,
            "precision": float(precision[i]),
            "recall": float(recall[i]),
            "f1": float(f1[i]),
            "images": int(true[i]),
        }
        for i, label in enumerate(classes)
    ]


def negative_log_likelihood(
    labels: NDArray[np.integer[Any]], probabilities: NDArray[np.floating[Any]]
) -> float:
    """Mean of −ln p(true class), in nats. A probability below 1e-12 counts as that, so the figure stays
    finite.
    """
    given = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return float(-np.log(np.maximum(given, FLOOR)).mean())


def _share(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)
