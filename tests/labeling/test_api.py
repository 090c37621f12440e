"""Everything of labeling by API, with the guarantees of the pages."""

from pathlib import Path
from uuid import uuid4

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from rest_framework.test import APIClient

from labeling.models import Campaign, Item, Source, Vote
from labeling.snapshots import exporting, freezing, verification
from labeling.sources import ingest
from tests.factories import make_campaign, make_faces, make_png, make_user, settle

pytestmark = pytest.mark.django_db


def client_of(role: str) -> APIClient:
    client = APIClient()
    client.force_authenticate(make_user(role))
    return client


def test_a_token_is_had_for_name_and_password_and_opens_the_api() -> None:
    user = make_user("manager", "mai")
    said = Client().post(
        "/api/token/", {"username": "mai", "password": "secret"}, content_type="application/json"
    )
    token = said.json()["token"]
    me = Client().get("/api/v1/me/", headers={"Authorization": f"Token {token}"})
    assert me.json() == {
        "username": user.username,
        "is_annotator": False,
        "is_manager": True,
        "is_trainer": False,
        "is_superuser": False,
    }


def test_a_wrong_password_has_no_token() -> None:
    make_user("manager", "mai")
    said = Client().post("/api/token/", {"username": "mai", "password": "x"}, content_type="application/json")
    assert said.status_code == 400


@pytest.mark.parametrize("path", ["sources", "media", "faces", "campaigns", "snapshots", "me"])
def test_strangers_are_sent_away(path: str) -> None:
    assert Client().get(f"/api/v1/{path}/").status_code == 401


def test_a_folder_is_ingested_and_its_refused_items_told(settings, tmp_path: Path) -> None:
    settings.IMPORT_ROOTS = [tmp_path]
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "good.png").write_bytes(make_png())
    (folder / "bad.jpg").write_bytes(b"not a picture")
    client = client_of("manager")
    made = client.post("/api/v1/sources/", {"location": str(folder)}, format="json")
    assert (made.status_code, made.json()["kind"], made.json()["state"]) == (201, "folder", "waiting")
    ingest.ingest(made.json()["id"])
    items = client.get(f"/api/v1/sources/{made.json()['id']}/items/?state=refused").json()["results"]
    assert [item["locator"] for item in items] == ["bad.jpg"]
    assert items[0]["reason"]
    assert len(client.get("/api/v1/media/").json()["results"]) == 1


def test_a_path_outside_the_import_folders_is_refused(settings, tmp_path: Path) -> None:
    settings.IMPORT_ROOTS = [tmp_path]
    said = client_of("manager").post("/api/v1/sources/", {"location": "/etc"}, format="json")
    assert said.status_code == 409
    assert "outside the folders" in said.json()["error"]
    assert Source.objects.count() == 0


def test_a_campaign_is_made_filled_paused_and_opened() -> None:
    make_faces(3)
    make_faces(2, detector="yunet")
    client = client_of("manager")
    made = client.post("/api/v1/campaigns/", {"name": "first", "votes_per_face": 3}, format="json").json()
    url = f"/api/v1/campaigns/{made['id']}"
    assert client.post(f"{url}/faces/", {"detector": "haar"}, format="json").json()["added"] == 3
    assert client.post(f"{url}/faces/", {}, format="json").json()["added"] == 2
    assert client.post(f"{url}/pause/").json()["state"] == "paused"
    again = client.post(f"{url}/pause/")
    assert (again.status_code, again.json()["error"]) == (
        409,
        "This campaign is paused; it cannot become paused.",
    )
    assert client.post(f"{url}/reopen/").json()["state"] == "open"
    progress = client.get(f"{url}/progress/").json()
    assert (progress["faces"], progress["wanted"], progress["settled"]) == (5, 15, 0)


