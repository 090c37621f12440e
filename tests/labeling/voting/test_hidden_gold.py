"""Gold among the faces: handed out and answered like any other, counted nowhere."""

from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from labeling.gold import remove_gold
from labeling.models import Campaign, CampaignFace, Gold, GoldAnswer, Lease, Participation, Vote
from labeling.voting import gold, votes
from labeling.voting.integrity import check
from tests.factories import make_campaign, make_faces, make_user
from tests.labeling.voting.test_line import answer, leased, sweep
from vemo.accounts.models import User

pytestmark = pytest.mark.django_db


def make_gold(campaign: Campaign, count: int, **fields: Any) -> list[int]:
    rows = CampaignFace.objects.bulk_create(
        CampaignFace(campaign=campaign, face=face, state="gold", wanted=0, places=0, shuffle=0)
        for face in make_faces(count)
    )
    Gold.objects.bulk_create(
        Gold(campaign_face=row, campaign=campaign, **{"answer": "happy", **fields}) for row in rows
    )
    return [row.pk for row in rows]


def all_gold(faces: int = 3, golden: int = 2, **fields: Any) -> tuple[Campaign, list[int], User]:
    campaign = make_campaign(faces, **{"votes_per_face": 2, **fields})
    Campaign.objects.filter(pk=campaign.pk).update(gold_share=1)
    annotator = make_user()
    # At the head of the line: whose way goes over its end is offered faces, and with them gold, in two portions.
    Participation.objects.create(campaign=campaign, annotator=annotator, start=0, cursor=0)
    return campaign, make_gold(campaign, golden), annotator


def test_gold_takes_the_place_of_a_face_and_is_answered_like_one() -> None:
    campaign, golden, annotator = all_gold()
    held = leased(campaign, annotator, 5)
    assert set(held[:2]) == set(golden)
    assert len(held) == len(set(held)) == 5
    for pk in held:
        cast = votes.cast(
            campaign=campaign, annotator=annotator, campaign_face_id=pk, answer="happy", client_key=uuid4()
        )
        assert not cast.again
        assert not cast.settled
    assert Vote.objects.count() == 3
    said = GoldAnswer.objects.filter(annotator=annotator, attempt=0)
    assert {(one.campaign_face_id, one.right) for one in said} == {(pk, True) for pk in golden}
    assert Lease.objects.count() == 0
    assert set(check(campaign).values()) == {0}


def test_who_is_through_is_handed_no_gold() -> None:
    campaign, _, annotator = all_gold(faces=0, golden=4)
    assert leased(campaign, annotator, 5) == []


def test_gold_is_asked_once_of_a_person_and_never_of_who_voted_on_it() -> None:
    campaign, golden, annotator = all_gold(faces=9, golden=2)
    for pk in leased(campaign, annotator, 2):
        answer(campaign, annotator, pk, "sad")
    assert not set(leased(campaign, annotator, 5)) & set(golden)
    assert not GoldAnswer.objects.filter(right=True).exists()


def test_a_settled_face_can_be_gold_and_keeps_its_votes() -> None:
    campaign = make_campaign(4, votes_per_face=1)
    voter, annotator = make_user(), make_user()
    (pk,) = leased(campaign, voter)
    answer(campaign, voter, pk)
    Gold.objects.create(campaign_face_id=pk, campaign=campaign, answer="happy")
    Campaign.objects.update(gold_share=1)
    assert pk in leased(campaign, annotator, 2)
    assert pk not in leased(campaign, voter, 3)
    assert set(check(campaign).values()) == {0}
    answer(campaign, annotator, pk, "sad")
    row = CampaignFace.objects.get(pk=pk)
    assert (row.votes, row.leases, row.label) == (1, 0, "happy")
    assert GoldAnswer.objects.get().right is False


def test_a_gold_hold_that_lapses_changes_no_tally() -> None:
    campaign, golden, annotator = all_gold()
    leased(campaign, annotator, 2)
    assert sweep(campaign) == 2
    assert CampaignFace.objects.filter(pk__in=golden, leases=0, places=0).count() == 2


def test_a_late_or_second_answer_is_refused_in_the_words_of_any_other_face() -> None:
    campaign, golden, annotator = all_gold()
    leased(campaign, annotator, 2)
    sweep(campaign)
    with pytest.raises(votes.CannotVote, match="needs no more votes"):
        answer(campaign, annotator, golden[0])
    pk = next(pk for pk in leased(campaign, annotator, 5) if pk in golden)
    answer(campaign, annotator, pk)
    with pytest.raises(votes.CannotVote, match="answered this face before"):
        answer(campaign, annotator, pk)


