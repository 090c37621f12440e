"""Putting an annotator's votes aside and counting them again."""

import random
import threading
import time
from contextlib import suppress
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection, connections
from django.utils import timezone

from labeling import adjudication, discards, moves, people, tasks
from labeling.models import (
    AuditEntry,
    CampaignFace,
    Discard,
    DiscardedVote,
    Gold,
    Lease,
    Skip,
    Vote,
)
from labeling.voting import votes
from labeling.voting.integrity import check
from tests.factories import make_campaign, make_user

LONG_AGO = timezone.now() - timedelta(days=365)


def vote(campaign, person, said="happy", *, faces=None):
    """The person answers every face they are offered, or those named."""
    given = {"campaign": campaign, "annotator": person, "answer": said}
    if faces is None:
        while held := votes.lease(campaign=campaign, annotator=person, limit=20):
            for one in held:
                votes.cast(**given, campaign_face_id=one.campaign_face_id, client_key=uuid4())
        return
    for row in faces:
        votes.cast(**given, campaign_face_id=row.pk, client_key=uuid4())


def voted(answers, faces=1, **fields):
    """A campaign whose faces got these answers, each of another person; and the people."""
    campaign = make_campaign(faces, votes_per_face=len(answers), **fields)
    persons = [make_user() for _ in answers]
    for person, said in zip(persons, answers, strict=True):
        vote(campaign, person, said)
    return campaign, persons


def put_aside(campaign, person, since=LONG_AGO, **fields):
    return discards.discard(
        campaign=campaign, annotator=person, since=since, reason="hurried through", by=None, **fields
    )


def sound(campaign):
    return not any(check(campaign).values())


def stand(campaign):
    """Each face: state, votes of wanted, free places, what it says."""
    columns = ("state", "votes", "wanted", "places", "outcome", "label")
    return list(campaign.campaign_faces.order_by("pk").values_list(*columns))


