"""Where media come from, as a manager sees it."""

import itertools
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext

from labeling import sayings, source_queries
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


NOTHING = "Nothing was taken in. Why, stands below, item by item."


def test_a_source_that_took_nothing_in_does_not_look_done(manager: Client) -> None:
    refused = make_source(refused=2)
    assert "nothing taken in" in manager.get(LIST).content.decode()
    assert NOTHING in manager.get(reverse("labeling:source", args=[refused.pk])).content.decode()


@pytest.mark.parametrize("counts", [{}, {"media": 1, "refused": 2}])
def test_a_source_that_took_something_in_or_was_empty_is_done(
    manager: Client, counts: dict[str, int]
) -> None:
    source = make_source(**counts)
    assert "nothing taken in" not in manager.get(LIST).content.decode()
    assert NOTHING not in manager.get(reverse("labeling:source", args=[source.pk])).content.decode()


def test_a_source_still_coming_in_says_who_will_look_for_faces(manager: Client) -> None:
    source = Source.objects.create(name="s", kind="folder", location="/x", options={"detect": ["haar"]})
    page = manager.get(reverse("labeling:source", args=[source.pk])).content.decode()
    assert "Once all is in, haar looks for faces." in page
    assert "Find faces with haar" not in page


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
    with django_assert_num_queries(13):
        # session, user, source, faces per detector, searches, items per state, media, labels, items, reasons, media
        assert manager.get(reverse("labeling:source", args=[source.pk])).status_code == 200


def test_items_and_media_are_paged(manager: Client) -> None:
    source = make_source(media=61, faces_each=0, refused=51)
    address = reverse("labeling:source", args=[source.pk])
    first = manager.get(address).context
    assert (len(first["item_page"].rows), len(first["media"].rows)) == (50, 60)
    second = manager.get(
        address, {"items_after": first["item_page"].next, "after": first["media"].next}
    ).context
    assert (len(second["item_page"].rows), len(second["media"].rows)) == (1, 1)


def refuse(source: Source, reasons: dict[str, int]) -> None:
    for reason, count in reasons.items():
        for n in range(count):
            Item.objects.create(source=source, locator=f"{reason} {n}", state="refused", reason=reason)


def locators(response) -> list[str]:
    return [item.locator for item in response.context["item_page"].rows]


def test_items_are_listed_by_state_and_what_went_wrong_first(manager: Client) -> None:
    source = make_source(media=2)
    refuse(source, {"Not found.": 1})
    address = reverse("labeling:source", args=[source.pk])
    assert locators(manager.get(address)) == ["Not found. 0"]
    assert locators(manager.get(address, {"state": "ingested"})) == ["0.png", "1.png"]
    assert locators(manager.get(address, {"state": ""})) == ["0.png", "1.png", "Not found. 0"]
    assert locators(manager.get(address, {"state": "nonsense"})) == ["0.png", "1.png", "Not found. 0"]
    assert locators(manager.get(address, {"state": "known"})) == []


def test_failures_are_counted_by_reason_the_commonest_first(manager: Client) -> None:
    source = make_source()
    refuse(source, {"Gone & away.": 2, "Not found.": 5, "Too long.": 1})
    address = reverse("labeling:source", args=[source.pk])
    response = manager.get(address)
    assert response.context["reasons"].shown == [("Not found.", 5), ("Gone & away.", 2), ("Too long.", 1)]
    assert 'href="?state=refused&amp;reason=Gone+%26+away.#items"' in response.content.decode()
    assert locators(manager.get(address, {"state": "refused", "reason": "Gone & away."})) == [
        "Gone & away. 0",
        "Gone & away. 1",
    ]


def test_beyond_twenty_reasons_the_rest_is_counted(manager: Client) -> None:
    source = make_source()
    refuse(source, {f"Reason {n:02}.": 1 for n in range(25)})
    told = manager.get(reverse("labeling:source", args=[source.pk])).context["reasons"]
    assert (len(told.shown), told.others) == (20, 5)


