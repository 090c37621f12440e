"""Frozen dataset versions, as managers and ML staff see them."""

import hashlib
import io
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.test import Client
from django.urls import reverse

from labeling.models import Campaign, CampaignFace, Export, FaceLabel, Item, Snapshot, Source
from labeling.snapshots import exporting, freezing, verification
from labeling.snapshots.exports import FORMATS
from tests.factories import make_campaign, make_over, make_user, settle

pytestmark = pytest.mark.django_db
LIST, NEW = "/snapshots/", "/snapshots/new/"
COUNTS = {
    "classes": ["happy", "sad"],
    "splits": {
        "train": {"happy": 8, "sad": 4},
        "validation": {"happy": 1, "sad": 0},
        "test": {"happy": 1, "sad": 1},
    },
    "left_out": {"open": 3, "no_consensus": 2},
}


@pytest.fixture
def manager(client: Client) -> Client:
    client.force_login(make_user("manager"))
    return client


def make_snapshot(name: str = "spring", **fields: object) -> Snapshot:
    snapshot = Snapshot.objects.create(
        campaign=make_campaign(), name=name, rule={"seed": 7, "splits": "stratified"}
    )
    make_over(
        snapshot, digest="abcdef0123456789" * 4, folder="snapshots/x", bytes=5_000, counts=COUNTS, **fields
    )
    return snapshot


def page_of(client: Client, snapshot: Snapshot) -> str:
    return client.get(reverse("labeling:snapshot", args=[snapshot.pk])).content.decode()


def test_an_empty_list_says_what_to_do_first(manager: Client) -> None:
    assert "Freeze the first one" in manager.get(LIST).content.decode()


@pytest.mark.parametrize("rows", [1, 3])
def test_the_list_costs_the_same_however_long(manager: Client, django_assert_num_queries, rows: int) -> None:
    for n in range(rows):
        make_snapshot(f"spring {n}")
    with django_assert_num_queries(3):  # session, user, snapshots
        page = manager.get(LIST).content.decode()
    assert all(f"spring {n}" in page for n in range(rows))


def test_a_snapshot_shows_classes_by_split_and_what_was_left_out(manager: Client) -> None:
    snapshot = make_snapshot()
    table = manager.get(reverse("labeling:snapshot", args=[snapshot.pk])).context["table"]
    assert table.splits == ["train", "validation", "test"]
    assert [(row.label, row.cells, row.faces) for row in table.rows] == [
        ("happy", [8, 1, 1], 10),
        ("sad", [4, 0, 1], 5),
    ]
    assert (table.totals, table.faces, table.left_out) == ([12, 1, 2], 15, COUNTS["left_out"])


def test_the_digest_can_be_copied_whole(manager: Client) -> None:
    snapshot = make_snapshot()
    assert f'data-copy="{snapshot.digest}"' in page_of(manager, snapshot)


@pytest.mark.parametrize("rows", [0, 1, 2])
def test_a_snapshot_page_costs_the_same_however_many_exports(
    manager: Client, django_assert_num_queries, rows: int
) -> None:
    snapshot = make_snapshot()
    for format_name in ("imagefolder", "fer2013")[:rows]:
        export = Export.objects.create(snapshot=snapshot, format=format_name)
        make_over(export, stored_as="exports/x.zip", bytes=10, sha256="b" * 64)
    with django_assert_num_queries(6):  # session, user, snapshot, exports, verifications, the version before
        page = page_of(manager, snapshot)
    assert (page.count(">Download<"), page.count(">Make<")) == (rows, len(FORMATS) - rows)


def test_a_trainer_reads_but_makes_and_downloads_nothing(client: Client) -> None:
    snapshot = make_snapshot()
    export = Export.objects.create(snapshot=snapshot, format="fer2013")
    make_over(export, stored_as="exports/x.csv", bytes=10, sha256="b" * 64)
    client.force_login(make_user("trainer"))
    page = page_of(client, snapshot)
    assert "15 faces in 2 classes" in page
    assert "Train on it" in page
    assert [word for word in ("Download", "Verify", "Make ", "New snapshot") if word in page] == []


def test_live_progress_tells_when_it_is_over(manager: Client) -> None:
    snapshot = Snapshot.objects.create(campaign=make_campaign(), name="new")
    address = reverse("labeling:snapshot_live", args=[snapshot.pk])
    assert manager.get(address).json()["stage"] == "freezing"
    assert "no worker is running" in manager.get(address).json()["html"]
    make_over(snapshot, digest="ab" * 32)
    assert manager.get(address).json()["stage"] == "over"
    Export.objects.create(snapshot=snapshot, format="fer2013")
    assert manager.get(address).json()["stage"] == "exporting"


