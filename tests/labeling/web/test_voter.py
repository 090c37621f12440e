"""Who votes is asked in one statement, and what ends a session ends it at once."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from labeling import campaigns
from labeling.models import Campaign, Face
from labeling.web import voter as doorkeeper
from tests.factories import make_faces, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture(params=[True, False], ids=["known", "to another process"])
def voting(client: Client, request: pytest.FixtureRequest) -> tuple[Client, Any, Campaign]:
    """A signed-in annotator whose session the server has seen before, this process of it or another."""
    make_faces(3)
    campaign = campaigns.create(name="faces")
    campaigns.add_faces(campaign=campaign, faces=Face.objects.all())
    user = make_user()
    client.force_login(user)
    assert ask(client, campaign).status_code == 200
    if not request.param:
        doorkeeper._known.clear()
    return client, user, campaign


def ask(client: Client, campaign: Campaign, address: str = "next") -> Any:
    body = json.dumps({"limit": 1})
    return client.post(f"/vote/{campaign.pk}/{address}", body, content_type="application/json")


def test_a_known_session_costs_one_statement_before_voting_begins(voting: Any) -> None:
    client, _, campaign = voting
    ask(client, campaign)
    with CaptureQueriesContext(
        connection,
    ) as asked:
        ask(client, campaign)
    about_people = [
        query["sql"] for query in asked if "django_session" in query["sql"] or "vemo_voter" in query["sql"]
    ]
    assert len([sql for sql in about_people if not sql.startswith("PREPARE")]) == 1
    assert not [query for query in asked if query["sql"].startswith('SELECT "accounts_user"')]


def test_a_session_that_was_not_signed_here_is_nobody_s(voting: Any) -> None:
    client, _, campaign = voting
    Session.objects.update(session_data=Session.objects.get().session_data[:-1] + "x")
    assert ask(client, campaign).status_code == 401


def test_who_signed_in_another_way_is_left_to_django(voting: Any, settings: Any) -> None:
    client, user, campaign = voting
    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.RemoteUserBackend"]
    client.force_login(user)
    assert ask(client, campaign).status_code == 200
    assert client.session.session_key not in doorkeeper._known


def test_who_signs_out_is_out(voting: Any) -> None:
    client, _, campaign = voting
    Session.objects.all().delete()
    assert ask(client, campaign).status_code == 401


def test_a_session_that_has_ended_is_out(voting: Any) -> None:
    client, _, campaign = voting
    Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))
    assert ask(client, campaign).status_code == 401


def test_a_new_password_ends_the_other_sessions(voting: Any) -> None:
    client, user, campaign = voting
    user.set_password("another")
    user.save()
    assert ask(client, campaign).status_code == 401


def test_a_withdrawn_role_counts_at_once(voting: Any) -> None:
    client, user, campaign = voting
    user.is_annotator = False
    user.save()
    assert ask(client, campaign).status_code == 403


def test_who_may_not_sign_in_any_more_may_not_vote(voting: Any) -> None:
    client, user, campaign = voting
    user.is_active = False
    user.save()
    assert ask(client, campaign).status_code in (401, 403)


def test_a_session_that_became_somebody_elses_votes_as_them(voting: Any) -> None:
    client, user, campaign = voting
    other = make_user()
    client.force_login(other)
    held = ask(client, campaign).json()["faces"]
    assert other.leases.count() == len(held) == 1
    assert user.leases.count() == 1


def test_a_campaign_that_is_gone_is_not_there(voting: Any) -> None:
    client, _, campaign = voting
    Campaign.objects.all().delete()
    assert ask(client, campaign).status_code == 404
