"""FER2013 with the votes of FER+, as rows of a snapshot. DATA is a folder with fer2013/ and ferplus/."""

import hashlib
import importlib.util
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from labeling.snapshots import format as snapshots

SEVEN = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
"""The order of FER2013's numbers."""
EIGHT = ("neutral", "happy", "surprise", "sad", "angry", "disgust", "fear", "contempt")
"""The order of FER+; after them come `unknown` and `not a face`."""
SPLITS = ("train", "validation", "test")
"""Training, PublicTest, PrivateTest."""
SIDE = 48
Table = tuple[NDArray[np.uint8], NDArray[np.integer[Any]], NDArray[np.integer[Any]], NDArray[np.integer[Any]]]


def load(data: Path) -> Table:
    """In the original order: images (N, 48, 48), emotions as places in SEVEN, usage as places in SPLITS, and votes
    (N, 10) by EIGHT, unknown, not a face.
    """
    spec = importlib.util.spec_from_file_location("unpack", data / "fer2013" / "unpack.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    images, emotions, usage, votes = module.load()
    return images, emotions, usage, votes


def row(
    pixels: NDArray[np.uint8],
    number: int,
    classes: Sequence[str],
    label: int,
    votes: Sequence[int],
    split: str,
) -> dict[str, Any]:
    """One face. number: its place in the original order. votes: one count a class, then unknown, then not a face."""
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    media = hashlib.sha256(pixels.tobytes() + str(number).encode()).hexdigest()
    named = sum(votes[: len(classes)])
    box = (0, 0, SIDE, SIDE)
    return {
        "face_key": snapshots.face_key(media_sha256=media, detector="given", time_ms=0, row=number, box=box),
        "face_id": number + 1,
        "image": out.getvalue(),
        "label": classes[label],
        "label_index": label,
        "votes": list(votes),
        "soft_label": [count / named for count in votes[: len(classes)]],
        "split": split,
        "agreement": votes[label] / sum(votes),
        "media_sha256": media,
        "media_kind": "image",
        "time_ms": 0,
        **dict(zip(("x", "y", "width", "height"), box, strict=True)),
        "detector": "given",
        **dict.fromkeys(("licence", "author", "page_url", "given_split"), ""),
        "source": "FER2013",
    }