def settled_three_ways() -> Campaign:
    campaign = make_campaign(6)
    rows = list(campaign.campaign_faces.order_by("pk"))
    for row, label in zip(rows, ["happy", "happy", "sad", "sad", "sad"], strict=False):
        settle(row, label)
    CampaignFace.objects.filter(pk=rows[3].pk).update(outcome="no_consensus", label="")
    CampaignFace.objects.filter(pk=rows[4].pk).update(outcome="not_a_face", label="")
    return campaign


def rule(campaign: Campaign, **more: object) -> dict[str, object]:
    """A form as the page sends it."""
    shares = {"train": 80, "validation": 10, "test": 10}
    usual = {"splits": "stratified", "seed": 0, "labels": '["adjudicated", "votes"]', "test_stays": "on"}
    return {"campaign": campaign.pk, **shares, **usual, "together": ["alike"], **more}


def test_the_form_shows_what_would_be_frozen_and_what_left_out(manager: Client) -> None:
    shown = manager.get(NEW, {"campaign": settled_three_ways().pk}).context
    assert {row.label: row.faces for row in shown["table"].rows if row.faces} == {"happy": 2, "sad": 1}
    assert [count for count, _ in shown["left_out"]] == [1, 1, 1]
    assert [line.term for line in shown["certificate"]] == [
        "Groups",
        "Classes",
        "Nearest faces across splits",
    ]


def test_above_so_many_faces_the_preview_counts_and_says_why(manager: Client, monkeypatch) -> None:
    monkeypatch.setattr(freezing, "PREVIEWED", 3)
    response = manager.get(NEW, {"campaign": settled_three_ways().pk})
    assert "Above 3 faces the splits are not dealt out" in response.content.decode()
    assert response.context["plain"].faces == 3
    assert [count for count, _ in response.context["left_out"]] == [1, 1, 1]


def test_of_many_faces_the_page_comes_first_and_asks_for_the_preview(manager: Client, monkeypatch) -> None:
    monkeypatch.setattr("labeling.web.snapshot_preview.AT_ONCE", 3)
    campaign = settled_three_ways()
    assert "data-ask" in manager.get(NEW, {"campaign": campaign.pk}).content.decode()
    assert "3 faces by this rule" in manager.post(NEW + "preview/", rule(campaign)).json()["html"]


def test_a_campaign_without_a_settled_face_says_so(manager: Client) -> None:
    campaign = make_campaign(1)
    assert "nothing to freeze" in manager.get(NEW, {"campaign": campaign.pk}).content.decode()


@pytest.mark.parametrize("address", [NEW, NEW + "?campaign=x", NEW + "?campaign=4711"])
def test_without_a_campaign_the_form_asks_for_one(manager: Client, address: str) -> None:
    make_campaign(1)
    response = manager.get(address)
    assert response.status_code == 200
    assert "data-preview-panel" not in response.content.decode()


@pytest.mark.parametrize(
    ("wrong", "field", "says"),
    [
        ({"test": 20}, "__all__", "must add up to 100 percent"),
        ({"train": 0, "test": 90}, "train", "nothing to learn from"),
        ({"classes": ["happy"]}, "classes", "at least two expressions"),
        ({"folds": 1}, "folds", "2 or more"),
        ({"splits": "sources"}, "test_sources", "Tick the sources"),
        ({"labels": "rumour"}, "labels", "not one of the available"),
        ({"agreement_at_least": 101}, "agreement_at_least", "less than or equal to 100"),
    ],
)
def test_a_rule_that_does_not_hold_is_refused_beside_the_field(
    manager: Client, wrong: dict[str, object], field: str, says: str
) -> None:
    campaign = settled_three_ways()
    response = manager.post(NEW, rule(campaign, **wrong))
    assert response.status_code == 400
    assert says in response.context["form"].errors[field][0]
    live = manager.post(NEW + "preview/", rule(campaign, **wrong)).json()["html"]
    assert says in live
    assert not Snapshot.objects.exists()


def test_freezing_makes_a_snapshot_that_waits(manager: Client) -> None:
    campaign = settled_three_ways()
    wanted = rule(campaign, train=70, validation=20, seed=5, name="first")
    response = manager.post(NEW, wanted)
    snapshot = Snapshot.objects.get()
    assert response.url == f"/snapshots/{snapshot.pk}/"
    assert (snapshot.name, snapshot.state, snapshot.rule["seed"]) == ("first", "waiting", 5)
    assert snapshot.created_by is not None