@pytest.mark.parametrize(
    ("asked", "again"),
    [
        ({}, ["Gone. 0", "Gone. 1", "Late. 0"]),
        ({"reason": "Gone."}, ["Gone. 0", "Gone. 1"]),
        ({"item": "ONE"}, ["Gone. 1"]),
        ({"reason": "Never said."}, []),
        ({"item": "999999"}, []),
    ],
)
def test_one_is_tried_again_or_those_of_a_reason_or_all(
    manager: Client, asked: dict[str, str], again: list[str]
) -> None:
    source = make_source()
    refuse(source, {"Gone.": 2, "Late.": 1})
    one = str(source.items.get(locator="Gone. 1").pk)
    asked = {name: one if value == "ONE" else value for name, value in asked.items()}
    answer = manager.post(reverse("labeling:source_retry", args=[source.pk]), asked, follow=True)
    assert [item.locator for item in source.items.filter(state="found").order_by("locator")] == again
    source.refresh_from_db()
    assert source.state == ("waiting" if again else "done")
    assert ("nothing to try again" in answer.content.decode()) == (not again)


def test_what_was_refused_is_tried_again_after_the_look_that_goes_on(manager: Client) -> None:
    source = make_source(refused=1)
    Source.objects.filter(pk=source.pk).update(state="running", ended_at=None, worker="somebody")
    page = manager.get(reverse("labeling:source", args=[source.pk])).content.decode()
    assert "What is tried again now waits until this look has come to its end" in page
    answer = manager.post(reverse("labeling:source_retry", args=[source.pk]), follow=True)
    assert "once the look that goes on has come to its end" in answer.content.decode()
    assert source.items.get().state == "found"
    source.refresh_from_db()
    assert source.state == "running"


def test_paused_it_says_that_it_goes_on_where_it_was(manager: Client) -> None:
    source = make_source()
    Source.objects.filter(pk=source.pk).update(state="waiting", ended_at=None)
    address = reverse("labeling:source", args=[source.pk])
    page = manager.post(reverse("labeling:source_stop", args=[source.pk]), follow=True).content.decode()
    assert "It stands where it was" in page
    assert "paused</span>" in page
    assert ">Resume</button>" in page
    manager.post(reverse("labeling:source_restart", args=[source.pk]))
    assert ">Pause</button>" in manager.get(address).content.decode()


def running(source: Source, *, since_s: float, **fields: object) -> Source:
    began = timezone.now() - timedelta(seconds=since_s)
    Source.objects.filter(pk=source.pk).update(
        state="running", worker="w", started_at=began, ended_at=None, **fields
    )
    source.refresh_from_db()
    return source


def came(source: Source, ages_s: list[float], size: int) -> None:
    """New media of `size` bytes, so many seconds ago."""
    for n, age in enumerate(ages_s):
        media = make_media(bytes=size)
        Media.objects.filter(pk=media.pk).update(fetched_at=timezone.now() - timedelta(seconds=age))
        Item.objects.create(source=source, locator=f"{n}", state="ingested", media=media)


def test_the_pace_is_that_of_the_last_minute(manager: Client) -> None:
    source = running(make_source(), since_s=3600, total=100)
    came(source, [300, 200, 100, 50, 40, 30], size=1000)
    pace = source_queries.pace(source, left=10)
    assert pace.bytes_per_second == pytest.approx(3 * 1000 / 60, rel=0.05)
    assert pace.seconds_left == pytest.approx(200, abs=5)
    young = running(source, since_s=45)
    assert source_queries.pace(young, left=10).bytes_per_second == pytest.approx(2 * 1000 / 45, rel=0.05)


def test_where_nothing_new_came_nothing_is_foretold(manager: Client) -> None:
    source = running(make_source(), since_s=3600, total=100)
    came(source, [300, 200], size=1000)
    assert source_queries.pace(source, left=10) == source_queries.Pace()
    assert "No new file came in during the last minute" in (
        manager.get(reverse("labeling:source", args=[source.pk])).content.decode()
    )
    looking = running(make_source(), since_s=3600, total=None)
    came(looking, [5], size=1000)
    assert source_queries.pace(looking, left=10).seconds_left is None
    assert source_queries.pace(make_source(), left=10) == source_queries.Pace()


def test_bytes_are_those_of_each_media_once(manager: Client) -> None:
    source = make_source()
    media = make_media(bytes=1500)
    Item.objects.create(source=source, locator="a", state="ingested", media=media)
    Item.objects.create(source=source, locator="b", state="known", media=media)
    assert source_queries.amounts(source) == source_queries.Amounts(media=1, bytes=1500)


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
