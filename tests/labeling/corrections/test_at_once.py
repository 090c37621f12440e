"""Corrections at the same moment as another, as a vote, as a kill."""

import signal
import subprocess
import sys
import threading
from uuid import uuid4

import pytest
from django.db import connection, connections, transaction

from labeling import corrections
from labeling.models import CampaignFace, Face, Line, Vote
from labeling.refusals import Refusal
from labeling.voting import line, votes
from labeling.voting.integrity import check
from tests.factories import make_campaign, make_user
from tests.labeling.corrections.correcting import MOVED, asked_about, fresh
from tests.worker import environment


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("_again", range(3))
def test_of_two_managers_at_once_one_corrects_and_the_other_is_told(old: Face, _again: int) -> None:
    campaign = make_campaign([old], votes_per_face=2)
    begin, told = threading.Barrier(2), []

    def correct(box: tuple[int, int, int, int]) -> None:
        try:
            begin.wait()
            corrections.correct(face=old, box=box, by=None)
        except Refusal as refusal:
            told.append(str(refusal))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=correct, args=[(60, 30 + n, 30, 30)]) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [text[:30] for text in told] == ["Somebody has corrected this bo"]
    assert asked_about(campaign) == {fresh(old).replaced_by_id}
    assert Face.objects.count() == 2


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("_again", range(3))
def test_a_vote_at_the_same_moment_counts_for_the_face_its_voter_saw(old: Face, _again: int) -> None:
    campaign = make_campaign([old], votes_per_face=1)
    begin, seen = threading.Barrier(2), []

    def take() -> None:
        try:
            begin.wait()
            for one in votes.lease(campaign=campaign, annotator=person, limit=1):
                seen.append(CampaignFace.objects.get(pk=one.campaign_face_id).face_id)
                votes.cast(
                    campaign=campaign,
                    annotator=person,
                    campaign_face_id=one.campaign_face_id,
                    answer="happy",
                    client_key=uuid4(),
                )
        finally:
            connections.close_all()

    person = make_user()
    thread = threading.Thread(target=take)
    thread.start()
    begin.wait()
    done = corrections.correct(face=old, box=MOVED, by=None)
    thread.join()
    (row,) = campaign.campaign_faces.all()
    assert row.face_id == (old.pk if done.stayed else done.face.pk)
    assert [vote.campaign_face.face_id for vote in Vote.objects.all()] == seen[: row.votes]
    assert row.votes in (0, 1)
    assert check(campaign) == dict.fromkeys(check(campaign), 0)


WAITING = """
    SELECT pg_sleep(0.1), pg_stat_clear_snapshot();
    SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
"""
KILLED = """
import sys, django
django.setup()
from labeling import corrections
from labeling.models import Face
corrections.correct(face=Face.objects.get(pk=int(sys.argv[1])), box=(58, 24, 44, 52), by=None)
"""


def waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(WAITING)
        return bool(cursor.fetchone()[0])


@pytest.mark.slow
@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_killed_in_the_middle_nothing_is_changed(old: Face) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no lock of one row, at which the correction could be stopped in the middle.")
    campaign = make_campaign([old])
    line.end(campaign.pk, room=0)
    with transaction.atomic():
        # The line is held, so that the correction waits there: the new face is in, the old one out of its campaign.
        Line.objects.select_for_update().get(campaign=campaign)
        with subprocess.Popen([sys.executable, "-c", KILLED, str(old.pk)], env=environment()) as process:
            waits = any(waits_for_a_lock() for _ in range(600))
            process.send_signal(signal.SIGKILL)
        assert waits
    assert (fresh(old).left_out, fresh(old).replaced_by, Face.objects.count()) == ("", None, 1)
    assert asked_about(campaign) == {old.pk}
    assert corrections.correct(face=old, box=MOVED, by=None).moved == [campaign.name]
