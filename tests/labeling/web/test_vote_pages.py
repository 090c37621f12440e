"""What an annotator sees before the first face, and what never reaches them."""

import re
import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from labeling import own
from labeling.voting import votes
from labeling.web.vote import KEYS, LOOKS, OTHER_KEYS
from tests.factories import make_campaign, make_user

pytestmark = pytest.mark.django_db


def answer_one(campaign, annotator, answer: str = "happy") -> int:
    held = votes.lease(campaign=campaign, annotator=annotator, limit=1)[0].campaign_face_id
    votes.cast(
        campaign=campaign, annotator=annotator, campaign_face_id=held, answer=answer, client_key=uuid.uuid4()
    )
    return held


def test_own_progress_counts_own_votes_and_the_faces_left() -> None:
    campaign, annotator = make_campaign(3), make_user("annotator")
    answer_one(campaign, annotator)
    answer_one(campaign, make_user("annotator"))
    votes.lease(campaign=campaign, annotator=annotator, limit=1)
    assert own.progress_of(campaign=campaign, annotator=annotator) == own.OwnProgress(
        votes=1, left=2, more=False
    )


def test_a_face_others_have_completed_is_not_left() -> None:
    campaign = make_campaign(1, votes_per_face=1)
    answer_one(campaign, make_user("annotator"))
    annotator = make_user("annotator")
    assert own.progress_of(campaign=campaign, annotator=annotator).left == 0
    assert [card.waiting for card in own.campaigns_of(annotator)] == [False]


def test_a_skipped_face_is_not_left() -> None:
    campaign, annotator = make_campaign(2), make_user("annotator")
    held = votes.lease(campaign=campaign, annotator=annotator, limit=1)[0].campaign_face_id
    votes.skip(campaign=campaign, annotator=annotator, campaign_face_id=held)
    assert own.progress_of(campaign=campaign, annotator=annotator).left == 1


def test_a_closed_campaign_stays_in_the_list_of_who_voted_in_it() -> None:
    campaign, annotator = make_campaign(1), make_user("annotator")
    answer_one(campaign, annotator)
    campaign.state = "closed"
    campaign.save()
    assert [card.votes for card in own.campaigns_of(annotator)] == [1]
    assert own.campaigns_of(make_user("annotator")) == []


def test_the_list_asks_the_database_the_same_for_one_campaign_and_for_three(client) -> None:
    client.force_login(make_user("annotator"))

    def statements() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert client.get(reverse("labeling:vote_home")).status_code == 200
        return len(captured)

    make_campaign(1)
    one = statements()
    make_campaign(1)
    make_campaign(1)
    assert one == 5  # session, user, own votes, own answers to gold, campaigns
    assert statements() == one


def test_keys_do_not_collide() -> None:
    keys = [*KEYS, *OTHER_KEYS.values(), *(key for _, key, _ in LOOKS)]
    assert len(set(keys)) == len(keys)


def test_the_vote_page_is_the_same_whatever_others_voted(client) -> None:
    campaign = make_campaign(2)
    client.force_login(make_user("annotator"))

    def seen() -> str:
        page = client.get(reverse("labeling:vote", args=[campaign.pk])).content.decode()
        return re.sub(r'(data-csrf|name="csrfmiddlewaretoken" value)="\w+"', "", page)

    before = seen()
    for _ in range(4):
        answer_one(campaign, make_user("annotator"), "disgust")
    assert seen() == before


def test_who_may_not_vote_is_refused(client) -> None:
    client.force_login(make_user("manager"))
    assert client.get(reverse("labeling:vote_home")).status_code == 403