@pytest.mark.django_db
class TestPuttingAside:
    def test_the_settled_face_is_open_again_with_one_free_place(self):
        campaign, persons = voted(["happy", "happy", "sad"])
        told = put_aside(campaign, persons[2])
        assert (told.votes, told.faces, told.open) == (1, 1, 1)
        assert stand(campaign) == [("open", 2, 3, 1, "", "")]
        assert sound(campaign)
        moved = DiscardedVote.objects.get()
        assert (moved.answer, moved.round, moved.discard) == ("sad", 1, told.discard)

    def test_the_place_is_offered_to_others_and_not_to_the_same_person_again(self):
        campaign, persons = voted(["happy", "happy", "sad"], faces=3)
        put_aside(campaign, persons[2])
        assert votes.lease(campaign=campaign, annotator=persons[2]) == []
        vote(campaign, make_user())
        assert {row[:2] for row in stand(campaign)} == {("settled", 3)}
        assert sound(campaign)

    def test_the_same_person_cannot_answer_it_again_past_the_queue(self):
        campaign, (hasty, _) = voted(["sad", "happy"])
        put_aside(campaign, hasty)
        with pytest.raises(votes.CannotVote, match="needs no more votes"):
            vote(campaign, hasty, faces=campaign.campaign_faces.all())

    def test_only_votes_since_the_date_and_of_that_person_move(self):
        campaign, persons = voted(["happy", "sad"], faces=2)
        first = Vote.objects.filter(annotator=persons[1]).first()
        Vote.objects.filter(pk=first.pk).update(cast_at=LONG_AGO)
        assert put_aside(campaign, persons[1], since=timezone.now() - timedelta(hours=1)).votes == 1
        assert Vote.objects.count() == 3
        assert Vote.objects.get(annotator=persons[1]).pk == first.pk

    def test_an_open_face_gets_its_place_back_and_stays_where_it_is_in_line(self):
        campaign = make_campaign(1, votes_per_face=3)
        person, row = make_user(), campaign.campaign_faces.get()
        vote(campaign, person)
        put_aside(campaign, person)
        assert stand(campaign) == [("open", 0, 3, 3, "", "")]
        assert CampaignFace.objects.get().shuffle == row.shuffle

    def test_a_vote_of_an_earlier_round_asks_for_one_more_in_the_present(self):
        campaign, persons = voted(["happy", "sad"])
        votes.reopen(campaign_faces=campaign.campaign_faces.all(), votes=1)
        vote(campaign, make_user(), "happy")
        assert stand(campaign) == [("settled", 1, 1, 0, "agreed", "happy")]
        put_aside(campaign, persons[1])
        assert stand(campaign) == [("open", 1, 2, 1, "agreed", "happy")]
        assert CampaignFace.objects.get().counts == {"happy": 1}
        assert sound(campaign)
        vote(campaign, make_user(), "happy")
        assert stand(campaign) == [("settled", 2, 2, 0, "agreed", "happy")]

    def test_a_managers_decision_outlives_it(self):
        campaign, persons = voted(["happy", "sad"])
        adjudication.adjudicate(
            campaign_face_id=CampaignFace.objects.get().pk, label="fear", reason="wide eyes", by=None
        )
        put_aside(campaign, persons[0])
        assert stand(campaign) == [("open", 1, 2, 1, "adjudicated", "fear")]

    def test_a_settled_gold_face_opens_and_whoever_held_it_as_gold_holds_it_no_more(self):
        campaign, persons = voted(["happy", "happy"], gold_share=0.5)
        row = CampaignFace.objects.get()
        Gold.objects.create(campaign_face=row, campaign=campaign, answer="happy")
        Lease.objects.create(
            campaign=campaign,
            campaign_face=row,
            annotator=make_user(),
            taken_at=timezone.now(),
            expires_at=timezone.now() + timedelta(minutes=5),
        )
        put_aside(campaign, persons[0])
        assert stand(campaign) == [("open", 1, 2, 1, "", "")]
        assert not Lease.objects.exists()
        assert sound(campaign)

    def test_the_preview_tells_what_would_be_done_and_does_nothing(self):
        campaign, persons = voted(["happy", "sad", "sad"], faces=2)
        before = stand(campaign)
        found = discards.preview_discard(campaign=campaign, annotator=persons[2], since=LONG_AGO)
        assert (found.votes, found.faces, found.reopened, found.changed) == (2, 2, 2, 2)
        other = discards.preview_discard(campaign=campaign, annotator=persons[0], since=LONG_AGO)
        assert (other.votes, other.changed) == (2, 0)
        assert stand(campaign) == before

    def test_the_annotator_can_be_paused_with_it(self):
        campaign, persons = voted(["happy", "sad"])
        put_aside(campaign, persons[1], pause=True)
        assert people.is_paused(campaign, persons[1])
        assert [entry.verb for entry in AuditEntry.objects.order_by("pk")] == [
            "annotator_paused",
            "votes_discarded",
        ]

    def test_nothing_to_put_aside_is_a_refusal(self):
        campaign, _ = voted(["happy", "sad"])
        with pytest.raises(discards.CannotDiscard, match="no votes"):
            put_aside(campaign, make_user())
        with pytest.raises(discards.CannotDiscard, match="Say why"):
            discards.discard(campaign=campaign, annotator=make_user(), since=LONG_AGO, reason="", by=None)
        assert not Discard.objects.exists()

    def test_the_record_says_how_many(self):
        manager = make_user("manager")
        campaign, persons = voted(["happy", "sad"], faces=3)
        told = discards.discard(
            campaign=campaign, annotator=persons[1], since=LONG_AGO, reason="no care", by=manager
        )
        discards.restore(discard=told.discard, by=manager)
        back, gone = AuditEntry.objects.all()
        assert (gone.verb, gone.by, gone.annotator, gone.reason) == (
            "votes_discarded", manager, persons[1], "no care"
        )  # fmt: skip
        since = LONG_AGO.isoformat()
        assert gone.details == {"discard": told.discard.pk, "since": since, "votes": 3, "faces": 3, "open": 3}
        assert back.details == {"discard": told.discard.pk, "votes": 3, "aside": 0}


