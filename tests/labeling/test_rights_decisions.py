"""Deciding which licence counts, by page, API and command, and what stays on record of it."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from labeling import licence_checks, whose
from labeling.models import Item, Media, RightsDecision, Source
from labeling.whose import CannotDecide, Rights
from tests.factories import make_media, make_user
from tests.labeling.erasure.erasing import erase
from vemo.accounts.models import User

pytestmark = pytest.mark.django_db
BY, BY_NC = "https://creativecommons.org/licenses/by/2.0/", "https://creativecommons.org/licenses/by-nc/2.0/"
MEDIA = "/api/v1/media/"
DECISIONS = "/api/v1/rights-decisions/"
ANNS, BOBS = Rights("CC BY 4.0", "Ann"), Rights("CC BY-NC 4.0", "Bob", "https://b.example/1")


@pytest.fixture
def manager() -> User:
    return make_user("manager")


@pytest.fixture
def api(manager: User) -> APIClient:
    client = APIClient()
    client.force_authenticate(manager)
    return client


def changed(now: str = BY_NC, **fields: str) -> Media:
    said = Rights("CC BY 2.0", "Ann", "https://a.example/1").columns()
    return make_media(**{**said, "licence_now": now, **fields})


def disputed() -> Media:
    source, _ = Source.objects.get_or_create(name="second", kind="folder", location="/second")
    media = make_media(**ANNS.columns())
    whose.hear([(media, BOBS)], source)
    media.refresh_from_db()
    return media


def keys(answer: dict) -> list[int]:
    return [each["id"] for each in answer["results"]]


def post(api: APIClient, media: Media, verb: str, status: int = 200, **body: object) -> dict:
    answer = api.post(f"{MEDIA}{media.pk}/{verb}/", body, format="json")
    assert answer.status_code == status, answer.content
    return answer.json()


def decisions(media: Media) -> list[tuple[str, str, str, str]]:
    return [(d.kind, d.was["licence"], d.now["licence"], d.page_says) for d in media.decisions.order_by("pk")]


# ---- what the page of a media names now ----


def test_what_its_page_names_now_counts_when_a_manager_says_so(api: APIClient, manager: User) -> None:
    media = changed()
    assert post(api, media, "decide-licence", now=BY_NC, take=True)["licence_code"] == "cc-by-nc-2.0"
    media.refresh_from_db()
    assert (media.licence, media.author, media.page_url) == (BY_NC, "Ann", "https://a.example/1")
    assert [one.rights.licence for one in whose.overruled(media)] == ["CC BY 2.0"]
    assert not licence_checks.changed()
    assert decisions(media) == [("taken", "CC BY 2.0", BY_NC, BY_NC)]
    assert media.decisions.get().by == manager


def test_a_licence_that_stays_is_not_asked_about_until_the_page_changes_again(api: APIClient) -> None:
    media = changed()
    assert post(api, media, "decide-licence", now=BY_NC, take=False)["licence_code"] == "cc-by-2.0"
    assert not licence_checks.changed()
    assert decisions(media) == [("kept", "CC BY 2.0", "CC BY 2.0", BY_NC)]
    # The same in other words is nothing new.
    for now, asked in (("CC BY-NC 2.0", False), (BY, False), ("CC BY-ND 2.0", True)):
        Media.objects.filter(pk=media.pk).update(licence_now=now)
        media.refresh_from_db()
        assert (licence_checks.has_changed(media), licence_checks.changed().exists()) == (asked, asked)


def test_of_two_managers_the_second_is_told(manager: User) -> None:
    one, other = changed(), changed()
    licence_checks.decide(media=one, seen=BY_NC, take=False, by=manager)
    with pytest.raises(CannotDecide, match="decided already"):
        licence_checks.decide(media=one, seen=BY_NC, take=True, by=manager)
    Media.objects.filter(pk=other.pk).update(licence_now="CC BY-ND 2.0")
    with pytest.raises(CannotDecide, match="something else by now"):
        licence_checks.decide(media=other, seen=BY_NC, take=True, by=manager)
    assert RightsDecision.objects.count() == 1


def test_what_sources_disagree_on_is_decided_first(manager: User) -> None:
    media = disputed()
    Media.objects.filter(pk=media.pk).update(licence_now=BY_NC)
    with pytest.raises(CannotDecide, match="Its sources disagree"):
        licence_checks.decide(media=media, seen=BY_NC, take=True, by=manager)
    assert not RightsDecision.objects.exists()


def test_a_licence_that_is_not_understood_may_be_taken(manager: User) -> None:
    text = "Chỉ dùng cho trường học 🏫"
    media = licence_checks.decide(media=changed(text), seen=text, take=True, by=manager)
    assert (media.licence, media.licence_code) == (text, "")
    assert not licence_checks.has_changed(media)


@pytest.mark.parametrize("take", [True, False])
def test_the_page_of_a_media_decides_as_the_api_does(client: Client, manager: User, take: bool) -> None:
    client.force_login(manager)
    media = changed()
    address = reverse("labeling:media", args=[media.pk])
    assert f'name="now" value="{BY_NC}"' in client.get(address).content.decode()
    body = {"now": BY_NC, "take": "1" if take else "0"}
    for _ in range(2):
        answer = client.post(reverse("labeling:media_licence", args=[media.pk]), body)
        assert answer.url == address
    assert [kind for kind, *_ in decisions(media)] == ["taken" if take else "kept"]
    page = client.get(address).content.decode()
    assert "Licence changed" not in page
    assert "decided already" in page
    kind = RightsDecision.objects.get().get_kind_display()
    assert kind in page
    page = client.get(reverse("labeling:licences_changed")).content.decode()
    assert "No page names another licence" in page
    assert kind in page
    assert manager.username in page


# ---- lists ----


def test_changed_licences_are_listed_by_source_and_licence(api: APIClient) -> None:
    one, two, three = changed(), changed("ask us"), changed("CC BY-ND 2.0", licence="", licence_code="")
    make_media(licence="CC0", licence_code="cc0-1.0", licence_now="CC0")
    source = Source.objects.create(name="w", kind="web", location="/l.txt")
    for locator in ("a", "b"):
        Item.objects.create(source=source, locator=locator, state="ingested", media=one)

    def found(**query: object) -> list[int]:
        return keys(api.get(f"{MEDIA}changed-licences/", query).json())

    assert found() == [three.pk, two.pk, one.pk]
    assert found(source=source.pk) == [one.pk]
    assert found(source=source.pk + 1) == []
    assert found(now="cc-by-nc-2.0") == [one.pk]
    assert found(now="") == [two.pk]
    assert found(licence="") == [three.pk]
    assert found(licence="cc-by-2.0", now="") == [two.pk]
    row = api.get(f"{MEDIA}changed-licences/", {"source": source.pk}).json()["results"][0]
    assert (row["licence_code"], row["licence_now"], row["licence_now_code"]) == (
        "cc-by-2.0",
        BY_NC,
        "cc-by-nc-2.0",
    )
    for query in ({"source": "x"}, {"now": "cc-by-9"}, {"licence": "\x00"}, {"source": 2**70}):
        assert api.get(f"{MEDIA}changed-licences/", query).status_code == 400


def test_a_list_goes_on_page_by_page(api: APIClient) -> None:
    every = [changed().pk for _ in range(5)]
    seen, address = [], f"{MEDIA}changed-licences/?page_size=2"
    while address:
        answer = api.get(address).json()
        seen += keys(answer)
        address = answer["next"]
    assert seen == every[::-1]


def test_disputed_media_are_listed_and_decided(api: APIClient, manager: User) -> None:
    media, other = disputed(), disputed()
    (row, _) = api.get(f"{MEDIA}disputed/").json()["results"][::-1]
    assert row["id"] == media.pk
    assert row["counts"] == {**ANNS.__dict__, "key": ANNS.key, "source": None}
    source = Source.objects.get()
    assert row["said_otherwise"] == [{**BOBS.__dict__, "key": BOBS.key, "source": source.pk}]
    assert post(api, media, "decide-whose", said=BOBS.key)["author"] == "Bob"
    assert keys(api.get(f"{MEDIA}disputed/").json()) == [other.pk]
    assert "decided already" in post(api, media, "decide-whose", 409, said=BOBS.key)["error"]
    post(api, other, "decide-whose", 409, said="0" * 16)
    post(api, other, "decide-whose", 400, said="")
    (decision,) = api.get(DECISIONS).json()["results"]
    assert decision["made_at"]
    assert {**decision, "id": 0, "made_at": ""} == {
        "id": 0,
        "media": media.pk,
        "kind": "sources",
        "was": ANNS.__dict__,
        "now": BOBS.__dict__,
        "page_says": "",
        "by": manager.username,
        "made_at": "",
    }
    assert keys(api.get(DECISIONS, {"media": other.pk}).json()) == []
    assert keys(api.get(DECISIONS, {"kind": "sources"}).json()) == [decision["id"]]
    assert api.get(DECISIONS, {"kind": "x"}).status_code == 400


@pytest.mark.parametrize("body", [{}, {"now": BY_NC}, {"take": True}, {"now": "x" * 201, "take": True}])
def test_half_a_decision_is_none(api: APIClient, body: dict) -> None:
    media = changed()
    post(api, media, "decide-licence", 400, **body)
    assert not RightsDecision.objects.exists()


def test_a_thing_that_is_not_there_is_told(api: APIClient) -> None:
    assert (
        api.post(f"{MEDIA}77/decide-licence/", {"now": "x", "take": True}, format="json").status_code == 404
    )
    assert api.post(f"{MEDIA}77/decide-whose/", {"said": "x"}, format="json").status_code == 404


@pytest.mark.parametrize("count", [1, 3])
def test_lists_ask_the_database_as_often_whatever_their_length(
    api: APIClient, django_assert_num_queries, manager: User, count: int
) -> None:
    for _ in range(count):
        changed()
        whose.decide(media=disputed(), key=ANNS.key, by=manager)
        disputed()
    with django_assert_num_queries(2):
        assert len(keys(api.get(f"{MEDIA}changed-licences/").json())) == count
    with django_assert_num_queries(1):
        assert len(keys(api.get(f"{MEDIA}disputed/").json())) == count
    with django_assert_num_queries(1):
        assert len(keys(api.get(DECISIONS).json())) == count


# ---- on record ----


def test_who_writes_it_down_by_hand_is_on_record(client: Client) -> None:
    admin = make_user("admin")
    client.force_login(admin)
    media = make_media(**ANNS.columns())
    address = reverse("admin:labeling_media_change", args=[media.pk])
    for author in ("Ann", "Bob"):
        client.post(address, {"licence": "CC BY 4.0", "author": author, "page_url": ""})
    decision = media.decisions.get()
    assert (decision.kind, decision.was["author"], decision.now["author"]) == ("by_hand", "Ann", "Bob")
    assert decision.by == admin


def test_what_is_erased_takes_its_decisions_along(manager: User) -> None:
    media = disputed()
    whose.decide(media=media, key=BOBS.key, by=manager)
    erase("author", ["Ann"])
    assert not RightsDecision.objects.exists()


def test_a_decision_outlasts_who_made_it(manager: User) -> None:
    media = changed()
    licence_checks.decide(media=media, seen=BY_NC, take=True, by=manager)
    manager.delete()
    assert media.decisions.get().by is None


# ---- by command ----


def said(*arguments: str) -> str:
    out = StringIO()
    call_command("decide_licences", *arguments, stdout=out, stderr=StringIO())
    return out.getvalue()


def test_the_command_lists_and_decides(manager: User) -> None:
    one, two, three = changed(), changed(), disputed()
    text = said()
    assert f"media {one.pk}: https://a.example/1: was CC BY 2.0, now {BY_NC}" in text
    assert f"  {three.pk}={BOBS.key}  CC BY-NC 4.0, Bob (source " in text
    assert f"  {three.pk}={ANNS.key}  CC BY 4.0, Ann (said first)" in text
    assert f"media {one.pk}" in said("--limit", "1")
    assert f"media {two.pk}" not in said("--limit", "1")
    assert f"{BY_NC}, Ann counts" in said("--take", str(one.pk), "--by", manager.username)
    assert "CC BY 2.0, Ann counts" in said("--keep", str(two.pk))
    assert "CC BY-NC 4.0, Bob counts" in said("--right", f"{three.pk}={BOBS.key}")
    assert said() == ""
    made = [(row.kind, row.by) for row in RightsDecision.objects.order_by("pk")]
    assert made == [("taken", manager), ("kept", None), ("sources", None)]


def test_the_command_goes_on_with_the_others_and_says_what_it_did_not_decide() -> None:
    one, two = make_media(), changed()
    with pytest.raises(CommandError, match="On 2 of 3 media nothing"):
        said("--take", str(one.pk), "77", str(two.pk))
    assert [row.media for row in RightsDecision.objects.all()] == [two]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--right", "x"], "is not MEDIA=KEY"),
        (["--right", "7="], "is not MEDIA=KEY"),
        (["--take", "1", "--by", "nobody"], "no manager"),
        (["--take", "1", "--keep", "2"], "not allowed with"),
        (["--limit", "0"], "above 0"),
    ],
)
def test_the_command_says_what_it_does_not_understand(arguments: list[str], text: str) -> None:
    with pytest.raises(CommandError, match=text):
        said(*arguments)
