"""The list of faces that a campaign's rule keeps out: its order, its pages, how far it counts, and of what sources."""

from importlib import import_module

import pytest
from django.apps import apps
from django.test import Client
from django.urls import reverse
from django.utils import translation
from rest_framework.test import APIClient

from labeling import asked_about, campaigns, gallery, gallery_queries, gold, kept_out
from labeling.models import Campaign, Face, Item, Media, Source
from labeling.quality_rule import KeptOut
from labeling.web import kept_out as pages
from tests.factories import make_campaign, make_faces, make_media, make_user

pytestmark = pytest.mark.django_db
RULE = {"min_sharpness": 0.3, "max_yaw": 30}


def source_of(*medias: Media) -> Source:
    source = Source.objects.create(name=f"of {medias[0].pk}", kind="folder", location=f"/{medias[0].pk}")
    for media in medias:
        Item.objects.create(source=source, locator=str(media.pk), state="ingested", media=media)
    return source


def blurred(media: Media, x: int) -> int:
    return make_faces(1, media=media, x=x, sharpness=0.1, yaw=0.0)[0].pk


@pytest.fixture
def medias() -> list[Media]:
    """Of two sources: the first two, and the last."""
    medias = [make_media() for _ in range(4)]
    source_of(medias[0], medias[1])
    source_of(medias[2])
    source_of(medias[3])
    return medias


@pytest.fixture
def campaign(medias: list[Media]) -> Campaign:
    """It asks about the first source and the last."""
    sharp = [make_faces(1, media=medias[n], sharpness=0.5)[0].pk for n in (0, 3)]
    made = campaigns.create(name="Sharp", quality_rule=RULE)
    campaigns.add_faces(campaign=made, faces=Face.objects.filter(pk__in=sharp))
    return made


@pytest.fixture
def listed(campaign: Campaign, medias: list[Media]) -> list[int]:
    """Faces in the order of their media, each found when those of later media were there already."""
    found = {n: blurred(medias[media], x=100 + n) for n, media in enumerate((3, 1, 2, 0, 3, 1))}
    return [found[n] for n in (3, 1, 5, 0, 4)]


@pytest.fixture
def manager(client: Client) -> Client:
    client.force_login(make_user("manager"))
    return client


def keys(faces: list[Face]) -> list[int]:
    return [face.pk for face in faces]


# ---- letting some in all the same, and undoing it ----


def test_what_was_let_in_all_the_same_is_taken_out_again_by_undo(
    manager: Client, campaign: Campaign, listed: list[int]
) -> None:
    address = reverse("labeling:campaign_kept_out", args=[campaign.pk])
    said = manager.post(
        reverse("labeling:campaign_let_in", args=[campaign.pk]), {"face": listed[:2]}, follow=True
    )
    assert "2 faces added, whatever their quality." in said.content.decode()
    assert campaign.campaign_faces.count() == 4
    undone = manager.post(
        reverse("labeling:faces_undo"), {"key": said.context["undo"].key, "next": address}, follow=True
    )
    assert "Undone, for 2 faces." in undone.content.decode()
    assert campaign.campaign_faces.count() == 2
    assert keys(kept_out.page(campaign, limit=10)) == listed
    assert [entry.verb for entry in campaign.audit.all()][:2] == ["faces_removed", "faces_added"]


# ---- order and pages ----


@pytest.mark.parametrize("near", [0, 1, 2_500])
@pytest.mark.parametrize("limit", [1, 2, 3, 10])
def test_they_come_media_by_media_whatever_a_page_holds(
    campaign: Campaign, listed: list[int], limit: int, near: int, monkeypatch
) -> None:
    monkeypatch.setattr(kept_out, "NEAR", near)
    for newest_first in (False, True):
        found: list[int] = []
        while rows := kept_out.page(
            campaign, after=found[-1] if found else 0, limit=limit, newest_first=newest_first
        ):
            found += keys(rows)
        assert found == (listed[::-1] if newest_first else listed)


def test_a_media_of_two_sources_is_listed_once(
    campaign: Campaign, listed: list[int], medias: list[Media]
) -> None:
    both = source_of(medias[0], medias[3])
    campaign.sources.add(both)
    assert keys(kept_out.page(campaign, limit=10)) == listed


def test_behind_a_face_that_is_gone_the_list_goes_on_by_key(campaign: Campaign, listed: list[int]) -> None:
    gone = listed[3]
    Face.objects.filter(pk=gone).delete()
    assert keys(kept_out.page(campaign, after=gone, limit=10)) == [key for key in listed if key > gone]


@pytest.mark.parametrize(("most", "statements"), [(10, 7), (2, 5), (1, 4)])
def test_media_of_others_between_are_passed_by(
    campaign: Campaign, monkeypatch, django_assert_num_queries, most: int, statements: int
) -> None:
    medias = [make_media() for _ in range(8)]
    # To the campaign's two stretches come two more: one behind a narrow gap, and one behind the widest.
    for media in (medias[1], medias[7]):
        campaign.sources.add(source_of(media))
    listed = [blurred(medias[n], x=100) for n in (1, 7)]
    for name, value in (("NEAR", 1), ("STRETCHES", most)):
        monkeypatch.setattr(kept_out, name, value)
    with django_assert_num_queries(statements):
        assert keys(kept_out.page(campaign, limit=10)) == listed
    assert keys(kept_out.page(campaign, limit=10, newest_first=True)) == listed[::-1]
    assert kept_out.counted(campaign) == KeptOut(2, {"blurred": 2})