class Killed(Exception):
    """Stands for the end of the process: what is committed is committed."""


@pytest.fixture
def killed_after(monkeypatch):
    """Chunks of two faces; the work on them ends by force after so many."""

    def arrange(name, chunks):
        done = iter(range(chunks))
        real = getattr(moves, name)

        def work(*given):
            real(*given)
            if next(done, None) is None:
                raise Killed

        monkeypatch.setattr(discards, "CHUNK", 2)
        monkeypatch.setattr(moves, name, work)
        return lambda: monkeypatch.setattr(moves, name, real)

    return arrange


@pytest.mark.django_db(transaction=True)
class TestKilledHalfWay:
    def test_a_discard_is_finished_by_the_next_call_and_nothing_is_lost(self, killed_after):
        campaign, persons = voted(["happy", "sad"], faces=7)
        mend = killed_after("put_aside", 2)
        with pytest.raises(Killed):
            put_aside(campaign, persons[1])
        assert (Vote.objects.filter(annotator=persons[1]).count(), DiscardedVote.objects.count()) == (3, 4)
        assert sound(campaign)
        assert len(discards.unfinished(campaign)) == 1
        mend()
        told = put_aside(campaign, persons[1])
        assert (told.votes, told.faces) == (7, 7)
        assert (Discard.objects.count(), DiscardedVote.objects.count()) == (1, 7)
        assert AuditEntry.objects.get().details["votes"] == 7
        assert sound(campaign)

    def test_a_restore_is_finished_by_the_next_call_and_the_record_tells_all(self, killed_after):
        campaign, persons = voted(["happy", "sad"], faces=7)
        made = put_aside(campaign, persons[1]).discard
        mend = killed_after("count_again", 1)
        with pytest.raises(Killed):
            discards.restore(discard=made, by=None)
        mend()
        told = discards.restore(discard=made, by=None)
        assert (told.votes, told.aside) == (7, 0)
        assert AuditEntry.objects.filter(verb="votes_restored").get().details["votes"] == 7
        assert {row[:2] for row in stand(campaign)} == {("settled", 2)}
        assert sound(campaign)

    def test_who_restores_an_unfinished_discard_gets_all_of_it_back(self, killed_after):
        campaign, persons = voted(["happy", "sad"], faces=5)
        mend = killed_after("put_aside", 1)
        with pytest.raises(Killed):
            put_aside(campaign, persons[1])
        mend()
        assert discards.restore(discard=Discard.objects.get(), by=None).votes == 5
        assert Vote.objects.filter(annotator=persons[1]).count() == 5
        assert sound(campaign)

    def test_a_discard_whose_worker_died_is_finished_by_the_sweep_and_not_before_its_time(self, killed_after):
        campaign, persons = voted(["happy", "sad"], faces=5)
        mend = killed_after("put_aside", 1)
        with pytest.raises(Killed):
            put_aside(campaign, persons[1])
        mend()
        tasks.return_expired_leases()
        assert Vote.objects.filter(annotator=persons[1]).exists(), "its worker may still be at it"
        Discard.objects.update(made_at=timezone.now() - timedelta(hours=1))
        Vote.objects.update(cast_at=timezone.now() - timedelta(hours=2))
        tasks.return_expired_leases()
        assert not Vote.objects.filter(annotator=persons[1]).exists()
        assert AuditEntry.objects.get().details["votes"] == 5
        assert sound(campaign)


