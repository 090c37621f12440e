"""Faces that people draw by hand."""

import io

import numpy as np
import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client
from django.urls import reverse
from PIL import Image

from labeling.models import Face, Media
from labeling.sources import handmade
from labeling.sources.handmade import CannotDraw
from labeling.vision import crops
from tests.factories import make_campaign, make_faces, make_media, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def photo() -> Media:
    pixels = np.random.default_rng(1).integers(0, 255, (120, 200, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    name = default_storage.save("media/photo.png", ContentFile(buffer.getvalue()))
    return make_media(stored_as=name, width=200, height=120, sha256="d" * 64)


def pixels_of(name: str) -> np.ndarray:
    with default_storage.open(name) as file:
        return np.asarray(Image.open(file).convert("RGB"))


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


def test_a_moment_nobody_looked_at_is_refused() -> None:
    with pytest.raises(CannotDraw, match="choose one on the timeline"):
        handmade.draw(media=make_media(kind="video"), box=(0, 0, 20, 20), time_ms=7, by=None)


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
