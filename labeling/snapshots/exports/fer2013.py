"""A CSV of emotion, pixels, Usage, as the FER2013 challenge shipped it."""

import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from labeling.expressions import SEVEN
from labeling.sayings import gettext_noop
from labeling.snapshots import format as snapshots
from labeling.snapshots.exports.format import About, Progress

SIZE = 48
USAGE = {"train": "Training", "validation": "PublicTest", "test": "PrivateTest"}
_NO_PLACE = gettext_noop(
    "This format has no place for licences and authors: pass on the Attribution CSV too."
)
_TEXT = [str(value) for value in range(256)]


def write(folder: Path, target: Path, progress: Progress, about: About) -> str:
    """Write the CSV: grey 48×48 pixels, a line per face. `emotion` is the index in the snapshot's classes.

    Returns notes: which number is which class where these are not FER2013's seven in its order, and what the format
    has no place for.
    """
    done, owned = 0, False
    columns = ["image", "label_index", "split", "licence", "author"]
    with target.open("w", encoding="ascii", newline="\n") as file:
        file.write("emotion,pixels,Usage\n")
        for batch in snapshots.iter_batches(folder, columns):
            for face in batch.to_pylist():
                file.write(f"{face['label_index']},{pixels(face['image'])},{USAGE[face['split']]}\n")
                owned = owned or bool(face["licence"] or face["author"])
            done += batch.num_rows
            progress(done)
    return " ".join(_notes(snapshots.read_manifest(folder).classes, owned))


def _notes(classes: Sequence[str], owned: bool) -> list[str]:
    notes = []
    if tuple(classes) != SEVEN:
        notes.append("emotion: " + ", ".join(f"{index} {name}" for index, name in enumerate(classes)) + ".")
    if owned:
        notes.append(_NO_PLACE)
    return notes


def pixels(png: bytes) -> str:
    """2,304 numbers from 0 to 255, row by row. Another size is averaged by area, without keeping its proportions."""
    with Image.open(io.BytesIO(png)) as image:
        grey = image.convert("L")
        if grey.size != (SIZE, SIZE):
            grey = grey.resize((SIZE, SIZE), Image.Resampling.BOX)
        return " ".join(map(_TEXT.__getitem__, grey.tobytes()))
