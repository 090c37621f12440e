"""Trainings by API."""

import pytest
from rest_framework.test import APIClient

from labeling.models import Snapshot
from labeling.snapshots import freezing
from tests.factories import make_campaign, make_user, settle
from training.models import TrainingRun

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> APIClient:
    client = APIClient()
    client.force_authenticate(make_user("trainer"))
    return client


@pytest.fixture
def snapshot() -> Snapshot:
    campaign = make_campaign(6)
    for number, row in enumerate(campaign.campaign_faces.all()):
        settle(row, ("happy", "sad")[number % 2])
    made = freezing.freeze(campaign=campaign)
    freezing.run_freeze(made.pk)
    made.refresh_from_db()
    return made


def start(client: APIClient, snapshot: Snapshot, **settings: object) -> dict[str, object]:
    body = {"snapshot": snapshot.pk, "network": "resnet18", "preset": "quick", "settings": settings}
    return client.post("/api/v1/runs/", body, format="json")


def test_a_run_is_queued_with_its_settings(client, snapshot) -> None:
    made = start(client, snapshot, epochs=3, seed=7)
    assert made.status_code == 201, made.json()
    run = made.json()
    assert (run["state"], run["config"]["epochs"], run["config"]["seed"]) == ("waiting", 3, 7)
    assert client.get(f"/api/v1/runs/{run['id']}/curves/").json() == []


def test_a_run_can_be_fast(client, snapshot) -> None:
    body = {"snapshot": snapshot.pk, "network": "resnet18", "preset": "quick", "fast": True}
    made = client.post("/api/v1/runs/", body, format="json")
    assert (made.status_code, made.json()["fast"]) == (201, True)
    twice = client.post("/api/v1/runs/", {**body, "settings": {"bf16": False}}, format="json")
    assert (twice.status_code, twice.json()["error"].startswith("Fast sets bf16")) == (409, True)
    assert TrainingRun.objects.get().fast


def test_an_unknown_setting_is_refused_with_its_name(client, snapshot) -> None:
    said = start(client, snapshot, epoch=3)
    assert said.status_code == 409
    assert "epoch" in said.json()["error"]
    assert TrainingRun.objects.count() == 0


def test_an_unfinished_run_predicts_nothing(client, snapshot) -> None:
    run = start(client, snapshot).json()
    said = client.post(f"/api/v1/runs/{run['id']}/predict/", {}, format="json")
    assert said.status_code == 409


def test_a_round_needs_faces_the_run_has_seen(client, snapshot) -> None:
    run = start(client, snapshot).json()
    face = snapshot.campaign.campaign_faces.all()[0]
    said = client.post(
        "/api/v1/relabel-rounds/",
        {"run": run["id"], "campaign_faces": [face.pk], "votes_per_face": 3},
        format="json",
    )
    assert said.status_code == 409
    assert client.get("/api/v1/relabel-rounds/").json()["results"] == []


def test_the_list_of_runs_costs_the_same_however_long(client, snapshot, django_assert_num_queries) -> None:
    for _ in range(2):
        start(client, snapshot)
        with django_assert_num_queries(2):
            assert client.get("/api/v1/runs/").status_code == 200
