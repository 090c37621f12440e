"""Agreement with its interval, and when a campaign will be through."""

import math
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from labeling import campaigns
from labeling.campaign_figures import pace, reliability
from labeling.models import Campaign, CampaignFace, Vote
from tests.factories import make_campaign, make_user

pytestmark = pytest.mark.django_db
NOW = timezone.now()


def voted(hours_ago: list[float], *, wanted: int = 10) -> Campaign:
    """A campaign of one face, with one vote at each of these times."""
    campaign = make_campaign(1, votes_per_face=wanted)
    row = CampaignFace.objects.get(campaign=campaign)
    for hours in hours_ago:
        Vote.objects.create(
            campaign=campaign,
            campaign_face=row,
            annotator=make_user(),
            round=1,
            answer="happy",
            client_key=uuid4(),
            cast_at=NOW - timedelta(hours=hours),
        )
    CampaignFace.objects.filter(pk=row.pk).update(votes=len(hours_ago), places=wanted - len(hours_ago))
    return campaign


def test_the_end_is_what_is_left_at_the_pace_of_the_last_day() -> None:
    found = pace(voted([40, 4.5, 2.5, 0.75, 0.5]), now=NOW)
    # Three more votes in the four hours after the first of the day; five are left.
    assert (found.last_hour, found.per_hour) == (2, 0.75)
    assert found.end == NOW + timedelta(hours=5 / 0.75)


def test_the_pace_is_that_of_the_last_day_somebody_voted_but_then_there_is_no_end() -> None:
    found = pace(voted([90, 54, 50]), now=NOW)
    assert (found.last_hour, found.per_hour, found.end) == (0, 0.25, None)


def test_without_votes_or_with_one_nothing_is_foretold() -> None:
    for campaign, last_hour in ((voted([]), 0), (voted([0.5]), 1)):
        found = pace(campaign, now=NOW)
        assert (found.last_hour, math.isnan(found.per_hour), found.end) == (last_hour, True, None)


def test_a_campaign_that_takes_no_votes_has_no_end() -> None:
    campaign = voted([2, 1.5])
    campaigns.pause(campaign=campaign)
    assert pace(campaign, now=NOW).end is None


def test_others_campaigns_do_not_count() -> None:
    campaign, other = voted([2, 0.5]), voted([0.5])
    Vote.objects.filter(campaign=other).update(
        annotator=Vote.objects.filter(campaign=campaign).first().annotator
    )
    assert pace(campaign, now=NOW).last_hour == 1


def test_it_takes_four_statements(django_assert_num_queries: Any) -> None:
    campaign = voted([2, 0.5])
    with django_assert_num_queries(4):
        pace(campaign, now=NOW)


def test_agreement_lies_in_its_interval(django_assert_num_queries: Any) -> None:
    campaign = make_campaign(6, votes_per_face=4)
    for n, row in enumerate(CampaignFace.objects.all()):
        counts = [{"happy": 4}, {"happy": 3, "sad": 1}, {"sad": 4}][n % 3]
        CampaignFace.objects.filter(pk=row.pk).update(
            state="settled", votes=4, places=0, counts=counts, settled_at=NOW, outcome="no_consensus"
        )
    with django_assert_num_queries(1):
        found = reliability(campaign)
    assert found.agreement.value == pytest.approx(30 / 36)
    for figure in (found.agreement, found.kappa, found.alpha):
        assert figure.low <= figure.value <= figure.high
    assert (found.kappa.value, found.alpha.value) == pytest.approx((0.657, 0.671), abs=0.001)


def test_of_no_settled_face_nothing_is_said() -> None:
    found = reliability(make_campaign(2))
    assert all(
        math.isnan(number) for figure in (found.agreement, found.kappa, found.alpha) for number in figure
    )
