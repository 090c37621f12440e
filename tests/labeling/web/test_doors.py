"""Whom the managers' pages let in, and what only a POST may do."""

import pytest
from django.test import Client
from django.urls import reverse

from labeling.models import Detection, Export, Snapshot, Source
from tests.factories import make_campaign, make_faces, make_over, make_user

pytestmark = pytest.mark.django_db

MANAGER = {"manager", "admin"}
READER = {"manager", "trainer", "admin"}
PAGES = {
    "sources": MANAGER,
    "source_new": MANAGER,
    "source": MANAGER,
    "source_live": MANAGER,
    "media": MANAGER,
    "thumbnail": MANAGER,
    "faces": READER,
    "face": READER,
    "snapshots": READER,
    "snapshot_new": MANAGER,
    "snapshot": READER,
    "snapshot_live": READER,
    "export_download": MANAGER,
}
ACTIONS = (
    "source_stop",
    "source_restart",
    "source_retry",
    "source_detect",
    "detection_stop",
    "detection_restart",
    "snapshot_stop",
    "snapshot_restart",
    "snapshot_verify",
    "snapshot_export",
    "export_stop",
)
WITHOUT_KEY = {"sources", "source_new", "faces", "snapshots", "snapshot_new"}


def address(name: str) -> str:
    if name in WITHOUT_KEY:
        return reverse(f"labeling:{name}")
    return reverse(f"labeling:{name}", args=[_key(name)])


def _key(name: str) -> int:
    if name in ("media", "thumbnail"):
        return make_faces(1)[0].media_id
    if name == "face":
        return make_faces(1)[0].pk
    if name.startswith("source"):
        return Source.objects.create(name="s", kind="folder", location="/x").pk
    if name.startswith("detection"):
        source = Source.objects.create(name="s", kind="folder", location="/x")
        return Detection.objects.create(source=source, detector="haar").pk
    snapshot = Snapshot.objects.create(campaign=make_campaign(), name="s")
    if name.startswith("snapshot"):
        return snapshot.pk
    export = Export.objects.create(snapshot=snapshot, format="imagefolder")
    make_over(export, stored_as="exports/none.zip")
    return export.pk


@pytest.mark.parametrize("role", ["nobody", "annotator", "manager", "trainer", "admin"])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_lets_in_its_own_roles_and_no_other(client: Client, name: str, role: str) -> None:
    client.force_login(make_user(role))
    response = client.get(address(name))
    if response.streaming:
        assert b"".join(response)
    assert (response.status_code != 403) == (role in PAGES[name])


@pytest.mark.parametrize("role", ["nobody", "annotator", "trainer"])
@pytest.mark.parametrize("name", ACTIONS)
def test_an_action_refuses_whoever_does_not_manage(client: Client, name: str, role: str) -> None:
    client.force_login(make_user(role))
    assert client.post(address(name)).status_code == 403


@pytest.mark.parametrize("name", [*PAGES, *ACTIONS])
def test_a_stranger_is_sent_to_sign_in(client: Client, name: str) -> None:
    response = client.get(address(name))
    assert (response.status_code, response.url.split("?")[0]) == (302, "/signin/")


@pytest.mark.parametrize("name", ACTIONS)
def test_an_action_is_done_by_post_alone(client: Client, name: str) -> None:
    client.force_login(make_user("manager"))
    assert client.get(address(name)).status_code == 405


@pytest.mark.parametrize("name", sorted(set(PAGES) - {"source_new", "snapshot_new"}))
def test_a_page_that_only_shows_takes_no_post(client: Client, name: str) -> None:
    client.force_login(make_user("manager"))
    assert client.post(address(name)).status_code == 405


def test_an_action_without_its_token_is_refused() -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(make_user("manager"))
    assert client.post(address("source_stop")).status_code == 403
