"""Flickr's REST API (https://www.flickr.com/services/api/): one call, and all pages of a list."""

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from labeling.fetching.fetcher import Fetcher
from labeling.fetching.patience import Alive, Turns, patiently
from labeling.fetching.refusals import CannotFetch, Passing
from labeling.sayings import gettext_noop
from labeling.sources import remote
from labeling.sources.base import CannotRead

PER_PAGE = 500
PER_PAGE_BY_PLACE = 250
"""Of a search by place Flickr gives no more."""
_TRIES = 4
_INVALID_KEY = 100
_OUT_OF_ORDER = (105, 106)
_NO_ANSWER = gettext_noop("Flickr gives no answer. {reason}")
_BAD_KEY = gettext_noop(
    "Flickr does not accept the key (FLICKR_API_KEY): {said}. Ask an operator to check it."
)
_SAYS = gettext_noop("Flickr says: {said} (error {code}).")
_CREATIVE_COMMONS = re.compile(r"creativecommons\.org/licenses/([a-z-]+)/(\d\.\d)")
_DEDICATED = {"publicdomain/zero/1.0": "CC0 1.0", "publicdomain/mark/1.0": "Public Domain Mark 1.0"}
RESERVED = "All Rights Reserved"


class FlickrSays(Exception):
    """Flickr answered that it cannot do what was asked; the text says why, for people."""


class Api:
    """Calls with the site's key, which no message and no row repeats."""

    def __init__(self, fetcher: Fetcher, *, url: str, key: str, per_second: float, alive: Alive) -> None:
        self._fetcher = fetcher
        self._url = url
        self._key = key
        self._alive = alive
        self._turns = Turns(per_second)
        self.host = urlsplit(url).hostname or ""

    def call(self, method: str, **arguments: str | int) -> dict[str, Any]:
        """What flickr.METHOD answers. Raises FlickrSays, and CannotRead if it answers nothing or takes no key."""
        asked = {"method": f"flickr.{method}", "api_key": self._key, "format": "json", "nojsoncallback": 1}
        url = f"{self._url}?{urlencode({**asked, **arguments})}"
        try:
            return patiently(
                lambda: self._called(url),
                tries=_TRIES,
                first_pause_s=1,
                longest_pause_s=60,
                alive=self._alive,
            )
        except CannotFetch as reason:
            raise CannotRead(_NO_ANSWER.format(reason=reason)) from reason

    def pages(self, method: str, key: str, **arguments: str | int) -> Iterator[dict[str, Any]]:
        """The answers' part under the key, page by page."""
        page, pages = 1, 1
        while page <= pages:
            part = self.call(method, page=page, **arguments)[key]
            yield part
            pages = int(part["pages"])
            page += 1

    def licences(self) -> dict[str, str]:
        """Flickr's number of a licence → the name under which it is known elsewhere."""
        listed = self.call("photos.licenses.getInfo")["licenses"]["license"]
        return {str(one["id"]): licence_name(one["name"], one.get("url") or "") for one in listed}

    def _called(self, url: str) -> dict[str, Any]:
        self._turns.wait(self.host, self._alive)
        answer = remote.asked(self._fetcher, url, self._alive)
        if answer.get("stat") != "ok":
            _fail(answer)
        return answer


def _fail(answer: Mapping[str, Any]) -> None:
    code, said = int(answer.get("code", 0)), str(answer.get("message", "")).rstrip(".")[:200]
    if code == _INVALID_KEY:
        raise CannotRead(_BAD_KEY.format(said=said))
    reason = _SAYS.format(said=said, code=code)
    if code in _OUT_OF_ORDER:
        raise Passing(reason)
    raise FlickrSays(reason)


def licence_name(name: str, url: str) -> str:
    """CC BY 2.0 for what Flickr calls “Attribution License”: by its address, which says it exactly."""
    if found := _CREATIVE_COMMONS.search(url):
        return f"CC {found[1].upper()} {found[2]}"
    return next((ours for part, ours in _DEDICATED.items() if part in url), name)
