"""Freezing by a rule, its preview, and versions beside each other, by the API."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from labeling.models import Face, Snapshot
from tests.factories import make_user
from tests.labeling.snapshots.making import frozen, make_settled

pytestmark = pytest.mark.django_db
SNAPSHOTS = "/api/v1/snapshots/"


@pytest.fixture
def manager() -> APIClient:
    client = APIClient()
    client.force_authenticate(make_user("manager"))
    return client


def test_a_preview_tells_what_a_rule_would_hold_and_freezes_nothing(manager: APIClient) -> None:
    campaign = make_settled(20, labels=("happy", "sad", "angry"))
    asked = {"campaign": campaign.pk, "classes": ["happy", "sad"], "folds": 2}
    found = manager.post(f"{SNAPSHOTS}preview/", asked, format="json").json()
    assert found["classes"] == ["happy", "sad"]
    assert sum(sum(split.values()) for split in found["splits"].values()) == 14
    assert found["left_out"] == {"class": 6}
    assert found["certificate"]["groups"]["shared"] == 0
    assert not Snapshot.objects.exists()


def test_a_rule_on_quality_by_api(manager: APIClient) -> None:
    campaign = make_settled(8)
    Face.objects.filter(pk=campaign.campaign_faces.earliest("pk").face_id).update(sharpness=0.1)
    asked = {"campaign": campaign.pk, "quality": {"min_sharpness": 0.3, "min_side": 20}}
    assert manager.post(f"{SNAPSHOTS}preview/", asked, format="json").json()["left_out"] == {"quality": 1}
    assert manager.post(SNAPSHOTS, asked, format="json").status_code == 201
    assert Snapshot.objects.get().rule["quality"] == {"min_sharpness": 0.3, "min_side": 20}


@pytest.mark.parametrize(
    ("wrong", "status", "says"),
    [
        ({"labels": []}, 400, "may not be empty"),
        ({"together": ["weather"]}, 400, "weather"),
        ({"agreement_at_least": 2}, 400, "less than or equal to 1"),
        ({"labels": ["rumour"]}, 409, "No face has a label of “rumour”"),
        ({"classes": ["happy"]}, 409, "at least two expressions"),
        ({"folds": 1}, 409, "Folds are 2 to 100"),
        ({"sources": ["nowhere"]}, 409, "There is no source “nowhere”"),
        ({"quality": {"min_sharpness": "much"}}, 400, "valid number"),
        ({"quality": {"beauty": 1}}, 409, "Nothing called “beauty” is measured"),
        ({"splits": "sources"}, 409, "Name sources for validation or test"),
        ({"fractions": {"train": 0}}, 409, "Train needs a share"),
        ({"fractions": {"train": 1, "exam": 1}}, 409, "Fractions are shares"),
        ({"fractions": {"train": 1e-12, "validation": 0, "test": 1}}, 409, "A share is too small"),
        ({"splits": "given", "fractions": {"train": 1}}, 409, "Only splits that are drawn have shares"),
        ({"split_sources": {"test": ["nowhere"]}}, 409, "Sources are named for splits"),
        ({"split_sources": {"bogus": []}}, 409, "Name sources for validation or test"),
        ({"splits": "sources", "split_sources": {"test": ["nowhere"]}}, 409, "There is no source “nowhere”"),
    ],
)
@pytest.mark.parametrize("address", [SNAPSHOTS, f"{SNAPSHOTS}preview/"])
def test_a_rule_that_does_not_hold_is_refused_with_the_reason(
    manager: APIClient, address: str, wrong: dict[str, Any], status: int, says: str
) -> None:
    """What a schema can say is 400; what only the database knows, 409."""
    answer = manager.post(address, {"campaign": make_settled(4).pk, **wrong}, format="json")
    assert answer.status_code == status
    assert says in answer.content.decode()
    assert not Snapshot.objects.exists()


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ({"votes_at_least": 100_000}, "fewer votes than asked for (4)."),
        ({"side_at_least": 100_000}, "smaller than asked for (4)."),
        ({"classes": ["angry", "fear"]}, "of a class that is not wanted (4)."),
    ],
)
def test_a_rule_that_leaves_too_little_says_what_it_leaves_out(
    manager: APIClient, rule: dict[str, Any], says: str
) -> None:
    asked = {"campaign": make_settled(4).pk, **rule}
    answer = manager.post(f"{SNAPSHOTS}preview/", asked, format="json")
    assert (answer.status_code, "leaves fewer. Left out: " + says in answer.json()["error"]) == (409, True)


def test_a_campaign_is_not_frozen_beside_itself(manager: APIClient) -> None:
    campaign = make_settled(4)
    asked = {"campaign": campaign.pk, "also": [campaign.pk]}
    answer = manager.post(SNAPSHOTS, asked, format="json")
    assert (answer.status_code, "named twice" in answer.json()["error"]) == (409, True)


@pytest.mark.parametrize("name", ["a\x7fb", "a\u2028b"])
def test_a_name_that_cannot_be_seen_whole_is_refused(manager: APIClient, name: str) -> None:
    asked = {"campaign": make_settled(4).pk, "name": name}
    answer = manager.post(SNAPSHOTS, asked, format="json")
    assert (answer.status_code, "cannot be seen" in answer.json()["error"]) == (409, True)


@pytest.mark.parametrize(
    "deed", ["stop/", "restart/", "files/imagefolder/stop/", "files/imagefolder/restart/"]
)
def test_who_may_only_see_labels_stops_nothing(deed: str) -> None:
    client = APIClient()
    client.force_authenticate(make_user("ml_staff"))
    assert client.post(f"{SNAPSHOTS}{frozen(make_settled(8)).pk}/{deed}").status_code == 403


def test_a_campaign_without_labels_cannot_be_frozen_yet(manager: APIClient) -> None:
    answer = manager.post(f"{SNAPSHOTS}preview/", {"campaign": make_settled(0).pk}, format="json")
    assert answer.status_code == 409
    assert "at least two expressions" in answer.json()["error"]
