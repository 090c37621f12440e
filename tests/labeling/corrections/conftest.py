"""A photo with a face in it, and who may correct it."""

import io

import numpy as np
import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from PIL import Image

from labeling.models import Face, Media
from tests.factories import make_faces, make_media, make_user
from tests.labeling.corrections.correcting import BOX
from vemo.accounts.models import User


@pytest.fixture(autouse=True)
def database(db: None) -> None:
    """Everything here asks it."""


@pytest.fixture
def photo() -> Media:
    pixels = np.random.default_rng(1).integers(0, 255, (120, 200, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    name = default_storage.save("media/photo.png", ContentFile(buffer.getvalue()))
    return make_media(stored_as=name, width=200, height=120, sha256="d" * 64)


@pytest.fixture
def old(photo: Media) -> Face:
    x, y, width, height = BOX
    return make_faces(1, media=photo, detector="yunet", x=x, y=y, width=width, height=height)[0]


@pytest.fixture
def manager() -> User:
    return make_user("manager")
