"""The gallery and a face's own page."""

import pytest
from django.test import Client
from django.urls import reverse

from labeling.models import CampaignFace, Detection, Face, Item, Source
from tests.factories import make_campaign, make_faces, make_media, make_user, settle

pytestmark = pytest.mark.django_db
GALLERY = "/faces/"


@pytest.fixture
def manager(client: Client) -> Client:
    client.force_login(make_user("manager"))
    return client


def shown(response) -> list[int]:
    return [face.pk for face in response.context["page"].rows]


def keys(faces: list[Face]) -> list[int]:
    return [face.pk for face in faces]


def test_an_empty_gallery_says_where_faces_come_from(manager: Client) -> None:
    assert "Add a source" in manager.get(GALLERY).content.decode()


def test_the_gallery_shows_faces_as_they_were_found(manager: Client) -> None:
    faces = make_faces(3)
    response = manager.get(GALLERY)
    assert (shown(response), response.context["count"]) == (keys(faces), 3)


@pytest.mark.parametrize("rows", [1, 3])
def test_the_gallery_costs_the_same_however_much_it_shows(
    manager: Client, django_assert_num_queries, rows: int
) -> None:
    make_faces(rows)
    with django_assert_num_queries(
        9
    ):  # session, user, faces, sources, campaigns, detectors, licences, experts, count
        assert manager.get(GALLERY).status_code == 200


@pytest.mark.parametrize("rows", [1, 3])
def test_a_campaigns_gallery_costs_the_same_however_much_it_shows(
    manager: Client, django_assert_num_queries, rows: int
) -> None:
    campaign = make_campaign(rows)
    with django_assert_num_queries(
        9
    ):  # session, user, faces, sources, campaigns, detectors, licences, experts, count
        assert manager.get(GALLERY, {"campaign": campaign.pk}).status_code == 200


def test_pages_go_on_where_the_last_ended(manager: Client) -> None:
    faces = make_faces(121, per_media=121)
    first = manager.get(GALLERY)
    assert shown(first) == keys(faces)[:120]
    second = manager.get(GALLERY, {"after": first.context["page"].next})
    assert (shown(second), second.context["page"].next) == (keys(faces)[120:], None)


def test_further_pages_show_the_count_of_the_first(manager: Client, django_assert_num_queries) -> None:
    faces = make_faces(122, per_media=122)
    assert manager.get(GALLERY).context["count"] == 122
    with django_assert_num_queries(
        8
    ):  # session, user, faces, sources, campaigns, detectors, licences, experts
        assert manager.get(GALLERY, {"after": faces[0].pk}).context["count"] == 122
    # What was just done there is counted at once.
    posted = {"face": faces[5].pk, "do": "leave_out", "next": f"{GALLERY}?after={faces[0].pk}"}
    assert manager.post("/faces/act/", posted, follow=True).context["count"] == 121


def test_faces_are_filtered_by_source_and_detector(manager: Client) -> None:
    source = Source.objects.create(name="holiday", kind="folder", location="/x")
    media = make_media()
    for locator in ("a.png", "again.png"):
        Item.objects.create(source=source, locator=locator, media=media)
    haar, yunet = (make_faces(1, detector=name) for name in ("haar", "yunet"))
    Face.objects.filter(pk__in=keys(haar + yunet)).update(media=media)
    make_faces(2)
    assert shown(manager.get(GALLERY, {"source": source.pk})) == keys(haar + yunet)
    assert shown(manager.get(GALLERY, {"source": source.pk, "detector": "yunet"})) == keys(yunet)


