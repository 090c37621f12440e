"""Files out of Label Studio on their way through a worker."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from labeling import work
from labeling.label_studio import CannotTakeIn, imports
from labeling.models import Campaign, CampaignFace, FaceLabel, Item, LabelStudioImport, Vote
from tests.factories import make_faces, make_user
from tests.labeling.label_studio.files import named, task
from tests.worker import environment, wait_until, worker

pytestmark = pytest.mark.django_db
PEOPLE = ("a@example.org", "b@example.org", "c@example.org")


def kept(*tasks: dict[str, Any]) -> Path:
    return imports.keep([json.dumps(tasks).encode()], name="export.json")


def voted(number: int, *answers: str) -> dict[str, Any]:
    return task(f"/data/upload/1/00000000-{number}.png", *zip(PEOPLE, answers, strict=False))


def test_a_preview_says_what_would_come_and_what_not_and_why_and_changes_nothing() -> None:
    source = named(make_faces(2))
    file = kept(
        voted(1, "joy", "Happy", "NF"),
        voted(2, "sad", "sad", "smug"),
        voted(8, "sad", "sad", "sad"),
        voted(9, "sad", "sad", "sad"),
        {"data": {"image": "1.png"}},
    )
    found = imports.preview(file, name="export.json", source=source)
    assert (found.tasks, found.faces, found.answers, found.people, found.usual) == (5, 2, 6, 3, 3)
    assert found.guesses == {"Happy": "happy", "NF": "not_a_face", "joy": "happy", "sad": "sad", "smug": ""}
    assert found.classes["sad"] == 8
    assert [(each.reason, each.count, each.tasks) for each in found.reasons] == [
        ("“/data/upload/1/00000000-8.png” is no picture that was taken in here.", 2, (3, 4)),
        ("Nobody chose one answer.", 1, (5,)),
    ]
    assert [each.objects.count() for each in (Vote, Campaign, FaceLabel)] == [0, 0, 0]


def test_votes_come_in_once_however_often_the_file_is_sent() -> None:
    source, me = named(make_faces(2)), make_user("manager")
    tasks = (voted(1, "joy", "Happy", "NF"), voted(2, "sad", "sad", "joy"))
    for again in (0, 6):
        row = imports.begin(kept(*tasks), name="export.json", source=source, by=me)
        imports.run(row.pk)
        row.refresh_from_db()
        assert (row.state, row.error) == ("done", "")
        assert row.taken == {"labelled": 0, "cast": 6, "again": again, "people": 3, "refused": [], "left": 0}
    assert row.message == "Votes: 6, on faces: 2. Tasks not taken: 0."
    campaign = Campaign.objects.get()
    assert (campaign.name, campaign.votes_per_face) == ("Label Studio: export", 3)
    assert row.campaign == campaign
    assert Vote.objects.count() == 6
    assert sorted(CampaignFace.objects.values_list("label", flat=True)) == ["happy", "sad"]


def test_the_file_is_deleted_once_it_is_taken_in_and_kept_while_it_is_not() -> None:
    file = kept(voted(1, "sad"))
    row = imports.begin(file, name="export.json")
    imports.run(row.pk)
    row.refresh_from_db()
    assert (row.state, file.exists()) == ("failed", True)
    assert row.error.startswith("No task of it can be taken in. “/data/upload/1/00000000-1.png” is no")
    LabelStudioImport.objects.update(source=named(make_faces(1)))
    work.restart(row, wake=False)
    imports.run(row.pk)
    row.refresh_from_db()
    assert (row.state, row.taken["labelled"], file.exists()) == ("done", 1, False)
    work.restart(row, also_done=True, wake=False)
    imports.run(row.pk)
    row.refresh_from_db()
    assert row.error == "The file “export.json” is not on the server any more. Send it again."


def test_sent_again_when_more_pictures_are_here_the_rest_comes_into_the_same_campaign() -> None:
    faces = make_faces(2)
    source, tasks = named(faces[:1]), (voted(1, "sad", "happy"), voted(2, "fear", "fear"))
    for cast, again in ((2, 0), (4, 2)):
        row = imports.begin(kept(*tasks), name="e.json", source=source)
        imports.run(row.pk)
        row.refresh_from_db()
        assert (row.state, row.taken["cast"], row.taken["again"]) == ("done", cast, again)
        Item.objects.get_or_create(source=source, locator="2.png", state="ingested", media=faces[1].media)
    assert Campaign.objects.get().expressions == ["fear", "happy", "sad"]
    assert Vote.objects.count() == 4


def test_an_answer_changed_there_meanwhile_changes_no_vote() -> None:
    source = named(make_faces(1))
    for answers in (("sad", "happy"), ("happy", "sad")):
        row = imports.begin(kept(voted(1, *answers)), name="e.json", source=source)
        imports.run(row.pk)
    row.refresh_from_db()
    assert (row.taken["cast"], row.taken["again"]) == (2, 2)
    cast = dict(Vote.objects.order_by("pk").values_list("annotator__username", "answer"))
    assert list(cast.values()) == ["sad", "happy"]


def test_a_face_that_has_all_its_votes_takes_none_of_somebody_else() -> None:
    source = named(make_faces(1))
    for people in ("ab", "bc"):
        answers = zip(people, ("sad", "happy"), strict=True)
        row = imports.begin(kept(task("1.png", *answers)), name="e.json", source=source)
        imports.run(row.pk)
    row.refresh_from_db()
    assert (row.state, row.taken["cast"], row.taken["again"], Vote.objects.count()) == ("done", 1, 1, 2)
    assert row.taken["refused"] == [{"task": 1, "reason": "Its face has all its votes, of other people."}]


def test_the_same_votes_do_not_go_into_a_second_campaign() -> None:
    source, tasks = named(make_faces(1)), [voted(1, "sad", "joy")]
    imports.run(imports.begin(kept(*tasks), name="e.json", campaign_name="One", source=source).pk)
    with pytest.raises(CannotTakeIn, match="are in the campaign “One” already"):
        imports.begin(kept(*tasks), name="e.json", campaign_name="Two", source=source)


def test_a_file_under_way_is_not_begun_twice() -> None:
    tasks, source = [voted(1, "sad")], named(make_faces(1))
    first = imports.begin(kept(*tasks), name="e.json", source=source)
    second = kept(*tasks)
    assert imports.begin(second, name="e.json", source=source) == first
    assert not second.exists()


@pytest.mark.parametrize(
    "other",
    [{"campaign_name": "Two"}, {"classes": {"sad": "fear"}}, {"classes": {"joy": ""}}, {"source": None}],
)
def test_a_file_under_way_is_not_begun_otherwise(other: dict[str, Any]) -> None:
    asked: dict[str, Any] = {"name": "e.json", "campaign_name": "One", "source": named(make_faces(1))}
    first = imports.begin(kept(voted(1, "sad", "joy", "fear")), **asked)
    again = kept(voted(1, "sad", "joy", "fear"))
    with pytest.raises(CannotTakeIn, match=rf"already, as import {first.pk} \(“One”\), but not as you ask"):
        imports.begin(again, **asked | other)
    assert LabelStudioImport.objects.get() == first
    work.stop(first)
    assert imports.begin(again, **asked | other).pk != first.pk


def test_votes_that_no_campaign_can_hold_are_refused_at_once() -> None:
    source = named(make_faces(1))
    with pytest.raises(
        CannotTakeIn, match=r"no campaign can be made\. A campaign needs at least two expressions"
    ):
        imports.begin(
            kept(voted(1, "sad", "sad", "smug")), name="e.json", source=source, classes={"smug": ""}
        )
    Campaign.objects.create(name="Taken")
    with pytest.raises(CannotTakeIn, match="a campaign “Taken” that asks something else"):
        imports.begin(kept(voted(1, "sad", "joy")), name="e.json", source=source, campaign_name="Taken")
    assert not LabelStudioImport.objects.exists()


@pytest.mark.parametrize(
    ("classes", "reason"),
    [
        ({}, "Say what “smug” means here, or leave it out."),
        ({"smug": "x" * 41}, "cannot be the name of a class"),
        ({"smug": "a\x00"}, "cannot be the name of a class"),
        ({"smug": " "}, "cannot be the name of a class"),
    ],
)
def test_an_answer_that_nobody_understands_is_asked_about(classes: dict[str, str], reason: str) -> None:
    with pytest.raises(CannotTakeIn, match=reason):
        imports.begin(kept(voted(1, "smug")), name="e.json", classes=classes)
    assert not LabelStudioImport.objects.exists()


def test_too_many_different_answers_are_no_classes() -> None:
    tasks = [voted(number, f"text {number}") for number in range(imports.MOST_CLASSES + 1)]
    with pytest.raises(CannotTakeIn, match="201 different answers"):
        imports.preview(kept(*tasks), name="e.json")


def test_what_is_sent_and_too_large_is_not_kept(settings) -> None:
    with pytest.raises(CannotTakeIn, match="larger than 64 MB"):
        imports.keep([b"x" * 1024**2] * 65, name="e.json")
    assert list((settings.UPLOAD_ROOT / imports.FOLDER).iterdir()) == []


def test_files_that_nobody_had_taken_in_are_removed_in_time(settings) -> None:
    new, old, waiting = kept(voted(1, "sad")), kept(voted(2, "sad")), kept(voted(3, "sad"))
    imports.begin(waiting, name="e.json")
    long_ago = time.time() - (settings.UPLOAD_KEEP_DAYS + 1) * 24 * 3600
    for file in (old, waiting):
        os.utime(file, (long_ago, long_ago))
    assert imports.remove_forgotten() == 1
    assert [file.exists() for file in (new, old, waiting)] == [True, False, True]


def test_somebody_may_stop_it_and_let_it_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work.Job, "BEAT_EVERY_S", 0.0)
    source = named(make_faces(2))
    row = imports.begin(kept(voted(1, "sad", "joy"), voted(2, "sad", "joy")), name="e.json", source=source)
    LabelStudioImport.objects.update(stop_asked=True)
    imports.run(row.pk)
    row.refresh_from_db()
    assert (row.state, Vote.objects.count()) == ("stopped", 0)
    work.restart(row, wake=False)
    imports.run(row.pk)
    row.refresh_from_db()
    assert (row.state, Vote.objects.count()) == ("done", 4)


RUN = """
import sys, django
django.setup()
from labeling.label_studio import imports
imports.run(int(sys.argv[1]))
"""


@pytest.mark.slow
@pytest.mark.worker
@pytest.mark.django_db(transaction=True)
def test_killed_in_the_middle_the_next_worker_counts_nothing_twice(tmp_path: Path, settings) -> None:
    settings.CELERY_BROKER_URL = "embedded://"
    faces = make_faces(60)
    tasks = [voted(number, *("sad", "joy", "sad")) for number in range(1, 61)]
    row = imports.begin(kept(*tasks), name="e.json", source=named(faces))
    child = subprocess.Popen([sys.executable, "-c", RUN, str(row.pk)], env=environment())
    wait_until(lambda: Vote.objects.count() > 20)
    child.send_signal(signal.SIGKILL)
    assert child.wait(30) == -signal.SIGKILL
    assert 20 < Vote.objects.count() < 180
    log, fast = tmp_path / "worker.log", {"HEARTBEAT_TIMEOUT_S": "3", "SWEEP_EVERY_S": "1"}

    def is_done() -> bool:
        row.refresh_from_db()
        return row.is_over

    with worker(log, "-Q", "default,ingest", "-B", "-s", str(tmp_path / "beat"), **fast):
        wait_until(is_done, seconds=90, log=log)
    assert (row.state, row.attempt, row.taken["cast"]) == ("done", 2, 180)
    assert Vote.objects.count() == 180
    assert set(CampaignFace.objects.values_list("votes", "label")) == {(3, "sad")}
