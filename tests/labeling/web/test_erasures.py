"""The pages of erasures: what would go, the button, what became of it."""

import re
from urllib.parse import quote

import pytest
from django.test import Client
from django.urls import reverse

from labeling import erasure
from labeling.models import Erasure, Face, Source
from tests.factories import make_faces, make_media, make_user
from tests.labeling.snapshots.making import frozen, make_settled
from tests.training.making import make_run
from vemo.accounts.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture
def manager(client: Client) -> Client:
    client.force_login(make_user("manager"))
    return client


def text(client: Client, address: str, status: int = 200) -> str:
    answer = client.get(address)
    assert answer.status_code == status
    return answer.content.decode()


def test_a_demand_is_previewed_then_made_then_told(manager: Client) -> None:
    campaign = make_settled(12)
    snapshot = frozen(campaign)
    face = campaign.campaign_faces.first().face
    new = reverse("labeling:erasure_new")
    page = text(manager, f"{new}?scope=face&what={face.pk}")
    assert snapshot.name in page
    assert re.search(r"<b>1</b><span>face goes</span>", page)
    assert campaign.name in page
    assert "cannot be undone" in page
    assert "with_media=1" in page
    answer = manager.post(new, {"scope": "face", "what": face.pk, "reason": "Asked to"})
    row = Erasure.objects.get()
    assert answer.url == reverse("labeling:erasure", args=[row.pk])
    assert (row.what, row.by.is_manager, row.state) == ([face.pk], True, "waiting")
    erasure.carry_out(row.pk)
    told = text(manager, answer.url)
    assert snapshot.name in told
    assert campaign.name in told
    assert "Asked to" in told
    live = manager.get(reverse("labeling:erasure_live", args=[row.pk])).json()
    assert live["stage"] == "over"
    assert "Asked to" in text(manager, reverse("labeling:erasures"))


@pytest.mark.parametrize("trains", [False, True])
def test_models_are_named_to_all_and_linked_for_who_may_open_them(client: Client, trains: bool) -> None:
    user = make_user("manager")
    User.objects.filter(pk=user.pk).update(is_trainer=trains)
    client.force_login(user)
    campaign = make_settled(12)
    run = make_run(frozen(campaign))
    link = f'<a href="{reverse("training:run", args=[run.pk])}">{run.name}</a>'
    face = campaign.campaign_faces.first().face_id
    page = text(client, f"{reverse('labeling:erasure_new')}?scope=face&what={face}")
    row = erasure.demand("face", [face], reason="Asked to", wake=False)
    erasure.carry_out(row.pk)
    for shown in (page, text(client, reverse("labeling:erasure", args=[row.pk]))):
        assert run.name in shown
        assert (link in shown) is trains


def test_without_a_reason_nothing_is_demanded(manager: Client) -> None:
    media = make_media()
    answer = manager.post(
        reverse("labeling:erasure_new"), {"scope": "media", "what": media.pk, "reason": " "}
    )
    assert answer.status_code == 400
    assert "Say why" in answer.content.decode()
    assert not Erasure.objects.exists()


@pytest.mark.parametrize(
    "query", ["", "scope=media", "scope=media&what=77", "scope=x&what=1", "scope=face&what=x"]
)
def test_what_is_not_there_is_told(manager: Client, query: str) -> None:
    assert "notice-bad" in text(manager, f"{reverse('labeling:erasure_new')}?{query}", status=400)


def test_each_thing_offers_its_erasure(manager: Client) -> None:
    (face,) = make_faces(1)
    media = face.media
    type(media).objects.filter(pk=media.pk).update(author="Ann & Bo")
    source = Source.objects.create(name="S", kind="web", location="https://a.example/")
    new = reverse("labeling:erasure_new")
    page = text(manager, reverse("labeling:media", args=[media.pk]))
    assert f"{new}?scope=media&amp;what={media.pk}" in page
    assert f"{new}?scope=author&amp;what={quote('Ann & Bo', safe='')}" in page
    assert f"{new}?scope=face&amp;what={face.pk}" in text(manager, reverse("labeling:face", args=[face.pk]))
    assert f"{new}?scope=source&amp;what={source.pk}" in text(
        manager, reverse("labeling:source", args=[source.pk])
    )
    by_author = text(manager, f"{new}?scope=author&what={quote('Ann & Bo', safe='')}")
    assert "Ann &amp; Bo" in by_author


