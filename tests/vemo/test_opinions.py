"""What the demo's simulated annotators think."""

import pytest

from labeling.expressions import SEVEN
from labeling.sources import drawn
from tests.factories import make_faces, make_media
from vemo.demo import opinions

pytestmark = pytest.mark.django_db


def test_a_label_of_the_source_is_known() -> None:
    (face,) = make_faces(1, given={"label": "fear"})
    assert opinions.known(face) == "fear"
    assert max(opinions.about(SEVEN)(face).items(), key=lambda pair: pair[1])[0] == "fear"


def test_the_drawn_video_is_known_by_its_time() -> None:
    (face,) = make_faces(1, time_ms=1200)
    face.media = make_media(original_name=drawn.VIDEO, author=drawn.AUTHOR)
    assert opinions.known(face) == "happy"


def test_of_anybodys_own_picture_nothing_is_known_and_opinions_are_invented_the_same_way_every_time() -> None:
    (face,) = make_faces(1)
    face.media = make_media(original_name="holiday.jpg", author="Somebody")
    assert opinions.known(face) == ""
    opinion = opinions.about(SEVEN)
    assert opinion(face) == opinion(face)
    assert sum(opinion(face).values()) == pytest.approx(1)