def test_every_part_of_the_rule_reaches_the_snapshot(manager: Client) -> None:
    campaign, other = settled_three_ways(), make_campaign(2)
    face = campaign.campaign_faces.earliest("pk").face
    source = Source.objects.create(name="ours", kind="folder", location="/ours")
    Source.objects.create(name="theirs", kind="folder", location="/theirs")
    Item.objects.create(source=source, locator="1", media=face.media, state="ingested")
    FaceLabel.objects.create(face=face, column="a, b", label="happy", origin="the team")
    asked = {
        "labels": '["a, b", "adjudicated", "votes"]',
        "also": [other.pk],
        "labelled_sources": ["ours"],
        "votes_at_least": 2,
        "agreement_at_least": 60,
        "side_at_least": 8,
        "quality_min_sharpness": 0.3,
        "quality_min_brightness": 20,
        "classes": ["happy", "sad"],
        "sources": ["ours", "theirs"],
        "splits": "sources",
        "test_sources": ["ours"],
        "validation_sources": ["theirs"],
        "together": ["alike", "author"],
        "folds": 3,
        "licences": ["no_nc"],
    }
    sent = rule(campaign, **asked)
    del sent["test_stays"]
    assert manager.post(NEW, sent).status_code == 302
    assert Snapshot.objects.get().rule == {
        "consensus": campaign.rule,
        "minimum_agreement": campaign.minimum_agreement,
        "labels": ["a, b", "adjudicated", "votes"],
        "campaigns": [campaign.name, other.name],
        "labelled_sources": ["ours"],
        "votes_at_least": 2,
        "agreement_at_least": 0.6,
        "side_at_least": 8,
        "quality": {"min_sharpness": 0.3, "min_brightness": 0.2},
        "classes": ["happy", "sad"],
        "sources": ["ours", "theirs"],
        "splits": "sources",
        "split_sources": {"test": ["ours"], "validation": ["theirs"]},
        "groups": ["alike", "author", "media"],
        "folds": 3,
        "licences": ["no_nc"],
        "test_stays": False,
    }


def test_a_rule_on_quality_that_makes_no_sense_is_told_at_its_field(manager: Client) -> None:
    wrong = {"quality_min_brightness": 80, "quality_max_brightness": 20}
    response = manager.post(NEW, rule(settled_three_ways(), **wrong))
    assert response.status_code == 400
    assert "above the greatest" in str(response.context["form"].errors["quality_max_brightness"])
    assert response.context["opened"]["faces_part"]
    assert not Snapshot.objects.exists()


@pytest.mark.parametrize(
    ("wrong", "field", "says"),
    [
        ({"test_sources": ["theirs"]}, "splits", "splits are not made by source"),
        ({"splits": "sources", "test_sources": ["nowhere"]}, "test_sources", "nowhere"),
        ({"name": "a\x7fb"}, "name", "cannot be seen"),
        ({"also": "itself"}, "also", "not one of the available choices"),
        ({"train": "1e-12", "validation": 0, "test": 100}, "__all__", "A share is too small"),
    ],
)
def test_what_contradicts_itself_is_refused(
    manager: Client, wrong: dict[str, Any], field: str, says: str
) -> None:
    campaign = settled_three_ways()
    Source.objects.create(name="theirs", kind="folder", location="/theirs")
    if "also" in wrong:
        wrong = {"also": [campaign.pk]}
    response = manager.post(NEW, rule(campaign, **wrong))
    assert response.status_code == 400
    assert says in str(response.context["form"].errors[field])
    assert not Snapshot.objects.exists()


def test_without_script_a_button_shows_what_it_holds_and_freezes_nothing(manager: Client) -> None:
    response = manager.post(NEW, rule(settled_three_ways(), classes=["happy", "sad"], show="1"))
    assert response.status_code == 200
    assert response.context["table"].faces == 3
    assert response.context["opened"]["faces_part"]
    assert not Snapshot.objects.exists()


def test_the_live_preview_parts_by_the_rule_asked_for(manager: Client) -> None:
    html = manager.post(NEW + "preview/", rule(settled_three_ways(), votes_at_least=900)).json()["html"]
    assert "settled faces of at least two expressions" in html
    assert manager.post(NEW + "preview/", {"campaign": 4711}).status_code == 404


