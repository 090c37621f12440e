"""Many hands at once: every face ends with exactly its number of votes, each of another person."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, connections
from django.db.models import Count
from django.utils import timezone

from labeling import campaigns
from labeling.models import Campaign, CampaignFace, Face, Lease, Vote
from labeling.voting import votes
from labeling.voting.integrity import check
from tests.factories import make_media, make_user
from vemo.accounts.models import User

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.race]
ROOT = Path(__file__).resolve().parents[3]
PATIENCE_S = 120


def on_postgresql() -> bool:
    return connection.vendor == "postgresql"


def campaign_of(faces: int, **fields: Any) -> Campaign:
    media = make_media()
    box = {
        "detector": "haar",
        "score": 1.0,
        "y": 0,
        "width": 48,
        "height": 48,
        "crop": "c",
        "crop_sha256": "c",
    }
    rows = (Face(media=media, x=n, crop_width=48, crop_height=48, **box) for n in range(faces))
    Face.objects.bulk_create(rows)
    campaign = campaigns.create(name=f"race {media.pk}", **fields)
    campaigns.add_faces(campaign=campaign, faces=Face.objects.filter(media=media))
    return campaign


def vote_until_settled(campaign: Campaign, annotator: User, seed: int, told: list[BaseException]) -> None:
    """One restless annotator: double submits, skips, undo, and long pauses in which leases lapse."""
    dice = random.Random(seed)
    try:
        ends = time.monotonic() + PATIENCE_S
        while time.monotonic() < ends:
            held = votes.lease(campaign=campaign, annotator=annotator, limit=dice.choice([1, 3, 5]))
            if not held and not CampaignFace.objects.filter(campaign=campaign, state="open").exists():
                return
            if not held or dice.random() < 0.02:
                time.sleep(dice.uniform(0.05, 0.3))
            for leased in held:
                if seed % 10 == 0 and dice.random() < 0.2:
                    votes.skip(
                        campaign=campaign, annotator=annotator, campaign_face_id=leased.campaign_face_id
                    )
                else:
                    answer_somehow(campaign, annotator, leased.campaign_face_id, dice)
        raise AssertionError(f"{annotator} waited {PATIENCE_S} s for the campaign to end.")
    except BaseException as error:
        told.append(error)
        raise
    finally:
        connections.close_all()


def answer_somehow(campaign: Campaign, annotator: User, pk: int, dice: random.Random) -> None:
    key = uuid4()
    given = {"campaign": campaign, "annotator": annotator, "campaign_face_id": pk, "answer": "happy"}
    kind = dice.random()
    try:
        if kind < 0.02:
            Lease.objects.filter(campaign_face=pk, annotator=annotator).update(
                expires_at=timezone.now() - timedelta(seconds=1)
            )
            votes.return_expired_leases(campaign=campaign)
        votes.cast(client_key=key, **given)
        if kind < 0.2:
            assert votes.cast(client_key=key, **given).again
        elif kind < 0.3:
            votes.cast(client_key=uuid4(), **given)
        elif kind < 0.33:
            votes.withdraw(campaign=campaign, annotator=annotator)
    except votes.CannotVote as refusal:
        assert refusal.code in ("already", "complete", "unknown"), refusal  # noqa: PT017


def assert_exactly(campaign: Campaign, wanted: int) -> None:
    assert check(campaign) == dict.fromkeys(check(campaign), 0)
    cast = Vote.objects.filter(campaign=campaign).values_list("campaign_face")
    per_face = cast.annotate(votes=Count("pk"), people=Count("annotator", distinct=True))
    faces = CampaignFace.objects.filter(campaign=campaign)
    assert {(n, people) for _, n, people in per_face} == {(wanted, wanted)}
    assert len(per_face) == faces.count() == faces.filter(state="settled").count()
    assert Lease.objects.filter(campaign=campaign).count() == 0


def run_threads(work: Any, arguments: list[tuple[Any, ...]]) -> None:
    told: list[BaseException] = []
    threads = [threading.Thread(target=work, args=(*given, told), daemon=True) for given in arguments]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S + 30)
    assert told == []


@pytest.fixture
def sweeping() -> Iterator[None]:
    """Expired leases are swept all the while, as beat does."""
    over = threading.Event()

    def sweep() -> None:
        while not over.wait(0.2):
            votes.return_expired_leases()
        connections.close_all()

    thread = threading.Thread(target=sweep)
    thread.start()
    yield
    over.set()
    thread.join()


VOTER = """
import sys, django
django.setup()
from labeling.models import Campaign
from tests.labeling.voting import test_race
from vemo.accounts.models import User
campaign, annotator, seed = map(int, sys.argv[2:])
do = getattr(test_race, sys.argv[1])
do(Campaign.objects.get(pk=campaign), User.objects.get(pk=annotator), seed, [])
"""


def start(do: Any, campaign: Campaign, annotator: User, seed: int = 0) -> subprocess.Popen[str]:
    """An annotator in a process of their own, on the database of this test."""
    name = connection.settings_dict["NAME"]
    server = os.environ.get("DATABASE_URL", "").rpartition("/")[0]
    environment = {
        **os.environ,
        "DATABASE_URL": f"{server}/{name}" if on_postgresql() else f"sqlite:///{name}",
        "DJANGO_SETTINGS_MODULE": "vemo.settings",
        "PYTHONPATH": f"{ROOT / 'platform'}{os.pathsep}{ROOT}",
    }
    command = [sys.executable, "-c", VOTER, do.__name__, str(campaign.pk), str(annotator.pk), str(seed)]
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)


def hears(process: subprocess.Popen[str], line: str) -> bool:
    assert process.stdout is not None
    return process.stdout.readline().strip() == line


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    assert process.wait(PATIENCE_S) == -signal.SIGKILL
    assert process.stdout is not None
    process.stdout.close()


def say_and_vote(campaign: Campaign, annotator: User, seed: int, told: list[BaseException]) -> None:
    sys.stdout.write("voting\n")
    sys.stdout.flush()
    vote_until_settled(campaign, annotator, seed, told)


def hold_and_hang(campaign: Campaign, annotator: User, seed: int, told: list[BaseException]) -> None:
    held = votes.lease(campaign=campaign, annotator=annotator, limit=6)
    sys.stdout.write(f"{len(held)} held\n")
    sys.stdout.flush()
    time.sleep(PATIENCE_S)


def test_ten_votes_of_ten_people_on_every_face_however_many_vote_at_once(sweeping: None) -> None:
    people, in_processes, killed, faces = (40, 4, 3, 200) if on_postgresql() else (12, 2, 1, 60)
    campaign = campaign_of(faces, lease_seconds=2)
    annotators = [make_user() for _ in range(people)]
    processes = [
        start(say_and_vote, campaign, user, n) for n, user in enumerate(annotators[:in_processes], 1)
    ]
    victims = [start(say_and_vote, campaign, make_user(), 100 + n) for n in range(killed)]
    assert all(hears(process, "voting") for process in [*processes, *victims])
    killers = [threading.Timer(0.3 + n / 3, kill, [victim]) for n, victim in enumerate(victims)]
    for killer in killers:
        killer.start()
    run_threads(
        vote_until_settled, [(campaign, user, n) for n, user in enumerate(annotators[in_processes:], 10)]
    )
    for killer in killers:
        killer.join()
    assert [process.wait(PATIENCE_S) for process in processes] == [0] * in_processes
    for process in processes:
        assert process.stdout is not None
        process.stdout.close()
    assert_exactly(campaign, 10)


def test_whoever_is_killed_holding_faces_blocks_nobody_for_longer_than_a_lease() -> None:
    campaign = campaign_of(6, votes_per_face=1, lease_seconds=3)
    dead, alive = make_user(), make_user()
    process = start(hold_and_hang, campaign, dead)
    assert hears(process, "6 held")
    kill(process)
    assert votes.lease(campaign=campaign, annotator=alive) == []
    time.sleep(3.1)
    assert votes.return_expired_leases() == 6
    for leased in votes.lease(campaign=campaign, annotator=alive, limit=6):
        votes.cast(
            campaign=campaign,
            annotator=alive,
            campaign_face_id=leased.campaign_face_id,
            answer="sad",
            client_key=uuid4(),
        )
    assert_exactly(campaign, 1)


def test_one_vote_sent_twenty_times_at_once_is_one_vote() -> None:
    campaign, annotator = campaign_of(1), make_user()
    pk = votes.lease(campaign=campaign, annotator=annotator, limit=1)[0].campaign_face_id
    key = uuid4()
    results: list[bool] = []

    def send(n: int, told: list[BaseException]) -> None:
        try:
            cast = votes.cast(
                campaign=campaign, annotator=annotator, campaign_face_id=pk, answer="sad", client_key=key
            )
            results.append(cast.again)
        except BaseException as error:
            told.append(error)
            raise
        finally:
            connections.close_all()

    run_threads(send, [(n,) for n in range(20)])
    assert sorted(results) == [False] + [True] * 19
    assert Vote.objects.count() == 1
    assert check(campaign) == dict.fromkeys(check(campaign), 0)


def test_one_person_asking_from_many_tabs_at_once_never_holds_more_than_the_limit() -> None:
    campaign, annotator = campaign_of(60), make_user()
    held: list[set[int]] = []

    def ask(n: int, told: list[BaseException]) -> None:
        try:
            leased = votes.lease(campaign=campaign, annotator=annotator, limit=5)
            held.append({face.campaign_face_id for face in leased})
        except BaseException as error:
            told.append(error)
            raise
        finally:
            connections.close_all()

    run_threads(ask, [(n,) for n in range(12)])
    assert len(held) == 12
    assert len(set.union(*held)) == 5
    assert Lease.objects.count() == 5
