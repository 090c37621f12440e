"""Correcting by page and API."""

from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from labeling.models import Face
from tests.factories import make_campaign, make_user
from tests.labeling.corrections.correcting import MOVED, fresh, vote
from vemo.accounts.models import User


def test_managers_correct_and_undo_on_the_medias_page(client: Client, old: Face, manager: User) -> None:
    client.force_login(manager)
    campaign = make_campaign([old], votes_per_face=2)
    vote(campaign, make_user())
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
