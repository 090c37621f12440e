"""FER2013 as snapshot folders: its own labels, or FER+'s by the official filter."""

import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench import fer2013
from labeling.snapshots import format as snapshots
from training.core.refusals import Refusal

_UNREADABLE = (OSError, ValueError, KeyError, tarfile.TarError)
SMOKE_FACES = 2
"""Of each class and split, in a smoke run."""


class BadData(Refusal):
    """The faces and labels to learn from are not where they were said to be."""


def snapshot(data: Path, folder: Path, labels: str, *, smoke: bool) -> Path:
    """The snapshot folder of these labels below `folder`, made unless it is whole already. Raises BadData."""
    made = folder / (f"{labels}-smoke" if smoke else labels)
    if (made / "manifest.json").exists():
        return made
    if made.exists():
        shutil.rmtree(made)  # one without a manifest was cut short
    classes = fer2013.SEVEN if labels == "fer2013" else fer2013.EIGHT
    rows = sorted(_rows(data, labels, smoke=smoke), key=lambda row: row["face_key"])
    snapshots.write(made, rows, classes=classes, rule={"label": labels})
    return made


def _rows(data: Path, labels: str, *, smoke: bool) -> Iterator[dict[str, Any]]:
    try:
        images, emotions, usage, votes = fer2013.load(data)
    except _UNREADABLE as error:
        raise BadData(f"{data} does not hold FER2013 and FER+ (fer2013/ and ferplus/): {error}") from error
    classes = fer2013.SEVEN if labels == "fer2013" else fer2013.EIGHT
    seen: dict[tuple[int, int], int] = {}
    for number, split in enumerate(usage.tolist()):
        if labels == "fer2013":
            label: int | None = int(emotions[number])
            counts = [int(place == label) for place in range(len(classes))] + [0, 0]
        else:
            label, counts = official(votes[number]), votes[number].tolist()
        if label is None:
            continue
        seen[split, label] = seen.get((split, label), 0) + 1
        if smoke and seen[split, label] > SMOKE_FACES:
            continue
        yield fer2013.row(images[number], number, classes, label, counts, fer2013.SPLITS[split])


def official(votes: NDArray[np.integer[Any]]) -> int | None:
    """The label by FER+'s own filter: single votes are dropped, the rest needs a strict majority for an expression;
    None for a face that has none. Keeps 3,153 faces of PrivateTest. votes: (10,), by EIGHT, unknown, not a face.
    """
    kept = np.where(votes > 1, votes, 0)
    most = int(kept.argmax())
    return most if most < len(fer2013.EIGHT) and 2 * kept[most] > kept.sum() else None
