"""A face whose box was moved: another face stands for it, and no vote on the old crop counts for the new one."""

from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
from django.core.files.storage import default_storage
from django.test import Client
from django.urls import reverse

from labeling import campaigns, corrections, gallery, gold
from labeling.corrections import CannotCorrect
from labeling.models import AuditEntry, Campaign, CampaignFace, Face, FaceLabel, Media, Track, Vote
from labeling.refusals import Refusal
from labeling.sources import drawn, faces, handmade, pictures
from labeling.sources.handmade import CannotDraw
from labeling.vision import crops
from labeling.voting import votes
from labeling.voting.integrity import check
from tests.factories import make_campaign, make_faces, make_user, vote_next
from tests.labeling.corrections.correcting import (
    BOX,
    MOVED,
    asked_about,
    crops_stored,
    fresh,
)
from tests.labeling.photos import pixels_of
from tests.labeling.sources.places import taken_in
from tests.labeling.vision.films import write_pictures
from vemo.accounts.models import User

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
        vote_next(campaign, make_user())
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
        vote_next(campaign, person)
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
    vote_next(campaign, make_user())


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
    vote_next(voted_in, make_user())
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
