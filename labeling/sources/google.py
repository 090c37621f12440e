"""Pictures that Google finds, through its Custom Search JSON API with the site's own key and search engine.

https://developers.google.com/custom-search/v1/reference/rest/v1/cse/list. Google takes no new customers for it and
ends it on 1 January 2027.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from django.conf import settings

from labeling.fetching.fetcher import Fetcher
from labeling.fetching.refusals import CannotFetch
from labeling.sayings import gettext_noop
from labeling.sources import remote
from labeling.sources.base import (
    LONGEST_LOCATOR,
    Alive,
    BadContent,
    CannotRead,
    Content,
    Note,
    Offer,
    RemoteContent,
)
from labeling.sources.rights import AS_GOOGLE_FINDS, BASIS, OPEN

RIGHTS = {
    "cc_publicdomain": f"Public domain{AS_GOOGLE_FINDS}",
    "cc_attribute": f"CC BY{AS_GOOGLE_FINDS}",
    "cc_sharealike": f"CC BY-SA{AS_GOOGLE_FINDS}",
    "cc_noncommercial": f"CC BY-NC{AS_GOOGLE_FINDS}",
    "cc_nonderived": f"CC BY-ND{AS_GOOGLE_FINDS}",
}
"""Google's filter by rights → the licence kept. What a page really says is for a person to read there."""
ANY = "any"
"""In an address in the place of filters: everything is asked for, on the word of who adds the source."""
LISTED = 100
"""Of a search Google lists no more."""
_PER_PAGE = 10
_HOST = "www.google.com"
_NOT_GOOGLE = gettext_noop(
    "“{address}” is no search of Google. It looks like https://www.google.com/search?q=WORDS."
)
_NOT_OPEN = gettext_noop(
    "rights={any} asks Google for everything, and not all of that is openly licensed. Leave it out, or add the search "
    "for another reason."
)
_BAD_RIGHTS = gettext_noop("Google’s filter by rights knows {known}, not “{value}”.")
_NO_KEY = gettext_noop(
    "Google wants a key of who asks and a search engine to ask, and this site has none. An operator sets "
    "GOOGLE_API_KEY and GOOGLE_CX."
)
_BAD_MOST = gettext_noop("The option most is a whole number from 1 to {most:,}, not {value}.")
_REFUSED = gettext_noop(
    "Google refuses (status {status:,}). Ask an operator to check GOOGLE_API_KEY and GOOGLE_CX, and whether today’s "
    "searches are used up."
)
_NO_ANSWER = gettext_noop("Google gives no answer. {reason}")
_LONG = gettext_noop("The address has {characters:,} characters; {most:,} are allowed.")


@dataclass(frozen=True)
class GoogleSearch:
    words: str
    rights: tuple[str, ...] = ()
    """Google's filters that are asked one after the other: none named, all of them; ANY alone, none."""

    @property
    def filters(self) -> tuple[str, ...]:
        return ("",) if self.rights == (ANY,) else self.rights or tuple(RIGHTS)


def search_address(words: str, rights: Sequence[str] = ()) -> str:
    wanted = {"q": words, "rights": ",".join(rights)}
    return f"https://{_HOST}/search?" + urlencode({name: value for name, value in wanted.items() if value})


def parse(address: str) -> GoogleSearch:
    """The search that the page shows. Raises CannotRead."""
    parts, given = urlsplit(address), dict(parse_qsl(urlsplit(address).query))
    words = given.get("q", "").strip()
    if parts.hostname != _HOST or parts.path != "/search" or not words:
        raise CannotRead(_NOT_GOOGLE.format(address=address))
    rights = tuple(one for one in given.get("rights", "").split(",") if one)
    for one in rights if rights != (ANY,) else ():
        if one not in RIGHTS:
            raise CannotRead(_BAD_RIGHTS.format(known=", ".join((*RIGHTS, ANY)), value=one))
    return GoogleSearch(words, rights)


class Google:
    option_names = frozenset({BASIS, "most"})

    def fits(self, address: str) -> bool:
        return urlsplit(address).hostname == _HOST

    @contextmanager
    def open(self, address: str, options: Mapping[str, Any], alive: Alive) -> Iterator["GooglePlace"]:
        search, most = parse(address), options.get("most", LISTED)
        if type(most) is not int or not 1 <= most <= LISTED:
            raise CannotRead(_BAD_MOST.format(most=LISTED, value=repr(most)))
        if not (settings.GOOGLE_API_KEY and settings.GOOGLE_CX):
            raise CannotRead(_NO_KEY)
        if options.get(BASIS) == OPEN and search.rights == (ANY,):
            raise CannotRead(_NOT_OPEN.format(any=ANY))
        with remote.fetcher() as fetcher:
            yield GooglePlace(search, most, fetcher, alive)


class GooglePlace:
    def __init__(self, search: GoogleSearch, most: int, fetcher: Fetcher, alive: Alive) -> None:
        self._search = search
        self._most = most
        self._fetcher = fetcher
        self._alive = alive
        self._known: dict[str, Note] = {}

    def find(self) -> Iterator[Offer]:
        for url, note in islice(self._found(), self._most):
            if len(url) > LONGEST_LOCATOR:
                yield Offer(
                    url[: LONGEST_LOCATOR - 1] + "…", _LONG.format(characters=len(url), most=LONGEST_LOCATOR)
                )
            else:
                self._known[url] = note
                yield Offer(url)

    def contents(self, locators: Sequence[str]) -> Iterable[Content]:
        for locator in locators:
            note = self._known.get(locator)
            if note is None:
                yield BadContent(locator, gettext_noop("Google no longer finds this picture by this search."))
            else:
                fetch = remote.fetch_from(self._fetcher, locator)
                yield RemoteContent(locator, remote.file_name(locator), fetch, note)

    def _found(self) -> Iterator[tuple[str, Note]]:
        """Address and rights of the pictures, each once. One filter after the other: so it is known which let it in."""
        been = set()
        for right in self._search.filters:
            for item in self._listed(right):
                url = str(item["link"])
                if url not in been:
                    been.add(url)
                    yield url, _note(item, right)

    def _listed(self, right: str) -> Iterator[Mapping[str, Any]]:
        start: int | None = 1
        while start is not None and start + _PER_PAGE <= LISTED + 1:
            answer = self._asked(start, right)
            yield from answer.get("items", [])
            following = answer.get("queries", {}).get("nextPage")
            start = int(following[0]["startIndex"]) if following else None

    def _asked(self, start: int, right: str) -> dict[str, Any]:
        wanted: dict[str, str | int] = {
            "key": settings.GOOGLE_API_KEY,
            "cx": settings.GOOGLE_CX,
            "q": self._search.words,
            "searchType": "image",
            "num": _PER_PAGE,
            "start": start,
        }
        if right:
            wanted["rights"] = right
        try:
            return remote.asked(self._fetcher, f"{settings.GOOGLE_API_URL}?{urlencode(wanted)}", self._alive)
        except CannotFetch as reason:
            if 400 <= reason.status < 500:
                raise CannotRead(_REFUSED.format(status=reason.status)) from reason
            raise CannotRead(_NO_ANSWER.format(reason=reason)) from reason


def _note(item: Mapping[str, Any], right: str) -> Note:
    url = str(item["link"])
    return Note(
        licence=RIGHTS.get(right, ""),
        page_url=str(item.get("image", {}).get("contextLink") or url)[:2000],
        title=str(item.get("title", ""))[:500],
        url=url,
    )
