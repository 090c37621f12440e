"""What the vote page says to the server: plain JSON, exact, and kind when it must refuse."""

from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse

from labeling import campaigns
from labeling.models import Campaign, Lease, Skip, Vote
from tests.factories import make_campaign, make_user
from vemo.accounts.models import User

pytestmark = pytest.mark.django_db


class Page:
    """A signed-in annotator's page on one campaign."""

    def __init__(self, campaign: Campaign, user: User | None = None) -> None:
        self.client = Client()
        self.campaign = campaign
        self.user = user or make_user()
        self.client.force_login(self.user)

    def post(self, verb: str, body: Any) -> tuple[int, dict[str, Any]]:
        address = reverse(f"labeling:vote_{verb}", args=[self.campaign.pk])
        response = self.client.post(address, body, content_type="application/json")
        return response.status_code, response.json()

    def next(self, limit: int = 3) -> list[dict[str, Any]]:
        status, said = self.post("next", {"limit": limit})
        assert status == 200
        return list(said["faces"])

    def cast(self, pk: int, answer: str = "happy", **more: Any) -> tuple[int, dict[str, Any]]:
        return self.post("cast", {"id": pk, "answer": answer, "key": str(uuid4()), "took_ms": 800, **more})


def test_next_hands_out_faces_with_their_pictures_and_nothing_about_others() -> None:
    page = Page(make_campaign(4))
    faces = page.next()
    assert len(faces) == 3
    assert all(set(face) == {"id", "crop", "expires_at"} for face in faces)
    picture = page.client.get(faces[0]["crop"])
    assert (picture.status_code, picture.getvalue()[:4]) == (200, b"\x89PNG")
    assert page.next() == faces


def test_a_vote_is_counted_and_brings_the_next_faces_along() -> None:
    page = Page(make_campaign(4))
    first, *rest = page.next()
    status, said = page.cast(first["id"], "fear", want=3)
    assert (status, said["ok"], said["again"]) == (200, True, False)
    assert [face["id"] for face in said["faces"]][:2] == [face["id"] for face in rest]
    assert len(said["faces"]) == 3
    vote = Vote.objects.get()
    assert (vote.annotator, vote.answer, vote.took_ms) == (page.user, "fear", 800)


def test_a_vote_sent_twice_is_one_vote() -> None:
    page = Page(make_campaign(1))
    key = str(uuid4())
    pk = page.next()[0]["id"]
    assert [page.cast(pk, key=key)[1]["again"] for _ in range(2)] == [False, True]
    assert Vote.objects.count() == 1


def test_nobody_is_told_how_many_others_have_voted() -> None:
    page = Page(make_campaign(1, votes_per_face=1))
    assert page.cast(page.next()[0]["id"]) == (200, {"ok": True, "again": False})


def test_skip_and_undo() -> None:
    page = Page(make_campaign(2))
    first, second = page.next()
    assert page.post("skip", {"id": first["id"], "reason": "too dark"}) == (200, {"ok": True})
    assert Skip.objects.get().reason == "too dark"
    page.cast(second["id"], "sad")
    assert page.post("undo", {}) == (200, {"ok": True, "id": second["id"], "answer": "sad"})
    assert Lease.objects.get().campaign_face_id == second["id"]


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("cast", {"answer": "happy"}),
        ("cast", {"id": "x", "answer": "happy", "key": str(uuid4())}),
        ("cast", {"id": 1, "answer": "happy", "key": "no key"}),
        ("cast", {"id": 2**80, "answer": "happy", "key": str(uuid4())}),
        ("next", {"limit": "many"}),
        ("next", {"limit": float("inf")}),
        ("skip", "[" * 100_000),
        ("skip", b"\xff"),
        ("next", []),
        ("undo", {"key": 7}),
    ],
)
def test_what_is_not_understood_is_said(verb: str, body: Any) -> None:
    status, said = Page(make_campaign(1)).post(verb, body)
    assert (status, said["code"]) == (400, "request")


def test_refusals_are_for_people() -> None:
    page = Page(make_campaign(2))
    first, second = (face["id"] for face in page.next())
    page.cast(first)
    assert page.cast(first) == (
        409,
        {"error": "You have answered this face before; that answer counts.", "code": "already"},
    )
    assert page.cast(second, "bored")[1]["code"] == "answer"
    campaigns.close(campaign=page.campaign)
    assert page.cast(second)[1]["code"] == "closed"
    assert page.post("next", {"limit": 2})[0] == 409


@pytest.mark.parametrize("role", ["manager", "trainer", "nobody"])
def test_who_is_no_annotator_is_refused(role: str) -> None:
    page = Page(make_campaign(1), make_user(role))
    assert page.post("next", {"limit": 1}) == (403, {"error": "Your account may not vote.", "code": "role"})
    assert Lease.objects.count() == 0


def test_who_is_signed_out_is_told_so_and_an_unknown_campaign_too() -> None:
    page = Page(make_campaign(1))
    page.campaign = Campaign(pk=0)
    assert page.post("next", {})[0] == 404
    page.client.logout()
    assert page.post("next", {})[0] == 401


def test_without_the_pages_own_token_nothing_is_counted() -> None:
    page = Page(make_campaign(1))
    page.client = Client(enforce_csrf_checks=True)
    page.client.force_login(page.user)
    address = reverse("labeling:vote_next", args=[page.campaign.pk])
    assert page.client.post(address, {}, content_type="application/json").status_code == 403
    assert page.client.get(address).status_code == 405
