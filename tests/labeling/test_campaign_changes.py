"""A campaign is changed while people vote in it."""

from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Group

from labeling import adjudication, campaigns
from labeling.campaign_changes import used
from labeling.models import Campaign, CampaignFace, Face
from labeling.voting import integrity, votes
from tests.factories import make_campaign, make_faces, make_user
from tests.labeling.test_campaigns import vote_on

pytestmark = pytest.mark.django_db


def states(campaign: Campaign) -> list[tuple[Any, ...]]:
    rows = campaign.campaign_faces.order_by("pk")
    return list(rows.values_list("state", "round", "votes", "wanted", "places"))


def outcomes(campaign: Campaign) -> list[str]:
    return [row.label or row.outcome for row in campaign.campaign_faces.order_by("pk")]


def test_what_differs_is_changed_and_put_on_record_with_what_it_was() -> None:
    campaign, manager = make_campaign(1, name="old"), make_user("manager")
    group = Group.objects.create(name="class of May")
    campaigns.change(
        campaign=campaign,
        by=manager,
        name=" new ",
        question=campaign.question,
        keys={"happy": "H", "sad": ""},
        cap=5,
        groups=[group],
    )
    assert (campaign.name, campaign.keys, campaign.cap) == ("new", {"happy": "h"}, 5)
    entry = campaign.audit.get()
    assert (entry.verb, entry.by) == ("changed", manager)
    assert entry.details == {
        "name": ["old", "new"],
        "keys": [{}, {"happy": "h"}],
        "cap": [None, 5],
        "groups": [[], ["class of May"]],
    }
    assert campaigns.change(campaign=campaign, name="new", groups=[group]) == {}
    assert campaign.audit.count() == 1


def test_what_makes_no_sense_changes_nothing() -> None:
    make_campaign(name="taken")
    campaign = make_campaign(1)
    for fields, field in (
        ({"name": "taken"}, "name"),
        ({"keys": {"happy": "1", "sad": "1"}}, "keys"),
        ({"expressions": ["happy"]}, "expressions"),
        ({"votes_per_face": 9}, "votes_per_face"),
    ):
        with pytest.raises(campaigns.CannotChange) as refused:
            campaigns.change(campaign=campaign, question="?", **fields)
        assert refused.value.field == field
    assert (Campaign.objects.get(pk=campaign.pk).question, campaign.audit.count()) == (
        "Which expression do you see?",
        0,
    )
    with pytest.raises(TypeError, match="no setting state"):
        campaigns.change(campaign=campaign, state="closed")


def test_expressions_come_and_change_places_but_none_goes_that_was_answered() -> None:
    campaign = make_campaign(1, expressions=["happy", "sad", "fear"])
    vote_on(campaign, {0: ["happy"]})
    assert used(campaign, {"happy", "sad"}) == {"happy"}
    campaigns.change(campaign=campaign, expressions=["contempt", "happy", "sad"])
    assert campaign.expressions == ["contempt", "happy", "sad"]
    with pytest.raises(campaigns.CannotChange, match="“happy” has been answered"):
        campaigns.change(campaign=campaign, expressions=["contempt", "sad"])


def test_a_formula_that_is_there_may_stay_and_no_other_comes() -> None:
    campaign = make_campaign(1, expressions=["happy", "sad"])
    Campaign.objects.filter(pk=campaign.pk).update(expressions=["happy", "+sad"])
    campaign.refresh_from_db()
    campaigns.change(campaign=campaign, question="And now?")
    campaigns.change(campaign=campaign, expressions=["+sad", "happy"])
    with pytest.raises(campaigns.CannotChange, match="“-fear” begins with -"):
        campaigns.change(campaign=campaign, expressions=["+sad", "-fear"])


def test_more_votes_per_face_are_places_for_those_that_are_being_voted_on() -> None:
    campaign = make_campaign(3, votes_per_face=2)
    vote_on(campaign, {0: ["happy", "happy"], 1: ["sad"]})
    campaigns.change(campaign=campaign, votes_per_face=3)
    assert states(campaign) == [("settled", 1, 2, 2, 0), ("open", 1, 1, 3, 2), ("open", 1, 0, 3, 3)]
    assert not any(integrity.check(campaign).values())


