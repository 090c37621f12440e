"""What is around a face: for who judges it, and for nobody else."""

import io
import uuid
from pathlib import Path

import av
import numpy as np
import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client
from django.urls import reverse
from PIL import Image

from labeling.models import Campaign
from labeling.sources import surroundings
from labeling.voting import votes
from tests.factories import make_campaign, make_faces, make_media, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def campaign() -> Campaign:
    """One face in the middle of a large grey picture."""
    buffer = io.BytesIO()
    Image.new("RGB", (2560, 1280), "#808080").save(buffer, "PNG")
    name = default_storage.save("media/secret-holiday.png", ContentFile(buffer.getvalue()))
    media = make_media(
        stored_as=name, width=2560, height=1280, sha256="d" * 64, original_name="secret-holiday.png"
    )
    return make_campaign(make_faces(1, media=media, x=1000, y=400, width=400, height=400))


def asked(client: Client, campaign: Campaign, annotator):
    client.force_login(annotator)
    row = campaign.campaign_faces.get()
    return client.get(reverse("labeling:vote_context", args=[campaign.pk, row.pk]))


def test_who_holds_the_face_sees_the_whole_picture_with_a_frame_around_it(client, campaign) -> None:
    annotator = make_user("annotator")
    votes.lease(campaign=campaign, annotator=annotator, limit=1)
    response = asked(client, campaign, annotator)
    picture = Image.open(io.BytesIO(response.content))
    assert (response["Content-Type"], picture.size) == ("image/jpeg", (1280, 640))
    row = [picture.getpixel((x, 300)) for x in range(480, 510)]
    assert any(red > 180 and blue < 120 for red, _, blue in row)
    assert max(picture.getpixel((600, 300))) - min(picture.getpixel((600, 300))) < 10


def test_who_voted_on_the_face_still_sees_it(client, campaign) -> None:
    annotator = make_user("annotator")
    held = votes.lease(campaign=campaign, annotator=annotator, limit=1)[0].campaign_face_id
    votes.cast(
        campaign=campaign,
        annotator=annotator,
        campaign_face_id=held,
        answer="sad",
        client_key=uuid.uuid4(),
    )
    assert asked(client, campaign, annotator).status_code == 200


def test_a_face_that_is_not_before_the_annotator_is_not_found(client, campaign) -> None:
    votes.lease(campaign=campaign, annotator=make_user("annotator"), limit=1)
    assert asked(client, campaign, make_user("annotator")).status_code == 404


def test_a_face_of_another_campaign_is_not_found(client, campaign) -> None:
    annotator = make_user("annotator")
    held = votes.lease(campaign=campaign, annotator=annotator, limit=1)[0].campaign_face_id
    client.force_login(annotator)
    other = make_campaign(1)
    assert client.get(reverse("labeling:vote_context", args=[other.pk, held])).status_code == 404


def test_no_header_names_the_file_and_no_shared_cache_keeps_it(client, campaign) -> None:
    annotator = make_user("annotator")
    votes.lease(campaign=campaign, annotator=annotator, limit=1)
    response = asked(client, campaign, annotator)
    assert response["Cache-Control"].startswith("private")
    assert "holiday" not in str(response.headers)


def test_a_picture_whose_file_is_gone_is_not_found(client, campaign) -> None:
    annotator = make_user("annotator")
    votes.lease(campaign=campaign, annotator=annotator, limit=1)
    default_storage.delete("media/secret-holiday.png")
    assert asked(client, campaign, annotator).status_code == 404


def moving_picture(path: Path, frames: int = 60) -> bytes:
    """Ten frames a second, 320 × 240; frame n is of the grey 4 n."""
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for n in range(frames):
            pixels = np.full((240, 320, 3), 4 * n, dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    return path.read_bytes()


@pytest.fixture
def filmed(tmp_path: Path) -> Campaign:
    """A face two seconds into a video."""
    data = moving_picture(tmp_path / "film.mp4")
    name = default_storage.save("media/secret-film.mp4", ContentFile(data))
    media = make_media(stored_as=name, kind="video", mime="video/mp4", width=320, height=240, sha256="e" * 64)
    return make_campaign(make_faces(1, media=media, x=140, y=100, width=40, height=40, time_ms=2000))


def second_of(client: Client, campaign: Campaign, annotator):
    client.force_login(annotator)
    return client.get(reverse("labeling:vote_second", args=[campaign.pk, campaign.campaign_faces.get().pk]))


def test_of_a_video_five_frames_of_the_second_around_the_face_are_shown(client, filmed) -> None:
    annotator = make_user("annotator")
    votes.lease(campaign=filmed, annotator=annotator, limit=1)
    response = second_of(client, filmed, annotator)
    strip = Image.open(io.BytesIO(response.content))
    assert (response["Content-Type"], strip.size) == ("image/jpeg", (5 * 480, 480))
    greys = [strip.getpixel((480 * n + 240, 240))[0] for n in range(5)]
    # At 1.5, 1.75, 2, 2.25 and 2.5 s; between two frames it is the later one.
    assert all(abs(grey - 4 * frame) <= 4 for grey, frame in zip(greys, (15, 18, 20, 23, 25), strict=True))
    marked = [max(strip.getpixel((480 * n + x, 240))[0] for x in range(480)) > 200 for n in range(5)]
    assert marked == [False, False, True, False, False]
    assert "secret" not in str(response.headers)


def test_the_second_is_made_once(client, filmed) -> None:
    annotator = make_user("annotator")
    votes.lease(campaign=filmed, annotator=annotator, limit=1)
    first = second_of(client, filmed, annotator).content
    default_storage.delete("media/secret-film.mp4")
    assert second_of(client, filmed, annotator).content == first


def test_the_second_is_for_nobody_else_and_of_no_picture(client, filmed, campaign) -> None:
    annotator = make_user("annotator")
    assert second_of(client, filmed, annotator).status_code == 404
    votes.lease(campaign=campaign, annotator=annotator, limit=1)
    assert second_of(client, campaign, annotator).status_code == 204


def test_the_square_stays_inside_a_picture_that_is_large_enough() -> None:
    inside = surroundings._inside
    assert [inside(-20, 100, 320), inside(300, 100, 320), inside(50, 100, 320)] == [0, 220, 50]
    assert inside(0, 400, 320) == -40
