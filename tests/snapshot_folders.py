"""Small snapshot folders that can be learned from, made without a database."""

import hashlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from labeling.expressions import SEVEN
from labeling.snapshots import format as snapshots


def make_snapshot_folder(
    folder: Path,
    *,
    images_per_class: int = 20,
    size: int = 48,
    classes: Sequence[str] = SEVEN,
    seed: int = 0,
) -> snapshots.Manifest:
    """Bars at a class's own angle, in noise; every fifth picture of a class is validation, every fifth test."""
    rows = make_rows(images_per_class=images_per_class, size=size, classes=classes, seed=seed)
    return snapshots.write(folder, rows, classes=classes, rule={"seed": seed, "splits": "made"})


def make_rows(
    *, images_per_class: int, size: int, classes: Sequence[str], seed: int = 0
) -> list[dict[str, Any]]:
    """The rows of such a folder, in order."""
    rng = np.random.default_rng(seed)
    rows = [
        _row(rng, classes, index, number, size)
        for index in range(len(classes))
        for number in range(images_per_class)
    ]
    return sorted(rows, key=lambda row: row["face_key"])


def _row(
    rng: np.random.Generator, classes: Sequence[str], index: int, number: int, size: int
) -> dict[str, Any]:
    image = _picture(rng, index, len(classes), size)
    media = hashlib.sha256(image).hexdigest()
    box = (0, 0, size, size)
    votes = [0] * (len(classes) + 2)
    votes[index] = 8
    votes[(index + 1) % len(classes)] += 2
    return {
        "face_key": snapshots.face_key(media_sha256=media, detector="made", time_ms=0, row=0, box=box),
        "face_id": index * 1_000 + number + 1,
        "image": image,
        "label": classes[index],
        "label_index": index,
        "votes": votes,
        "soft_label": [count / 10 for count in votes[: len(classes)]],
        "split": {3: "validation", 4: "test"}.get(number % 5, "train"),
        "agreement": 0.8,
        "media_sha256": media,
        "media_kind": "image",
        "time_ms": 0,
        "x": 0,
        "y": 0,
        "width": size,
        "height": size,
        "detector": "made",
        "licence": "CC0-1.0",
        "author": "VEMO",
        "page_url": "",
        "source": "made",
        "given_split": "",
    }


def _picture(rng: np.random.Generator, index: int, classes: int, size: int) -> bytes:
    image = Image.new("L", (size, size), 60)
    angle = np.pi * index / classes + rng.normal(0, 0.04)
    centre = size / 2 + rng.normal(0, size / 24, 2)
    reach = np.array([np.cos(angle), np.sin(angle)]) * size * 0.42
    ends = [tuple(centre - reach), tuple(centre + reach)]
    ImageDraw.Draw(image).line(ends, fill=220, width=max(2, size // 8))
    noisy = np.asarray(image, dtype=np.float32) + rng.normal(0, 18, (size, size))
    buffer = io.BytesIO()
    Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()
