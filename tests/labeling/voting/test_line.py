"""The line: whoever wants a face that still wants votes is offered it, once, whatever happened in between."""

import random
import threading
import time
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, connections, transaction
from django.utils import timezone

from labeling import campaigns
from labeling.models import Campaign, CampaignFace, Face, Lease, Participation, Skip, Vote
from labeling.models.campaign import FRONT, LAP
from labeling.voting import votes
from labeling.voting.integrity import check
from labeling.voting.line import BEYOND, Walk
from tests.factories import make_campaign, make_faces, make_user
from vemo.accounts.models import User

pytestmark = pytest.mark.django_db


def leased(campaign: Campaign, annotator: User, limit: int = 1) -> list[int]:
    return [
        face.campaign_face_id for face in votes.lease(campaign=campaign, annotator=annotator, limit=limit)
    ]


def answer(campaign: Campaign, annotator: User, pk: int, answer: str = "happy") -> None:
    votes.cast(campaign=campaign, annotator=annotator, campaign_face_id=pk, answer=answer, client_key=uuid4())


def sweep(campaign: Campaign) -> int:
    Lease.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    return votes.return_expired_leases(campaign=campaign)


def places(campaign: Campaign) -> list[int]:
    return list(campaign.campaign_faces.order_by("pk").values_list("shuffle", flat=True))


def test_a_walk_goes_round_the_first_lap_and_then_on() -> None:
    walk = Walk(start=500, cursor=700, wrapped=False, front=FRONT)
    assert list(walk.stretches()) == [(FRONT, 0), (700, LAP), (0, 501), (LAP, BEYOND)]
    assert (walk.wrapped, walk.cursor) == (True, LAP)
    assert list(walk.stretches()) == [(FRONT, 0), (LAP, BEYOND)]


def test_a_walk_stays_where_there_was_enough() -> None:
    walk = Walk(start=500, cursor=100, wrapped=True, front=FRONT, asked_first=False)
    assert next(walk.stretches()) == (100, 501)
    walk.pass_to(300)
    assert (walk.wrapped, walk.cursor, walk.front) == (True, 300, FRONT)


def test_a_face_whose_lease_ran_out_comes_back_to_the_same_person_at_the_end() -> None:
    campaign, annotator = make_campaign(3), make_user()
    first = leased(campaign, annotator)
    assert sweep(campaign) == 1
    rest = leased(campaign, annotator, 2)
    assert first[0] not in rest
    for pk in rest:
        answer(campaign, annotator, pk)
    assert leased(campaign, annotator, 3) == first


def test_a_full_face_that_somebody_skips_reaches_those_who_have_passed_it() -> None:
    campaign = make_campaign(1, votes_per_face=1)
    holder, waiting, later = (make_user() for _ in range(3))
    (pk,) = leased(campaign, holder)
    assert leased(campaign, waiting) == []
    votes.skip(campaign=campaign, annotator=holder, campaign_face_id=pk)
    assert leased(campaign, holder) == []
    assert leased(campaign, waiting) == [pk]
    assert leased(campaign, later) == []


def test_faces_on_one_place_are_all_offered() -> None:
    campaign, annotator = make_campaign(5), make_user()
    CampaignFace.objects.update(shuffle=77)
    met = []
    while faces := leased(campaign, annotator, 2):
        for pk in faces:
            met.append(pk)
            answer(campaign, annotator, pk)
    assert len(met) == len(set(met)) == 5


def test_reopened_faces_are_asked_first_of_everybody_and_in_a_random_order_of_their_own() -> None:
    campaign = make_campaign(8, votes_per_face=1)
    first, second = make_user(), make_user()
    settled = leased(campaign, first, 4)
    for pk in settled:
        answer(campaign, first, pk)
    assert votes.reopen(campaign_faces=settled[:3], votes=2) == 3
    assert votes.reopen(campaign_faces=campaign.campaign_faces.filter(pk=settled[3]), votes=2) == 1
    assert len({place for place in places(campaign) if place < 0}) == 4
    for annotator in (first, second):
        offered = leased(campaign, annotator, 5)
        assert set(offered[:4]) == set(settled)
        assert offered[4] not in settled


def test_a_reopened_face_that_comes_free_is_still_asked_first() -> None:
    campaign = make_campaign(4, votes_per_face=1)
    first, second, third = (make_user() for _ in range(3))
    (pk,) = leased(campaign, first)
    answer(campaign, first, pk)
    votes.reopen(campaign_faces=[pk], votes=1)
    assert leased(campaign, second) == [pk]
    assert pk not in leased(campaign, third)
    sweep(campaign)
    assert leased(campaign, third)[0] == pk


def test_a_round_without_priority_waits_its_turn() -> None:
    campaign, annotator = make_campaign(3, votes_per_face=1), make_user()
    (pk,) = leased(campaign, annotator)
    answer(campaign, annotator, pk)
    votes.reopen(campaign_faces=[pk], votes=1, priority=0)
    assert leased(campaign, annotator, 3)[2] == pk


def test_a_round_asks_for_at_least_one_vote() -> None:
    with pytest.raises(votes.CannotVote, match="at least one vote"):
        votes.reopen(campaign_faces=[1], votes=0)


def test_who_asks_again_in_time_keeps_the_hold_for_longer() -> None:
    campaign, annotator = make_campaign(1, lease_seconds=600), make_user()
    leased(campaign, annotator)
    soon = timezone.now() + timedelta(seconds=200)
    Lease.objects.update(expires_at=soon)
    (held,) = votes.lease(campaign=campaign, annotator=annotator, limit=1)
    assert held.expires_at > soon + timedelta(seconds=300)
    assert Lease.objects.get().expires_at == held.expires_at


