"""Media of the web, by a list of their addresses."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from labeling.fetching.fetcher import Fetcher
from labeling.sayings import gettext_noop
from labeling.sources import remote, weblist
from labeling.sources.base import (
    BadContent,
    CannotRead,
    Content,
    Offer,
    RemoteContent,
    Unusable,
    locator_of,
)
from labeling.sources.folder import opened
from labeling.sources.rights import BASIS
from labeling.sources.weblist import BadList, Entry

_HEADER_BYTES = 64 * 1024


class Web:
    option_names = frozenset({BASIS})

    def fits(self, path: Path) -> bool:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return weblist.looks_like_one(file.read(_HEADER_BYTES))

    @contextmanager
    def open(self, location: Path, options: Mapping[str, Any]) -> Iterator["WebPlace"]:
        try:
            with opened(location) as file:
                entries = weblist.parse(file.read(weblist.MOST_BYTES + 1))
        except (BadList, Unusable) as reason:
            raise CannotRead(str(reason)) from reason
        with remote.fetcher() as fetcher:
            yield WebPlace(entries, fetcher)


class WebPlace:
    def __init__(self, entries: Sequence[Entry], fetcher: Fetcher) -> None:
        self._entries = {locator_of(entry.name).locator: entry for entry in entries}
        self._fetcher = fetcher

    def find(self) -> Iterator[Offer]:
        for locator, entry in self._entries.items():
            yield Offer(locator, entry.reason or locator_of(entry.name).reason)

    def contents(self, locators: Sequence[str]) -> Iterable[Content]:
        for locator in locators:
            entry = self._entries.get(locator)
            if entry is None:
                yield BadContent(locator, gettext_noop("The list has no such address any more."))
            elif entry.reason:
                yield BadContent(locator, entry.reason)
            else:
                note = replace(entry.note, url=entry.name, page_url=entry.note.page_url or entry.name)
                fetch = remote.fetch_from(self._fetcher, entry.name)
                yield RemoteContent(locator, remote.file_name(entry.name), fetch, note)