def test_an_export_is_made_by_post_once(manager: Client) -> None:
    snapshot = make_snapshot()
    address = reverse("labeling:snapshot_export", args=[snapshot.pk])
    for _ in range(2):
        assert manager.post(address, {"format": "fer2013"}).url == f"/snapshots/{snapshot.pk}/"
    assert snapshot.exports.count() == 1
    manager.post(address, {"format": "floppy"})
    assert snapshot.exports.count() == 1
    assert "floppy" in page_of(manager, snapshot)


def test_only_a_finished_snapshot_is_verified(manager: Client) -> None:
    snapshot = Snapshot.objects.create(campaign=make_campaign(), name="new")
    assert manager.post(reverse("labeling:snapshot_verify", args=[snapshot.pk])).status_code == 404


def test_verifying_tells_a_whole_snapshot_from_a_changed_one(manager: Client) -> None:
    campaign = make_campaign(8)
    for number, row in enumerate(campaign.campaign_faces.all()):
        settle(row, "happy" if number % 2 else "sad")
    snapshot = freezing.freeze(campaign=campaign)
    freezing.run_freeze(snapshot.pk)
    snapshot.refresh_from_db()
    assert verified(manager, snapshot) == []
    assert "it is exactly what was frozen" in page_of(manager, snapshot)
    shard = Path(default_storage.path(snapshot.folder)) / "faces-00000.parquet"
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    assert "faces-00000.parquet" in {problem["where"] for problem in verified(manager, snapshot)}
    page = page_of(manager, snapshot)
    assert "no longer what was frozen" in page
    assert "faces-00000.parquet" in page


def verified(client: Client, snapshot: Snapshot) -> list[dict]:
    """What a verification asked for on the page finds, once a worker has done it."""
    address = reverse("labeling:snapshot_verify", args=[snapshot.pk])
    live = reverse("labeling:snapshot_live", args=[snapshot.pk])
    assert [client.post(address).status_code for _ in range(2)] == [302, 302]
    assert client.get(live).json()["stage"] == "verifying"
    [waiting] = snapshot.verifications.filter(state="waiting")
    verification.run_verification(waiting.pk)
    waiting.refresh_from_db()
    assert (waiting.state, waiting.error, client.get(live).json()["stage"]) == ("done", "", "over")
    return waiting.problems


def test_a_verification_can_be_stopped(manager: Client) -> None:
    snapshot = make_snapshot()
    row = verification.verify_later(snapshot=snapshot)
    assert (
        manager.post(reverse("labeling:verification_stop", args=[row.pk])).url == f"/snapshots/{snapshot.pk}/"
    )
    row.refresh_from_db()
    assert row.state == "stopped"
    assert verification.verify_later(snapshot=snapshot).pk != row.pk


def test_a_snapshot_tells_its_rule_what_is_proved_and_what_it_added(manager: Client) -> None:
    campaign = settled_three_ways()
    snapshot = freezing.freeze(
        campaign=campaign, splits="stratified", seed=3, folds=2, agreement_at_least=0.5
    )
    freezing.run_freeze(snapshot.pk)
    Snapshot.objects.filter(pk=snapshot.pk).update(erased=2)
    page = page_of(manager, snapshot)
    for said in (
        "with at least 50 % agreement",
        "drawn by class with seed 3 (train 80 %, validation 10 %, test 10 %)",
        "none stands in two splits",
        "of it new in the storage",
        "2 faces were erased since; the rest is proved unchanged.",
        "no consensus: a network must not learn our quarrels",
    ):
        assert said in page


def test_an_export_made_of_it_is_downloaded_whole(manager: Client) -> None:
    campaign = make_campaign(4)
    for number, row in enumerate(campaign.campaign_faces.all()):
        settle(row, "happy" if number % 2 else "sad")
    snapshot = freezing.freeze(campaign=campaign, name="Frühling")
    freezing.run_freeze(snapshot.pk)
    manager.post(reverse("labeling:snapshot_export", args=[snapshot.pk]), {"format": "fer2013"})
    export = snapshot.exports.get()
    exporting.run_export(export.pk)
    export.refresh_from_db()
    response = manager.get(reverse("labeling:export_download", args=[export.pk]))
    content = b"".join(response)
    assert hashlib.sha256(content).hexdigest() == export.sha256
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.read("fer2013.csv").startswith(b"emotion,pixels,Usage\n")
    snapshot.refresh_from_db()
    assert f"fruhling-{snapshot.digest[:8]}-fer2013.zip" in response["Content-Disposition"]
