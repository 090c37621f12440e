"""Looking at the pages of media again, on a real server on loopback."""

import io
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from labeling import licence_checks
from labeling.fetching.addresses import networks
from labeling.licences.pages import differs, said_in
from labeling.models import Item, Media, Source
from labeling.tasks import check_licences
from tests.factories import make_media, make_user
from tests.labeling.fetching.servers import Server, serving

pytestmark = pytest.mark.django_db
BY, BY_NC = "https://creativecommons.org/licenses/by/2.0/", "https://creativecommons.org/licenses/by-nc/2.0/"


@pytest.fixture
def server(settings) -> Iterator[Server]:
    settings.FETCH_ALLOW_ADDRESSES = networks(["127.0.0.1"])
    settings.FETCH_PER_SECOND = 10_000.0
    with serving(Server()) as one:
        yield one


def page(body: str) -> str:
    return f"<!doctype html><html><head><title>x</title></head><body>{body}</body></html>"


def shown(server: Server, name: str, body: str, **fields: object) -> Media:
    """A media from the network, whose page says this."""
    server.answers[f"/{name}"] = lambda far: far.say(200, page(body).encode(), Content_Type="text/html")
    kept = {"licence": "CC BY 2.0", "licence_code": "cc-by-2.0", "page_url": f"{server.url}/{name}"}
    media = make_media(**{**kept, **fields})
    fetched(media)
    return media


def fetched(media: Media) -> None:
    source = Source.objects.create(name="w", kind="web", location="/l.txt", options={"basis": "open"})
    Item.objects.create(source=source, locator="a", state="ingested", media=media)


def checked(limit: int = 100) -> str:
    out = io.StringIO()
    call_command("check_licences", "--limit", str(limit), stdout=out)
    return out.getvalue()


# ---- what pages say ----


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (f'<a rel="license" href="{BY}">some rights</a>', BY),
        (f'<a href="{BY_NC}">others</a><link rel="nofollow License" href="{BY}">', BY),
        (
            f'<script type="application/ld+json">{{"@graph": [{{"image": {{"license": "{BY}"}}}}]}}</script>',
            BY,
        ),
        (f'<script type="application/ld+json">{{"license": {{"@id": "{BY}"}}}}</script>', BY),
        (f'<script type="application/ld+json">{{"license": [</script><a href="{BY}">x</a>', BY),
        (f'<meta itemprop="license" content="{BY}">', BY),
        ('<span itemprop="license">CC BY 2.0</span>', "CC BY 2.0"),
        (f'<p>See <a href="{BY}">this</a> and <a href="{BY}deed.de">this</a>', BY),
        (f'<a href="{BY}">one</a> <a href="{BY_NC}">another</a>', ""),
        (f'<a rel="license" href="{BY}">one</a> <a rel="license" href="{BY_NC}">another</a>', ""),
        ('<a rel="license" href="https://a.example/terms">terms</a>', "https://a.example/terms"),
        (f"<p>{BY} in words is no link</p>", ""),
        (f"<A title=\"a > b\" HREF='{BY}?a&amp;b' Rel=license>x</A>", f"{BY}?a&b"),
        (f'<!-- <a rel="license" href="{BY}">x</a> --><p>y', ""),
        (f'<script>"<a rel=license href={BY}>"</script><p>y', ""),
        (f"<SCRIPT>1 < 2</Script><a rel=license href={BY}>x", BY),
        ("<p>Nothing", ""),
        ("<a rel='license'>", ""),
    ],
)
def test_a_page_says_its_licence_by_links_or_by_what_schema_org_calls_it(body: str, said: str) -> None:
    assert said_in(page(body)) == said


def test_json_without_an_end_to_its_depth_says_nothing() -> None:
    deep = '{"a":' * 5000 + "1" + "}" * 5000
    assert said_in(page(f'<script type="application/ld+json">{deep}</script>')) == ""


