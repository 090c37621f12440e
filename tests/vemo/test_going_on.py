"""Stopping work and letting it go on by the API: the same of every kind of work."""

from collections.abc import Callable

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from labeling.models import Erasure, Export, LabelStudioImport, Snapshot, Source, Work
from tests.factories import make_campaign, make_over, make_user
from tests.vemo.test_roles import DOORS
from training.models import TrainingRun

pytestmark = pytest.mark.django_db


def a_snapshot() -> Snapshot:
    return Snapshot.objects.create(campaign=make_campaign(), name="s")


def a_run() -> TrainingRun:
    return TrainingRun.objects.create(
        name="r", snapshot=a_snapshot(), network="resnet18", preset="quick", config={}
    )


KINDS: dict[str, tuple[Callable[[], Work], str]] = {
    "api-sources-{}": (lambda: Source.objects.create(name="s", kind="folder", location="/x"), "restart"),
    "api-snapshots-{}": (a_snapshot, "restart"),
    "api-snapshots-file-{}": (
        lambda: Export.objects.create(snapshot=a_snapshot(), format="imagefolder"),
        "restart",
    ),
    "api-label-studio-{}": (
        lambda: LabelStudioImport.objects.create(file_name="a.json", sha256="0" * 64),
        "resume",
    ),
    "api-erasures-{}": (
        lambda: Erasure.objects.create(scope="media", what=[1], reason="Asked to"),
        "resume",
    ),
    "api-runs-{}": (a_run, "resume"),
}
"""Names of the doors → how to make a row that waits, and the last word of the door by which it goes on."""
STOPPABLE = [name for name in KINDS if name != "api-erasures-{}"]
DEEDS = ("stop", "restart", "resume")


@pytest.fixture
def admin() -> APIClient:
    client = APIClient()
    client.force_authenticate(make_user("admin"))
    return client


def address(name: str, row: Work) -> str:
    if isinstance(row, Export):
        return f"/api/v1/snapshots/{row.snapshot_id}/files/{row.format}/"
    return f"/api/v1/{name.removeprefix('api-').removesuffix('-{}')}/{row.pk}/"


def made(name: str) -> tuple[Work, str, str]:
    """A row that waits, and where it is stopped and goes on."""
    make, again = KINDS[name]
    row = make()
    return row, f"{address(name, row)}stop/", f"{address(name, row)}{again}/"


def test_every_such_door_is_tried_here() -> None:
    tried = {name.format("stop") for name in STOPPABLE} | {name.format(KINDS[name][1]) for name in KINDS}
    assert tried == {
        name
        for name in DOORS
        if name.startswith("api-") and name.endswith(tuple(f"-{deed}" for deed in DEEDS))
    }


@pytest.mark.parametrize("name", STOPPABLE)
def test_what_waits_stops_at_once(admin: APIClient, name: str) -> None:
    row, stop, _again = made(name)
    answer = admin.post(stop)
    row.refresh_from_db()
    assert (answer.status_code, answer.json()["id"], answer.json()["state"]) == (200, row.pk, "stopped")
    assert (row.state, row.ended_at is not None) == ("stopped", True)


@pytest.mark.parametrize("name", STOPPABLE)
def test_what_runs_is_asked_to_stop(admin: APIClient, name: str) -> None:
    row, stop, _again = made(name)
    type(row).objects.filter(pk=row.pk).update(state="running", worker="w", heartbeat_at=timezone.now())
    answer = admin.post(stop)
    row.refresh_from_db()
    assert (answer.status_code, answer.json()["state"], row.stop_asked) == (200, "running", True)


@pytest.mark.parametrize("name", STOPPABLE)
def test_what_has_failed_stays_failed_when_it_is_stopped(admin: APIClient, name: str) -> None:
    row, stop, _again = made(name)
    make_over(row, "failed", error="No disk.")
    answer = admin.post(stop)
    assert (answer.status_code, answer.json()["state"], answer.json()["error"]) == (200, "failed", "No disk.")


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("state", ["stopped", "failed"])
def test_what_has_stopped_or_failed_goes_on(admin: APIClient, name: str, state: str) -> None:
    row, _stop, again = made(name)
    make_over(row, state, error="No disk.", attempt=3)
    answer = admin.post(again)
    row.refresh_from_db()
    assert (answer.status_code, answer.json()["id"], answer.json()["state"]) == (200, row.pk, "waiting")
    assert (row.error, row.attempt, row.ended_at) == ("", 0, None)


@pytest.mark.parametrize("name", KINDS)
def test_what_waits_for_a_worker_cannot_go_on(admin: APIClient, name: str) -> None:
    _row, _stop, again = made(name)
    answer = admin.post(again)
    assert (answer.status_code, answer.json()) == (
        409,
        {"error": "This is waiting; only what has stopped or failed can go on.", "code": "refused"},
    )


@pytest.mark.parametrize("name", [name for name in KINDS if name != "api-sources-{}"])
def test_what_is_done_is_not_done_again(admin: APIClient, name: str) -> None:
    row, _stop, again = made(name)
    make_over(row, **({"digest": "0" * 64} if isinstance(row, Snapshot) else {}))
    answer = admin.post(again)
    row.refresh_from_db()
    assert (answer.status_code, answer.json()["error"], row.state) == (
        409,
        "This is done; only what has stopped or failed can go on.",
        "done",
    )


def test_a_finished_source_is_looked_through_again(admin: APIClient) -> None:
    row, _stop, again = made("api-sources-{}")
    make_over(row)
    answer = admin.post(again)
    assert (answer.status_code, answer.json()["state"]) == (200, "waiting")


def test_a_file_of_which_nothing_was_asked_is_not_there(admin: APIClient) -> None:
    files = f"/api/v1/snapshots/{a_snapshot().pk}/files/parquet"
    assert [admin.post(f"{files}/{deed}/").status_code for deed in ("stop", "restart")] == [404, 404]


def test_an_import_waits_until_another_one_of_its_file_has_ended(admin: APIClient) -> None:
    stopped, _stop, again = made("api-label-studio-{}")
    make_over(stopped, "stopped")
    other = LabelStudioImport.objects.create(file_name="b.json", sha256=stopped.sha256)
    answer = admin.post(again)
    stopped.refresh_from_db()
    assert (answer.status_code, answer.json()["error"], stopped.state) == (
        409,
        f"The same file is being taken in already, as import {other.pk}. Let it end, or stop it first.",
        "stopped",
    )