@pytest.mark.django_db
class TestManyVotes:
    """More than `at_once` are a worker's."""

    def test_a_worker_puts_them_aside(self):
        campaign, persons = voted(["happy", "sad"], faces=4)
        told = put_aside(campaign, persons[1], at_once=3)
        assert (told.finished, told.votes) == (False, 0)
        assert Vote.objects.filter(annotator=persons[1]).count() == 4
        (shown,) = discards.of(campaign, persons[1])
        assert (shown.finished, shown.votes) == (False, 0)
        tasks.carry_out_discard(told.discard.pk)
        tasks.carry_out_discard(told.discard.pk)
        (shown,) = discards.of(campaign, persons[1])
        assert (shown.finished, shown.votes) == (True, 4)
        assert AuditEntry.objects.count() == 1
        assert sound(campaign)

    def test_a_worker_counts_them_again(self):
        campaign, persons = voted(["happy", "sad"], faces=4)
        made, by = put_aside(campaign, persons[1]).discard, make_user("manager")
        told = discards.restore(discard=made, by=by, at_once=3)
        assert told == discards.Restored(votes=0, aside=4, finished=False)
        tasks.restore_votes(made.pk, by.pk)
        tasks.restore_votes(made.pk, by.pk)
        assert Vote.objects.filter(annotator=persons[1]).count() == 4
        assert AuditEntry.objects.filter(verb="votes_restored").get().by == by
        assert sound(campaign)

    def test_few_are_moved_at_once(self):
        campaign, persons = voted(["happy", "sad"], faces=3)
        told = put_aside(campaign, persons[1], at_once=3)
        assert (told.finished, told.votes) == (True, 3)
        assert discards.restore(discard=told.discard, by=None, at_once=3).votes == 3


