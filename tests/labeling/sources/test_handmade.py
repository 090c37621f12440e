"""Faces that people draw by hand."""

from pathlib import Path

import numpy as np
import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client
from django.urls import reverse

from labeling.models import Face, Media
from labeling.sources import handmade, store
from labeling.sources.handmade import CannotDraw
from labeling.vision import crops, video
from tests.factories import make_campaign, make_faces, make_media, make_user
from tests.labeling.erasure.erasing import erase
from tests.labeling.photos import make_photo, pixels_of
from tests.labeling.vision.films import SIZE, number_in, write_film

pytestmark = pytest.mark.django_db


@pytest.fixture
def photo() -> Media:
    return make_photo()


def test_a_drawn_face_is_cut_and_measured_as_others_are(photo: Media) -> None:
    face = handmade.draw(media=photo, box=(50, 30, 40, 50), by=None)
    assert (face.detector, face.score, face.x, face.y, face.width, face.height) == (
        "person",
        1,
        50,
        30,
        40,
        50,
    )
    expected = crops.crop(pixels_of(photo.stored_as), (50, 30, 40, 50))
    assert np.array_equal(pixels_of(face.crop), expected)
    assert None not in (face.sharpness, face.brightness, face.contrast, face.outside, face.fingerprint)


def test_what_lies_outside_the_picture_is_cut_off(photo: Media) -> None:
    face = handmade.draw(media=photo, box=(180, 100, 50, 50), by=None)
    assert (face.x, face.y, face.width, face.height) == (180, 100, 20, 20)


@pytest.mark.parametrize("box", [(10, 10, 7, 50), (195, 0, 50, 50), (300, 300, 50, 50)])
def test_a_box_that_is_too_small_is_refused(photo: Media, box: tuple[int, int, int, int]) -> None:
    with pytest.raises(CannotDraw, match="too small"):
        handmade.draw(media=photo, box=box, by=None)


def test_the_same_box_twice_is_refused(photo: Media) -> None:
    handmade.draw(media=photo, box=(50, 30, 40, 50), by=None)
    with pytest.raises(CannotDraw, match="there already"):
        handmade.draw(media=photo, box=(50, 30, 40, 50), by=None)


@pytest.fixture
def film(tmp_path: Path) -> Media:
    """In which no face was found: 50 frames at 25 a second."""
    path = write_film(tmp_path / "film.mp4", rate=25, count=50)
    name = default_storage.save("media/film.mp4", ContentFile(path.read_bytes()))
    size = {"width": SIZE[0], "height": SIZE[1]}
    return make_media(stored_as=name, kind="video", mime="video/mp4", duration_ms=2_000, fps=25.0, **size)


def test_a_face_is_drawn_at_any_moment_of_a_video(film: Media) -> None:
    face = handmade.draw(media=film, box=(0, 30, 160, 66), time_ms=1_001, by=None)
    # The frame shown then begins a little later.
    assert (face.time_ms, face.frame) == (1_040, 26)
    with store.local_file(film.stored_as) as path:
        shown = video.frame_at(path, 1_040)
    assert number_in(shown) == 26
    assert np.array_equal(pixels_of(face.crop), crops.crop(shown, (0, 30, 160, 66)))
    again = handmade.draw(media=film, box=(0, 30, 100, 66), time_ms=1_040, by=None)
    assert (again.time_ms, again.frame) == (1_040, 26)
    with pytest.raises(CannotDraw, match="there already"):
        handmade.draw(media=film, box=(0, 30, 160, 66), time_ms=1_039, by=None)


def test_behind_its_end_a_video_shows_its_last_frame(film: Media) -> None:
    face = handmade.draw(media=film, box=(0, 0, 20, 20), time_ms=10**9, by=None)
    assert (face.time_ms, face.frame) == (1_960, 49)


def test_a_face_that_was_erased_is_not_drawn_again_a_moment_later(film: Media) -> None:
    face = handmade.draw(media=film, box=(0, 0, 40, 40), time_ms=1_000, by=None)
    erase("face", [face.pk])
    with pytest.raises(CannotDraw, match="was erased"):
        handmade.draw(media=film, box=(1, 1, 40, 40), time_ms=1_120, by=None)
    handmade.draw(media=film, box=(1, 1, 40, 40), time_ms=1_800, by=None)


def test_in_a_video_that_is_none_nothing_is_drawn() -> None:
    with pytest.raises(CannotDraw, match="not a video"):
        handmade.draw(media=make_media(kind="video"), box=(0, 0, 20, 20), time_ms=7, by=None)
    assert not Face.objects.exists()


def test_a_picture_that_is_gone_is_refused(photo: Media) -> None:
    default_storage.delete(photo.stored_as)
    with pytest.raises(CannotDraw):
        handmade.draw(media=photo, box=(50, 30, 40, 50), by=None)


def test_only_drawn_faces_outside_campaigns_are_removed(photo: Media) -> None:
    drawn = handmade.draw(media=photo, box=(50, 30, 40, 50), by=None)
    asked = handmade.draw(media=photo, box=(60, 30, 40, 50), by=None)
    make_campaign([asked])
    (found,) = make_faces(1)
    handmade.remove(face=drawn, by=None)
    with pytest.raises(CannotDraw, match="in a campaign"):
        handmade.remove(face=asked, by=None)
    with pytest.raises(CannotDraw, match="leave it out instead"):
        handmade.remove(face=found, by=None)
    assert set(Face.objects.all()) == {asked, found}


def test_the_crop_goes_with_the_face_unless_another_face_shows_the_same(photo: Media) -> None:
    drawn = handmade.draw(media=photo, box=(50, 30, 40, 50), by=None)
    other = make_faces(1, crop=drawn.crop)[0]
    handmade.remove(face=drawn, by=None)
    assert default_storage.exists(drawn.crop)
    other.delete()
    handmade.remove(face=handmade.draw(media=photo, box=(50, 30, 40, 50), by=None), by=None)
    assert not default_storage.exists(drawn.crop)


def test_managers_draw_and_remove_on_the_medias_page(client: Client, photo: Media) -> None:
    client.force_login(make_user("manager"))
    address = reverse("labeling:media_draw", args=[photo.pk])
    posted = {"x": 50, "y": 30, "width": 40, "height": 50, "at": 0}
    page = client.post(address, posted, follow=True).content.decode()
    assert "The face is kept." in page
    assert 'class="box box-person box-here"' in page
    page = client.post(address, {"x": 50}, follow=True).content.decode()
    assert "Draw a box around the face" in page
    removal = reverse("labeling:face_remove", args=[Face.objects.get().pk])
    assert "The face is gone." in client.post(removal, follow=True).content.decode()
    assert not Face.objects.exists()
