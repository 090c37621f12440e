"""Pictures that Google finds, through its API, which a server on loopback stands in for."""

import json
import zlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from labeling.fetching.addresses import networks
from labeling.models import Media
from labeling.sources import ingest
from labeling.sources.base import CannotAdd, CannotRead
from labeling.sources.google import ANY, RIGHTS, GoogleSearch, parse, search_address
from labeling.sources.places import guess_kind
from tests.labeling.fetching.servers import Handler, Server, serving
from tests.labeling.sources.places import again, png, reasons, states, taken_in

pytestmark = pytest.mark.django_db
KEY, CX = "AIza-good", "017:engine"
SMILES = search_address("a smile", [ANY])
OWN, OPEN = {"basis": "own"}, {"basis": "open"}


class FakeGoogle(Server):
    """Speaks cse.list of the Custom Search JSON API, ten pictures a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, list[str]] = {}
        """By the filter of rights: the names of pictures."""
        self.searches: list[dict[str, str]] = []
        self.answers["/customsearch/v1"] = self._list

    def find(self, *names: str, rights: str = "") -> None:
        self.found.setdefault(rights, []).extend(names)
        for name in names:
            self.answers[f"/{name}.png"] = lambda far, name=name: far.say(200, png(zlib.crc32(name.encode())))

    def _list(self, far: Handler) -> None:
        asked = dict(parse_qsl(urlsplit(far.path).query))
        self.searches.append(asked)
        if (asked.get("key"), asked.get("cx")) != (KEY, CX):
            error = {"code": 400, "message": "API key not valid. Please pass a valid API key."}
            far.say(400, json.dumps({"error": error}).encode())
            return
        start, names = int(asked["start"]), self.found.get(asked.get("rights", ""), [])
        if start > 91:
            far.say(400, json.dumps({"error": {"code": 400, "message": "Invalid argument"}}).encode())
            return
        page = names[start - 1 : start + 9]
        answer: dict[str, Any] = {
            "kind": "customsearch#search",
            "queries": {"request": [{"count": len(page)}]},
        }
        if page:
            answer["items"] = [self._item(name) for name in page]
        if len(names) > start + 9:
            answer["queries"]["nextPage"] = [{"startIndex": start + 10}]
        far.say(200, json.dumps(answer).encode(), Content_Type="application/json")

    def _item(self, name: str) -> dict[str, Any]:
        return {
            "title": name.title(),
            "link": f"{self.url}/{name}.png",
            "image": {"contextLink": f"https://pages.example.com/{name}", "width": 32, "height": 24},
        }


@pytest.fixture
def google(settings) -> Iterator[FakeGoogle]:
    settings.FETCH_ALLOW_ADDRESSES = networks(["127.0.0.1"])
    settings.FETCH_PER_SECOND = 10_000.0
    settings.GOOGLE_API_KEY, settings.GOOGLE_CX = KEY, CX
    with serving(FakeGoogle()) as one:
        settings.GOOGLE_API_URL = f"{one.url}/customsearch/v1"
        yield one


def last_parts(named: dict[str, str]) -> dict[str, str]:
    return {locator.rpartition("/")[2]: value for locator, value in named.items()}


def test_a_search_is_known_by_its_address() -> None:
    assert guess_kind("https://www.google.com/search?q=a+smile&udm=2") == "google"
    assert parse("https://www.google.com/search?q=a+smile&udm=2") == GoogleSearch("a smile")
    assert parse(search_address("a smile", ["cc_attribute"])) == GoogleSearch("a smile", ("cc_attribute",))
    assert parse(search_address("a smile", [ANY])).filters == ("",)
    for address in (
        "https://www.google.com/", "https://www.google.com/search?q=", "https://google.example.com/search?q=a",
        "https://www.google.com/search?q=a&rights=all",
    ):  # fmt: skip
        with pytest.raises(CannotRead):
            parse(address)


def test_every_picture_comes_in_with_its_page(google: FakeGoogle) -> None:
    google.find(*(f"smile{n}" for n in range(23)))
    source = taken_in(SMILES, options=OWN)
    assert set(states(source).values()) <= {"ingested", "known"}
    assert len(states(source)) == 23
    assert [search["start"] for search in google.searches] == ["1", "11", "21"]
    assert {search["searchType"] for search in google.searches} == {"image"}
    one = Media.objects.earliest("pk")
    assert (one.original_name, one.licence, one.page_url, one.given["title"]) == (
        "smile0.png", "", "https://pages.example.com/smile0", "Smile0",
    )  # fmt: skip


@pytest.mark.parametrize("basis", [OWN, OPEN])
def test_unless_somebody_says_otherwise_each_is_asked_for_by_its_licence(
    google: FakeGoogle, basis: dict[str, str]
) -> None:
    google.find("old", rights="cc_publicdomain")
    google.find("old", "new", rights="cc_attribute")
    google.find("closed")
    source = taken_in(search_address("a smile"), options=basis)
    assert last_parts(states(source)) == {"old.png": "ingested", "new.png": "ingested"}
    assert dict(Media.objects.values_list("original_name", "licence")) == {
        "old.png": "Public domain, as Google finds",
        "new.png": "CC BY, as Google finds",
    }
    assert {search.get("rights") for search in google.searches} == set(RIGHTS)


def test_everything_is_never_asked_for_as_openly_licensed(google: FakeGoogle) -> None:
    with pytest.raises(CannotAdd, match="not all of that is openly licensed"):
        ingest.add(location=SMILES, options=OPEN)


def test_google_lists_a_hundred_and_no_more_is_asked_for(google: FakeGoogle) -> None:
    google.find(*(f"smile{n}" for n in range(130)))
    assert len(states(taken_in(SMILES, options=OWN))) == 100
    assert len(google.searches) == 10
    google.searches.clear()
    assert len(states(taken_in(search_address("other", [ANY]), options={**OWN, "most": 5}))) == 5
    assert len(google.searches) == 1


def test_what_is_there_is_not_fetched_again_and_what_fails_is_told(google: FakeGoogle) -> None:
    google.find("a", "b")
    google.answers["/b.png"] = lambda far: far.say(200, b"<html>hotlinking forbidden</html>")
    source = taken_in(SMILES, options=OWN)
    again(source)
    assert "The content is text" in last_parts(reasons(source))["b.png"]
    assert google.asked["/a.png"] == 1


def test_a_key_that_is_not_accepted_is_said_and_not_shown(google: FakeGoogle, settings) -> None:
    settings.GOOGLE_API_KEY = "AIza-wrong"
    source = ingest.add(location=SMILES, options=OWN)
    ingest.ingest(source.pk)
    source.refresh_from_db()
    assert source.state == "failed"
    assert "Google refuses (status 400)" in source.error
    assert "AIza" not in source.error
    assert len(google.searches) == 1


def test_without_a_key_or_with_too_much_wanted_there_is_no_source(google: FakeGoogle, settings) -> None:
    with pytest.raises(CannotAdd, match="say on what basis"):
        ingest.add(location=SMILES)
    with pytest.raises(CannotAdd, match="a whole number from 1 to 100, not 101"):
        ingest.add(location=SMILES, options={**OWN, "most": 101})
    settings.GOOGLE_CX = ""
    with pytest.raises(CannotAdd, match="GOOGLE_API_KEY and GOOGLE_CX"):
        ingest.add(location=SMILES, options=OWN)
    assert not google.searches