def test_a_campaigns_settings_are_chosen_and_changed_and_what_makes_no_sense_is_said() -> None:
    group = Group.objects.create(name="class of May")
    client = client_of("manager")
    body = {
        "name": "first",
        "expressions": ["happy", "sad"],
        "keys": {"sad": "w"},
        "order": "balanced",
        "groups": [group.pk],
        "languages": ["en"],
        "deadline": "2099-01-01T12:00:00Z",
    }
    made = client.post("/api/v1/campaigns/", body, format="json").json()
    assert {name: made[name] for name in body} == body
    url = f"/api/v1/campaigns/{made['id']}/"
    changed = client.patch(url, {"cap": 5, "groups": []}, format="json").json()
    assert (changed["cap"], changed["groups"], changed["keys"]) == (5, [], {"sad": "w"})
    for wrong, code, said in (
        ({"keys": {"happy": "1", "sad": "1"}}, 409, "is given to both"),
        ({"votes_per_face": 9}, 409, "can only grow from 10"),
        ({"votes_per_face": "x"}, 400, "A valid integer"),
        ({"deadline": "2001-01-01T12:00:00Z"}, 409, "has passed already"),
        ({"groups": [group.pk + 1]}, 400, "does not exist"),
    ):
        answer = client.patch(url, wrong, format="json")
        assert (answer.status_code, said in answer.content.decode()) == (code, True)
    verbs = list(Campaign.objects.get().audit.order_by("pk").values_list("verb", flat=True))
    assert verbs == ["created", "changed"]


def test_a_campaign_is_copied_and_its_deadline_moved() -> None:
    campaign = make_campaign(2)
    client = client_of("manager")
    url = f"/api/v1/campaigns/{campaign.pk}"
    copied = client.post(f"{url}/duplicate/", {"name": "copy"}, format="json")
    assert (copied.status_code, copied.json()["state"]) == (201, "paused")
    assert client.get(f"/api/v1/campaigns/{copied.json()['id']}/progress/").json()["faces"] == 2
    moved = client.post(f"{url}/extend/", {"deadline": "2099-01-01T12:00:00Z"}, format="json").json()
    assert moved["deadline"] == "2099-01-01T12:00:00Z"


def test_faces_are_chosen_by_what_another_campaign_says_of_them() -> None:
    campaign = make_campaign(3)
    rows = list(campaign.campaign_faces.all())
    settle(rows[0], "happy", agreement=0.6)
    settle(rows[1], "happy", agreement=0.9)
    settle(rows[2], "sad", agreement=0.6)
    client = client_of("manager")
    made = client.post("/api/v1/campaigns/", {"name": "again"}, format="json").json()
    url = f"/api/v1/campaigns/{made['id']}/faces/"
    wanted = {"settled_in": campaign.pk, "label": "happy", "agreement_below": 0.8}
    assert client.post(url, wanted, format="json").json()["added"] == 1
    assert client.post(url, {"limit": 1, "min_size": 40}, format="json").json()["added"] <= 1
    assert client.post(url, {"kind": "film"}, format="json").status_code == 400


def test_annotators_are_not_told_how_much_gold_there_is() -> None:
    campaign = make_campaign(1)
    url = f"/api/v1/campaigns/{campaign.pk}/"
    assert "gold_share" not in client_of("annotator").get(url).json()
    assert client_of("manager").get(url).json()["gold_share"] == 0.05


def test_annotators_have_their_own_figures_and_nobody_elses() -> None:
    campaign = make_campaign(2)
    client = client_of("annotator")
    url = f"/api/v1/campaigns/{campaign.pk}"
    held = client.post(f"{url}/lease/", {"limit": 1}, format="json").json()[0]
    body = {"campaign_face": held["campaign_face"], "answer": "fear", "client_key": str(uuid4())}
    client.post(f"{url}/vote/", {**body, "took_ms": 900}, format="json")
    mine = client.get(f"{url}/mine/").json()
    assert (mine["votes"], mine["today"], mine["median_ms"], mine["agreement"]) == (1, 1, 900, None)
    assert client_of("annotator").get(f"{url}/mine/").json()["votes"] == 0


def test_one_leases_votes_takes_back_and_skips() -> None:
    campaign = make_campaign(2)
    client = client_of("annotator")
    url = f"/api/v1/campaigns/{campaign.pk}"
    first, second = client.post(f"{url}/lease/", {"limit": 5}, format="json").json()
    assert first["crop"].startswith("/crops/")
    key = str(uuid4())
    body = {"campaign_face": first["campaign_face"], "answer": "fear", "client_key": key}
    cast = client.post(f"{url}/vote/", body, format="json").json()
    again = client.post(f"{url}/vote/", body, format="json").json()
    assert (cast["again"], again) == (False, {**cast, "again": True})
    assert Vote.objects.count() == 1
    other = client.post(f"{url}/vote/", {**body, "client_key": str(uuid4())}, format="json")
    assert (other.status_code, other.json()["code"]) == (409, "already")
    undone = client.post(f"{url}/undo/", {"client_key": key}, format="json").json()
    assert undone == {"campaign_face": first["campaign_face"], "answer": "fear"}
    assert Vote.objects.count() == 0
    skipped = client.post(f"{url}/skip/", {"campaign_face": second["campaign_face"]}, format="json")
    assert skipped.status_code == 204
    left = client.post(f"{url}/lease/", {"limit": 5}, format="json").json()
    assert [held["campaign_face"] for held in left] == [first["campaign_face"]]