def test_of_sources_whose_media_are_gone_nothing_is_listed(campaign: Campaign, listed: list[int]) -> None:
    Item.objects.update(media=None)
    assert kept_out.page(campaign, limit=10) == []
    assert kept_out.counted(campaign).faces == 0


def test_by_a_rule_on_the_size_alone_they_are_counted_too(manager: Client) -> None:
    large = make_faces(1, width=80, height=80)
    small = make_faces(2, width=80, height=59)
    made = campaigns.create(name="Large", quality_rule={"min_side": 60})
    campaigns.add_faces(campaign=made, faces=Face.objects.filter(pk__in=[face.pk for face in large]))
    assert kept_out.counted(made) == KeptOut(2, {"small": 2})
    answer = manager.get(reverse("labeling:campaign_kept_out", args=[made.pk]))
    assert answer.context["reasons"] == [("small", "small", 2)]
    assert [face.pk for face, _ in answer.context["faces"]] == [face.pk for face in small]


def test_the_page_is_walked_to_its_end(manager: Client, campaign: Campaign, listed, monkeypatch) -> None:
    monkeypatch.setattr(pages, "FACES_PER_PAGE", 2)
    address = reverse("labeling:campaign_kept_out", args=[campaign.pk])
    found, after = [], 0
    while after is not None:
        context = manager.get(address, {"after": after}).context
        found += [face.pk for face, _ in context["faces"]]
        after = context["page"].next
    assert found == listed


def test_by_api_it_is_walked_there_and_back(campaign: Campaign, listed: list[int]) -> None:
    client = APIClient()
    client.force_authenticate(make_user("manager"))
    page = client.get(f"/api/v1/campaigns/{campaign.pk}/kept-out/", {"page_size": 2}).data
    assert page["previous"] is None
    there = [page["results"]]
    while page["next"]:
        page = client.get(page["next"]).data
        there.append(page["results"])
    back = [page["results"]]
    while page["previous"]:
        page = client.get(page["previous"]).data
        back.insert(0, page["results"])
    assert [[face["id"] for face in rows] for rows in there] == [listed[:2:-1], listed[2:0:-1], listed[:1]]
    assert back == there


# ---- how far it counts ----


def test_beyond_the_limit_a_page_says_more_and_counts_the_first_by_reason(
    manager: Client, campaign: Campaign, listed: list[int], medias: list[Media], monkeypatch
) -> None:
    make_faces(1, media=medias[3], x=900, sharpness=0.5, yaw=50.0)
    monkeypatch.setattr(gallery_queries, "COUNT_LIMIT", 3)
    address = reverse("labeling:campaign_kept_out", args=[campaign.pk])
    answer = manager.get(address)
    assert answer.context["reasons"] == [("blurred", "blurred", 4), ("turned", "turned away", 0)]
    assert "all, more than 3" in answer.content.decode()
    assert "The numbers by reason are those of the first 4." in answer.content.decode()
    with translation.override("vi"):
        in_vietnamese = manager.get(address, headers={"accept-language": "vi"}).content.decode()
    assert "tất cả, hơn 3" in in_vietnamese
    assert "Số theo từng lý do là của 4 khuôn mặt đầu tiên." in in_vietnamese
    monkeypatch.setattr(gallery_queries, "COUNT_LIMIT", 6)
    answer = manager.get(address)
    assert answer.context["reasons"] == [("blurred", "blurred", 5), ("turned", "turned away", 1)]
    assert "those of the first" not in answer.content.decode()


# ---- of what sources and detectors ----


def told(campaign: Campaign) -> tuple[list[str], list[int]]:
    about = asked_about.by(campaign)
    return about.detectors, about.sources


def test_a_campaign_knows_the_sources_and_detectors_of_its_faces(
    campaign: Campaign, medias: list[Media]
) -> None:
    first, other, last = Source.objects.order_by("pk").values_list("pk", flat=True)
    assert told(campaign) == (["haar"], [first, last])
    found = make_faces(1, media=medias[2], detector="yunet")[0]
    gold.set_gold(campaign=campaign, face=found.pk, answer="happy", by=make_user("manager"))
    assert told(campaign) == (["haar", "yunet"], [first, other, last])


def test_what_was_added_by_mistake_is_asked_about_no_more_once_it_is_undone(
    campaign: Campaign, medias: list[Media]
) -> None:
    before = told(campaign)
    mistaken = make_faces(1, media=medias[2], detector="yunet", sharpness=0.5)[0]
    deed = gallery.add_to_campaign(
        faces=Face.objects.filter(pk=mistaken.pk), campaign=campaign, by=make_user("manager")
    )
    assert told(campaign) != before
    gallery.undo(token=deed.token, by=None)
    assert told(campaign) == before


def test_a_copy_asks_about_the_same(campaign: Campaign) -> None:
    assert told(campaigns.duplicate(campaign=campaign, name="Again")) == told(campaign)


def test_campaigns_of_before_are_told_by_the_migration(medias: list[Media]) -> None:
    found = make_faces(1, media=medias[0], detector="yunet")
    before, without = make_campaign(found), make_campaign(make_faces(1))
    empty = make_campaign(0)
    import_module("labeling.migrations.0016_asked_about").tell(apps, None)
    assert told(before) == (["yunet"], [Source.objects.order_by("pk")[0].pk])
    assert (told(without), told(empty)) == ((["haar"], []), ([], []))