@pytest.mark.parametrize(
    "piece",
    [
        *("<", "<a ", "<!--", "<![CDATA[", "<?", "</", "<a b=", "<a b='", '<a "', "<!-- -- ", "<a =", "&#"),
        *("<script>", "<a" + " " * 2000, f'<a href="{BY}x">', '<span itemprop="license">'),
        '<script type="application/ld+json">',
    ],
)
def test_a_page_made_to_keep_us_busy_is_read_at_once(piece: str) -> None:
    html = "<html>" + piece * (1_000_000 // len(piece))
    began = time.perf_counter()
    said_in(html)
    assert time.perf_counter() - began < 5


@pytest.mark.parametrize(
    ("licence", "code", "now", "different"),
    [
        ("CC BY 2.0", "cc-by-2.0", BY, False),
        ("CC BY", "cc-by", BY, False),
        ("CC BY 2.0", "cc-by-2.0", "", False),
        ("CC BY 2.0", "cc-by-2.0", BY_NC, True),
        ("CC BY 2.0", "cc-by-2.0", "https://a.example/terms", True),
        ("ask the club", "", "ask the club", False),
        ("ask the club", "", BY, True),
        ("", "", BY, True),
    ],
)
def test_a_licence_has_changed_when_it_no_longer_means_the_same(
    licence: str, code: str, now: str, different: bool
) -> None:
    assert differs(licence=licence, code=code, now=now) is different


# ---- looking ----


def test_what_a_page_says_now_is_kept_beside_what_it_said(server: Server) -> None:
    same, other = (
        shown(server, name, f'<a rel="license" href="{url}">') for name, url in (("a", BY), ("b", BY_NC))
    )
    silent = shown(server, "c", "no word")
    text = checked()
    assert text == (
        f"media {other.pk}: licence changed: was CC BY 2.0, now {BY_NC}\n"
        "3 pages looked at, 1 with another licence, 0 not reached.\n"
    )
    kept = {media.pk: (media.licence, media.licence_now) for media in Media.objects.all()}
    assert kept == {same.pk: ("CC BY 2.0", BY), other.pk: ("CC BY 2.0", BY_NC), silent.pk: ("CC BY 2.0", "")}
    assert list(licence_checks.changed()) == [other]


def test_no_page_is_looked_at_again_before_its_time(server: Server) -> None:
    media = shown(server, "a", "no word")
    checked()
    assert checked().startswith("0 pages")
    assert server.asked["/a"] == 1
    Media.objects.filter(pk=media.pk).update(licence_checked_at=timezone.now() - timedelta(days=31))
    assert checked().startswith("1 pages")


def test_what_cannot_be_looked_at_stays_as_it_is_and_keeps_no_one_waiting(server: Server) -> None:
    gone = make_media(page_url=f"{server.url}/gone", licence_now="CC0")
    picture = make_media(page_url=f"{server.url}/picture")
    server.answers["/picture"] = lambda far: far.say(200, b"\x89PNG and so on")
    for media in (gone, picture):
        fetched(media)
    shown(server, "a", "no word")
    text = checked()
    assert "nothing at this address (status 404)" in text
    assert "something that is no page" in text
    assert text.endswith("1 pages looked at, 0 with another licence, 2 not reached.\n")
    gone.refresh_from_db()
    assert (gone.licence_now, gone.licence_checked_at) == ("CC0", None)


def test_only_pages_of_media_from_the_network_are_looked_at(server: Server) -> None:
    local = make_media(page_url=f"{server.url}/local")
    folder = Source.objects.create(name="f", kind="folder", location="/f")
    Item.objects.create(source=folder, locator="a", state="ingested", media=local)
    own = make_media(page_url=f"{server.url}/own.png", given={"url": f"{server.url}/own.png"})
    other = make_media(page_url="javascript:alert(1)")
    for media in (own, other):
        fetched(media)
    assert checked() == "0 pages looked at, 0 with another licence, 0 not reached.\n"
    assert not server.asked


def test_a_page_on_a_private_network_is_not_asked_for(settings, server: Server) -> None:
    settings.FETCH_ALLOW_ADDRESSES = ()
    shown(server, "a", "no word")
    assert "leads to this machine itself" in checked()
    assert not server.asked


def test_the_clock_looks_at_as_many_as_the_operator_allows(settings, server: Server) -> None:
    for name in "abc":
        shown(server, name, "no word")
    settings.CHECK_LICENCES_PER_HOUR = 2
    assert check_licences() == 2
    assert Media.objects.exclude(licence_checked_at=None).count() == 2
    settings.CHECK_LICENCES_PER_HOUR = 0
    assert check_licences() == 0


# ---- pages of the site ----


def test_the_page_of_a_media_and_a_list_say_what_has_changed(client: Client, server: Server) -> None:
    client.force_login(make_user("manager"))
    same = shown(server, "a", f'<a rel="license" href="{BY}">')
    other = shown(server, "b", f'<a rel="license" href="{BY_NC}">')
    addresses = [reverse("labeling:media", args=[media.pk]) for media in (same, other)]
    listed = reverse("labeling:licences_changed")
    assert "No page names another licence" in client.get(listed).content.decode()
    checked()
    told = [client.get(address).content.decode() for address in addresses]
    assert "Licence changed: was CC BY 2.0, now CC BY-NC 2.0" not in told[0]
    assert "Its page was looked at" in told[0]
    assert "Licence changed: was CC BY 2.0, now CC BY-NC 2.0" in told[1]
    page = client.get(listed).content.decode()
    assert addresses[1] in page
    assert addresses[0] not in page


def test_the_list_costs_the_same_however_long(client: Client, django_assert_num_queries) -> None:
    client.force_login(make_user("manager"))
    for rows in (1, 3):
        for _ in range(rows):
            make_media(licence="CC BY 2.0", licence_code="cc-by-2.0", licence_now=BY_NC)
        with django_assert_num_queries(6):  # session, user, what is said, media, disputed, decisions
            client.get(reverse("labeling:licences_changed"))
