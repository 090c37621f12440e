"""What a trained network says of the validation and test faces, kept small: enough to work every figure out again."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from training.core.judging import Probabilities
from training.core.predictions import Predictions
from training.core.run_folder import write_atomically

VIEWS = ("plain", "ten-crop")
SPLITS = ("validation", "test")
_LEAST = -30.0
"""Logarithms of probabilities are kept in 16 bits; a smaller one is as good as impossible."""

Said = Mapping[tuple[str, str], Predictions]
"""(view, split) → what was said."""


def keep(file: Path, said: Said, snapshot_digest: str) -> None:
    """One .npz: the classes, and of each split face numbers, labels, and the logarithms of the probabilities by view.
    These are the logits up to a constant a face, which softmax does not see.
    """
    first = said[VIEWS[0], SPLITS[0]]
    arrays: dict[str, object] = {"classes": np.array(first.classes), "snapshot": np.array(snapshot_digest)}
    for split in SPLITS:
        one = said[VIEWS[0], split]
        arrays |= {
            f"{split} faces": one.face_ids.astype(np.int32),
            f"{split} labels": one.labels.astype(np.int8),
        }
        for view in VIEWS:
            arrays[f"{split} {view}"] = _small(said[view, split].probabilities.astype(np.float32))

    def write(part: Path) -> None:
        with part.open("wb") as out:
            np.savez_compressed(out, **arrays)  # type: ignore[arg-type]

    file.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(file, write)


def _small(probabilities: Probabilities) -> np.ndarray:
    return np.log(np.maximum(probabilities, np.exp(_LEAST))).astype(np.float16)


def read(file: Path) -> Said:
    with np.load(file) as kept:
        classes = tuple(kept["classes"].tolist())
        said = {}
        for split in SPLITS:
            faces, labels = kept[f"{split} faces"], kept[f"{split} labels"].astype(np.int64)
            for view in VIEWS:
                shares = np.exp(kept[f"{split} {view}"].astype(np.float64))
                said[view, split] = Predictions(
                    classes=classes,
                    keys=tuple(map(str, faces.tolist())),
                    face_ids=faces.astype(np.int64),
                    labels=labels,
                    probabilities=shares / shares.sum(axis=1, keepdims=True),
                )
        return said
