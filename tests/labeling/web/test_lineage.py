"""What came of what, drawn from every end of it."""

import json
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from labeling import labels, lineage
from labeling.models import Campaign, Item, Snapshot, Source
from labeling.snapshots import exporting
from tests.factories import make_faces, make_over, make_user
from tests.labeling.snapshots.making import frozen, make_settled
from tests.training.making import finish, make_run
from training.models import RelabelFace, RelabelRound

pytestmark = pytest.mark.django_db


def made() -> tuple[Source, Campaign, Snapshot, Snapshot]:
    """A source, a campaign, its version, a run on it, a round that the run opened, and the version after."""
    campaign = make_settled(8, name="Faces")
    source = Source.objects.create(name="pictures", kind="folder", location="/p", done=8)
    make_over(source)
    rows = list(campaign.campaign_faces.select_related("face"))
    Item.objects.bulk_create(
        Item(source=source, locator=str(row.pk), state="ingested", media_id=row.face.media_id) for row in rows
    )
    first = frozen(campaign)
    exporting.export(snapshot=first, format="fer2013")
    run = finish(make_run(first, name="small net"), [(rows[0].face_id, "happy", "sad")])
    opened = RelabelRound.objects.create(run=run, campaign=campaign, votes_per_face=2)
    RelabelFace.objects.create(
        relabel_round=opened, campaign_face=rows[0], voting_round=2, network_label="sad", doubt=0.9
    )
    return source, campaign, first, frozen(campaign, seed=7)


def came_of(found: lineage.Lineage) -> dict[str, tuple[str, ...]]:
    return {node.key.split("-")[0]: tuple(key.split("-")[0] for key in node.came_of) for node in found.nodes}


def test_a_snapshot_stands_between_its_sources_and_the_version_after() -> None:
    _, campaign, first, second = made()
    found = lineage.of(campaign, snapshot=first)
    assert [node.stage for node in found.nodes] == list(lineage.STAGES)
    assert came_of(found) == {
        "source": (),
        "media": ("source",),
        "faces": ("media",),
        "votes": ("faces",),
        "export": ("snapshot",),
        "run": ("snapshot",),
        "round": ("run",),
        "snapshot": ("round",),
    }
    assert found.nodes[-1].title == second.name
    last = lineage.of(campaign, snapshot=second)
    assert lineage.NEXT not in {node.stage for node in last.nodes}


def test_more_than_is_shown_is_counted_and_leads_to_the_list(client: Client) -> None:
    _, campaign, first, second = made()
    for kind in ("coco", "parquet", "imagefolder", "votes", "webdataset"):
        exporting.export(snapshot=first, format=kind)
    found = lineage.of(campaign, most=1)
    assert [node.title for node in found.nodes if node.stage == lineage.SNAPSHOT] == [second.name]
    counts = {stage: (more.count, more.url) for stage, more in found.more.items()}
    assert counts == {lineage.SNAPSHOT: (1, "/snapshots/"), lineage.EXPORT: (5, "/snapshots/")}
    client.force_login(make_user("trainer"))
    html = client.get(f"/lineage/snapshot/{first.pk}/").content.decode()
    assert f'<a href="/snapshots/{first.pk}/#files"><text class="lineage-head"' in html
    assert 'id="files"' in client.get(f"/snapshots/{first.pk}/").content.decode()


def test_all_that_a_snapshot_took_in_is_drawn_and_leads_to_its_pages(client: Client) -> None:
    source, first, _, _ = made()
    second = make_settled(3, name="Others")
    rated = Source.objects.create(name="rated", kind="folder", location="/r", done=2)
    make_over(rated)
    faces = make_faces(2)
    for face in faces:
        Item.objects.create(source=rated, locator=str(face.pk), state="ingested", media_id=face.media_id)
    labels.give([labels.Wanted(face.pk, "happy", "a team") for face in faces])
    snapshot = frozen(
        second, also=[first], labels=["expert", "adjudicated", "votes"], labelled_sources=["rated"]
    )
    found = lineage.of(second, snapshot=snapshot)
    nodes = {node.key: node for node in found.nodes}
    labelled = f"labels-source-{rated.pk}-expert"
    assert nodes[f"snapshot-{snapshot.pk}"].came_of == (f"votes-{second.pk}", f"votes-{first.pk}", labelled)
    assert nodes[labelled].title == "2 labels"
    assert nodes[labelled].came_of == (f"faces-source-{rated.pk}",)
    assert nodes[f"faces-source-{rated.pk}"].came_of == (f"media-{rated.pk}",)
    assert nodes[f"faces-{first.pk}"].came_of == (f"media-{source.pk}",)
    without = f"media-without-source-{second.pk}"
    assert (nodes[f"faces-{second.pk}"].came_of, nodes[without].title) == ((without,), "3 media")
    assert nodes[f"media-{source.pk}"].url == f"/sources/{source.pk}/#media"
    client.force_login(make_user("manager"))
    for start, here in (
        (f"snapshot/{snapshot.pk}", f"snapshot-{snapshot.pk}"),
        (f"campaign/{first.pk}", f"votes-{first.pk}"),
        (f"source/{rated.pk}", labelled),
    ):
        page = client.get(f"/lineage/{start}/")
        boxes = {box.node.key: box for box in page.context["narrow"].boxes}
        assert {f"snapshot-{snapshot.pk}", here} <= boxes.keys()
        assert {client.get(box.url).status_code for box in boxes.values() if box.url} == {200}