def selected(manager: Client, faces: list[Face]) -> dict[str, str]:
    """Select them in the gallery, and look at the preview. Returns what its form sends."""
    told = {"do": "erase", "face": [face.pk for face in faces]}
    answer = manager.post(reverse("labeling:faces_act"), told, follow=True)
    assert answer.status_code == 200
    fields = re.findall(
        r'type="hidden" name="(scope|what|chosen|with_media)" value="([^"]*)"', answer.content.decode()
    )
    assert "what" not in dict(fields)
    return dict(fields)


def test_faces_selected_in_the_gallery_are_previewed(manager: Client) -> None:
    faces = make_faces(3)
    form = selected(manager, faces[:2])
    without_reason = manager.post(reverse("labeling:erasure_new"), form)
    assert (without_reason.status_code, Erasure.objects.count()) == (400, 0)
    manager.post(reverse("labeling:erasure_new"), {**form, "reason": "Asked to", "with_media": "1"})
    row = Erasure.objects.get()
    assert (row.what, row.with_media) == ([face.pk for face in faces[:2]], True)


def test_what_was_previewed_goes_whatever_was_selected_since(manager: Client) -> None:
    new, faces = reverse("labeling:erasure_new"), make_faces(3)
    first = selected(manager, faces[1:])
    second = selected(manager, faces[:1])
    toggled = text(manager, f"{new}?scope=face&chosen={first['chosen']}&with_media=1")
    assert f"?scope=face&amp;chosen={first['chosen']}" in toggled
    manager.post(new, {**first, "reason": "Asked to"})
    manager.post(new, {**second, "reason": "Asked to"})
    asked = list(Erasure.objects.order_by("pk").values_list("what", flat=True))
    assert asked == [[face.pk for face in faces[1:]], [faces[0].pk]]


def test_a_selection_that_is_not_kept_any_more_erases_nothing(manager: Client) -> None:
    new, faces = reverse("labeling:erasure_new"), make_faces(6)
    forms = [selected(manager, [face]) for face in faces]
    answer = manager.post(new, {**forms[0], "reason": "Asked to"})
    assert answer.status_code == 400
    assert "Select the faces once more" in answer.content.decode()
    assert manager.post(new, {"scope": "face", "reason": "Asked to"}).status_code == 400
    assert not Erasure.objects.exists()


def test_one_that_failed_can_go_on(manager: Client) -> None:
    row = erasure.demand("media", [make_media().pk], reason="Asked to")
    Erasure.objects.filter(pk=row.pk).update(
        state="failed", ended_at=row.created_at, error="The disk is full"
    )
    assert "The disk is full" in text(manager, reverse("labeling:erasure", args=[row.pk]))
    manager.post(reverse("labeling:erasure_resume", args=[row.pk]))
    row.refresh_from_db()
    assert row.state == "waiting"


@pytest.mark.parametrize("rows", [1, 3])
def test_the_list_costs_the_same_however_long_it_is(
    manager: Client, rows: int, django_assert_num_queries
) -> None:
    for _ in range(rows):
        erasure.demand("media", [make_media().pk], reason="Asked to", by=make_user("manager"))
    with django_assert_num_queries(3):
        manager.get(reverse("labeling:erasures"))


def test_the_api_previews_demands_and_tells(client: Client) -> None:
    client.force_login(make_user("manager"))
    (face,) = make_faces(1)
    said = {"scope": "face", "what": [face.pk]}
    preview = client.post("/api/v1/erasures/preview/", said, content_type="application/json")
    assert (preview.status_code, preview.json()["faces"], preview.json()["pictures_stay"]) == (200, 1, 1)
    made = client.post("/api/v1/erasures/", {**said, "reason": "Asked to"}, content_type="application/json")
    assert made.status_code == 201
    erasure.carry_out(made.json()["id"])
    told = client.get(f"/api/v1/erasures/{made.json()['id']}/").json()
    assert (told["state"], told["touched"]["faces"]) == ("done", 1)
    again = client.post("/api/v1/erasures/", {**said, "reason": "Asked to"}, content_type="application/json")
    assert again.status_code == 409
