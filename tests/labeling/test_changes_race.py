"""A campaign is changed while many vote: nobody's vote is lost, and every face ends with what was asked last."""

import random
import threading
from contextlib import suppress
from uuid import uuid4

import pytest
from django.db import connections
from django.db.models import Count

from labeling import campaigns
from labeling.consensus.majority import majority
from labeling.models import Campaign, Vote
from labeling.voting import votes
from labeling.voting.integrity import check
from tests.factories import make_user
from tests.labeling.voting.test_race import campaign_of
from vemo.accounts.models import User

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.race]


def vote_until_nothing_is_left(campaign: Campaign, annotator: User, seed: int, told: list[Exception]) -> None:
    """Leases, votes, and now and then takes the newest vote back, which a face opened again meanwhile refuses."""
    dice = random.Random(seed)
    try:
        while held := votes.lease(campaign=campaign, annotator=annotator, limit=dice.choice([1, 3, 5])):
            for leased in held:
                cast(campaign, annotator, leased.campaign_face_id)
            if dice.random() < 0.2:
                with suppress(votes.CannotWithdraw):
                    votes.withdraw(campaign=campaign, annotator=annotator)
    except Exception as error:
        told.append(error)
        raise
    finally:
        connections.close_all()


def cast(campaign: Campaign, annotator: User, pk: int) -> None:
    votes.cast(
        campaign=campaign, annotator=annotator, campaign_face_id=pk, answer="happy", client_key=uuid4()
    )


def test_votes_per_face_grow_while_people_vote() -> None:
    campaign = campaign_of(30, votes_per_face=3)
    told: list[Exception] = []
    begin = random.Random(5)
    threads = [
        threading.Thread(
            target=vote_until_nothing_is_left,
            args=(Campaign.objects.get(), make_user(), seed, told),
            daemon=True,
        )
        for seed in range(11, 19)
    ]
    for thread in threads:
        thread.start()
    for wanted, settled_too in ((4, True), (5, False), (6, True)):
        threading.Event().wait(begin.uniform(0.1, 0.4))
        campaigns.change(campaign=campaign, votes_per_face=wanted, settled_too=settled_too)
    for thread in threads:
        thread.join(120)
    assert told == []
    # Whoever was through before the last change has gone home; somebody comes for what it left.
    for seed in range(21, 29):
        vote_until_nothing_is_left(campaign, make_user(), seed, told)
    assert check(campaign) == dict.fromkeys(check(campaign), 0)
    rows = campaign.campaign_faces.all()
    assert {row.state for row in rows} == {"settled"}
    in_round = Vote.objects.filter(campaign=campaign).values_list("campaign_face", "round")
    cast = {(face, round): n for face, round, n in in_round.annotate(n=Count("pk"))}
    assert all(cast[row.pk, row.round] == row.wanted == row.votes for row in rows)
    assert all(row.wanted == 6 for row in rows if row.round == 1)
    campaigns.change(campaign=campaign, rule="plurality")
    for row in rows.all():
        found = majority(row.counts, rule="plurality")
        assert (row.outcome, row.label) == (found.outcome, found.label)
