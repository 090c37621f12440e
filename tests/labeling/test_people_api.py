"""Annotators, discards and the log over the API."""

from datetime import timedelta

import pytest
from django.utils import timezone

from labeling.models import AuditEntry, CampaignFace, Vote
from tests.factories import make_campaign, make_user, make_votes

pytestmark = pytest.mark.django_db


@pytest.fixture
def campaign():
    campaign = make_campaign(2, votes_per_face=1)
    rows = list(campaign.campaign_faces.order_by("pk"))
    make_votes(rows, make_user(name="Ada"), ["happy", "happy"])
    settled = {"state": "settled", "votes": 1, "places": 0, "settled_at": timezone.now()}
    CampaignFace.objects.update(**settled, outcome="agreed", label="happy", agreement=1, counts={"happy": 1})
    return campaign


@pytest.fixture
def ask(client, campaign):
    client.force_login(make_user("manager", name="Mona"))

    def send(verb, sent=None, at=campaign):
        address = f"/api/v1/campaigns/{at.pk}/{verb}/"
        if sent is None:
            return client.get(address)
        return client.post(address, sent, content_type="application/json")

    return send


def test_an_annotators_figures_have_no_number_where_none_can_be_said(ask) -> None:
    [found] = ask("annotators").json()
    assert (found["name"], found["votes"], found["answers"]) == ("Ada", 2, {"happy": 2})
    assert (found["gold_right"], found["median_ms"], found["flags"]) == (None, None, [])


def test_votes_are_put_aside_and_counted_again(ask, campaign) -> None:
    asked = {"annotator": "Ada", "since": (timezone.now() - timedelta(days=2)).isoformat()}
    found = {"votes": 2, "faces": 2, "reopened": 2, "changed": 2}
    assert ask("preview-discard", asked).json() == found
    told = ask("discard", {**asked, "reason": "no care", "pause": True}).json()
    assert (told["votes"], told["faces"], told["open"]) == (2, 2, 2)
    assert not Vote.objects.exists()
    assert ask("restore", {"discard": told["discard"]}, at=make_campaign(0)).status_code == 404
    assert ask("restore", {"discard": told["discard"]}).json() == {"votes": 2, "aside": 0, "finished": True}
    assert ask("restore", {"discard": told["discard"]}).status_code == 409
    assert ask("discard", {**asked, "annotator": "nobody", "reason": "no care"}).status_code == 400


def test_who_is_paused_can_go_on(ask) -> None:
    assert ask("pause-annotator", {"annotator": "Ada", "reason": "wait"}).status_code == 204
    assert "already" in ask("pause-annotator", {"annotator": "Ada", "reason": "wait"}).json()["error"]
    assert ask("resume-annotator", {"annotator": "Ada"}).status_code == 204
    lines = ask("log").json()["results"]
    assert [(line["verb"], line["by"], line["annotator"]) for line in lines] == [
        ("annotator_resumed", "Mona", "Ada"),
        ("annotator_paused", "Mona", "Ada"),
    ]
    assert (lines[1]["said"], lines[1]["reason"]) == ("paused an annotator", "wait")


def test_a_decision_on_a_face_decided_meanwhile_is_refused_with_a_code(ask, campaign) -> None:
    sent = {"campaign_face": campaign.campaign_faces.first().pk, "label": "fear", "reason": "wide eyes"}
    first = ask("adjudicate", {**sent, "seen": 0}).json()
    refused = ask("adjudicate", {**sent, "label": "sad", "seen": 0})
    assert (refused.status_code, refused.json()["code"]) == (409, "decided")
    assert ask("adjudicate", {**sent, "label": "sad", "seen": first["id"]}).status_code == 200
    assert AuditEntry.objects.count() == 2
