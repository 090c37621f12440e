"""A CSV of emotion, pixels, Usage, as the FER2013 challenge shipped it."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from labeling.expressions import SEVEN
from labeling.snapshots import format as snapshots
from labeling.snapshots.exports.format import Progress

SIZE = 48
USAGE = {"train": "Training", "validation": "PublicTest", "test": "PrivateTest"}


def write(folder: Path, target: Path, progress: Progress) -> str:
    """Write the CSV: grey 48×48 pixels, row by row. `emotion` is the index in the snapshot's classes.

    Returns a note where these are not FER2013's own seven in its order.
    """
    done = 0
    with target.open("w", encoding="ascii", newline="\n") as file:
        file.write("emotion,pixels,Usage\n")
        for batch in snapshots.iter_batches(folder, ["image", "label_index", "split"]):
            for face in batch.to_pylist():
                file.write(f"{face['label_index']},{_pixels(face['image'])},{USAGE[face['split']]}\n")
            done += batch.num_rows
            progress(done)
    classes = snapshots.read_manifest(folder).classes
    if classes == SEVEN:
        return ""
    return "emotion: " + ", ".join(f"{index} {name}" for index, name in enumerate(classes))


def _pixels(png: bytes) -> str:
    with Image.open(io.BytesIO(png)) as image:
        grey = image.convert("L")
        if grey.size != (SIZE, SIZE):
            grey = grey.resize((SIZE, SIZE), Image.Resampling.BOX)
        return " ".join(map(str, np.asarray(grey).ravel().tolist()))