def test_the_same_key_again_is_the_same_answer() -> None:
    campaign, _, annotator = all_gold()
    (pk,) = leased(campaign, annotator)
    given: dict[str, Any] = {"campaign": campaign, "annotator": annotator, "campaign_face_id": pk}
    key = uuid4()
    assert not votes.cast(**given, answer="sad", client_key=key).again
    assert votes.cast(**given, answer="sad", client_key=key).again
    with pytest.raises(votes.CannotVote, match="another answer"):
        votes.cast(**given, answer="fear", client_key=key)


def test_an_answer_to_gold_is_taken_back_and_changed_like_a_vote() -> None:
    campaign, golden, annotator = all_gold()
    (pk,) = leased(campaign, annotator)
    key = uuid4()
    given: dict[str, Any] = {"campaign": campaign, "annotator": annotator}
    votes.cast(**given, campaign_face_id=pk, answer="sad", client_key=key)
    votes.change(**given, client_key=key, answer="happy")
    assert GoldAnswer.objects.get().right
    assert votes.withdraw(**given) == votes.Withdrawn(pk, "happy")
    assert GoldAnswer.objects.count() == 0
    assert leased(campaign, annotator) == [pk]
    assert pk in golden


def test_skipped_gold_does_not_come_back() -> None:
    campaign, golden, annotator = all_gold(faces=8, golden=1)
    assert leased(campaign, annotator) == golden
    votes.skip(campaign=campaign, annotator=annotator, campaign_face_id=golden[0])
    assert golden[0] not in leased(campaign, annotator, 5)


def test_gold_that_is_asked_for_fresh_votes_is_held_by_nobody_as_gold() -> None:
    campaign = make_campaign(3, votes_per_face=1)
    voter, annotator = make_user(), make_user()
    (pk,) = leased(campaign, voter)
    answer(campaign, voter, pk)
    Gold.objects.create(campaign_face_id=pk, campaign=campaign, answer="happy")
    Campaign.objects.update(gold_share=1)
    assert leased(campaign, annotator) == [pk]
    votes.reopen(campaign_faces=[pk], votes=2)
    assert set(check(campaign).values()) == {0}
    assert not gold.is_gold(CampaignFace.objects.get(pk=pk))
    answer(campaign, annotator, pk)
    assert CampaignFace.objects.get(pk=pk).votes == 1


def test_about_the_share_is_gold() -> None:
    assert sum(gold.share_out(0.05, 20) for _ in range(500)) == pytest.approx(500, abs=120)
    assert gold.share_out(0, 20) == 0


@pytest.mark.parametrize("settled", [True, False])
def test_an_answer_to_gold_that_was_taken_out_stays(settled: bool) -> None:
    campaign = make_campaign(3, votes_per_face=1)
    voter, annotator, key = make_user(), make_user(), uuid4()
    if settled:
        (pk,) = leased(campaign, voter)
        answer(campaign, voter, pk)
        Gold.objects.create(campaign_face_id=pk, campaign=campaign, answer="happy")
    else:
        (pk,) = make_gold(campaign, 1)
    Campaign.objects.update(gold_share=1)
    assert leased(campaign, annotator) == [pk]
    given: dict[str, Any] = {"campaign": campaign, "annotator": annotator}
    votes.cast(**given, campaign_face_id=pk, answer="sad", client_key=key)
    remove_gold(campaign=campaign, face=CampaignFace.objects.get(pk=pk).face_id, by=None)
    with pytest.raises(votes.CannotWithdraw, match="too late"):
        votes.withdraw(**given, client_key=key)
    assert GoldAnswer.objects.count() == 1
    assert set(check(campaign).values()) == {0}


def test_a_hold_left_over_on_a_settled_face_counts_nothing() -> None:
    campaign = make_campaign(3, votes_per_face=1)
    voter, annotator = make_user(), make_user()
    (pk,) = leased(campaign, voter)
    answer(campaign, voter, pk)
    Lease.objects.create(
        campaign=campaign,
        campaign_face_id=pk,
        annotator=annotator,
        taken_at=timezone.now(),
        expires_at=timezone.now(),
    )
    with pytest.raises(votes.CannotVote, match="needs no more votes"):
        answer(campaign, annotator, pk)
