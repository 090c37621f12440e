"""The queue of votes: who gets which face, and what an answer changes."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.utils import timezone

from labeling.models import Campaign, CampaignFace, Lease, Participation, Skip, Vote
from labeling.voting import votes
from labeling.voting.integrity import check
from tests.factories import make_campaign, make_user

pytestmark = pytest.mark.django_db


def hold_one(campaign: Campaign, annotator: object) -> int:
    return votes.lease(campaign=campaign, annotator=annotator, limit=1)[0].campaign_face_id


def answer(
    campaign: Campaign, annotator: object, pk: int, answer: str = "happy", key: UUID | None = None
) -> votes.Cast:
    return votes.cast(
        campaign=campaign,
        annotator=annotator,
        campaign_face_id=pk,
        answer=answer,
        client_key=key or uuid4(),
        took_ms=900,
    )


def expire_leases() -> None:
    Lease.objects.update(expires_at=timezone.now() - timedelta(seconds=1))


def sums(pk: int) -> tuple[int, int, int]:
    row = CampaignFace.objects.get(pk=pk)
    return row.votes, row.leases, row.places


def test_a_lease_takes_a_place_and_a_vote_uses_it() -> None:
    campaign, annotator = make_campaign(1), make_user()
    pk = hold_one(campaign, annotator)
    assert sums(pk) == (0, 1, 9)
    assert not answer(campaign, annotator, pk).settled
    assert sums(pk) == (1, 0, 9)


def test_leasing_again_gives_the_same_faces() -> None:
    campaign, annotator = make_campaign(8), make_user()
    first = votes.lease(campaign=campaign, annotator=annotator, limit=3)
    assert votes.lease(campaign=campaign, annotator=annotator, limit=3) == first
    assert len(votes.lease(campaign=campaign, annotator=annotator, limit=5)) == 5
    assert Lease.objects.count() == 5


def test_the_tenth_vote_settles_the_face_and_nobody_is_offered_it_again() -> None:
    campaign = make_campaign(1)
    annotators = [make_user() for _ in range(11)]
    pk = hold_one(campaign, annotators[0])
    settled = [answer(campaign, annotator, pk).settled for annotator in annotators[:10]]
    assert settled == [False] * 9 + [True]
    row = CampaignFace.objects.get(pk=pk)
    assert (row.state, row.outcome, row.label, row.agreement) == ("settled", "agreed", "happy", 1.0)
    assert row.counts == {"happy": 10}
    assert votes.lease(campaign=campaign, annotator=annotators[10], limit=5) == []
    with pytest.raises(votes.CannotVote, match="needs no more votes"):
        answer(campaign, annotators[10], pk)
    assert Vote.objects.count() == 10


def test_places_that_are_held_are_not_handed_out() -> None:
    campaign = make_campaign(1, votes_per_face=2)
    first, second, third = (make_user() for _ in range(3))
    hold_one(campaign, first)
    hold_one(campaign, second)
    assert votes.lease(campaign=campaign, annotator=third, limit=1) == []


def test_the_same_key_again_is_the_same_vote() -> None:
    campaign, annotator, key = make_campaign(1), make_user(), uuid4()
    pk = hold_one(campaign, annotator)
    first = answer(campaign, annotator, pk, key=key)
    second = answer(campaign, annotator, pk, key=key)
    assert (first.again, second.again) == (False, True)
    assert sums(pk) == (1, 0, 9)


def test_a_key_is_not_used_for_two_answers() -> None:
    campaign, annotator, key = make_campaign(1), make_user(), uuid4()
    pk = hold_one(campaign, annotator)
    answer(campaign, annotator, pk, "happy", key)
    with pytest.raises(votes.CannotVote, match="used for another answer"):
        answer(campaign, annotator, pk, "sad", key)


def test_a_second_answer_on_a_face_is_refused_and_the_first_counts() -> None:
    campaign, annotator = make_campaign(1), make_user()
    pk = hold_one(campaign, annotator)
    answer(campaign, annotator, pk, "happy")
    with pytest.raises(votes.CannotVote) as refusal:
        answer(campaign, annotator, pk, "sad")
    assert refusal.value.code == "already"
    assert list(Vote.objects.values_list("answer", flat=True)) == ["happy"]


def test_an_expired_lease_that_nobody_needed_still_counts() -> None:
    campaign, annotator = make_campaign(1), make_user()
    pk = hold_one(campaign, annotator)
    expire_leases()
    answer(campaign, annotator, pk)
    assert sums(pk) == (1, 0, 9)


def test_a_swept_lease_finds_a_free_place_while_there_is_one() -> None:
    campaign = make_campaign(1, votes_per_face=1)
    first, second = make_user(), make_user()
    pk = hold_one(campaign, first)
    expire_leases()
    assert votes.return_expired_leases() == 1
    assert sums(pk) == (0, 0, 1)
    assert hold_one(campaign, second) == pk
    with pytest.raises(votes.CannotVote) as refusal:
        answer(campaign, first, pk)
    assert refusal.value.code == "complete"
    assert answer(campaign, second, pk).settled


def test_a_vote_takes_the_place_of_an_expired_lease_of_another() -> None:
    campaign = make_campaign(1, votes_per_face=1)
    first, second = make_user(), make_user()
    pk = hold_one(campaign, first)
    expire_leases()
    assert answer(campaign, second, pk).settled
    assert check(campaign) == dict.fromkeys(check(campaign), 0)


def test_a_live_lease_is_not_returned() -> None:
    campaign = make_campaign(1)
    hold_one(campaign, make_user())
    assert votes.return_expired_leases() == 0
    assert Lease.objects.count() == 1


def test_a_skipped_face_goes_to_others_and_not_to_the_same_person() -> None:
    campaign = make_campaign(1)
    first, second = make_user(), make_user()
    pk = hold_one(campaign, first)
    votes.skip(campaign=campaign, annotator=first, campaign_face_id=pk, reason="blurred")
    votes.skip(campaign=campaign, annotator=first, campaign_face_id=pk)
    assert sums(pk) == (0, 0, 10)
    assert Skip.objects.get().reason == "blurred"
    assert votes.lease(campaign=campaign, annotator=first, limit=1) == []
    assert hold_one(campaign, second) == pk


def test_can_not_tell_and_not_a_face_are_votes_and_nonsense_is_not() -> None:
    campaign, annotator = make_campaign(3), make_user()
    first, second, third = votes.lease(campaign=campaign, annotator=annotator, limit=3)
    answer(campaign, annotator, first.campaign_face_id, "cant_tell")
    answer(campaign, annotator, second.campaign_face_id, "not_a_face")
    with pytest.raises(votes.CannotVote, match="“bored” is not an answer"):
        answer(campaign, annotator, third.campaign_face_id, "bored")
    assert Vote.objects.count() == 2


def test_undo_takes_the_newest_vote_back_and_holds_the_face_again() -> None:
    campaign, annotator = make_campaign(2), make_user()
    first, second = votes.lease(campaign=campaign, annotator=annotator, limit=2)
    answer(campaign, annotator, first.campaign_face_id, "sad")
    answer(campaign, annotator, second.campaign_face_id, "fear")
    assert votes.withdraw(campaign=campaign, annotator=annotator) == votes.Withdrawn(
        second.campaign_face_id, "fear"
    )
    assert sums(second.campaign_face_id) == (0, 1, 9)
    assert answer(campaign, annotator, second.campaign_face_id, "angry").again is False


def test_undo_of_the_settling_vote_opens_the_face_again() -> None:
    campaign, annotator = make_campaign(1, votes_per_face=1), make_user()
    pk = hold_one(campaign, annotator)
    answer(campaign, annotator, pk)
    votes.withdraw(campaign=campaign, annotator=annotator)
    row = CampaignFace.objects.get(pk=pk)
    assert (row.state, row.outcome, row.label, row.agreement, row.counts) == ("open", "", "", None, {})
    assert check(campaign) == dict.fromkeys(check(campaign), 0)


def test_nothing_to_undo_is_said() -> None:
    with pytest.raises(votes.CannotWithdraw, match="no vote of yours"):
        votes.withdraw(campaign=make_campaign(1), annotator=make_user())


@pytest.mark.parametrize("state", ["paused", "closed"])
def test_a_campaign_that_is_not_open_takes_nothing(state: str) -> None:
    campaign, annotator = make_campaign(1), make_user()
    pk = hold_one(campaign, annotator)
    Campaign.objects.update(state=state)
    for verb in (
        lambda: answer(campaign, annotator, pk),
        lambda: hold_one(campaign, annotator),
        lambda: votes.withdraw(campaign=campaign, annotator=annotator),
        lambda: votes.skip(campaign=campaign, annotator=annotator, campaign_face_id=pk),
    ):
        with pytest.raises(votes.CannotVote, match="takes no votes"):
            verb()
    assert Vote.objects.count() == 0


def test_who_is_no_annotator_votes_on_nothing() -> None:
    campaign = make_campaign(1)
    with pytest.raises(votes.CannotLease, match="may not vote"):
        hold_one(campaign, make_user("manager"))


def test_two_annotators_walk_the_faces_in_different_orders() -> None:
    campaign = make_campaign(30)
    first, second = (
        [held.campaign_face_id for held in votes.lease(campaign=campaign, annotator=make_user(), limit=30)]
        for _ in range(2)
    )
    assert sorted(first) == sorted(second)
    assert len(first) == 30
    assert first != second


def test_who_walks_round_meets_every_face_once_also_those_that_came_free_behind_them() -> None:
    campaign = make_campaign(7, votes_per_face=1)
    walker, other = make_user(), make_user()
    Participation.objects.create(campaign=campaign, annotator=walker, start=0, cursor=0)
    kept = votes.lease(campaign=campaign, annotator=other, limit=3)
    met = []
    while held := votes.lease(campaign=campaign, annotator=walker, limit=2):
        for leased in held:
            met.append(leased.campaign_face_id)
            answer(campaign, walker, leased.campaign_face_id)
    assert len(met) == 4
    expire_leases()
    votes.return_expired_leases()
    again = votes.lease(campaign=campaign, annotator=walker, limit=9)
    assert {held.campaign_face_id for held in again} == {held.campaign_face_id for held in kept}


def settle_with(campaign: Campaign, annotators: list[object], pk: int, answers: list[str]) -> CampaignFace:
    for annotator, given in zip(annotators, answers, strict=True):
        answer(campaign, annotator, pk, given)
    return CampaignFace.objects.get(pk=pk)


def test_reopened_faces_come_first_and_keep_the_first_votes() -> None:
    campaign = make_campaign(5, votes_per_face=1)
    annotator, fresh = make_user(), make_user()
    pk = hold_one(campaign, annotator)
    answer(campaign, annotator, pk, "happy")
    open_pk = campaign.campaign_faces.exclude(pk=pk).values_list("pk", flat=True)[0]
    assert votes.reopen(campaign_faces=[pk, open_pk], votes=2) == 1
    row = CampaignFace.objects.get(pk=pk)
    assert (row.state, row.round, row.wanted, row.places, row.label) == ("open", 2, 2, 2, "happy")
    assert hold_one(campaign, fresh) == pk
    assert Vote.objects.filter(campaign_face=pk).count() == 1


def test_after_a_new_round_each_persons_newest_answer_counts() -> None:
    campaign = make_campaign(1, votes_per_face=3)
    people = [make_user() for _ in range(5)]
    pk = campaign.campaign_faces.get().pk
    assert settle_with(campaign, people[:3], pk, ["fear", "fear", "surprise"]).label == "fear"
    votes.reopen(campaign_faces=[pk], votes=3)
    row = settle_with(campaign, people[2:], pk, ["surprise", "surprise", "surprise"])
    assert row.counts == {"fear": 2, "surprise": 3}
    assert (row.label, row.agreement) == ("surprise", 0.6)
    assert Vote.objects.count() == 6


def test_undo_in_a_new_round_brings_the_consensus_of_before_back() -> None:
    campaign = make_campaign(1, votes_per_face=1)
    first, second = make_user(), make_user()
    pk = campaign.campaign_faces.get().pk
    answer(campaign, first, pk, "sad")
    votes.reopen(campaign_faces=[pk], votes=1)
    answer(campaign, second, pk, "neutral")
    assert CampaignFace.objects.get(pk=pk).outcome == "no_consensus"
    votes.withdraw(campaign=campaign, annotator=second)
    row = CampaignFace.objects.get(pk=pk)
    assert (row.state, row.outcome, row.label, row.counts) == ("open", "agreed", "sad", {"sad": 1})


def test_a_vote_of_an_earlier_round_is_not_taken_back() -> None:
    campaign, annotator = make_campaign(1, votes_per_face=1), make_user()
    pk = campaign.campaign_faces.get().pk
    answer(campaign, annotator, pk)
    votes.reopen(campaign_faces=[pk], votes=1)
    with pytest.raises(votes.CannotWithdraw, match="opened for fresh votes"):
        votes.withdraw(campaign=campaign, annotator=annotator)
    assert Vote.objects.count() == 1


def test_a_late_copy_of_a_vote_that_was_taken_back_is_not_counted() -> None:
    campaign, annotator, key = make_campaign(2), make_user(), uuid4()
    pk = votes.lease(campaign=campaign, annotator=annotator, limit=1)[0].campaign_face_id
    given: dict[str, Any] = {"campaign": campaign, "annotator": annotator, "campaign_face_id": pk}
    votes.cast(**given, answer="sad", client_key=key)
    votes.withdraw(campaign=campaign, annotator=annotator, client_key=key)
    with pytest.raises(votes.CannotVote, match="taken back") as refused:
        votes.cast(**given, answer="sad", client_key=key)
    assert refused.value.code == "withdrawn"
    assert Vote.objects.count() == 0
    votes.cast(**given, answer="fear", client_key=uuid4())
    assert Vote.objects.get().answer == "fear"
