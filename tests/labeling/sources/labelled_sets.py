"""Sets that experts labelled, taken in, and what is known of them then."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from labeling.models import Face, FaceLabel, Source
from tests.labeling.sources.places import (
    taken_in,
)

OPTIONS = {"basis": "licensed", "origin": "Dr. Lan, 2026"}


def jpeg(seed: int, size: tuple[int, int] = (40, 30), **how: object) -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, "JPEG", **how)
    return buffer.getvalue()


def jpeg_of(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def labelled(location: Path | str, **options: object) -> Source:
    return taken_in(location, kind="labelled", options={**OPTIONS, **options})  # type: ignore[arg-type]


def said() -> dict[str, str]:
    """The name of the media → its label."""
    rows = FaceLabel.objects.filter(column="expert")
    return dict(rows.values_list("face__media__original_name", "label"))


def splits() -> dict[str, str]:
    return {face.media.original_name: face.given.get("split", "") for face in Face.objects.all()}
