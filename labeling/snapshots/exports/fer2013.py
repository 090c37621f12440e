"""A CSV of emotion, pixels, Usage, as the FER2013 challenge shipped it."""

import io
import struct
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import cv2
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from labeling.expressions import SEVEN
from labeling.snapshots.exports.format import Given
from labeling.snapshots.exports.tree import Tree

NAME = "fer2013.csv"
SIZE = 48
_THREADS = 2
"""That decode: with more the one that writes is behind."""
USAGE = {"train": "Training", "validation": "PublicTest", "test": "PrivateTest"}
_HEAD = struct.Struct(">8s4x4sIIBB")
"""How a PNG begins: signature, the first chunk's name, width, height, bits, colours."""
_GREY = (b"\x89PNG\r\n\x1a\n", b"IHDR", SIZE, SIZE, 8, 0)
_TEXTS = np.frombuffer(b"".join(f"{value} ".encode().ljust(4, b"\0") for value in range(256)), np.uint32)
"""Of each value its digits and a blank, filled up with zeros to the four bytes of a number."""

Grey = NDArray[np.uint8]


def write(given: Given, tree: Tree) -> str:
    """Grey 48×48 pixels, a line per face. `emotion` is the index in the snapshot's classes.

    Returns a note which number is which class where these are not FER2013's seven in its order.
    """
    done = 0
    with tree.open(NAME) as file, ThreadPoolExecutor(_THREADS) as pool:
        file.write(b"emotion,pixels,Usage\n")
        waiting: deque[Future[bytes]] = deque()
        for batch in given.batches(["image", "label_index", "split"]):
            waiting.append(pool.submit(_lines, batch))
            if len(waiting) > _THREADS:
                file.write(waiting.popleft().result())
            done += batch.num_rows
            given.progress(done)
        while waiting:
            file.write(waiting.popleft().result())
    return _note(given.classes)


def _lines(batch: pa.RecordBatch) -> bytes:
    images, indexes, splits = (column.to_pylist() for column in batch.columns)
    texts = pixels([grey(image) for image in images])
    return b"".join(
        b"%d,%b,%b\n" % (index, text, USAGE[split].encode())
        for index, text, split in zip(indexes, texts, splits, strict=True)
    )


def _note(classes: Sequence[str]) -> str:
    if tuple(classes) == SEVEN:
        return ""
    return "emotion: " + ", ".join(f"{index} {name}" for index, name in enumerate(classes)) + "."


def is_as_it_is(png: bytes) -> bool:
    """Whether the picture is grey and 48×48 already."""
    return len(png) >= _HEAD.size and _HEAD.unpack_from(png) == _GREY


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


def pixels(images: Sequence[Grey]) -> list[bytes]:
    """Of each picture 2,304 numbers from 0 to 255, row by row, with blanks between them."""
    found = []
    for image in images:
        digits = _TEXTS[image.reshape(-1)].view(np.uint8)
        found.append(digits[digits != 0].tobytes()[:-1])
    return found
