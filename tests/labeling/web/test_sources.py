"""Where media come from, as a manager sees it."""

import itertools
from collections.abc import Iterator

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.formats import number_format
from django.utils.translation import gettext

from labeling import sayings
from labeling.models import Detection, Item, Media, Source
from tests.factories import make_faces, make_media, make_over, make_user

pytestmark = pytest.mark.django_db
LIST = "/sources/"
_names = itertools.count(1)


@pytest.fixture
def manager(client: Client) -> Client:
    client.force_login(make_user("manager"))
    return client


def make_source(*, media: int = 0, faces_each: int = 1, refused: int = 0, **fields: object) -> Source:
    source = Source.objects.create(name=f"source {next(_names)}", kind="folder", location="/x", **fields)
    for n in range(media):
        put_in(source, make_media(), f"{n}.png", faces_each)
    for n in range(refused):
        Item.objects.create(
            source=source, locator=f"bad-{n}.jpg", state="refused", reason=f"Broken at byte {n}."
        )
    make_over(source)
    return source


def put_in(source: Source, media: Media, locator: str, faces: int) -> None:
    make_faces(faces, media=media) if faces == 1 else [make_faces(1, media=media, x=n) for n in range(faces)]
    Item.objects.create(source=source, locator=locator, state="ingested", media=media)


def test_an_empty_list_says_what_to_do_first(manager: Client) -> None:
    page = manager.get(LIST).content.decode()
    assert "Add the first source" in page


def test_a_card_counts_media_faces_and_what_was_refused(manager: Client) -> None:
    source = make_source(media=3, faces_each=2, refused=4, licence="CC BY 4.0")
    (card,) = manager.get(LIST).context["cards"]
    assert (card.source, card.media, card.faces, card.refused) == (source, 3, 6, 4)
    assert "CC BY 4.0" in manager.get(LIST).content.decode()


def test_a_card_shows_faces_of_different_media_first(manager: Client) -> None:
    source = make_source(media=4, faces_each=3)
    (card,) = manager.get(LIST).context["cards"]
    firsts = [item.media.faces.order_by("pk").first().pk for item in source.items.order_by("pk")]
    assert card.strip[:4] == firsts
    assert len(card.strip) == 5


def test_a_media_under_two_names_is_counted_once(manager: Client) -> None:
    source = make_source(media=1, faces_each=2)
    Item.objects.create(source=source, locator="copy.png", state="known", media=source.items.get().media)
    (card,) = manager.get(LIST).context["cards"]
    assert (card.media, card.faces, len(card.strip)) == (1, 2, 2)


@pytest.mark.parametrize("sources", [1, 3])
def test_the_list_costs_the_same_however_long(manager: Client, django_assert_num_queries, sources) -> None:
    for _ in range(sources):
        make_source(media=2, refused=1)
    with django_assert_num_queries(8):  # session, user, sources, media, refused, faces, strips (2)
        assert manager.get(LIST).status_code == 200


def test_the_list_is_paged_newest_first(manager: Client) -> None:
    sources = [make_source() for _ in range(25)]
    first = manager.get(LIST)
    assert [card.source for card in first.context["cards"]] == sources[:0:-1]
    second = manager.get(LIST, {"before": first.context["page"].next})
    assert [card.source for card in second.context["cards"]] == sources[:1]
    assert second.context["page"].next is None


@pytest.fixture
def shouting() -> Iterator[None]:
    """A language of its own, as none is sure to be there."""
    sayings.speak(str.upper, str)
    yield
    sayings.speak(gettext, lambda number: number_format(number, force_grouping=True))


def test_what_workers_wrote_is_shown_in_the_language_of_who_reads(manager: Client, shouting: None) -> None:
    source = make_source(refused=1)
    Source.objects.filter(pk=source.pk).update(message="At a.png", error="Stopped.")
    page = manager.get(reverse("labeling:source", args=[source.pk])).content.decode()
    assert all(shown in page for shown in ("BROKEN AT BYTE 0.", "AT A.PNG", "STOPPED."))


@pytest.mark.parametrize("rows", [0, 1, 3])
def test_a_source_page_shows_every_refused_item_with_its_reason(manager: Client, rows: int) -> None:
    source = make_source(media=rows, refused=rows)
    response = manager.get(reverse("labeling:source", args=[source.pk]))
    page = response.content.decode()
    assert response.status_code == 200
    assert response.context["items"] == {"found": 0, "ingested": rows, "known": 0, "refused": rows}
    assert all(f"bad-{n}.jpg" in page and f"Broken at byte {n}." in page for n in range(rows))


@pytest.mark.parametrize("rows", [1, 3])
def test_a_source_page_costs_the_same_however_much_it_holds(
    manager: Client, django_assert_num_queries, rows: int
) -> None:
    source = make_source(media=rows, refused=rows)
    for detector in ["haar", "yunet"][:rows]:
        make_over(Detection.objects.create(source=source, detector=detector))
    with django_assert_num_queries(10):
        # session, user, source, faces per detector, searches, items per state, media, labels, refused, media page
        assert manager.get(reverse("labeling:source", args=[source.pk])).status_code == 200


def test_refused_items_and_media_are_paged(manager: Client) -> None:
    source = make_source(media=61, faces_each=0, refused=51)
    address = reverse("labeling:source", args=[source.pk])
    first = manager.get(address).context
    assert (len(first["refused"].rows), len(first["media"].rows)) == (50, 60)
    second = manager.get(
        address, {"refused_after": first["refused"].next, "after": first["media"].next}
    ).context
    assert (len(second["refused"].rows), len(second["media"].rows)) == (1, 1)


def test_live_progress_tells_when_it_is_over(manager: Client) -> None:
    source = make_source(media=1)
    address = reverse("labeling:source_live", args=[source.pk])
    assert manager.get(address).json()["stage"] == "over"
    Detection.objects.create(source=source, detector="haar")
    answer = manager.get(address)
    assert answer.json()["stage"] == "searching"
    assert answer["Cache-Control"] == "no-store"
    assert "waiting" in answer.json()["html"]


def test_what_waits_for_no_worker_says_so(manager: Client) -> None:
    source = Source.objects.create(name="new", kind="folder", location="/x")
    page = manager.get(reverse("labeling:source", args=[source.pk])).content.decode()
    assert "no worker is running" in page


def test_stop_halts_a_source_that_waits(manager: Client) -> None:
    source = Source.objects.create(name="new", kind="folder", location="/x")
    response = manager.post(reverse("labeling:source_stop", args=[source.pk]))
    source.refresh_from_db()
    assert (response.url, source.state) == (f"/sources/{source.pk}/", "stopped")