def test_a_campaign_is_drawn_whatever_it_is_called_now_and_one_that_is_gone_by_its_name() -> None:
    first, second = make_settled(3, name="First"), make_settled(3, name="Second")
    snapshot = frozen(second, also=[first])
    Campaign.objects.filter(pk=first.pk).update(name="Renamed")
    first.refresh_from_db()
    votes = [f"votes-{second.pk}", f"votes-{first.pk}"]
    for found in (lineage.of(second, snapshot=snapshot), lineage.of(first)):
        nodes = {node.key: node for node in found.nodes}
        assert nodes[f"snapshot-{snapshot.pk}"].came_of == tuple(votes)
    first.delete()
    node = next(node for node in lineage.of(second, snapshot=snapshot).nodes if node.title == "First")
    assert (node.url, "gone" in node.what) == ("", True)


def test_the_api_and_a_command_tell_the_same(client: Client, tmp_path: Path) -> None:
    _, campaign, first, _ = made()
    client.force_login(make_user("trainer"))
    told = client.get(f"/api/v1/snapshots/{first.pk}/lineage/").json()
    keys = {node["key"] for node in told["nodes"]}
    frozen_as = next(node for node in told["nodes"] if node["key"] == f"snapshot-{first.pk}")
    assert frozen_as["url"] == f"http://testserver/snapshots/{first.pk}/"
    assert {node["url"] for node in told["nodes"] if node["stage"] == "source"} == {None}
    assert {"source": f"votes-{campaign.pk}", "target": f"snapshot-{first.pk}"} in told["edges"]
    assert {edge[end] for edge in told["edges"] for end in ("source", "target")} == keys
    said = StringIO()
    call_command("lineage", first.name, json=tmp_path / "lineage.json", stdout=said)
    written = json.loads((tmp_path / "lineage.json").read_text())
    assert {node["key"] for node in written["nodes"]} == keys
    assert written["edges"] == told["edges"]
    assert "Training runs: small net" in said.getvalue()
    with pytest.raises(CommandError, match="cannot be written"):
        call_command("lineage", first.name, json=tmp_path / "nowhere" / "lineage.json")


@pytest.mark.parametrize(
    ("role", "walks"), [("manager", {"source", "campaign"}), ("trainer", {"run", "round"})]
)
def test_the_picture_is_walked_from_every_end_by_whom_its_doors_are_open(
    client: Client, role: str, walks: set[str]
) -> None:
    source, campaign, first, _ = made()
    client.force_login(make_user(role))
    address = {"source": "/sources/", "campaign": "/campaigns/", "run": "/runs/", "round": "/relabel-rounds/"}
    for start in (f"snapshot/{first.pk}", f"campaign/{campaign.pk}", f"source/{source.pk}"):
        page = client.get(f"/lineage/{start}/")
        html = page.content.decode()
        of = start.partition("/")[0]
        led_back = f'<a href="/{of}s/">' in html and f'<a href="/{start.replace(of, f"{of}s")}/">' in html
        assert led_back == (role == "manager" or of == "snapshot")
        assert {
            name for name, path in address.items() if f'href="{path}' in html.split('class="card lineage"')[1]
        } == walks
        assert page.context["wide"].boxes[0].node.title == "pictures"
        hrefs = {box.url for box in page.context["narrow"].boxes if box.url}
        assert {client.get(href).status_code for href in hrefs} == {200}


def test_a_source_that_nobody_asks_about_says_so(client: Client) -> None:
    client.force_login(make_user("manager"))
    source = Source.objects.create(name="new", kind="folder", location="/n")
    assert "nothing has come of it" in client.get(f"/lineage/source/{source.pk}/").content.decode()


def test_of_several_campaigns_the_one_asked_for_is_drawn(client: Client) -> None:
    source, campaign, _, _ = made()
    other = make_settled(2, name="Other")
    media = other.campaign_faces.earliest("pk").face.media
    Item.objects.create(source=source, locator="x", state="ingested", media=media)
    client.force_login(make_user("manager"))
    page = client.get(f"/lineage/source/{source.pk}/")
    assert page.context["shown"] == other
    assert client.get(f"/lineage/source/{source.pk}/?campaign={campaign.pk}").context["shown"] == campaign