def test_a_vote_sent_again_after_the_campaign_closed_is_still_known() -> None:
    campaign, annotator, key = make_campaign(2), make_user(), uuid4()
    pk, other = leased(campaign, annotator, 2)
    given: dict[str, Any] = {"campaign": campaign, "annotator": annotator, "answer": "sad"}
    votes.cast(campaign_face_id=pk, client_key=key, **given)
    campaigns.close(campaign=campaign)
    assert votes.cast(campaign_face_id=pk, client_key=key, **given).again
    with pytest.raises(votes.CannotVote, match="takes no votes"):
        votes.cast(campaign_face_id=other, client_key=uuid4(), **given)


def test_a_face_of_another_campaign_is_unknown() -> None:
    campaign, other, annotator = make_campaign(1), make_campaign(1), make_user()
    with pytest.raises(votes.CannotVote, match="not in this campaign") as refusal:
        answer(campaign, annotator, other.campaign_faces.get().pk)
    assert refusal.value.code == "unknown"


@pytest.mark.django_db(transaction=True)
@pytest.mark.race
def test_a_face_somebody_is_busy_with_is_passed_over_but_not_missed() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite lets one writer in at a time")
    campaign, annotator = make_campaign(3), make_user()
    in_order = list(campaign.campaign_faces.order_by("shuffle").values_list("pk", flat=True))
    Participation.objects.create(campaign=campaign, annotator=annotator, start=0, cursor=0)
    with transaction.atomic():
        CampaignFace.objects.select_for_update().get(pk=in_order[0])
        assert set(elsewhere(lambda: leased(campaign, annotator, 2))) == set(in_order[1:])
    held = leased(campaign, annotator, 3)
    assert (set(held[:2]), held[2]) == (set(in_order[1:]), in_order[0])


@pytest.mark.django_db(transaction=True)
@pytest.mark.race
def test_who_could_only_have_the_face_somebody_is_busy_with_waits_for_it() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite lets one writer in at a time")
    campaign, annotator = make_campaign(1), make_user()
    pk = campaign.campaign_faces.get().pk
    got: list[list[int]] = []
    waiting = threading.Thread(target=lambda: got.append(elsewhere(lambda: leased(campaign, annotator))))
    with transaction.atomic():
        CampaignFace.objects.select_for_update().get(pk=pk)
        waiting.start()
        time.sleep(0.3)
        assert got == []
    waiting.join()
    assert got == [[pk]]


def elsewhere(do: Any) -> Any:
    """Do it on a connection of its own."""
    result: list[Any] = []

    def run() -> None:
        result.append(do())
        connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(10)
    return result[0]


def wanted_by(campaign: Campaign, annotator: User) -> set[int]:
    """By the book: open faces with a place that the annotator neither answered nor skipped in this round."""
    rows = CampaignFace.objects.filter(campaign=campaign, places__gt=0)
    return {
        row.pk
        for row in rows
        if not Vote.objects.filter(campaign_face=row, annotator=annotator, round=row.round).exists()
        and not Skip.objects.filter(campaign_face=row, annotator=annotator, round=row.round).exists()
    }


class Evening:
    """Some people, a campaign, and whatever comes to pass, by chance."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.campaign = make_campaign(6, votes_per_face=2, rule="plurality")
        self.people = [make_user() for _ in range(4)]

    def happen(self) -> None:
        person = self.dice.choice(self.people)
        held = leased(self.campaign, person, self.dice.randint(1, 4))
        pk = self.dice.choice(held or list(self.campaign.campaign_faces.values_list("pk", flat=True)))
        deeds = [self.answer] * 5 + [self.skip, self.undo, self.sweep, self.reopen, self.grow]
        try:
            self.dice.choice(deeds)(person, pk)
        except votes.CannotVote as refusal:
            assert refusal.code in ("already", "complete", "unknown", "round")  # noqa: PT017

    def answer(self, person: User, pk: int) -> None:
        answer(self.campaign, person, pk, self.dice.choice(["happy", "sad", "cant_tell"]))

    def skip(self, person: User, pk: int) -> None:
        votes.skip(campaign=self.campaign, annotator=person, campaign_face_id=pk)

    def undo(self, person: User, pk: int) -> None:
        votes.withdraw(campaign=self.campaign, annotator=person)

    def sweep(self, person: User, pk: int) -> None:
        Lease.objects.filter(annotator=person).update(expires_at=timezone.now() - timedelta(seconds=1))
        votes.return_expired_leases()

    def reopen(self, person: User, pk: int) -> None:
        settled = self.campaign.campaign_faces.filter(state="settled").values_list("pk", flat=True)
        votes.reopen(
            campaign_faces=list(settled)[:2], votes=self.dice.randint(1, 3), priority=self.dice.randint(0, 1)
        )

    def grow(self, person: User, pk: int) -> None:
        if self.campaign.campaign_faces.count() < 12:
            make_faces(1)
            campaigns.add_faces(campaign=self.campaign, faces=Face.objects.all())


@pytest.mark.parametrize("seed", range(12))
def test_whatever_happens_everybody_is_offered_exactly_what_they_may_still_answer(seed: int) -> None:
    evening = Evening(seed)
    for _ in range(60):
        evening.happen()
    assert check(evening.campaign) == dict.fromkeys(check(evening.campaign), 0)
    for person in evening.people:
        held = set(Lease.objects.filter(annotator=person).values_list("campaign_face", flat=True))
        expected = wanted_by(evening.campaign, person) | held
        with transaction.atomic():
            assert set(leased(evening.campaign, person, 50)) == expected
            transaction.set_rollback(True)
