"""A face whose box was moved: another face stands for it, and no vote on the old crop counts for the new one."""

import io
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection, connections, transaction
from django.test import Client
from django.urls import reverse
from PIL import Image
from rest_framework.test import APIClient

from labeling import campaigns, corrections, gallery, gold
from labeling.corrections import CannotCorrect
from labeling.models import AuditEntry, Campaign, CampaignFace, Face, FaceLabel, Line, Media, Track, Vote
from labeling.refusals import Refusal
from labeling.sources import drawn, faces, handmade, pictures
from labeling.sources.handmade import CannotDraw
from labeling.vision import crops
from labeling.voting import line, votes
from labeling.voting.integrity import check
from tests.factories import make_campaign, make_faces, make_media, make_user
from tests.labeling.sources.places import taken_in
from tests.labeling.vision.films import write_pictures
from tests.worker import environment
from vemo.accounts.models import User

BOX = (50, 30, 40, 50)
MOVED = (58, 24, 44, 52)


@pytest.fixture(autouse=True)
def database(db: None) -> None:
    """Everything here asks it."""


@pytest.fixture
def photo() -> Media:
    pixels = np.random.default_rng(1).integers(0, 255, (120, 200, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    name = default_storage.save("media/photo.png", ContentFile(buffer.getvalue()))
    return make_media(stored_as=name, width=200, height=120, sha256="d" * 64)


@pytest.fixture
def old(photo: Media) -> Face:
    x, y, width, height = BOX
    return make_faces(1, media=photo, detector="yunet", x=x, y=y, width=width, height=height)[0]


@pytest.fixture
def manager() -> User:
    return make_user("manager")


def pixels_of(name: str) -> np.ndarray:
    with default_storage.open(name) as file:
        return np.asarray(Image.open(file).convert("RGB"))


def crops_stored() -> set[str]:
    return {path.name for path in Path(default_storage.path("crops")).rglob("*.png")}


def fresh(face: Face) -> Face:
    return Face.objects.get(pk=face.pk)


def asked_about(campaign: Campaign) -> set[int | None]:
    return set(campaign.campaign_faces.values_list("face", flat=True))


def vote(campaign: Campaign, annotator: User, answer: str = "happy") -> None:
    (leased,) = votes.lease(campaign=campaign, annotator=annotator, limit=1)
    votes.cast(
        campaign=campaign,
        annotator=annotator,
        campaign_face_id=leased.campaign_face_id,
        answer=answer,
        client_key=uuid4(),
    )


# ---- what it is ----


def test_a_new_face_stands_for_the_old_one(photo: Media, old: Face, manager: User) -> None:
    track = Track.objects.create(media=photo, detector="yunet", number=1, shot=1, first_ms=0, last_ms=0)
    Face.objects.update(track=track)
    new = corrections.correct(face=old, box=MOVED, by=manager).face
    assert (new.detector, new.x, new.y, new.width, new.height, new.track) == ("person", *MOVED, track)
    assert np.array_equal(pixels_of(new.crop), crops.crop(pixels_of(photo.stored_as), MOVED))
    was = fresh(old)
    assert (was.left_out, was.replaced_by, new.left_out) == ("corrected", new, "")
    assert (was.x, was.y, was.width, was.height, was.crop) == (*BOX, old.crop)


def test_what_experts_and_the_source_say_of_the_old_one_is_not_said_of_the_new_one(
    old: Face, manager: User
) -> None:
    FaceLabel.objects.create(face=old, label="happy", origin="a set")
    Face.objects.update(given={"label": "happy"})
    new = corrections.correct(face=old, box=MOVED, by=manager).face
    assert (new.given, new.labels.count(), old.labels.count()) == ({}, 0, 1)


def test_whether_it_is_left_out_goes_over_to_the_new_one_and_back(old: Face, manager: User) -> None:
    Face.objects.update(left_out="track")
    new = corrections.correct(face=old, box=MOVED, by=manager).face
    assert fresh(new).left_out == "track"
    corrections.undo(face=fresh(old), by=manager)
    assert fresh(old).left_out == "track"


def test_in_a_video_it_is_corrected_at_its_moment_and_stays_on_its_track(
    tmp_path: Path, client: Client, manager: User
) -> None:
    write_pictures(tmp_path / "film.mp4", [drawn.draw_still(0)] * 8, rate=5)
    faces.find_faces(faces.detect_in(source=taken_in(tmp_path / "film.mp4")).pk)
    found = Face.objects.order_by("time_ms")[3]
    new = corrections.correct(
        face=found, box=(found.x + 6, found.y, found.width, found.height), by=manager
    ).face
    assert (new.time_ms, new.frame, new.track) == (found.time_ms, found.frame, found.track)
    picture = pictures.upright(found.media, found.time_ms)
    assert np.array_equal(pixels_of(new.crop), crops.crop(picture, (new.x, new.y, new.width, new.height)))
    # At other moments nothing is corrected.
    assert Face.objects.filter(left_out="corrected").count() == 1
    client.force_login(manager)
    address = reverse("labeling:media", args=[found.media_id])
    assert client.get(address, {"correct": new.pk}).context["at"] == found.time_ms
    assert client.get(address, {"correct": found.pk}).context["correcting"] is None


# ---- campaigns ----


def test_where_nobody_has_seen_it_the_new_one_is_asked_about_and_gets_all_its_votes(
    old: Face, manager: User
) -> None:
    campaign = make_campaign([old], votes_per_face=3)
    done = corrections.correct(face=old, box=MOVED, by=manager)
    assert (done.moved, done.stayed) == ([campaign.name], [])
    assert asked_about(campaign) == {done.face.pk}
    for _ in range(3):
        vote(campaign, make_user())
    row = campaign.campaign_faces.get()
    assert (row.state, row.votes, row.wanted) == ("settled", 3, 3)
    assert check(campaign) == dict.fromkeys(check(campaign), 0)
    assert AuditEntry.objects.get(campaign=campaign).verb == "face_corrected"


def test_who_has_begun_meets_the_new_one_at_the_end_of_the_line(old: Face, manager: User) -> None:
    others = make_faces(4)
    campaign = make_campaign([old, *others], votes_per_face=2)
    person = make_user()
    while asked_about(campaign) >= {old.pk}:
        done = corrections.correct(face=old, box=MOVED, by=manager) if Vote.objects.exists() else None
        if done and done.stayed:
            # It was the first in this person's line.
            return
        vote(campaign, person)
    seen = set()
    while leased := votes.lease(campaign=campaign, annotator=person, limit=5):
        for one in leased:
            seen.add(CampaignFace.objects.get(pk=one.campaign_face_id).face_id)
            votes.cast(
                campaign=campaign,
                annotator=person,
                campaign_face_id=one.campaign_face_id,
                answer="sad",
                client_key=uuid4(),
            )
    assert fresh(old).replaced_by_id in seen


def leased(campaign: Campaign, manager: User) -> None:
    votes.lease(campaign=campaign, annotator=make_user(), limit=1)


def voted(campaign: Campaign, manager: User) -> None:
    vote(campaign, make_user())


def skipped(campaign: Campaign, manager: User) -> None:
    person = make_user()
    (held,) = votes.lease(campaign=campaign, annotator=person, limit=1)
    votes.skip(campaign=campaign, annotator=person, campaign_face_id=held.campaign_face_id)


def golden(campaign: Campaign, manager: User) -> None:
    gold.set_gold(campaign=campaign, face=campaign.campaign_faces.get().face_id, answer="happy", by=manager)


@pytest.mark.parametrize("seen", [leased, voted, skipped, golden])
def test_where_somebody_has_seen_it_the_old_one_stays(
    old: Face, manager: User, seen: Callable[[Campaign, User], None]
) -> None:
    looked_at, new_one = make_campaign([old], votes_per_face=2), make_campaign([old])
    seen(looked_at, manager)
    before = looked_at.campaign_faces.values().get()
    done = corrections.correct(face=old, box=MOVED, by=manager)
    assert (done.moved, done.stayed) == ([new_one.name], [looked_at.name])
    assert looked_at.campaign_faces.values().get() == before
    assert asked_about(new_one) == {done.face.pk}
    assert check(looked_at) == dict.fromkeys(check(looked_at), 0)


def test_new_campaigns_ask_about_the_new_one_alone(old: Face, manager: User) -> None:
    new = corrections.correct(face=old, box=MOVED, by=manager).face
    campaign = campaigns.create(name="next", by=manager)
    campaigns.add_faces(campaign=campaign, faces=Face.objects.kept())
    assert asked_about(campaign) == {new.pk}


# ---- undone ----


def test_undone_everything_is_as_it_was(old: Face, manager: User) -> None:
    campaign = make_campaign([old])
    deed, new = gallery.correct(face=old, box=MOVED, by=manager)
    assert gallery.undo(token=deed.token, by=manager) == 1
    was = fresh(old)
    assert (was.left_out, was.replaced_by) == ("", None)
    assert asked_about(campaign) == {old.pk}
    assert not Face.objects.filter(pk=new.pk).exists()
    assert not default_storage.exists(new.crop)
    verbs = list(AuditEntry.objects.order_by("pk").values_list("verb", flat=True))
    assert verbs == ["face_corrected", "correction_undone"]
    # And may be done again.
    corrections.correct(face=was, box=MOVED, by=manager)


def test_where_the_new_one_has_votes_it_stays_and_is_offered_no_more(old: Face, manager: User) -> None:
    voted_in, untouched = make_campaign([old], votes_per_face=2), make_campaign([old])
    new = corrections.correct(face=old, box=MOVED, by=manager).face
    vote(voted_in, make_user())
    done = corrections.undo(face=fresh(old), by=manager)
    assert (done.face, done.moved, done.stayed) == (old, [untouched.name], [voted_in.name])
    assert (asked_about(voted_in), asked_about(untouched)) == ({new.pk}, {old.pk})
    assert (fresh(new).left_out, fresh(old).left_out) == ("person", "")


def test_the_last_correction_of_a_row_is_undone_first(old: Face, manager: User) -> None:
    new = corrections.correct(face=old, box=MOVED, by=manager).face
    newer = corrections.correct(face=new, box=(60, 30, 30, 30), by=manager).face
    with pytest.raises(CannotCorrect, match="corrected in its turn"):
        corrections.undo(face=fresh(old), by=manager)
    corrections.undo(face=fresh(new), by=manager)
    corrections.undo(face=fresh(old), by=manager)
    assert set(Face.objects.values_list("pk", flat=True)) == {old.pk}
    assert newer.pk != new.pk


def test_a_corrected_face_whose_new_one_is_gone_comes_back(old: Face, manager: User) -> None:
    corrections.correct(face=old, box=MOVED, by=manager).face.delete()
    assert (fresh(old).left_out, fresh(old).replaced_by) == ("corrected", None)
    corrections.undo(face=fresh(old), by=manager)
    assert fresh(old).left_out == ""


def test_corrected_faces_are_not_taken_back_among_others(old: Face, manager: User) -> None:
    corrections.correct(face=old, box=MOVED, by=manager)
    deed = gallery.take_back(faces=Face.objects.filter(pk=old.pk), by=manager)
    assert (deed.faces, deed.beside, fresh(old).left_out) == (0, 1, "corrected")


# ---- refused ----


@pytest.mark.parametrize(
    ("box", "error", "said"),
    [
        (BOX, CannotCorrect, "where it was"),
        ((10, 10, 5, 50), CannotDraw, "too small"),
        ((300, 300, 50, 50), CannotDraw, "too small"),
    ],
)
def test_boxes_that_make_no_sense_are_refused(
    old: Face, manager: User, box: tuple[int, int, int, int], error: type[Refusal], said: str
) -> None:
    with pytest.raises(error, match=said):
        corrections.correct(face=old, box=box, by=manager)
    assert (Face.objects.count(), fresh(old).left_out) == (1, "")


def test_a_box_that_is_there_already_is_refused(photo: Media, old: Face, manager: User) -> None:
    handmade.draw(media=photo, box=MOVED, by=manager)
    campaign = make_campaign([old])
    with pytest.raises(CannotDraw, match="there already"):
        corrections.correct(face=old, box=MOVED, by=manager)
    assert (fresh(old).left_out, asked_about(campaign)) == ("", {old.pk})


def test_a_row_of_a_table_has_no_box_to_correct(old: Face, manager: User) -> None:
    Face.objects.update(row=7)
    with pytest.raises(CannotCorrect, match="row of a table"):
        corrections.correct(face=fresh(old), box=MOVED, by=manager)


def test_a_second_manager_is_told_that_it_was_corrected_and_a_second_undo_too(
    old: Face, manager: User
) -> None:
    corrections.correct(face=old, box=MOVED, by=manager)
    stored = crops_stored()
    with pytest.raises(CannotCorrect, match="has corrected this box already"):
        corrections.correct(face=old, box=(60, 30, 30, 30), by=make_user("manager"))
    assert crops_stored() == stored
    corrections.undo(face=fresh(old), by=manager)
    with pytest.raises(CannotCorrect, match="undone already"):
        corrections.undo(face=fresh(old), by=manager)


def test_a_face_that_corrects_another_is_not_simply_removed(old: Face, manager: User) -> None:
    new = corrections.correct(face=old, box=MOVED, by=manager).face
    with pytest.raises(CannotDraw, match="undo the correction"):
        handmade.remove(face=new, by=manager)


# ---- at the same time ----


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


# ---- pages and API ----


def test_managers_correct_and_undo_on_the_medias_page(client: Client, old: Face, manager: User) -> None:
    client.force_login(manager)
    campaign = make_campaign([old], votes_per_face=2)
    vote(campaign, make_user())
    media = reverse("labeling:media", args=[old.media_id])
    page = client.get(media, {"correct": old.pk}).content.decode()
    assert "Save the box" in page
    assert "A face is missing" not in page
    address = reverse("labeling:face_correct", args=[old.pk])
    x, y, width, height = MOVED
    page = client.post(
        address, {"x": x, "y": y, "width": width, "height": height}, follow=True
    ).content.decode()
    assert "The box is corrected. In 1 campaign somebody has seen the old face: there it stays." in page
    assert "Undo the correction" in page
    again = client.post(address, {"x": 1, "y": 2, "width": 30, "height": 30}, follow=True).content.decode()
    assert "Somebody has corrected this box already" in again
    assert "give all four numbers" in client.post(address, {"x": 1}, follow=True).content.decode()
    undone = client.post(reverse("labeling:face_uncorrect", args=[old.pk]), follow=True).content.decode()
    assert "The correction is undone." in undone
    assert fresh(old).left_out == ""


def test_by_the_api_too(old: Face, manager: User) -> None:
    client = APIClient()
    client.force_authenticate(manager)
    campaign = make_campaign([old])
    x, y, width, height = MOVED
    answer = client.post(
        f"/api/v1/faces/{old.pk}/correct/", {"x": x, "y": y, "width": width, "height": height}, format="json"
    )
    assert answer.status_code == 201
    assert (answer.data["moved"], answer.data["stayed"]) == ([campaign.name], [])
    assert [answer.data["face"][name] for name in ("x", "y", "width", "height")] == list(MOVED)
    assert client.get(f"/api/v1/faces/{old.pk}/").data["replaced_by"] == answer.data["face"]["id"]
    twice = client.post(
        f"/api/v1/faces/{old.pk}/correct/", {"x": 1, "y": 1, "width": 20, "height": 20}, format="json"
    )
    assert (twice.status_code, "already" in twice.data["error"]) == (409, True)
    undone = client.post(f"/api/v1/faces/{old.pk}/uncorrect/")
    assert (undone.status_code, undone.data["face"]["id"]) == (200, old.pk)
