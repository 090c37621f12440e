"""What came of what, drawn from every end of it."""

import pytest
from django.test import Client

from labeling import lineage
from labeling.models import Campaign, Item, Snapshot, Source
from labeling.snapshots import exporting
from tests.factories import make_over, make_user
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


def test_more_than_is_shown_is_counted(monkeypatch) -> None:
    monkeypatch.setattr(lineage, "SHOWN", 1)
    _, campaign, _, second = made()
    found = lineage.of(campaign)
    assert [node.title for node in found.nodes if node.stage == lineage.SNAPSHOT] == [second.name]
    assert found.more == {lineage.SNAPSHOT: 1}


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
