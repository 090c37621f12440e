"""A labelled set, opened: each picture with its class, as its folder or the table's row says."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

from labeling.sayings import gettext_noop
from labeling.sources.base import (
    Alive,
    BadContent,
    CannotRead,
    Content,
    FileContent,
    LabelledContent,
    NotYet,
    Offer,
    Reader,
    RemoteContent,
    Unusable,
    locator_of,
)
from labeling.sources.labelled import table as tables
from labeling.sources.labelled.classes import guessed, split_of
from labeling.sources.labelled.table import Row, Table

_SURVEY_ITEMS = 200_000
_SURVEY_S = 20.0
_TRIED = 20
"""So many of a table's paths are tried out."""
_NO_CLASS = gettext_noop("It lies in no folder that names a class.")
_UNKNOWN = gettext_noop(
    "The class “{name}” is none of the expressions. Add the set again and say what it means, or leave it out."
)
_NO_PATH = gettext_noop("This line of the table names no file.")
_LEADS_OUT = gettext_noop("Its path leads out of the set.")
_BAD_SPLIT = gettext_noop("The split “{name}” is none of train, validation and test.")
_NO_ROW = gettext_noop("The table has no such row any more.")
_TWICE = gettext_noop(
    "Line {line:,} calls this file {label} ({split}), an earlier line {first}. The earlier one counts; mend the table."
)
_NO_TABLE = gettext_noop("The table “{name}” cannot be read. {reason}")
_BEING_WRITTEN = gettext_noop("The table “{name}” is being written just now. Try again when it is finished.")


class Shelf(Protocol):
    """Where the pictures are."""

    def find(self) -> Iterator[Offer]: ...

    def contents(self, locators: Sequence[str]) -> Iterable[Content]: ...

    def named(self, name: str, locator: str) -> FileContent | RemoteContent | BadContent: ...

    def plain(self, locator: str) -> str: ...

    def opened(self, name: str) -> AbstractContextManager[Reader]: ...


@dataclass(frozen=True)
class Survey:
    """The classes of a set as it names them, each with its pictures."""

    classes: dict[str, int]
    table: str
    """The table's path inside the set; empty if there is none."""
    complete: bool
    """False: it has more pictures than were looked at."""


