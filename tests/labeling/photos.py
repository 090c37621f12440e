"""A photo that is stored, and what is stored of pictures."""

import io

import numpy as np
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from PIL import Image

from labeling.models import Media
from tests.factories import make_media


def make_photo() -> Media:
    """200 × 120 pixels of noise."""
    pixels = np.random.default_rng(1).integers(0, 255, (120, 200, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    name = default_storage.save("media/photo.png", ContentFile(buffer.getvalue()))
    return make_media(stored_as=name, width=200, height=120, sha256="d" * 64)


def pixels_of(name: str) -> np.ndarray:
    """(H, W, 3)"""
    with default_storage.open(name) as file:
        return np.asarray(Image.open(file).convert("RGB"))
