"""FER+: votes per picture in fer2013new.csv, and folders of pictures with a label.csv, as Microsoft's code reads them.

Layout: github.com/microsoft/FERPlus. Barsoum et al. 2016, doi:10.1145/2993148.2993165.
"""

import io
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from PIL import Image

from labeling.expressions import FERPLUS_ANSWERS, OTHER_ANSWERS
from labeling.sayings import gettext_noop
from labeling.snapshots.exports import fer2013
from labeling.snapshots.exports.format import Given
from labeling.snapshots.exports.tree import Tree

TABLE, LABELS = "fer2013new.csv", "label.csv"
FOLDERS = {"train": "FER2013Train", "validation": "FER2013Valid", "test": "FER2013Test"}
COLUMNS = tuple(FERPLUS_ANSWERS)
_BOX = f'"(0, 0, {fer2013.SIZE}, {fer2013.SIZE})"'
_NO_COLUMN = gettext_noop("FER+ has no column for {names}. Choose another format, Parquet for one.")


def problem(classes: Sequence[str]) -> str:
    """Why these classes cannot be written as FER+; empty if they can."""
    strange = [name for name in classes if name not in FERPLUS_ANSWERS.values()]
    return _NO_COLUMN.format(names=", ".join(strange)) if strange else ""


def write(given: Given, tree: Tree) -> str:
    """Pictures are numbered through the splits in their order, train first, within a split in order of face_key.

    Grey 48×48 PNGs are copied byte by byte, others made so. A row without any vote (a person's word stands for it) is
    all zeros, as its votes are.
    """
    first = done = 0
    for split in given.splits:
        number = first
        with_labels: list[bytes] = []
        for batch in given.batches(["image", "image_sha256", "votes"], split):
            images = batch.column("image").to_pylist()
            names = [f"fer{number + row:07d}.png" for row in range(len(images))]
            _put_pictures(tree, split, names, images, batch.column("image_sha256").to_pylist())
            with_labels.append(_lines(names, _counts(given, batch)))
            number += len(images)
            done += len(images)
            given.progress(done)
        tree.add(f"{FOLDERS[split]}/{LABELS}", b"".join(with_labels))
        first = number
    _write_table(given, tree)
    return ""


def _put_pictures(
    tree: Tree, split: str, names: Sequence[str], images: Sequence[bytes], sha256s: Sequence[str]
) -> None:
    folder = FOLDERS[split]
    if all(map(fer2013.is_as_it_is, images)):
        tree.add_many([f"{folder}/{name}" for name in names], images, sha256s)
        return
    for name, image in zip(names, images, strict=True):
        tree.add(f"{folder}/{name}", image if fer2013.is_as_it_is(image) else _small(image))


def _write_table(given: Given, tree: Tree) -> None:
    number = 0
    with tree.open(TABLE) as file:
        file.write(f"Usage,Image name,{','.join(COLUMNS)}\n".encode())
        for split in given.splits:
            usage = fer2013.USAGE[split]
            for batch in given.batches(["votes"], split):
                names = [f"fer{number + row:07d}.png" for row in range(batch.num_rows)]
                counts = _counts(given, batch)
                text = "".join(
                    f"{usage},{name},{','.join(map(str, row))}\n"
                    for name, row in zip(names, counts, strict=True)
                )
                file.write(text.encode())
                number += batch.num_rows


def _lines(names: Sequence[str], counts: Sequence[Sequence[int]]) -> bytes:
    return "".join(
        f"{name},{_BOX},{','.join(map(str, row))}\n" for name, row in zip(names, counts, strict=True)
    ).encode()


def _counts(given: Given, batch: pa.RecordBatch) -> list[list[int]]:
    """Votes per face in the order of FER+'s columns; 0 for what the campaign did not ask."""
    answers = (*given.classes, *OTHER_ANSWERS)
    own = batch.column("votes").flatten().to_numpy(zero_copy_only=False).reshape(-1, len(answers))
    table = np.zeros((batch.num_rows, len(COLUMNS)), dtype=np.int64)
    for column, answer in enumerate(FERPLUS_ANSWERS.values()):
        if answer in answers:
            table[:, column] = own[:, answers.index(answer)]
    rows: list[list[int]] = table.tolist()
    return rows


def _small(image: bytes) -> bytes:
    out = io.BytesIO()
    Image.fromarray(fer2013.grey(image)).save(out, "PNG")
    return out.getvalue()