def test_settled_faces_are_asked_for_as_many_fresh_votes_if_the_manager_says_so() -> None:
    campaign = make_campaign(2, votes_per_face=2)
    vote_on(campaign, {0: ["happy", "happy"]})
    campaigns.change(campaign=campaign, votes_per_face=3, settled_too=True)
    assert states(campaign) == [("open", 2, 0, 1, 1), ("open", 1, 0, 3, 3)]
    vote_on(campaign, {0: ["sad"]})
    row = campaign.campaign_faces.first()
    assert (row.state, row.label, row.counts) == ("settled", "happy", {"happy": 2, "sad": 1})


def test_whoever_has_passed_a_full_face_is_offered_it_when_it_wants_more_votes() -> None:
    campaign = make_campaign(1, votes_per_face=1)
    holder, other = make_user(), make_user()
    assert votes.lease(campaign=campaign, annotator=holder, limit=1)
    assert votes.lease(campaign=campaign, annotator=other, limit=1) == []
    campaigns.change(campaign=campaign, votes_per_face=2)
    assert len(votes.lease(campaign=campaign, annotator=other, limit=1)) == 1


def test_another_rule_settles_all_settled_faces_again_and_no_decision() -> None:
    campaign = make_campaign(5, votes_per_face=3, rule="plurality")
    given = ["happy", "happy", "sad"]
    vote_on(
        campaign,
        {
            0: given,
            1: ["happy", "fear", "sad"],
            2: given,
            3: ["not_a_face", "not_a_face", "sad"],
            4: ["happy", "fear", "sad"],
        },
    )
    rows = list(campaign.campaign_faces.order_by("pk"))
    for row, label in ((rows[2], "fear"), (rows[4], "not_a_face")):
        adjudication.adjudicate(campaign_face_id=row.pk, label=label, reason="look", by=make_user("manager"))
    assert outcomes(campaign) == ["happy", "no_consensus", "fear", "not_a_face", "not_a_face"]
    campaigns.change(campaign=campaign, rule="minimum_agreement", minimum_agreement=0.9)
    assert outcomes(campaign) == ["no_consensus", "no_consensus", "fear", "no_consensus", "not_a_face"]
    campaigns.change(campaign=campaign, rule="strict_majority")
    assert outcomes(campaign) == ["happy", "no_consensus", "fear", "not_a_face", "not_a_face"]


def test_the_order_changes_only_before_anybody_has_begun() -> None:
    make_faces(4)
    campaign = campaigns.create(name="x")
    campaigns.add_faces(campaign=campaign, faces=Face.objects.all())
    before = dict(campaign.campaign_faces.values_list("pk", "shuffle"))
    campaigns.change(campaign=campaign, order="balanced")
    assert sorted(n // 256 for n in campaign.campaign_faces.values_list("shuffle", flat=True)) == [0, 1, 2, 3]
    campaigns.change(campaign=campaign, order="breadth")
    assert dict(campaign.campaign_faces.values_list("pk", "shuffle")) == before
    votes.lease(campaign=campaign, annotator=make_user(), limit=1)
    with pytest.raises(campaigns.CannotChange, match="Somebody has begun"):
        campaigns.change(campaign=campaign, order="depth")


def test_a_reopened_face_keeps_its_own_number_of_votes() -> None:
    campaign = make_campaign(1, votes_per_face=2)
    vote_on(campaign, {0: ["happy", "happy"]})
    votes.reopen(campaign_faces=CampaignFace.objects.all(), votes=1)
    campaigns.change(campaign=campaign, votes_per_face=5)
    assert states(campaign) == [("open", 2, 0, 1, 1)]
    row = CampaignFace.objects.get()
    votes.cast(
        campaign=campaign, annotator=make_user(), campaign_face_id=row.pk, answer="sad", client_key=uuid4()
    )
    assert states(campaign) == [("settled", 2, 1, 1, 0)]
