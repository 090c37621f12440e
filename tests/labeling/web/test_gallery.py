"""Selecting faces in the gallery and doing something with them."""

import pytest
from django.test import Client

from labeling.models import Face, Item, Source
from tests.factories import make_campaign, make_faces, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def manager(client: Client) -> Client:
    client.force_login(make_user("manager"))
    return client


def act(client: Client, *faces: Face, **fields: object) -> str:
    """What the page shown afterwards says."""
    posted = {"face": [face.pk for face in faces], **fields}
    return client.post("/faces/act/", posted, follow=True).content.decode()


def undo(client: Client, page: str) -> str:
    key = page.split('name="key" value="')[1].split('"')[0]
    return client.post("/faces/undo/", {"key": key}, follow=True).content.decode()


def kept() -> int:
    return Face.objects.kept().count()


def test_ticked_faces_are_left_out_and_come_back_with_undo(manager: Client) -> None:
    faces = make_faces(3)
    page = act(manager, *faces[:2], do="leave_out")
    assert "2 faces left out." in page
    assert kept() == 1
    assert "Undone, for 2 faces." in undo(manager, page)
    assert kept() == 3


def test_what_was_done_is_told_once(manager: Client) -> None:
    assert "1 face left out." in act(manager, *make_faces(1), do="leave_out")
    assert "left out." not in manager.get("/faces/").content.decode()


def test_a_deed_is_undone_once(manager: Client) -> None:
    page = act(manager, *make_faces(1), do="leave_out")
    undo(manager, page)
    assert "can no longer be undone" in undo(manager, page)


def test_all_that_match_are_left_out(manager: Client) -> None:
    make_faces(3, detector="haar")
    make_faces(2, detector="yunet")
    page = act(manager, do="leave_out", all="1", filter="detector=haar")
    assert "3 faces left out." in page
    assert kept() == 2


def test_it_says_which_stay_in_a_campaign(manager: Client) -> None:
    faces = make_faces(2)
    make_campaign(faces[:1])
    page = act(manager, *faces, do="leave_out")
    assert "1 of them is in a campaign and stays in it." in page
    undo(manager, page)
    page = act(manager, faces[0], do="leave_out")
    assert "1 face left out. It is in a campaign and stays in it." in page


def test_ticked_faces_are_added_to_a_campaign(manager: Client) -> None:
    campaign = make_campaign(0, name="second round")
    page = act(manager, *make_faces(2), do="add", campaign=campaign.pk)
    assert "2 faces added to second round." in page
    assert campaign.campaign_faces.count() == 2
    undo(manager, page)
    assert campaign.campaign_faces.count() == 0


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"do": "leave_out"}, "No face is selected."),
        ({"do": "add"}, "Choose a campaign to add the faces to."),
        ({"do": "eat"}, "Choose what to do with the faces."),
    ],
)
def test_what_cannot_be_done_says_why(manager: Client, fields: dict[str, str], said: str) -> None:
    assert said in act(manager, **fields)


def test_nobody_is_led_to_another_site(manager: Client) -> None:
    answer = manager.post("/faces/act/", {"do": "leave_out", "next": "https://example.org/"})
    assert answer.headers["location"] == "/faces/"


def test_one_face_leads_to_its_group_and_several_to_theirs(manager: Client) -> None:
    one, other = make_faces(2)
    Face.objects.filter(pk=one.pk).update(likeness=one.pk)
    Face.objects.filter(pk=other.pk).update(likeness=other.pk)
    answer = manager.post("/faces/act/", {"do": "alike", "face": [one.pk]})
    assert answer.headers["location"] == f"/faces/?alike={one.pk}"
    answer = manager.post("/faces/act/", {"do": "alike", "face": [one.pk, other.pk]})
    assert answer.headers["location"] == f"/faces/alike/?of={one.pk}&of={other.pk}"


def make_group(count: int, **fields: object) -> list[Face]:
    faces = make_faces(count, **fields)
    Face.objects.filter(pk__in=[face.pk for face in faces]).update(likeness=faces[0].pk)
    return faces


@pytest.mark.parametrize("groups", [1, 3])
def test_near_duplicates_are_listed_with_what_they_span(
    manager: Client, django_assert_num_queries, groups: int
) -> None:
    for n in range(groups):
        train, test = make_group(2)
        for face, split in ((train, "train"), (test, "test")):
            source = Source.objects.create(name=f"album {n} {split}", kind="folder", location="/x")
            Item.objects.create(source=source, locator="1", media=face.media)
            Face.objects.filter(pk=face.pk).update(given={"split": split})
    with django_assert_num_queries(6):  # session, user, and four of the page
        page = manager.get("/faces/alike/").content.decode()
    assert all(f"album {n} train" in page and f"album {n} test" in page for n in range(groups))
    assert page.count("in more than one split") == groups


def test_groups_are_merged_on_their_page_and_faces_taken_out(manager: Client) -> None:
    one, other = make_group(2), make_group(2)
    posted = {"group": [one[0].pk, other[0].pk], "next": "/faces/alike/"}
    page = manager.post("/faces/alike/merge/", posted, follow=True).content.decode()
    assert "Merged: 4 faces in one group." in page
    page = manager.post("/faces/alike/part/", {"face": other[1].pk}, follow=True).content.decode()
    assert "in a group of its own now" in page
    assert Face.objects.filter(likeness=one[0].pk).count() == 3
    undo(manager, page)
    assert Face.objects.filter(likeness=one[0].pk).count() == 4


def test_a_trainer_sees_the_gallery_without_its_verbs(client: Client) -> None:
    make_faces(1)
    client.force_login(make_user("trainer"))
    page = client.get("/faces/").content.decode()
    assert "Leave out" not in page
    assert "/faces/alike/" not in page
