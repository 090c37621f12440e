"""One media: its picture, upright and small, with the faces drawn over it."""

import io

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client
from django.urls import reverse
from PIL import Image

from labeling.models import Media, Scan
from tests.factories import make_faces, make_media, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def manager(client: Client) -> Client:
    client.force_login(make_user("manager"))
    return client


def make_lying_photo(width: int = 1600, height: int = 800) -> Media:
    """A photo stored on its side, as cameras do: the EXIF flag says to turn it by 90 degrees."""
    image = Image.new("RGB", (width, height), "white")
    image.paste("red", (0, 0, width // 4, height))
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", exif=exif)
    name = default_storage.save("media/lying.jpg", ContentFile(buffer.getvalue()))
    return make_media(stored_as=name, mime="image/jpeg", width=height, height=width, sha256="c" * 64)


def picture(client: Client, media: Media, **query: int):
    return client.get(reverse("labeling:thumbnail", args=[media.pk]), query)


def test_a_picture_is_upright_jpeg_and_no_larger_than_asked(manager: Client) -> None:
    response = picture(manager, make_lying_photo())
    image = Image.open(io.BytesIO(b"".join(response)))
    assert (response["Content-Type"], image.format, image.size) == ("image/jpeg", "JPEG", (160, 320))
    red, white = image.getpixel((80, 20)), image.getpixel((80, 300))
    assert red[0] > 200 > 60 > red[1]
    assert min(white) > 240


def test_a_small_picture_is_not_blown_up(manager: Client) -> None:
    response = picture(manager, make_media(), size=1280)
    assert Image.open(io.BytesIO(b"".join(response))).size == (48, 48)


def test_a_picture_is_made_once_and_kept_by_the_browser(manager: Client) -> None:
    media = make_media()
    first = picture(manager, media)
    assert b"".join(first)
    assert first["Cache-Control"] == "private, max-age=31536000, immutable"
    again = manager.get(
        reverse("labeling:thumbnail", args=[media.pk]), headers={"if-none-match": first["ETag"]}
    )
    assert (again.status_code, again.content) == (304, b"")
    default_storage.delete(media.stored_as)
    assert b"".join(picture(manager, media))


@pytest.mark.parametrize("query", [{"size": 5000}, {"at": 1234}])
def test_sizes_and_moments_nobody_offers_are_not_made(manager: Client, query: dict[str, int]) -> None:
    assert picture(manager, make_media(), **query).status_code == 404


def test_a_picture_whose_file_is_gone_is_not_found(manager: Client) -> None:
    media = make_media()
    default_storage.delete(media.stored_as)
    assert picture(manager, media).status_code == 404


@pytest.mark.parametrize("faces", [0, 1, 3])
def test_the_page_draws_a_box_per_face_at_the_same_cost(
    manager: Client, django_assert_num_queries, faces: int
) -> None:
    media = make_media()
    for n in range(faces):
        make_faces(1, media=media, x=10 * n)
    Scan.objects.create(media=media, detector="haar", faces=faces)
    with django_assert_num_queries(7):  # session, user, media, boxes, items, scans, faces
        page = manager.get(reverse("labeling:media", args=[media.pk])).content.decode()
    assert page.count('class="box box-haar"') == faces
    assert 'viewBox="0 0 48 48"' in page


def test_a_video_opens_where_most_faces_are(manager: Client) -> None:
    video = make_media(kind="video", mime="video/mp4", duration_ms=60_000, fps=25.0)
    for time_ms, x in [(200, 0), (30_000, 0), (30_000, 60), (59_800, 0)]:
        make_faces(1, media=video, time_ms=time_ms, x=x)
    address = reverse("labeling:media", args=[video.pk])
    context = manager.get(address).context
    assert (context["at"], len(context["boxes"])) == (30_000, 2)
    assert [(mark.time_ms, mark.faces) for mark in context["marks"]] == [
        (200, 1),
        (30_000, 2),
        (59_800, 1),
    ]
    assert [face.time_ms for face in manager.get(address, {"at": 200}).context["boxes"]] == [200]


def test_only_a_web_address_becomes_a_link(manager: Client) -> None:
    good = make_media(page_url="https://example.org/photo", licence="CC BY 4.0", author="Ada")
    page = manager.get(reverse("labeling:media", args=[good.pk])).content.decode()
    assert 'href="https://example.org/photo" rel="noopener nofollow noreferrer"' in page
    assert "CC BY 4.0" in page
    evil = make_media(page_url="javascript:alert(1)")
    assert "javascript:" not in manager.get(reverse("labeling:media", args=[evil.pk])).content.decode()