def test_faces_are_filtered_by_what_a_campaign_made_of_them(manager: Client) -> None:
    campaign = make_campaign(4)
    happy, sad, quarrel, still_open = campaign.campaign_faces.order_by("pk")
    settle(happy, "happy")
    settle(sad, "sad")
    settle(quarrel, "sad")
    CampaignFace.objects.filter(pk=quarrel.pk).update(outcome="no_consensus", label="")
    make_faces(1)

    def found(**wanted: str) -> list[int]:
        return shown(manager.get(GALLERY, {"campaign": campaign.pk, **wanted}))

    assert len(found()) == 4
    assert found(label="happy") == [happy.face_id]
    assert found(state="open") == [still_open.face_id]
    assert found(outcome="agreed") == [happy.face_id, sad.face_id]
    assert found(outcome="no_consensus") == [quarrel.face_id]
    assert found(outcome="nonsense") == found()


def test_each_filter_is_a_chip_that_takes_only_itself_away(manager: Client) -> None:
    campaign = make_campaign(1, name="first round")
    Detection.objects.create(
        source=Source.objects.create(name="s", kind="folder", location="/x"), detector="haar"
    )
    wanted = {"campaign": campaign.pk, "label": "happy", "detector": "haar", "after": 0}
    chips = {chip.name: chip for chip in manager.get(GALLERY, wanted).context["chips"]}
    assert chips["Label"].without == f"detector=haar&campaign={campaign.pk}"
    assert chips["Campaign"].value == "first round"
    # A label means nothing without its campaign.
    assert chips["Campaign"].without == "detector=haar"


@pytest.mark.parametrize(
    "address", ["?source=x&campaign=-1", "?after=99999999999999999999", "?campaign=4711"]
)
def test_an_address_somebody_made_up_is_no_error(manager: Client, address: str) -> None:
    make_campaign(1)
    assert manager.get(GALLERY + address).status_code == 200


def test_arrows_walk_through_what_the_gallery_shows(manager: Client) -> None:
    campaign = make_campaign(3)
    first, between, last = (row.face_id for row in campaign.campaign_faces.order_by("-face"))
    make_faces(1)
    settle(campaign.campaign_faces.get(face=first), "happy")
    settle(campaign.campaign_faces.get(face=last), "happy")
    address = {"campaign": campaign.pk, "label": "happy"}
    response = manager.get(reverse("labeling:face", args=[last]), address)
    assert (response.context["before"], response.context["after"]) == (None, first)
    assert f"/faces/{first}/?campaign={campaign.pk}&amp;label=happy" in response.content.decode()
    response = manager.get(reverse("labeling:face", args=[between]))
    assert (response.context["before"], response.context["after"]) == (last, first)


@pytest.mark.parametrize("rows", [0, 1, 3])
def test_a_face_page_lists_its_campaigns_at_the_same_cost(
    manager: Client, django_assert_num_queries, rows: int
) -> None:
    (face,) = make_faces(1)
    campaigns = [make_campaign([face]) for _ in range(rows)]
    # session, user, face, labels, before, after, where it is an example, campaigns, and the decisions on them
    with django_assert_num_queries(9 if rows else 8):
        page = manager.get(reverse("labeling:face", args=[face.pk])).content.decode()
    assert all(campaign.name in page for campaign in campaigns)


def test_votes_are_shown_in_sum_and_only_once_settled(manager: Client) -> None:
    campaign = make_campaign(1)
    row = campaign.campaign_faces.get()
    CampaignFace.objects.filter(pk=row.pk).update(counts={"happy": 7}, votes=7, places=3)
    address = reverse("labeling:face", args=[row.face_id])
    # A manager may be one of the voters; what the others said would no longer be blind.
    assert "7 of 10 votes" in manager.get(address).content.decode()
    assert "happy" not in manager.get(address).content.decode()
    row.refresh_from_db()
    settle(row, "happy")
    assert "happy" in manager.get(address).content.decode()


def test_a_trainer_sees_the_face_but_no_way_into_the_media(client: Client) -> None:
    (face,) = make_faces(1)
    client.force_login(make_user("trainer"))
    page = client.get(reverse("labeling:face", args=[face.pk])).content.decode()
    assert reverse("labeling:crop", args=[face.pk]) in page
    assert "/media/" not in page
