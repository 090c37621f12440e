"""A campaign's life, its faces, and the figures of its page."""

import math
from typing import Any
from uuid import uuid4

import pytest

from labeling import campaign_figures, campaigns
from labeling.models import Campaign, CampaignFace, Face
from labeling.voting import votes
from tests.factories import make_campaign, make_faces, make_user

pytestmark = pytest.mark.django_db


def vote_on(campaign: Campaign, answers: dict[int, list[str]]) -> None:
    """Cast these answers on the n-th face, each by another person."""
    rows = list(campaign.campaign_faces.order_by("pk").values_list("pk", flat=True))
    people = [make_user() for _ in range(max(len(given) for given in answers.values()))]
    for n, given in answers.items():
        for annotator, answer in zip(people, given, strict=False):
            votes.cast(
                campaign=campaign,
                annotator=annotator,
                campaign_face_id=rows[n],
                answer=answer,
                client_key=uuid4(),
            )


def test_a_new_campaign_is_open_and_asks_ten_people_for_one_of_seven() -> None:
    campaign = campaigns.create(name=" First ", created_by=make_user("manager"))
    assert (campaign.name, campaign.state, campaign.votes_per_face) == ("First", "open", 10)
    assert (campaign.rule, len(campaign.expressions)) == ("strict_majority", 7)


@pytest.mark.parametrize(
    "expressions",
    [["happy"], ["happy", "happy"], ["happy", " "], ["happy", "not_a_face"]],
    ids=["one", "twice", "no name", "an answer everybody has"],
)
def test_expressions_that_cannot_be_told_apart_are_refused(expressions: list[str]) -> None:
    with pytest.raises(campaigns.CannotCreate, match="at least two expressions"):
        campaigns.create(name="x", expressions=expressions)
    assert Campaign.objects.count() == 0


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"votes_per_face": 0}, "greater than or equal to 1"),
        ({"rule": "loudest"}, "not a valid choice"),
        ({"minimum_agreement": 1.5}, "less than or equal to 1"),
    ],
)
def test_a_campaign_that_cannot_work_is_refused(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(campaigns.CannotCreate, match=said):
        campaigns.create(name="x", **fields)


def test_a_name_is_given_once() -> None:
    campaigns.create(name="x")
    with pytest.raises(campaigns.CannotCreate, match="already exists"):
        campaigns.create(name="x")


def test_faces_are_added_once_however_often_one_adds_them() -> None:
    campaign = campaigns.create(name="x", votes_per_face=3)
    make_faces(3)
    assert campaigns.add_faces(campaign=campaign, faces=Face.objects.all()) == 3
    places = list(campaign.campaign_faces.values_list("face", "shuffle"))
    make_faces(2)
    assert campaigns.add_faces(campaign=campaign, faces=Face.objects.all()) == 2
    assert campaigns.add_faces(campaign=campaign, faces=Face.objects.all()) == 0
    assert list(campaign.campaign_faces.values_list("face", "shuffle"))[:3] == places
    assert set(campaign.campaign_faces.values_list("wanted", "places", "votes")) == {(3, 3, 0)}


def test_a_face_found_by_two_joins_is_added_once() -> None:
    campaign = campaigns.create(name="x")
    make_faces(2, per_media=2)
    twice = Face.objects.filter(media__faces__isnull=False)
    assert twice.count() == 4
    assert campaigns.add_faces(campaign=campaign, faces=twice) == 2


def test_faces_added_later_reach_those_who_are_through_already() -> None:
    campaign, annotator = make_campaign(2), make_user()
    first = votes.lease(campaign=campaign, annotator=annotator, limit=9)
    make_faces(3)
    assert campaigns.add_faces(campaign=campaign, faces=Face.objects.all()) == 3
    assert len(first) == 2
    assert len(votes.lease(campaign=campaign, annotator=annotator, limit=9)) == 5


def test_a_campaign_pauses_closes_and_opens_again() -> None:
    campaign = make_campaign()
    for verb, state in (
        (campaigns.pause, "paused"),
        (campaigns.reopen, "open"),
        (campaigns.close, "closed"),
        (campaigns.reopen, "open"),
    ):
        verb(campaign=campaign)
        assert Campaign.objects.get().state == state
    with pytest.raises(campaigns.CannotChange, match="This campaign is open; it cannot become open"):
        campaigns.reopen(campaign=campaign)


def test_progress_says_how_far_it_is_and_what_came_out() -> None:
    campaign = make_campaign(5, votes_per_face=3, rule="plurality")
    vote_on(
        campaign,
        {
            0: ["happy", "happy", "happy"],
            1: ["happy", "sad", "sad"],
            2: ["fear", "angry", "happy"],
            3: ["not_a_face", "not_a_face", "happy"],
            4: ["fear"],
        },
    )
    progress = campaigns.progress(campaign)
    assert (progress.faces, progress.settled, progress.agreed) == (5, 4, 2)
    assert (progress.no_consensus, progress.not_a_face) == (1, 1)
    assert (progress.votes, progress.wanted) == (13, 15)
    assert {label: count for label, count in progress.by_label.items() if count} == {"happy": 1, "sad": 1}
    assert progress.votes_so_far == {1: 1, 3: 4}
    reliability = campaign_figures.reliability(campaign)
    assert reliability.agreement.value == pytest.approx((3 + 1 + 0 + 1) / 12)
    # By Fleiss' formula: shares of happy 6, sad 2, fear 1, angry 1, not a face 2 of 12 votes.
    chance = (36 + 4 + 1 + 1 + 4) / 144
    assert reliability.kappa.value == pytest.approx((5 / 12 - chance) / (1 - chance))


def test_of_no_votes_nothing_is_said() -> None:
    campaign = make_campaign(2)
    progress, reliability = campaigns.progress(campaign), campaign_figures.reliability(campaign)
    assert math.isnan(reliability.kappa.value)
    assert math.isnan(reliability.agreement.value)
    assert (progress.settled, progress.votes, progress.wanted) == (0, 0, 20)


@pytest.mark.parametrize("faces", [1, 3])
def test_progress_takes_three_queries_however_many_faces(faces: int, django_assert_num_queries: Any) -> None:
    campaign = make_campaign(faces, votes_per_face=2)
    vote_on(campaign, {n: ["happy", "sad"] for n in range(faces)})
    with django_assert_num_queries(3):
        campaigns.progress(campaign)


def test_disputes_come_in_the_order_of_disagreement_and_without_the_undisputed() -> None:
    campaign = make_campaign(4, votes_per_face=3, rule="plurality")
    vote_on(campaign, {0: ["happy"] * 3, 1: ["happy", "sad", "sad"], 2: ["fear", "angry", "sad"], 3: ["sad"]})
    rows = list(CampaignFace.objects.order_by("pk"))
    assert list(campaigns.disputes(campaign)) == [rows[2], rows[1]]
