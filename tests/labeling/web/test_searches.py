"""A search for faces with settings of its own, chosen on a page."""

from dataclasses import fields

import pytest
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from labeling.models import Detection, Source
from labeling.vision.detectors import DETECTORS
from labeling.web import searches
from tests.factories import make_user

pytestmark = pytest.mark.django_db
USUAL = {
    "detector": "haar",
    "min_side": 0,
    "margin": 0.2,
    "per_second": 5,
    "per_track": 0,
    "haar_scale_factor": 1.1,
    "haar_min_neighbors": 5,
    "haar_min_size": 30,
    "haar_longest_side": 2000,
}


@pytest.fixture
def manager(client: Client) -> Client:
    client.force_login(make_user("manager"))
    return client


@pytest.fixture
def source() -> Source:
    return Source.objects.create(
        name="s", kind="folder", location="/s", state="done", ended_at="2026-01-01T00:00Z"
    )


def address(source: Source) -> str:
    return reverse("labeling:source_search", args=[source.pk])


def test_every_setting_of_every_detector_has_words() -> None:
    names = {field.name for entry in DETECTORS.values() for field in fields(entry.settings)}
    assert names == searches.OWN_WORDS.keys()


def test_the_page_begins_with_the_usual_settings(manager: Client, source: Source) -> None:
    form = manager.get(address(source)).context["form"]
    assert {name: form[name].value() for name in USUAL} == USUAL
    manager.post(address(source), USUAL)
    assert Detection.objects.get().settings == {}


def test_what_differs_is_asked_of_the_search_and_shown(manager: Client, source: Source) -> None:
    posted = {**USUAL, "haar_min_neighbors": 7, "min_side": 48, "margin": 0.35, "per_track": 3}
    page = manager.post(address(source), posted, follow=True).content.decode()
    assert Detection.objects.get().settings == {
        "min_neighbors": 7,
        "min_side": 48,
        "margin": 0.35,
        "per_track": 3,
    }
    assert "min_neighbors 7" in page


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"margin": 3}, "less than or equal to 2"),
        ({"haar_min_neighbors": 0}, "is a number above 0"),
        ({"aligned": "on"}, "haar tells no eyes"),
        ({"detector": "yunet"}, "Select a valid choice"),
    ],
)
def test_what_makes_no_sense_is_said_and_nothing_begins(
    manager: Client, source: Source, changes: dict[str, object], said: str
) -> None:
    answer = manager.post(address(source), {**USUAL, **changes})
    assert (answer.status_code, said in answer.content.decode()) == (400, True)
    assert not Detection.objects.exists()


def test_a_detector_that_has_searched_is_not_offered_again(manager: Client, source: Source) -> None:
    Detection.objects.create(source=source, detector="haar")
    assert (
        "Every detector there is has searched this source." in manager.get(address(source)).content.decode()
    )


def test_by_the_api_too(source: Source) -> None:
    client = APIClient()
    client.force_authenticate(make_user("manager"))
    body = {"detector": "haar", "settings": {"min_side": 48, "min_neighbors": 7, "margin": 0.35}}
    answer = client.post(f"/api/v1/sources/{source.pk}/detect/", body, format="json")
    assert (answer.status_code, answer.data["settings"]) == (201, body["settings"])
    wrong = {"detector": "haar", "settings": {"min_side": -1}}
    assert client.post(f"/api/v1/sources/{source.pk}/detect/", wrong, format="json").status_code == 409
