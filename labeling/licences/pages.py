"""What a page of the web says of the licence of what it shows."""

import json
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

from labeling.licences.catalogue import UNKNOWN
from labeling.licences.reading import same, understood

LONGEST = 200
"""Of what a page says so many characters are kept."""
_DEEPEST = 20
_LINKS = frozenset({"a", "area", "link"})


def is_page(data: bytes) -> bool:
    """Whether these are the first bytes of an HTML page, and not of a picture or a table."""
    begin = data[:4096].lower()
    return b"<html" in begin or b"<!doctype html" in begin


def said_in(html: str) -> str:
    """The licence a page names, in its own words or by its address; empty if it names none, or several.

    Asked one after the other, and the first that says something decides: links with rel="license" (HTML, 4.6.7.6),
    schema.org's `license` in JSON-LD or as itemprop, and links to Creative Commons.
    """
    page = _Page()
    page.feed(html)
    page.close()
    linked = [address for address in page.links if understood(address)]
    for found in (page.named, page.described, linked):
        if texts := [text.strip()[:LONGEST] for text in found if text.strip()]:
            return _one_of(texts)
    return ""


def _one_of(texts: list[str]) -> str:
    """The text they agree on: equal, or understood as the same."""
    first, *others = dict.fromkeys(texts)
    code = understood(first)
    return first if all(same(code, understood(other)) for other in others) else ""


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.named: list[str] = []
        self.described: list[str] = []
        self.links: list[str] = []
        self._json: list[str] | None = None
        self._item: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        has = {name: value or "" for name, value in attrs}
        address = has.get("href", "") if tag in _LINKS else ""
        if address and "license" in has.get("rel", "").lower().split():
            self.named.append(address)
        elif address:
            self.links.append(address)
        if "license" in has.get("itemprop", "").split():
            if said := address or has.get("content", ""):
                self.described.append(said)
            else:
                self._item = []
        if tag == "script" and has.get("type", "").lower().strip() == "application/ld+json":
            self._json = []

    def handle_data(self, data: str) -> None:
        for place in (self._json, self._item):
            if place is not None:
                place.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "script" and self._json is not None:
            self.described.extend(_in_json("".join(self._json)))
            self._json = None
        elif self._item is not None:
            self.described.append("".join(self._item))
            self._item = None


def _in_json(text: str) -> Iterator[str]:
    try:
        yield from _licences(json.loads(text), _DEEPEST)
    except (ValueError, RecursionError):
        return


def _licences(value: Any, deeper: int) -> Iterator[str]:
    if not deeper:
        return
    if isinstance(value, list):
        for one in value:
            yield from _licences(one, deeper - 1)
    elif isinstance(value, dict):
        for name, one in value.items():
            if name == "license":
                yield from _texts(one)
            else:
                yield from _licences(one, deeper - 1)


def _texts(value: Any) -> Iterator[str]:
    """schema.org allows an address or a CreativeWork, one or several."""
    for one in value if isinstance(value, list) else [value]:
        text = one.get("@id") or one.get("url") or one.get("name") if isinstance(one, dict) else one
        if isinstance(text, str):
            yield text


def differs(*, licence: str, code: str, now: str) -> bool:
    """Whether a page that says `now` no longer says what was found before: licence, understood as code.

    A page that names no licence says nothing against it; and what is not understood is compared word by word.
    """
    if not now or now == licence:
        return False
    return not same(code, understood(now)) if code != UNKNOWN else True
