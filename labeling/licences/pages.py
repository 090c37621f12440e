"""What a page of the web says of the licence of what it shows."""

import json
import re
from collections.abc import Iterator
from html import unescape
from typing import Any

from labeling.licences.catalogue import UNKNOWN
from labeling.licences.reading import same, understood

LONGEST = 200
"""Of what a page says so many characters are kept."""
_DEEPEST = 20
_MOST = 100
"""Of what a page says so many sayings are compared."""
_LINKS = frozenset({"a", "area", "link"})
# Nothing in them is tried twice: each reads on to the next < at most, whatever the page is like.
_TAG = re.compile(r"""<([a-zA-Z][a-zA-Z0-9]*+)((?:[^<>"']++|"[^"<]*+"|'[^'<]*+')*+)>""")
_ATTRIBUTE = re.compile(r"""([^\s"'>/=]++)(?:\s*+=\s*+(?:"([^"]*+)"|'([^']*+)'|([^\s"'>]++)))?""")
_NO_TAGS_INSIDE = {tag: re.compile(f"</{tag}", re.IGNORECASE) for tag in ("script", "style")}


def is_page(data: bytes) -> bool:
    """Whether these are the first bytes of an HTML page, and not of a picture or a table."""
    begin = data[:4096].lower()
    return b"<html" in begin or b"<!doctype html" in begin


def said_in(html: str) -> str:
    """The licence a page names, in its own words or by its address; empty if it names none, or several.

    Asked one after the other, and the first that says something decides: links with rel="license" (HTML, 4.6.7.6),
    schema.org's `license` in JSON-LD or as itemprop, and links to Creative Commons.
    """
    page = _Page(html)
    linked = [address for address in dict.fromkeys(page.links[:_MOST]) if understood(address)]
    for found in (page.named, page.described, linked):
        if texts := [text.strip()[:LONGEST] for text in found if text.strip()]:
            return _one_of(texts)
    return ""


def _one_of(texts: list[str]) -> str:
    """The text they agree on: equal, or understood as the same."""
    first, *others = dict.fromkeys(texts[:_MOST])
    code = understood(first)
    return first if all(same(code, understood(other)) for other in others) else ""


class _Page:
    """What the tags of a page say, read once from its beginning to its end.

    Pages come from anybody: html.parser takes minutes for some of a few hundred kilobytes, and this none.
    """

    def __init__(self, html: str) -> None:
        self.named: list[str] = []
        self.described: list[str] = []
        self.links: list[str] = []
        at = 0
        while (at := html.find("<", at)) >= 0:
            at = self._read(html, at)

    def _read(self, html: str, at: int) -> int:
        """Read what begins with a < here; returns where to go on."""
        if html.startswith("<!--", at):
            return _behind(html.find("-->", at + 4), html)
        found = _TAG.match(html, at)
        if found is None:
            return at + 1
        tag, has = found[1].lower(), _attributes(found[2])
        if tag in _NO_TAGS_INSIDE:
            end = _NO_TAGS_INSIDE[tag].search(html, found.end())
            inside = html[found.end() : end.start() if end else len(html)]
            if has.get("type", "").strip().lower() == "application/ld+json":
                self.described.extend(_in_json(inside))
            return end.start() + 1 if end else len(html)
        self._take(tag, has, html, found.end())
        return found.end()

    def _take(self, tag: str, has: dict[str, str], html: str, end: int) -> None:
        address = has.get("href", "") if tag in _LINKS else ""
        if address and "license" in has.get("rel", "").lower().split():
            self.named.append(address)
        elif "creativecommons.org/" in address:
            self.links.append(address)
        if "license" in has.get("itemprop", "").split():
            text = html[end : _behind(html.find("<", end), html)].rstrip("<")
            self.described.append(address or has.get("content") or unescape(text))


def _behind(found: int, html: str) -> int:
    return found + 1 if found >= 0 else len(html)


def _attributes(text: str) -> dict[str, str]:
    values: dict[str, str] = {}
    for name, *value in _ATTRIBUTE.findall(text):
        values.setdefault(name.lower(), unescape("".join(value)))
    return values


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