class LabelledPlace:
    def __init__(
        self,
        shelf: Shelf,
        *,
        classes: Mapping[str, str],
        numbers: bool,
        origin: str,
        table: str,
        alive: Alive,
        opened: ExitStack,
    ) -> None:
        self._shelf, self._classes, self._numbers, self._origin = shelf, classes, numbers, origin
        self._table_name, self._alive, self._opened = table, alive, opened
        self._table: Table | None = None
        self._base = ""
        """Of the paths in the table: a folder of the set, with a slash behind it."""
        self._looked = False

    def find(self) -> Iterator[Offer]:
        table = self._tabled()
        if table is None:
            yield from self._by_folder()
            return
        for row in table.all():
            yield from self._offer(row)
        for later, first in table.otherwise():
            said = _TWICE.format(
                line=later.line, label=later.label, split=later.split or "–", first=first.label
            )
            yield Offer(locator_of(f"{self._base}{later.path} (line {later.line})").locator, said)

    def contents(self, locators: Sequence[str]) -> Iterable[Content]:
        table = self._tabled()
        if table is not None:
            for locator in locators:
                named = locator.startswith(self._base)
                row = table.of(locator.removeprefix(self._base)) if named else None
                yield BadContent(locator, _NO_ROW) if row is None else self._content(row, locator)
            return
        for content in self._shelf.contents(locators):
            name, split = self._class_of(self._shelf.plain(content.locator))
            label = self._meaning(name)
            if not isinstance(content, FileContent | RemoteContent):
                yield content
            elif not label:
                yield BadContent(content.locator, _UNKNOWN.format(name=name))
            else:
                yield LabelledContent(content.locator, content, label, split, self._origin)

    def survey(self) -> Survey:
        """What classes there are. Raises CannotRead."""
        until, found, complete = time.monotonic() + _SURVEY_S, Counter[str](), True
        table = self._tabled()
        names = (row.label for row in table.all()) if table else self._class_names()
        for number, name in enumerate(names):
            if number >= _SURVEY_ITEMS or time.monotonic() > until:
                complete = False
                break
            found[name] += 1
        return Survey(dict(sorted(found.items())), self._table_name, complete)

    def _class_names(self) -> Iterator[str]:
        for offer in self._shelf.find():
            name, _ = self._class_of(self._shelf.plain(offer.locator))
            if name:
                yield name

    def _tabled(self) -> Table | None:
        """The table, if there is one."""
        if not self._looked:
            self._looked = True
            self._table = self._read()
        return self._table

    def _read(self) -> Table | None:
        if self._table_name:
            return self._named(self._table_name)
        return self._named(tables.NAME) or self._in_the_only_folder()

    def _in_the_only_folder(self) -> Table | None:
        """The table of a set that lies in one folder whole, as one that was dropped or packed with its folder does."""
        tops = (self._shelf.plain(offer.locator).partition("/")[:2] for offer in self._shelf.find())
        top, slash = next(tops, ("", ""))
        if not slash or (table := self._named(f"{top}/{tables.NAME}")) is None:
            return None
        if all(other == (top, slash) for other in tops):
            return table
        self._table_name, self._base = "", ""
        return None

    def _named(self, name: str) -> Table | None:
        """The table of that name. None if there is none, though none was asked for. Raises CannotRead."""
        try:
            with self._shelf.opened(name) as file:
                table = self._opened.enter_context(tables.read(file, self._alive))
        except NotYet as reason:
            raise CannotRead(_BEING_WRITTEN.format(name=name)) from reason
        except Unusable as reason:
            if self._table_name:
                raise CannotRead(_NO_TABLE.format(name=name, reason=reason)) from reason
            return None
        self._table_name, self._base = name, self._base_of(name, table)
        return table

    def _base_of(self, name: str, table: Table) -> str:
        """Where the table's paths begin: in its own folder; in the set's where its first files lie only there."""
        base = name[: name.rfind("/") + 1]
        rows = (row.path for row in table.all() if row.path and not tables.leads_out(row.path))
        first = list(islice(rows, _TRIED)) if base else []
        beside = any(self._is_there(f"{base}{path}") for path in first)
        return "" if not beside and any(map(self._is_there, first)) else base

    def _is_there(self, name: str) -> bool:
        try:
            with self._shelf.opened(name):
                return True
        except NotYet:
            return True
        except Unusable:
            return False

    def _by_folder(self) -> Iterator[Offer]:
        for offer in self._shelf.find():
            name, _ = self._class_of(self._shelf.plain(offer.locator))
            label = self._meaning(name)
            if offer.reason:
                yield offer
            elif not name:
                yield Offer(offer.locator, _NO_CLASS)
            elif label is None:
                yield Offer(offer.locator, _UNKNOWN.format(name=name))
            elif label:
                yield offer

    def _class_of(self, path: str) -> tuple[str, str]:
        """Class and split of a file: the outermost folder whose name is understood, else the one it lies in."""
        folders = path.split("/")[:-1]
        name = next((folder for folder in folders if self._meaning(folder) is not None), "")
        name = name or (folders[-1] if folders else "")
        return name, next((split for folder in folders if folder != name and (split := split_of(folder))), "")

    def _meaning(self, name: str) -> str | None:
        """The label that a class means; empty if it is left out, None if nobody knows."""
        if name in self._classes:
            return self._classes[name]
        return guessed(name, numbers=self._numbers) or None

    def _offer(self, row: Row) -> Iterator[Offer]:
        label, offer = self._meaning(row.label), locator_of(f"{self._base}{row.path}")
        if not row.path:
            yield Offer(f"line {row.line}", _NO_PATH)
        elif tables.leads_out(row.path):
            yield Offer(offer.locator, _LEADS_OUT)
        elif label is None:
            yield Offer(offer.locator, _UNKNOWN.format(name=row.label))
        elif row.split and not split_of(row.split):
            yield Offer(offer.locator, _BAD_SPLIT.format(name=row.split))
        elif label:
            yield offer

    def _content(self, row: Row, locator: str) -> Content:
        content, label = self._shelf.named(locator, locator), self._meaning(row.label)
        if isinstance(content, BadContent):
            return content
        if not label:
            return BadContent(locator, _UNKNOWN.format(name=row.label))
        return LabelledContent(locator, content, label, split_of(row.split), row.origin or self._origin)
