"""One media: its picture, upright and small, with the faces drawn over it."""

import io
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client
from django.urls import reverse
from django.utils.formats import date_format
from PIL import Image

from labeling import timeline_queries
from labeling.models import Face, Media, Scan, Track
from tests.factories import make_faces, make_media, make_user
from tests.labeling.vision.films import SIZE, number_in, write_film

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


# ---- any moment of a video ----


@pytest.fixture
def film(tmp_path: Path) -> Media:
    """In which no face was found: 50 frames at 25 a second."""
    path = write_film(tmp_path / "film.mp4", rate=25, count=50)
    name = default_storage.save("media/film.mp4", ContentFile(path.read_bytes()))
    size = {"width": SIZE[0], "height": SIZE[1]}
    return make_media(stored_as=name, kind="video", mime="video/mp4", duration_ms=2_000, fps=25.0, **size)


def shown(client: Client, film: Media, **query: object) -> str:
    answer = client.get(reverse("labeling:media_moment", args=[film.pk]), query)
    assert answer.status_code == 302
    return answer.url.removeprefix(reverse("labeling:media", args=[film.pk]))


def test_a_manager_goes_to_any_moment_of_a_video_and_steps_from_there(manager: Client, film: Media) -> None:
    assert shown(manager, film, at=1_001) == "?at=1040"
    assert shown(manager, film, at=1_040, step="after") == "?at=1080"
    assert shown(manager, film, at=1_040, step="before") == "?at=1000"
    assert shown(manager, film, at=0, step="before") == "?at=0"
    assert shown(manager, film, at=10**14) == "?at=1960"
    assert shown(manager, film, at="x", step="x") == "?at=0"
    page = manager.get(reverse("labeling:media", args=[film.pk]), {"at": 1_040}).content.decode()
    moment = reverse("labeling:media_moment", args=[film.pk])
    assert f"{moment}?at=1040&amp;step=before" in page
    assert f"{moment}?at=1040&amp;step=after" in page
    assert f"{reverse('labeling:thumbnail', args=[film.pk])}?size=1280&amp;at=1040" in page
    assert "A face is missing" in page


def test_a_passing_moment_is_shown_and_kept_by_nobody_but_the_browser(manager: Client, film: Media) -> None:
    answer = picture(manager, film, size=1280, at=1_040)
    assert (answer.status_code, answer["Content-Type"]) == (200, "image/jpeg")
    assert number_in(np.asarray(Image.open(io.BytesIO(answer.content)).convert("RGB"))) == 26
    assert "immutable" in answer["Cache-Control"]
    folder = f"pictures/{film.sha256[:2]}"
    assert not default_storage.exists(f"{folder}/{film.sha256}-1280-1040.jpg")
    held = {"if-none-match": answer["ETag"]}
    address = reverse("labeling:thumbnail", args=[film.pk])
    assert manager.get(address, {"size": 1280, "at": 1_040}, headers=held).status_code == 304
    make_faces(1, media=film, time_ms=1_040)
    assert b"".join(picture(manager, film, size=1280, at=1_040))
    assert default_storage.exists(f"{folder}/{film.sha256}-1280-1040.jpg")


@pytest.mark.parametrize("query", [{"at": 2_001}, {"at": 40, "size": 999}])
def test_a_video_shows_no_moment_behind_its_end(manager: Client, film: Media, query: dict[str, int]) -> None:
    assert picture(manager, film, **query).status_code == 404


def test_a_video_of_unknown_length_is_stepped_through(manager: Client, film: Media) -> None:
    Media.objects.filter(pk=film.pk).update(duration_ms=0)
    assert shown(manager, film, at=1_000, step="after") == "?at=1040"
    assert picture(manager, film, at=1_040).status_code == 200
    page = manager.get(reverse("labeling:media", args=[film.pk]), {"at": 1_040}).content.decode()
    assert 'type="range"' not in page
    assert "step=after" in page


def test_a_picture_has_no_moments(manager: Client) -> None:
    media = make_media()
    assert manager.get(reverse("labeling:media_moment", args=[media.pk])).status_code == 404
    assert "data-moments" not in manager.get(reverse("labeling:media", args=[media.pk])).content.decode()


