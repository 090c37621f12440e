"""Two versions of a campaign: what differs and why, by page, file, command and API."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from rest_framework.test import APIClient

from labeling import gallery, labels, work
from labeling.models import Campaign, CampaignFace, Face, Item, Snapshot, Source
from labeling.snapshots import comparing, erasing, freezing
from labeling.snapshots.diff import ADDED, ALL, LABEL, REMOVED, Wanted
from tests.factories import make_faces, make_user, settle
from tests.labeling.snapshots.making import frozen, make_settled

pytestmark = pytest.mark.django_db


def versions() -> tuple[Snapshot, Snapshot]:
    """Faces 0 and 1 get another label, 2 is re-opened, 3 finds no consensus, 4 is gone, 5 is of another class, and one
    more has joined."""
    campaign = make_settled(20)
    old = frozen(campaign)
    rows = list(campaign.campaign_faces.select_related("face").order_by("pk"))
    settle(rows[0], "angry")
    settle(rows[1], "angry")
    CampaignFace.objects.filter(pk=rows[2].pk).update(
        state="open", votes=0, wanted=10, places=10, settled_at=None
    )
    CampaignFace.objects.filter(pk=rows[3].pk).update(outcome="no_consensus", label="")
    face = rows[4].face
    rows[4].delete()
    Face.objects.filter(pk=face.pk).delete()
    settle(rows[5], "fear")
    joined = CampaignFace.objects.create(
        campaign=campaign, face=make_faces(1)[0], wanted=10, places=10, shuffle=999
    )
    settle(joined, "sad")
    return old, frozen(campaign, classes=["angry", "happy", "sad"])


def test_the_counts_and_the_reasons() -> None:
    old, new = versions()
    found = comparing.compare(old, new)
    assert {kind: found.count(kind) for kind in (ADDED, REMOVED, LABEL)} == {ADDED: 1, REMOVED: 4, LABEL: 2}
    assert found.labels["happy"]["angry"] == found.labels["sad"]["angry"] == 1
    told = {each.change.row["face_id"]: each.why for each in comparing.every(old, new)}
    faces = list(Campaign.objects.get().campaign_faces.order_by("pk").values_list("face", flat=True))
    assert (told[faces[2]], told[faces[3]]) == ("open", "no_consensus")
    assert told[faces[-1]] == "new"
    assert sorted(why for why in told.values() if why) == ["class", "gone", "new", "no_consensus", "open"]


def test_what_the_rule_of_the_other_version_leaves_out_is_the_reason() -> None:
    campaign = make_settled(12, labels=("happy", "sad", "angry"))
    wide = frozen(campaign)
    narrow = frozen(campaign, classes=["happy", "sad"], agreement_at_least=0.5)
    assert {each.why for each in comparing.every(wide, narrow)} == {"class"}
    strict = frozen(campaign, votes_at_least=10, side_at_least=1)
    assert list(comparing.every(wide, strict)) == []
    row = campaign.campaign_faces.all()[0]
    Face.objects.filter(pk=row.face_id).update(sharpness=0.1)
    sharp = frozen(campaign, quality={"min_sharpness": 0.3})
    assert [each.why for each in comparing.every(wide, sharp)] == ["quality"]


def test_a_face_has_the_reason_that_freezing_gave() -> None:
    """Whatever speaks against it besides."""
    campaign = make_settled(12)
    wide = frozen(campaign)
    rows = list(campaign.campaign_faces.order_by("pk"))
    gallery.leave_out(
        faces=Face.objects.filter(pk__in=[rows[0].face_id, rows[1].face_id]), by=make_user("manager")
    )
    fresh = {"state": "open", "votes": 0, "wanted": 10, "places": 10, "settled_at": None}
    CampaignFace.objects.filter(pk__in=[rows[0].pk, rows[2].pk]).update(**fresh)
    CampaignFace.objects.filter(pk=rows[3].pk).update(outcome="no_consensus", label="")
    Face.objects.filter(pk__in=[rows[2].face_id, rows[3].face_id, rows[4].face_id]).update(width=9, height=9)
    narrow = frozen(campaign, side_at_least=10)
    assert narrow.counts["left_out"] == {"no_consensus": 1, "open": 2, "small": 1}
    told = {each.change.row["face_id"]: each.why for each in comparing.every(wide, narrow)}
    assert told == {
        rows[0].face_id: "open",
        rows[2].face_id: "open",
        rows[3].face_id: "no_consensus",
        rows[4].face_id: "small",
    }
    # Added again by a wider rule: the narrow one is the older then, and what it left out is still told.
    again = {each.why for each in comparing.every(narrow, frozen(campaign))}
    assert again == {"small"}


def test_a_face_put_aside_does_not_join_by_its_labels() -> None:
    campaign = make_settled(6)
    source = Source.objects.create(name="rated", kind="folder", location="/r")
    faces = make_faces(4)
    for face in faces:
        Item.objects.create(source=source, locator=str(face.pk), state="ingested", media_id=face.media_id)
    labels.give([labels.Wanted(face.pk, "happy", "a team") for face in faces])
    rule: dict[str, Any] = {"labels": ["expert", "votes"], "labelled_sources": ["rated"]}
    old = frozen(campaign, **rule)
    gallery.leave_out(faces=Face.objects.filter(pk=faces[0].pk), by=make_user("manager"))
    new = frozen(campaign, **rule)
    assert {each.change.row["face_id"]: each.why for each in comparing.every(old, new)} == {
        faces[0].pk: "put_aside"
    }


def test_what_was_counted_is_kept_until_something_is_erased() -> None:
    old, new = versions()
    first = comparing.compare(old, new)
    shard = next(freezing.local_folder(new).glob("faces-*.parquet"))
    content = shard.read_bytes()
    shard.unlink()
    assert comparing.compare(old, new).to_json() == first.to_json()
    with pytest.raises(work.Refused, match="Verify it"):
        comparing.compare(new, old)
    damaged = bytearray(content)
    damaged[100] ^= 255
    shard.write_bytes(damaged[: len(damaged) // 2])
    with pytest.raises(work.Refused, match="Verify it"):
        comparing.compare(new, old)
    shard.write_bytes(content)
    key = next(comparing.every(old, new, Wanted((REMOVED,)))).change.face_key
    erasing.erase({key})
    old.refresh_from_db()
    again = comparing.compare(old, new)
    assert (again.count(REMOVED), again.erased["old"]) == (3, 1)


def test_only_frozen_versions_are_compared() -> None:
    old, _ = versions()
    waiting = freezing.freeze(campaign=old.campaign)
    with pytest.raises(work.Refused, match="not frozen yet"):
        comparing.compare(old, waiting)


# ---- by page and file


@pytest.fixture
def reader(client: Client) -> Client:
    client.force_login(make_user("trainer"))
    return client


def asked(old: Snapshot, new: Snapshot, **more: str) -> dict[str, object]:
    return {"old": old.pk, "new": new.pk, **more}


def test_the_page_lists_what_differs_and_leads_to_each_cell(reader: Client) -> None:
    old, new = versions()
    shown = reader.get("/snapshots/compare/", asked(old, new))
    assert len(shown.context["faces"]) == 7
    html = shown.content.decode()
    assert "was open: votes were missing" in html
    assert "happy → angry" in html.lower() or "Happy → Angry" in html
    cells = [
        cell for _, row in shown.context["labels"].rows for cell in row if cell[0] == "angry" and cell[1]
    ]
    one = reader.get(cells[0][2])
    assert len(one.context["faces"]) == 1
    assert one.context["faces"][0].told.change.kinds == (LABEL,)


def test_pictures_come_from_the_snapshot_where_the_face_is_gone(reader: Client) -> None:
    old, new = versions()
    faces = reader.get("/snapshots/compare/", asked(old, new, show=REMOVED)).context["faces"]
    [gone] = [face for face in faces if not face.page]
    assert gone.picture.startswith(f"/snapshots/{old.pk}/faces/")
    picture = reader.get(gone.picture)
    assert (picture.status_code, picture["Content-Type"]) == (200, "image/png")
    assert picture.content.startswith(b"\x89PNG")
    assert reader.get(f"/snapshots/{new.pk}/faces/{gone.told.change.face_key}.png").status_code == 404
    erasing.erase({gone.told.change.face_key})
    assert reader.get(gone.picture).status_code == 404


def test_a_long_list_goes_on_behind_a_face(reader: Client, monkeypatch) -> None:
    monkeypatch.setattr("labeling.web.versions.FACES_PER_PAGE", 3)
    old, new = versions()
    seen: list[str] = []
    address = f"/snapshots/compare/?old={old.pk}&new={new.pk}"
    while address:
        context = reader.get(address).context
        seen += [face.told.change.face_key for face in context["faces"]]
        address = context["next"]
    assert seen == [each.change.face_key for each in comparing.every(old, new)]


@pytest.mark.parametrize("query", ["", "old=x&new=1", "old=999999&new=999998"])
def test_without_two_versions_the_page_asks_for_them(reader: Client, query: str) -> None:
    assert reader.get(f"/snapshots/compare/?{query}").status_code == 200
    assert reader.get(f"/snapshots/compare/faces.csv?{query}").status_code == 404


def test_csv_and_json_hold_every_face_that_differs(reader: Client) -> None:
    old, new = versions()
    lines = b"".join(reader.get("/snapshots/compare/faces.csv", asked(old, new))).decode()
    table = list(csv.DictReader(io.StringIO(lines)))
    assert tuple(table[0]) == comparing.COLUMNS
    whole = json.loads(b"".join(reader.get("/snapshots/compare/faces.json", asked(old, new))))
    assert [row["face_key"] for row in table] == [row["face_key"] for row in whole["faces"]]
    assert whole["counts"] == comparing.compare(old, new).to_json()
    assert {row["changes"] for row in table} >= {"added", "removed"}


def test_what_cannot_be_read_says_so_on_the_page(reader: Client) -> None:
    old, new = versions()
    next(freezing.local_folder(new).glob("faces-*.parquet")).write_bytes(b"PAR1")
    assert "Verify it" in reader.get("/snapshots/compare/", asked(old, new)).content.decode()
    for name in ("faces.csv", "faces.json"):
        assert reader.get(f"/snapshots/compare/{name}", asked(old, new)).status_code == 302
    assert reader.get(f"/snapshots/{new.pk}/faces/{'0' * 64}.png").status_code == 404


# ---- by command and API


def said_by(*arguments: object) -> str:
    out = io.StringIO()
    call_command("compare_snapshots", *map(str, arguments), stdout=out)
    return out.getvalue()


def test_the_command_counts_and_writes(tmp_path: Path) -> None:
    old, new = versions()
    said = said_by(old.pk, new.digest[:10], "--json", tmp_path / "all.json").splitlines()
    assert said[0] == f"{old} → {new}: 16 faces in both"
    assert {"added: 1", "no longer there: 4", "label: happy → angry: 1"} <= set(said)
    written = json.loads((tmp_path / "all.json").read_text())
    assert written["counts"] == comparing.compare(old, new).to_json()
    assert written["faces"] == [comparing.flat(each) for each in comparing.every(old, new)]
    said_by(old.pk, new.pk, "--csv", tmp_path / "faces.csv")
    assert len((tmp_path / "faces.csv").read_text().splitlines()) == 8
    for option in ("--csv", "--json"):
        with pytest.raises(CommandError, match="x cannot be written: No such file or directory"):
            said_by(old.pk, new.pk, option, tmp_path / "nowhere" / "x")
    with pytest.raises(CommandError, match="not frozen yet"):
        said_by(old.pk, freezing.freeze(campaign=old.campaign).pk)


def test_the_api_tells_counts_and_pages(settings) -> None:
    old, new = versions()
    client = APIClient()
    client.force_authenticate(make_user("trainer"))
    address = f"/api/v1/snapshots/{new.pk}/changes/"
    first = client.get(address, {"since": old.pk, "limit": 3}).json()
    assert first["counts"]["removed"] == comparing.compare(old, new).to_json()["removed"]
    rest = client.get(address, {"since": old.pk, "beyond": first["beyond"]}).json()
    keys = [face["face_key"] for face in [*first["faces"], *rest["faces"]]]
    assert keys == [each.change.face_key for each in comparing.every(old, new, ALL)]
    assert rest["beyond"] is None
    assert client.get(address, {"since": old.pk, "kind": "weather"}).status_code == 400
    assert client.get(address, {"since": old.pk, "beyond": "x"}).status_code == 400
