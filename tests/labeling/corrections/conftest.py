"""A photo with a face in it, and who may correct it."""

import pytest

from labeling.models import Face, Media
from tests.factories import make_faces, make_user
from tests.labeling.corrections.correcting import BOX
from tests.labeling.photos import make_photo
from vemo.accounts.models import User


@pytest.fixture(autouse=True)
def database(db: None) -> None:
    """Everything here asks it."""


@pytest.fixture
def photo() -> Media:
    return make_photo()


@pytest.fixture
def old(photo: Media) -> Face:
    x, y, width, height = BOX
    return make_faces(1, media=photo, detector="yunet", x=x, y=y, width=width, height=height)[0]


@pytest.fixture
def manager() -> User:
    return make_user("manager")
