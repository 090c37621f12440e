"""What managers do to faces in the gallery, and how it is undone."""

import pytest

from labeling import alike_queries, campaigns, gallery
from labeling.campaign_queries import FaceChoice
from labeling.gallery import CannotChangeFaces
from labeling.models import AuditEntry, CampaignFace, Face
from labeling.voting import leasing
from tests.factories import make_campaign, make_faces, make_user

pytestmark = pytest.mark.django_db


def these(*faces: Face):
    return Face.objects.filter(pk__in=[face.pk for face in faces])


def left_out(*faces: Face) -> list[str]:
    return [Face.objects.get(pk=face.pk).left_out for face in faces]


def likeness(*faces: Face) -> list[int | None]:
    return [Face.objects.get(pk=face.pk).likeness for face in faces]


def make_group(count: int) -> list[Face]:
    faces = make_faces(count)
    Face.objects.filter(pk__in=[face.pk for face in faces]).update(likeness=faces[0].pk)
    return faces


@pytest.fixture
def manager():
    return make_user("manager")


def test_faces_are_left_out_and_the_deed_is_undone(manager) -> None:
    kept, by_track = make_faces(2)
    Face.objects.filter(pk=by_track.pk).update(left_out="track")
    deed = gallery.leave_out(faces=these(kept, by_track), by=manager)
    assert (deed.faces, left_out(kept, by_track)) == (1, ["person", "track"])
    assert gallery.undo(token=deed.token, by=manager) == 1
    assert left_out(kept, by_track) == ["", "track"]


def test_taken_back_faces_are_left_out_for_their_old_reasons_when_undone(manager) -> None:
    by_person, by_track, kept = make_faces(3)
    Face.objects.filter(pk=by_person.pk).update(left_out="person")
    Face.objects.filter(pk=by_track.pk).update(left_out="track")
    deed = gallery.take_back(faces=these(by_person, by_track, kept), by=manager)
    assert (deed.faces, left_out(by_person, by_track)) == (2, ["", ""])
    gallery.undo(token=deed.token, by=manager)
    assert left_out(by_person, by_track, kept) == ["person", "track", ""]


def test_undo_leaves_alone_what_somebody_changed_since(manager) -> None:
    first, second = make_faces(2)
    deed = gallery.leave_out(faces=these(first, second), by=manager)
    gallery.take_back(faces=these(first), by=manager)
    assert gallery.undo(token=deed.token, by=manager) == 1
    assert gallery.undo(token=deed.token, by=manager) == 0


def test_left_out_faces_stay_in_their_campaign_and_go_into_no_new_one(manager) -> None:
    inside, outside = make_faces(2)
    campaign = make_campaign([inside])
    deed = gallery.leave_out(faces=these(inside, outside), by=manager)
    assert (deed.faces, deed.beside) == (2, 1)
    assert campaign.campaign_faces.filter(face=inside).exists()
    assert list(FaceChoice().faces()) == []


def test_nothing_selected_and_too_much_are_refused(manager, monkeypatch) -> None:
    faces = make_faces(2)
    with pytest.raises(CannotChangeFaces, match="No face is selected"):
        gallery.leave_out(faces=Face.objects.none(), by=manager)
    monkeypatch.setattr(gallery, "MOST", 1)
    with pytest.raises(CannotChangeFaces, match="More than 1 faces"):
        gallery.leave_out(faces=these(*faces), by=manager)
    assert left_out(*faces) == ["", ""]


@pytest.mark.parametrize("token", ["", "nonsense", "e30:1abc:def"])
def test_a_token_of_nobody_undoes_nothing(manager, token: str) -> None:
    with pytest.raises(CannotChangeFaces, match="no longer be undone"):
        gallery.undo(token=token, by=manager)


def test_faces_are_added_to_a_campaign_and_taken_out_again_unseen(manager) -> None:
    there, new, out = make_faces(3)
    campaign = make_campaign([there])
    Face.objects.filter(pk=out.pk).update(left_out="person")
    deed = gallery.add_to_campaign(faces=these(there, new, out), campaign=campaign, by=manager)
    assert (deed.faces, deed.beside) == (1, 1)
    assert set(campaign.campaign_faces.values_list("face", flat=True)) == {there.pk, new.pk}
    assert gallery.undo(token=deed.token, by=manager) == 1
    assert set(campaign.campaign_faces.values_list("face", flat=True)) == {there.pk}
    verbs = list(AuditEntry.objects.order_by("pk").values_list("verb", flat=True))
    assert verbs == ["faces_added", "faces_removed"]


def test_a_face_somebody_looks_at_stays_in_the_campaign(manager) -> None:
    held, free = make_faces(2)
    campaign = campaigns.create(name="round", by=manager)
    deed = gallery.add_to_campaign(faces=these(held, free), campaign=campaign, by=manager)
    leased = leasing.lease(campaign=campaign, annotator=make_user(), limit=1)
    assert gallery.undo(token=deed.token, by=manager) == 1
    assert [row.face_id for row in CampaignFace.objects.filter(campaign=campaign)] == [
        row.face_id for row in leased
    ]


def test_groups_are_merged_and_parted_again(manager) -> None:
    one, other = make_group(2), make_group(3)
    deed = gallery.merge(groups=[one[0].pk, other[0].pk], by=manager)
    assert deed.faces == 5
    assert likeness(*one, *other) == [one[0].pk] * 5
    assert gallery.undo(token=deed.token, by=manager) == 3
    assert likeness(*one, *other) == [one[0].pk] * 2 + [other[0].pk] * 3


def test_merging_what_is_no_group_is_refused(manager) -> None:
    one = make_group(2)
    with pytest.raises(CannotChangeFaces, match="two groups"):
        gallery.merge(groups=[one[0].pk, 4711], by=manager)


def test_a_face_is_taken_out_of_its_group(manager) -> None:
    first, second, third = make_group(3)
    deed = gallery.part(face=third.pk, by=manager)
    assert likeness(first, second, third) == [first.pk, first.pk, third.pk]
    assert gallery.undo(token=deed.token, by=manager) == 1
    assert likeness(first, second, third) == [first.pk] * 3


def test_a_group_keeps_a_name_of_its_own_when_the_face_that_names_it_goes(manager) -> None:
    first, second, third = make_group(3)
    deed = gallery.part(face=first.pk, by=manager)
    assert likeness(first, second, third) == [first.pk, second.pk, second.pk]
    gallery.undo(token=deed.token, by=manager)
    assert likeness(first, second, third) == [first.pk] * 3


def test_a_face_in_no_group_cannot_be_taken_out(manager) -> None:
    (alone,) = make_faces(1)
    with pytest.raises(CannotChangeFaces, match="in no group"):
        gallery.part(face=alone.pk, by=manager)


@pytest.mark.parametrize("size", [1, 2, 10])
def test_groups_come_largest_first_page_by_page(django_assert_num_queries, size: int) -> None:
    pair, triple, other_pair = make_group(2), make_group(3), make_group(2)
    make_faces(1)
    seen, place = [], (0, 0)
    for _ in range(9):
        with django_assert_num_queries(4):
            groups, after = alike_queries.groups(after=place, limit=size)
        seen += groups
        if after is None:
            break
        place = after
    assert [(group.name, group.faces) for group in seen] == [
        (triple[0].pk, 3),
        (pair[0].pk, 2),
        (other_pair[0].pk, 2),
    ]


def test_a_group_of_one_is_none() -> None:
    make_group(2)[0].delete()
    assert alike_queries.groups(limit=5) == ([], None)
