"""Drawing and correcting boxes by page and API."""

from pathlib import Path

from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from labeling.models import Face, Media
from labeling.sources import drawn
from tests.factories import make_campaign, make_user, vote_next
from tests.labeling.corrections.correcting import MOVED, fresh
from tests.labeling.photos import pixels_of
from tests.labeling.sources.places import taken_in
from tests.labeling.vision.films import write_pictures
from vemo.accounts.models import User


def test_managers_correct_and_undo_on_the_medias_page(client: Client, old: Face, manager: User) -> None:
    client.force_login(manager)
    campaign = make_campaign([old], votes_per_face=2)
    vote_next(campaign, make_user())
    media = reverse("labeling:media", args=[old.media_id])
    page = client.get(media, {"correct": old.pk}).content.decode()
    assert "Save the box" in page
    assert "A face is missing" not in page
    address = reverse("labeling:face_correct", args=[old.pk])
    x, y, width, height = MOVED
    page = client.post(
        address, {"x": x, "y": y, "width": width, "height": height}, follow=True
    ).content.decode()
    assert "The box is corrected. In 1 campaign somebody has seen the old face: there it stays." in page
    assert "Undo the correction" in page
    again = client.post(address, {"x": 1, "y": 2, "width": 30, "height": 30}, follow=True).content.decode()
    assert "Somebody has corrected this box already" in again
    assert "give all four numbers" in client.post(address, {"x": 1}, follow=True).content.decode()
    undone = client.post(reverse("labeling:face_uncorrect", args=[old.pk]), follow=True).content.decode()
    assert "The correction is undone." in undone
    assert fresh(old).left_out == ""


def test_by_the_api_too(old: Face, manager: User) -> None:
    client = APIClient()
    client.force_authenticate(manager)
    campaign = make_campaign([old])
    x, y, width, height = MOVED
    answer = client.post(
        f"/api/v1/faces/{old.pk}/correct/", {"x": x, "y": y, "width": width, "height": height}, format="json"
    )
    assert answer.status_code == 201
    assert (answer.data["moved"], answer.data["stayed"]) == ([campaign.name], [])
    assert [answer.data["face"][name] for name in ("x", "y", "width", "height")] == list(MOVED)
    assert client.get(f"/api/v1/faces/{old.pk}/").data["replaced_by"] == answer.data["face"]["id"]
    twice = client.post(
        f"/api/v1/faces/{old.pk}/correct/", {"x": 1, "y": 1, "width": 20, "height": 20}, format="json"
    )
    assert (twice.status_code, "already" in twice.data["error"]) == (409, True)
    undone = client.post(f"/api/v1/faces/{old.pk}/uncorrect/")
    assert (undone.status_code, undone.data["face"]["id"]) == (200, old.pk)


def test_a_face_that_no_detector_found_is_drawn_by_the_api_and_taken_away(
    photo: Media, manager: User
) -> None:
    client = APIClient()
    client.force_authenticate(manager)
    address = f"/api/v1/media/{photo.pk}/draw/"
    answer = client.post(
        address, {"x": 170, "y": 10, "width": 60, "height": 40, "time_ms": 70}, format="json"
    )
    face = Face.objects.get()
    assert (answer.status_code, answer.data["id"], answer.data["detector"]) == (201, face.pk, "person")
    # The picture ends at 200, and has one moment.
    assert (face.x, face.y, face.width, face.height, face.time_ms) == (170, 10, 30, 40, 0)
    assert pixels_of(face.crop).shape[2] == 3
    twice = client.post(address, {"x": 170, "y": 10, "width": 60, "height": 40}, format="json")
    assert (twice.status_code, twice.data["error"]) == (409, "This box is there already.")
    small = client.post(address, {"x": 10, "y": 10, "width": 3, "height": 40}, format="json")
    assert (small.status_code, "too small" in small.data["error"]) == (409, True)
    assert client.post(address, {"x": 1}, format="json").status_code == 400
    assert client.post(f"/api/v1/faces/{face.pk}/remove/").status_code == 204
    assert not Face.objects.exists()


def test_what_a_detector_found_is_not_taken_away_by_the_api(old: Face, manager: User) -> None:
    client = APIClient()
    client.force_authenticate(manager)
    answer = client.post(f"/api/v1/faces/{old.pk}/remove/")
    assert (answer.status_code, answer.data["code"]) == (409, "refused")
    assert fresh(old) == old


def test_in_a_video_the_api_draws_at_a_moment(tmp_path: Path, manager: User) -> None:
    write_pictures(tmp_path / "film.mp4", [drawn.draw_still(0)] * 8, rate=5)
    media = taken_in(tmp_path / "film.mp4").items.get().media
    assert media is not None
    client = APIClient()
    client.force_authenticate(manager)
    answer = client.post(
        f"/api/v1/media/{media.pk}/draw/",
        {"x": 10, "y": 10, "width": 40, "height": 40, "time_ms": 450},
        format="json",
    )
    assert (answer.status_code, answer.data["time_ms"]) == (201, 600)