def test_a_video_whose_file_is_gone_says_so(manager: Client, film: Media) -> None:
    default_storage.delete(film.stored_as)
    assert shown(manager, film, at=1_000) == ""
    page = manager.get(reverse("labeling:media", args=[film.pk])).content.decode()
    assert "holds no file" in page
    assert picture(manager, film, at=1_000).status_code == 404


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
    with django_assert_num_queries(8):  # session, user, media, boxes, decisions, items, scans, faces
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


def test_what_its_site_said_of_it_is_shown(manager: Client) -> None:
    given = {"title": "At the <lake>", "uploaded": "2024-05-01", "url": "https://live.example.org/1_o.jpg"}
    page = manager.get(reverse("labeling:media", args=[make_media(given=given).pk])).content.decode()
    assert "At the &lt;lake&gt;" in page
    assert date_format(date(2024, 5, 1)) in page
    assert 'href="https://live.example.org/1_o.jpg"' in page
    evil = make_media(given={"uploaded": "one day", "url": "javascript:alert(1)"})
    page = manager.get(reverse("labeling:media", args=[evil.pk])).content.decode()
    assert "one day" in page
    assert 'href="javascript:' not in page


def make_video_with_track(faces: int) -> tuple[Media, Track, list[Face]]:
    video = make_media(kind="video", mime="video/mp4", duration_ms=60_000, fps=25.0)
    track = Track.objects.create(
        media=video, detector="yunet", number=1, shot=1, first_ms=0, last_ms=1_000 * (faces - 1)
    )
    shown = [
        make_faces(1, media=video, detector="yunet", track=track, time_ms=1_000 * n)[0] for n in range(faces)
    ]
    return video, track, shown


@pytest.mark.parametrize("faces", [1, 4])
def test_each_track_of_a_video_is_a_row_at_the_same_cost(
    manager: Client, django_assert_num_queries, faces: int
) -> None:
    video, track, shown = make_video_with_track(faces)
    # session, user, media, moments, tracks, their faces, boxes, decisions, items, scans, faces
    with django_assert_num_queries(11):
        response = manager.get(reverse("labeling:media", args=[video.pk]))
    (row,) = response.context["tracks"]
    assert (row.track, row.faces, [tick.face for tick in row.ticks]) == (
        track,
        faces,
        [face.pk for face in shown],
    )


def test_a_tick_leads_to_its_face_at_its_moment(manager: Client) -> None:
    video, _, shown = make_video_with_track(3)
    address = reverse("labeling:media", args=[video.pk])
    page = manager.get(address).content.decode()
    tick = f"?at=2000&amp;face={shown[2].pk}"
    assert tick in page
    page = manager.get(address + tick.replace("&amp;", "&")).content.decode()
    assert page.count("box-here") == 1
    assert page.count("face-here") == 1


def test_shots_begin_where_their_first_track_does(manager: Client) -> None:
    video, _, _ = make_video_with_track(2)
    for number, first_ms in ((2, 31_000), (3, 30_000)):
        Track.objects.create(
            media=video, detector="yunet", number=number, shot=2, first_ms=first_ms, last_ms=40_000
        )
    response = manager.get(reverse("labeling:media", args=[video.pk]))
    assert response.context["cuts"] == [120.0]


def test_many_tracks_come_page_by_page(manager: Client, monkeypatch) -> None:
    monkeypatch.setattr(timeline_queries, "TRACKS", 1)
    video, track, _ = make_video_with_track(2)
    other = Track.objects.create(media=video, detector="yunet", number=2, shot=1, first_ms=9, last_ms=9)
    address = reverse("labeling:media", args=[video.pk])
    response = manager.get(address)
    assert [row.track for row in response.context["tracks"]] == [track]
    response = manager.get(address, {"tracks": response.context["more_tracks"]})
    assert [row.track for row in response.context["tracks"]] == [other]
    assert response.context["more_tracks"] is None


def test_left_out_faces_say_why_and_are_taken_back_there(manager: Client) -> None:
    video, _, shown = make_video_with_track(2)
    Face.objects.filter(pk=shown[0].pk).update(left_out="track")
    address = reverse("labeling:media", args=[video.pk])
    page = manager.get(address).content.decode()
    assert "others of its track are sharper" in page
    posted = {"face": shown[0].pk, "do": "take_back", "next": address}
    page = manager.post("/faces/act/", posted, follow=True).content.decode()
    assert "1 face taken back." in page
    assert "others of its track are sharper" not in page