@pytest.mark.django_db
class TestCountingAgain:
    def test_the_vote_and_the_label_are_back_as_they_were(self):
        campaign, persons = voted(["happy", "happy", "sad"])
        before, vote_before = stand(campaign), Vote.objects.filter(annotator=persons[2]).values().get()
        told = discards.restore(discard=put_aside(campaign, persons[2]).discard, by=None)
        assert (told.votes, told.aside) == (1, 0)
        assert stand(campaign) == before
        vote_after = Vote.objects.filter(annotator=persons[2]).values().get()
        assert {**vote_after, "id": 0} == {**vote_before, "id": 0}
        assert not Skip.objects.exists()
        assert not DiscardedVote.objects.exists()
        assert sound(campaign)

    def test_a_place_taken_meanwhile_leaves_the_vote_aside_and_says_so(self):
        campaign, persons = voted(["happy", "sad"], faces=2)
        made = put_aside(campaign, persons[1]).discard
        vote(campaign, make_user(), "fear", faces=[campaign.campaign_faces.first()])
        told = discards.restore(discard=made, by=None)
        assert (told.votes, told.aside) == (1, 1)
        assert {row[:2] for row in stand(campaign)} == {("settled", 2)}
        assert sound(campaign)
        assert discards.restore(discard=made, by=None) == discards.Restored(votes=0, aside=1)

    def test_a_vote_of_an_earlier_round_takes_the_vote_asked_for_it_away(self):
        campaign, persons = voted(["happy", "sad"])
        votes.reopen(campaign_faces=campaign.campaign_faces.all(), votes=1)
        vote(campaign, make_user(), "happy")
        before = stand(campaign)
        made = put_aside(campaign, persons[1]).discard
        assert discards.restore(discard=made, by=None).votes == 1
        assert stand(campaign) == before
        assert CampaignFace.objects.get().counts == {"happy": 2, "sad": 1}

    def test_votes_of_two_rounds_come_back_together(self):
        campaign, persons = voted(["happy", "sad"])
        votes.reopen(campaign_faces=campaign.campaign_faces.all(), votes=2)
        vote(campaign, persons[1], "happy")
        before = stand(campaign)
        made = put_aside(campaign, persons[1]).discard
        assert stand(campaign) == [("open", 0, 3, 3, "agreed", "happy")]
        assert discards.restore(discard=made, by=None) == discards.Restored(votes=2, aside=0)
        assert stand(campaign) == before
        assert sound(campaign)

    def test_a_round_begun_since_keeps_its_places(self):
        campaign, persons = voted(["happy", "sad"])
        made = put_aside(campaign, persons[1]).discard
        vote(campaign, make_user(), "happy")
        votes.reopen(campaign_faces=campaign.campaign_faces.all(), votes=3)
        before = stand(campaign)
        assert discards.restore(discard=made, by=None) == discards.Restored(votes=0, aside=1)
        assert stand(campaign) == before

    def test_what_counts_already_is_a_refusal(self):
        campaign, persons = voted(["happy", "sad"])
        made = put_aside(campaign, persons[1]).discard
        discards.restore(discard=made, by=None)
        made.refresh_from_db()
        assert made.restored_at is not None
        with pytest.raises(discards.CannotDiscard, match="count already"):
            discards.restore(discard=made, by=None)

    def test_what_was_restored_is_not_put_aside_by_an_older_call(self):
        campaign, persons = voted(["happy", "sad"])
        made = put_aside(campaign, persons[1]).discard
        discards.restore(discard=made, by=None)
        discards._carry_out(made)
        assert Vote.objects.filter(annotator=persons[1]).count() == 1


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_others_vote_while_votes_are_put_aside_and_counted_again(monkeypatch):
    monkeypatch.setattr(discards, "CHUNK", 7)
    persons, faces = (8, 60) if connection.vendor == "postgresql" else (5, 30)
    campaign = make_campaign(faces, votes_per_face=4, lease_seconds=600)
    bad, others = make_user(), [make_user() for _ in range(persons)]
    managed_too = others[:2]
    vote(campaign, bad, "sad")
    told: list[BaseException] = []
    managed = threading.Event()

    def work(do, *given):
        try:
            do(*given)
        except BaseException as error:
            told.append(error)
            raise
        finally:
            connections.close_all()

    def annotate(person, seed):
        # The vote that one of the managed would take back may have been put aside in between.
        refusals = [votes.CannotWithdraw] if person in managed_too else []
        dice = random.Random(seed)
        held_now = [None]
        while held_now or not managed.is_set():
            held_now = votes.lease(campaign=campaign, annotator=person, limit=3)
            for held in held_now:
                given = {"campaign": campaign, "annotator": person}
                if dice.random() < 0.1:
                    votes.skip(**given, campaign_face_id=held.campaign_face_id)
                    continue
                vote(campaign, person, faces=[CampaignFace(pk=held.campaign_face_id)])
                if dice.random() < 0.1:
                    with suppress(*refusals):
                        votes.withdraw(**given)
            time.sleep(dice.uniform(0, 0.02))

    def manage():
        for person in (bad, *managed_too, bad):
            with suppress(discards.CannotDiscard):  # the other manager was faster
                made = put_aside(campaign, person).discard
                time.sleep(0.1)
                discards.restore(discard=made, by=None)

    voting = [threading.Thread(target=work, args=(annotate, each, n)) for n, each in enumerate(others)]
    managing = [threading.Thread(target=work, args=(manage,)) for _ in range(2)]
    for thread in (*voting, *managing):
        thread.start()
    for thread in managing:
        thread.join(90)
    managed.set()
    for thread in voting:
        thread.join(90)
    assert told == []
    assert check(campaign) == dict.fromkeys(check(campaign), 0)
    for _ in range(4):  # for what was skipped too often
        vote(campaign, make_user())
    assert check(campaign) == dict.fromkeys(check(campaign), 0)
    assert set(campaign.campaign_faces.values_list("state", "votes", "wanted")) == {("settled", 4, 4)}
    for made in Discard.objects.all():
        assert not discards.unfinished(campaign)
        moved = discards._told(made, "votes_discarded") - discards._told(made, "votes_restored")
        assert moved == DiscardedVote.objects.filter(discard=made).count()
