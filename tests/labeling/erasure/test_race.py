"""Faces are erased while many vote, others are added, and somebody else erases the same ones."""

import random
import threading
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.core.files.storage import default_storage
from django.db import connection, connections, transaction
from django.db.models import QuerySet
from django.utils import timezone

from labeling import campaigns, erasure
from labeling.models import Campaign, Erasure, Export, Face, Snapshot
from labeling.snapshots import exporting, freezing
from labeling.voting import votes
from labeling.voting.integrity import check
from tests.factories import make_faces, make_user
from tests.labeling.snapshots.making import frozen, make_settled
from tests.labeling.voting.test_race import campaign_of
from vemo.accounts.models import User

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.race]


def vote_until_nothing_is_left(campaign: Campaign, annotator: User, refused: list[str]) -> None:
    dice = random.Random(annotator.pk)
    while held := votes.lease(campaign=campaign, annotator=annotator, limit=dice.choice([1, 3, 5])):
        for leased in held:
            said = {"answer": "happy", "client_key": uuid4()}
            try:
                votes.cast(
                    campaign=campaign, annotator=annotator, campaign_face_id=leased.campaign_face_id, **said
                )
                if dice.random() < 0.2:
                    votes.withdraw(campaign=campaign, annotator=annotator)
            except votes.CannotVote as refusal:
                refused.append(refusal.code)


def together(*deeds: Callable[[], object]) -> None:
    """At once, each in a thread of its own; what any raises is raised."""
    told: list[Exception] = []

    def run(deed: Callable[[], object]) -> None:
        try:
            deed()
        except Exception as error:
            told.append(error)
            raise
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(deed,), daemon=True) for deed in deeds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert told == []


def test_faces_are_erased_while_people_vote() -> None:
    campaign = campaign_of(60, votes_per_face=4)
    faces = list(campaign.campaign_faces.order_by("pk").values_list("face", flat=True))
    half = [face for face in faces[::2] if face is not None]
    more = [face.pk for face in make_faces(10)]
    rows = [
        erasure.demand("face", half, reason="Asked to", wake=False),
        erasure.demand("face", half[10:] + more[:5], reason="Asked to", wake=False),
    ]
    refused: list[str] = []
    people = [make_user() for _ in range(6)]
    together(
        *(lambda one=one: vote_until_nothing_is_left(campaign, one, refused) for one in people),
        *(lambda row=row: erasure.carry_out(row.pk) for row in rows),
        lambda: campaigns.add_faces(campaign=campaign, faces=Face.objects.filter(pk__in=more)),
    )
    assert set(Erasure.objects.values_list("state", flat=True)) == {"done"}
    assert set(refused) <= {"erased", "complete", "unknown", "already", "round", "late"}
    # Whoever went home when nothing was free comes again.
    for one in people:
        vote_until_nothing_is_left(campaign, one, refused)
    assert check(campaign) == dict.fromkeys(check(campaign), 0)
    states = dict(campaign.campaign_faces.values_list("pk", "state"))
    assert list(states.values()).count("erased") >= 30
    assert set(states.values()) == {"erased", "settled"}
    assert not Face.objects.filter(pk__in=half).exists()


def test_a_version_that_is_done_at_this_moment_keeps_its_files() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite lets one write at a time.")
    campaign = make_settled(12)
    snapshot = frozen(campaign)
    row = erasure.demand("face", [make_faces(1)[0].pk], reason="Asked to", wake=False)
    rows = Snapshot.objects.filter(pk=snapshot.pk)
    rows.update(state="running", worker="another", ended_at=None, digest="")
    erased_while_it_ends(row, rows, digest=snapshot.digest)
    snapshot.refresh_from_db()
    row.refresh_from_db()
    assert (snapshot.state, row.state) == ("done", "done")
    assert freezing.verify(snapshot=snapshot) == []


def test_an_export_that_is_done_at_this_moment_is_made_anew() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite lets one write at a time.")
    campaign = make_settled(12)
    snapshot = frozen(campaign)
    export = exporting.export(snapshot=snapshot, format="attribution", wake=False)
    exporting.run_export(export.pk)
    export.refresh_from_db()
    rows = Export.objects.filter(pk=export.pk)
    rows.update(state="running", worker="another", ended_at=None)
    row = erasure.demand("face", [campaign.campaign_faces.first().face_id], reason="Asked to", wake=False)
    erased_while_it_ends(row, rows)
    row.refresh_from_db()
    export.refresh_from_db()
    assert (row.state, export.state, export.sha256) == ("done", "waiting", "")
    exporting.run_export(export.pk)
    export.refresh_from_db()
    assert (export.state, export.error) == ("done", "")
    assert export.sha256 != ""
    assert default_storage.size(export.stored_as) == export.bytes


def erased_while_it_ends(row: Erasure, rows: QuerySet[Any, Any], **more: Any) -> None:
    """The erasure comes by while another worker's last transaction has the row of these done, but has not ended."""
    held = threading.Event()

    def end() -> None:
        with transaction.atomic():
            rows.update(state="done", worker="", ended_at=timezone.now(), **more)
            held.set()
            wait_for_one_that_waits()

    def erase() -> None:
        held.wait(60)
        erasure.carry_out(row.pk)

    together(end, erase)


def wait_for_one_that_waits() -> None:
    """Until another transaction of this database waits for a row."""
    waiting = "datname = current_database() AND wait_event_type = 'Lock'"
    asked = f"SELECT EXISTS (SELECT 1 FROM pg_stat_activity WHERE {waiting})"
    for _ in range(600):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_stat_clear_snapshot(), pg_sleep(0.1)")
            cursor.execute(asked)
            if cursor.fetchone() == (True,):
                return
    raise AssertionError("Nobody waits.")
