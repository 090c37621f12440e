"""A CSV of emotion, pixels, Usage, as the FER2013 challenge shipped it."""

import io
import struct
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from PIL import Image

from labeling.expressions import SEVEN
from labeling.snapshots.exports.format import Given
from labeling.snapshots.exports.tables import joined
from labeling.snapshots.exports.tree import Member, Tree
from labeling.vision.crops import grey_png

NAME = "fer2013.csv"
SIZE = 48
_AHEAD = 2
"""Batches whose pictures may wait to be written."""
USAGE = {"train": "Training", "validation": "PublicTest", "test": "PrivateTest"}
_GREY = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sIIBB", 13, b"IHDR", SIZE, SIZE, 8, 0)
"""How a PNG begins that needs no change: signature, the first chunk's length and name, width, height, bits, colours."""
_KEPT = grey_png(bytes(SIZE * SIZE), SIZE, SIZE)[:48]
"""How one begins that was kept by `grey_png`: as above, and then the heads of its data, which are not compressed."""
_KEPT_END = len(_KEPT) + SIZE * (1 + SIZE)
_TWO = 256**2
"""How many values two pixels can have together."""

Grey = NDArray[np.uint8]


def write(given: Given, tree: Tree) -> str:
    """Grey 48×48 pixels, a line per face. `emotion` is the index in the snapshot's classes.

    Returns a note which number is which class where these are not FER2013's seven in its order.
    """
    done = 0
    words = _words(len(given.classes))
    # Pictures are many short calls, which want Python's lock; the other threads' few long calls leave it to them.
    with (
        tree.open(NAME, (4 * SIZE * SIZE + 32) * given.faces) as file,
        ThreadPoolExecutor(1, "FER2013's text") as telling,
        ThreadPoolExecutor(1, "FER2013's file") as writing,
    ):
        file.write(b"emotion,pixels,Usage\n")
        waiting: deque[Future[None]] = deque()
        for batch in given.batches(["image", "label_index", "split"]):
            lines = telling.submit(_lines, greys(batch.column("image")), batch, words)
            waiting.append(writing.submit(_put, file, lines))
            if len(waiting) > _AHEAD:
                waiting.popleft().result()
            done += batch.num_rows
            given.progress(done)
        while waiting:
            waiting.popleft().result()
    return _note(given.classes)


def _put(file: Member, lines: Future[memoryview]) -> None:
    file.write(lines.result())


def _words(classes: int) -> pa.StringArray:
    """What lines are put together from: any two pixels, the last two of a picture, Usage, emotions."""
    values = pa.array(map(str, range(256)), pa.string())
    first, second = values.take(np.tile(range(256), 256)), values.take(np.repeat(range(256), 256))
    return pa.concat_arrays(
        [
            pc.binary_join_element_wise(first, second, "", " "),
            pc.binary_join_element_wise(first, second, " "),
            pa.array([f",{usage}\n" for usage in USAGE.values()], pa.string()),
            pa.array([f"{index}," for index in range(classes)], pa.string()),
        ]
    )


def _lines(pictures: Grey, batch: pa.RecordBatch, words: pa.StringArray) -> memoryview:
    """The text, looked up two pixels at a time: writing number by number takes thrice as long."""
    # Numbers of words, in the order of a line.
    chosen = np.empty((len(pictures), 1 + SIZE * SIZE // 2 + 1), np.int32)
    chosen[:, 0] = batch.column("label_index").to_numpy()
    chosen[:, 0] += 2 * _TWO + len(USAGE)
    chosen[:, 1:-1] = pictures.reshape(len(pictures), -1).view("<u2")
    chosen[:, -2] += _TWO
    chosen[:, -1] = pc.index_in(batch.column("split"), pa.array(USAGE)).to_numpy()
    chosen[:, -1] += 2 * _TWO
    return joined(words.take(pa.array(chosen.reshape(-1))))


def _note(classes: Sequence[str]) -> str:
    if tuple(classes) == SEVEN:
        return ""
    return "emotion: " + ", ".join(f"{index} {name}" for index, name in enumerate(classes)) + "."


def is_as_it_is(png: bytes) -> bool:
    """Whether the picture is grey and 48×48 already."""
    return png.startswith(_GREY)


def greys(pngs: pa.BinaryArray) -> Grey:
    """The pictures as (number, 48, 48), each as `grey` has it.

    What an import of FER2013 kept is not compressed, and taken from where it lies.
    """
    lengths = pc.binary_length(pngs).to_numpy()
    begun = _begun(pngs, lengths)
    rows = begun[:, len(_KEPT) :].reshape(len(pngs), SIZE, 1 + SIZE)
    taken = (lengths > _KEPT_END) & (begun[:, : len(_KEPT)] == np.frombuffer(_KEPT, np.uint8)).all(axis=1)
    # The number of a filter stands before each row: 0 if its values are the picture's.
    taken &= ~rows[:, :, 0].any(axis=1)
    found = rows[:, :, 1:].copy()
    for number in np.flatnonzero(~taken).tolist():
        found[number] = grey(pngs[number].as_py())
    return found


def _begun(pngs: pa.BinaryArray, lengths: NDArray[np.integer]) -> Grey:
    """(number, _KEPT_END) the first bytes of each, with zeros behind what is shorter.

    Where all have one length that is as they lie in the memory.
    """
    if len(pngs) and lengths.min() == lengths.max() >= _KEPT_END:
        return np.frombuffer(joined(pngs), np.uint8).reshape(len(pngs), -1)[:, :_KEPT_END]
    each = [png[:_KEPT_END].ljust(_KEPT_END, b"\0") for png in pngs.to_pylist()]
    return np.frombuffer(b"".join(each), np.uint8).reshape(len(pngs), _KEPT_END)


def grey(png: bytes) -> Grey:
    """The picture as (48, 48). Another size is averaged by area, without keeping its proportions."""
    if is_as_it_is(png):
        found = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)
        if found is not None and found.shape == (SIZE, SIZE) and found.dtype == np.uint8:
            return np.asarray(found, dtype=np.uint8)
    with Image.open(io.BytesIO(png)) as image:
        one = image.convert("L")
        if one.size != (SIZE, SIZE):
            one = one.resize((SIZE, SIZE), Image.Resampling.BOX)
        return np.asarray(one)