def test_a_mixed_answer_is_kept_where_the_campaign_allows_it() -> None:
    strict, mixed = make_campaign(1), make_campaign(1, mixed_allowed=True)
    client = client_of("annotator")
    said = []
    for campaign in (strict, mixed):
        body = {
            "campaign_face": campaign.campaign_faces.get().pk,
            "answer": "fear",
            "second": "surprise",
            "client_key": str(uuid4()),
        }
        said.append(client.post(f"/api/v1/campaigns/{campaign.pk}/vote/", body, format="json").status_code)
    assert said == [409, 200]
    assert (Vote.objects.get().answer, Vote.objects.get().second) == ("fear", "surprise")


def test_nonsense_is_told_field_by_field() -> None:
    campaign = make_campaign(1)
    said = client_of("annotator").post(
        f"/api/v1/campaigns/{campaign.pk}/vote/", {"answer": "x"}, format="json"
    )
    assert said.status_code == 400
    assert set(said.json()) == {"campaign_face", "client_key"}


def test_a_campaign_is_frozen_verified_and_exported() -> None:
    campaign = make_campaign(6)
    for number, row in enumerate(campaign.campaign_faces.all()):
        settle(row, ("happy", "sad")[number % 2])
    client = client_of("manager")
    made = client.post("/api/v1/snapshots/", {"campaign": campaign.pk, "seed": 3}, format="json")
    assert (made.status_code, made.json()["rule"]["seed"]) == (201, 3)
    url = f"/api/v1/snapshots/{made.json()['id']}"
    early = client.post(f"{url}/export/", {"format": "fer2013"}, format="json")
    assert early.status_code == 409
    freezing.run_freeze(made.json()["id"])
    asked = client.post(f"{url}/verify/")
    assert (asked.status_code, asked.json()["state"]) == (202, "waiting")
    assert client.post(f"{url}/verify/").json()["id"] == asked.json()["id"]
    verification.run_verification(asked.json()["id"])
    found = client.get(f"{url}/verifications/").json()
    assert [(one["state"], one["problems"]) for one in found] == [("done", [])]
    export = client.post(f"{url}/export/", {"format": "fer2013"}, format="json").json()
    exporting.run_export(export["id"])
    assert [one["state"] for one in client.get(f"{url}/").json()["exports"]] == ["done"]


def test_a_campaign_without_consensus_is_not_frozen() -> None:
    campaign = make_campaign(1)
    said = client_of("manager").post("/api/v1/snapshots/", {"campaign": campaign.pk}, format="json")
    assert said.status_code == 409
    assert "consensus" in said.json()["error"]


def test_lists_cost_the_same_however_long(django_assert_num_queries) -> None:
    client = client_of("manager")
    for _ in range(2):
        campaign = make_campaign(2)
        source = Source.objects.create(name="s", kind="folder", location="/s")
        media = campaign.campaign_faces.all()[0].face.media
        Item.objects.create(source=source, locator="a", state="ingested", media=media)
        for path, queries in [("sources", 1), ("media", 2), ("faces", 1), ("campaigns", 2)]:
            with django_assert_num_queries(queries):
                assert client.get(f"/api/v1/{path}/").status_code == 200
    assert Campaign.objects.count() == 2


def test_faces_are_found_by_source_and_bad_numbers_are_told() -> None:
    first, _ = make_faces(2)
    source = Source.objects.create(name="s", kind="folder", location="/s")
    Item.objects.create(source=source, locator="a", state="ingested", media=first.media)
    client = client_of("trainer")
    found = client.get(f"/api/v1/faces/?source={source.pk}").json()["results"]
    assert [face["id"] for face in found] == [first.pk]
    bad = client.get("/api/v1/faces/?source=x")
    assert (bad.status_code, bad.json()) == (400, {"source": ["A valid integer is required."]})
