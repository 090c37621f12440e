"""What must be zero: counted from the votes, told with the statement that counts it."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection

from labeling import campaigns
from labeling.models import Campaign, CampaignFace, Vote
from labeling.voting import votes
from labeling.voting.integrity import check, checks
from tests.factories import make_campaign, make_user

pytestmark = pytest.mark.django_db


def voted(faces: int = 2) -> Campaign:
    campaign, annotator = make_campaign(faces, votes_per_face=1), make_user()
    for leased in votes.lease(campaign=campaign, annotator=annotator, limit=faces):
        votes.cast(
            campaign=campaign,
            annotator=annotator,
            campaign_face_id=leased.campaign_face_id,
            answer="happy",
            client_key=uuid4(),
        )
    return campaign


def by_hand(statement: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone()[0]


def test_the_statement_shown_counts_what_the_check_counts() -> None:
    campaign = voted()
    Vote.objects.filter(campaign_face=CampaignFace.objects.first()).delete()
    found = {each.what: by_hand(each.sql()) for each in checks(campaign)}
    assert found == check(campaign)
    assert {what for what, count in found.items() if count} == {
        "settled with too few votes",
        "tally of votes differs from the votes",
    }


def test_a_closed_campaign_knows_when_and_an_open_one_forgets() -> None:
    campaign = voted()
    campaigns.close(campaign=campaign)
    assert campaign.closed_at > Vote.objects.latest("cast_at").cast_at
    campaigns.reopen(campaign=campaign)
    assert campaign.closed_at is None


def test_a_vote_later_than_the_closing_is_found() -> None:
    campaign = voted()
    campaigns.close(campaign=campaign)
    assert check(campaign)["votes later than the closing"] == 0
    late = Vote.objects.first()
    Vote.objects.filter(pk=late.pk).update(cast_at=campaign.closed_at + timedelta(microseconds=1))
    assert check(campaign)["votes later than the closing"] == 1
