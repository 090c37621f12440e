"""FER2013's table (emotion, pixels, Usage), with the votes of FER+ if one has them.

Goodfellow et al. 2013 (arXiv 1307.0414); Barsoum et al. 2016 (doi:10.1145/2993148.2993165).
"""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from labeling.expressions import FERPLUS_ANSWERS, SEVEN
from labeling.sayings import gettext_noop
from labeling.sources.base import BadContent, CannotRead, Content, Offer, RowContent
from labeling.vision.crops import grey_png

DETECTOR = "fer2013"
SIDE = 48
USAGES = ("Training", "PublicTest", "PrivateTest")
_COLUMNS = ("emotion", "pixels", "usage")
_LONGEST_LINE = 64 * 1024
_MOST_VOTE_ROWS = 200_000
_UNREADABLE = gettext_noop("“{location}” cannot be read ({error}).")
_NOT_A_TABLE = gettext_noop("This is no FER2013 table: its first line must name emotion, pixels and Usage.")
_BAD_RANGE = gettext_noop("Rows are a first and a last number, from 1, both included; not {rows}.")
_NOT_FERPLUS = gettext_noop("“{path}” is no FER+ table: it lacks {missing}.")
_FERPLUS_LONG = gettext_noop("The FER+ table “{path}” has more than {most:,} rows.")
_FERPLUS_UNREADABLE = gettext_noop("The FER+ table “{path}” cannot be read ({error}).")
_COLUMNS_DIFFER = gettext_noop("It has {cells} columns where the heading names {columns}.")
_NOT_CSV = gettext_noop("The line is not CSV ({error}).")
_BAD_EMOTION = gettext_noop("The column emotion says “{emotion}”; it must be a number from 0 to 6.")
_BAD_USAGE = gettext_noop("The column Usage says “{usage}”; it must be one of {known}.")
_BAD_PIXELS = gettext_noop("The column pixels must hold whole numbers from 0 to 255.")
_PIXELS_MISSING = gettext_noop("The column pixels holds {numbers:,} numbers; 48 × 48 are 2,304.")
_OTHER_IMAGE = gettext_noop("FER+ calls this row {theirs}, the table {ours}: they are not rows of one image.")


class _BadRow(Exception):
    """For people."""


class Fer2013:
    option_names = frozenset({"ferplus", "rows"})

    def fits(self, path: Path) -> bool:
        if not path.is_file():
            return False
        with path.open("rb") as file, suppress(CannotRead):
            return bool(_columns(file.readline(_LONGEST_LINE)))
        return False

    @contextmanager
    def open(self, location: Path, options: Mapping[str, Any]) -> Iterator["TablePlace"]:
        rows = _range(options.get("rows"))
        votes = _ferplus(Path(options["ferplus"]), rows) if options.get("ferplus") else None
        try:
            with location.open("rb") as file:
                yield TablePlace(file, rows, votes)
        except OSError as error:
            raise CannotRead(_UNREADABLE.format(location=location, error=error.strerror)) from error


class TablePlace:
    """Row n is the n-th line after the heading, empty lines not counted."""

    def __init__(
        self, file: BinaryIO, rows: tuple[int, int | None], votes: Mapping[int, "_Votes"] | None
    ) -> None:
        self._file = file
        self._first, self._last = rows
        self._votes = votes
        self._order = _columns(_line(file))
        self._lines: Iterator[tuple[int, bytes]] = iter(())
        self._at = 0

    def find(self) -> Iterator[Offer]:
        for row, _ in self._rows():
            yield Offer(f"row {row}")

    def contents(self, locators: Sequence[str]) -> Iterable[Content]:
        for locator in locators:
            try:
                yield self._content(locator)
            except _BadRow as reason:
                yield BadContent(locator, str(reason))

    def _content(self, locator: str) -> Content:
        row = int(locator.removeprefix("row "))
        emotion, pixels, usage = self._cells(self._line_of(row))
        given: dict[str, Any] = {"label": _label(emotion), "split": _usage(usage)}
        if self._votes is not None:
            given["votes"] = _votes_of(self._votes.get(row), usage)
        png = grey_png(_pixels(pixels), SIDE, SIDE)
        return RowContent(locator, row, DETECTOR, png, SIDE, SIDE, given)

    def _line_of(self, row: int) -> bytes:
        """The row's line. Rows are mostly asked for in order, so the file is read through once."""
        if row <= self._at:
            self._at = 0
        if not self._at:
            self._lines = self._rows()
        for number, line in self._lines:
            self._at = number
            if number == row:
                return line
        self._at = 0
        raise _BadRow(gettext_noop("The table has no such row any more."))

    def _rows(self) -> Iterator[tuple[int, bytes]]:
        self._file.seek(0)
        _line(self._file)
        row = 0
        while line := _line(self._file):
            if not line.strip():
                continue
            row += 1
            if self._last is not None and row > self._last:
                return
            if row >= self._first:
                yield row, line

    def _cells(self, line: bytes) -> tuple[str, str, str]:
        cells = _split(line)
        if len(cells) != len(self._order):
            raise _BadRow(_COLUMNS_DIFFER.format(cells=len(cells), columns=len(self._order)))
        emotion, pixels, usage = (cells[self._order[name]].strip() for name in _COLUMNS)
        return emotion, pixels, usage


def _line(file: BinaryIO) -> bytes:
    """The next line whole, or only its beginning if it is longer than any row can be."""
    line = file.readline(_LONGEST_LINE)
    rest = line
    while rest and not rest.endswith(b"\n"):
        rest = file.readline(_LONGEST_LINE)
    return line


def _split(line: bytes) -> list[str]:
    # Line by line, so that a stray quote spoils one row and not the rest of the table.
    try:
        return next(csv.reader([line.decode("utf-8-sig", "replace").replace("\x00", "�")]), [])
    except csv.Error as error:
        raise _BadRow(_NOT_CSV.format(error=error)) from error


def _columns(heading: bytes) -> dict[str, int]:
    """Where each column stands. Raises CannotRead."""
    try:
        names = [name.strip().lower() for name in _split(heading)]
    except _BadRow:
        names = []
    if not set(_COLUMNS) <= set(names):
        raise CannotRead(_NOT_A_TABLE)
    return {name: index for index, name in enumerate(names)}


def _label(emotion: str) -> str:
    if not re.fullmatch(r"[0-6]", emotion):
        raise _BadRow(_BAD_EMOTION.format(emotion=emotion[:20]))
    return SEVEN[int(emotion)]


def _usage(usage: str) -> str:
    if usage not in USAGES:
        raise _BadRow(_BAD_USAGE.format(usage=usage[:20], known=", ".join(USAGES)))
    return usage


def _pixels(text: str) -> bytes:
    try:
        values = bytes(map(int, text.split()))
    except ValueError:
        raise _BadRow(_BAD_PIXELS) from None
    if len(values) != SIDE * SIDE:
        raise _BadRow(_PIXELS_MISSING.format(numbers=len(values)))
    return values


def _range(rows: Any) -> tuple[int, int | None]:
    if rows is None:
        return 1, None
    whole = isinstance(rows, list | tuple) and len(rows) == 2 and isinstance(rows[0], int)
    if not whole or rows[0] < 1 or not (rows[1] is None or (isinstance(rows[1], int) and rows[1] >= rows[0])):
        raise CannotRead(_BAD_RANGE.format(rows=repr(rows)))
    return rows[0], rows[1]


_Votes = tuple[str, dict[str, int] | None]
"""Of one FER+ row: its Usage, and answer → count (None if the row is damaged)."""


def _ferplus(path: Path, rows: tuple[int, int | None]) -> dict[int, _Votes]:
    """The votes by row. Raises CannotRead."""
    first, last = rows
    try:
        with path.open("rb") as file:
            lines = (_split(line) for line in iter(partial(_line, file), b"") if line.strip())
            names = [name.strip() for name in next(lines, [])]
            missing = {"Usage", *FERPLUS_ANSWERS} - set(names)
            if missing:
                raise CannotRead(_NOT_FERPLUS.format(path=path, missing=", ".join(sorted(missing))))
            votes = {}
            for row, cells in enumerate(lines, 1):
                if row > _MOST_VOTE_ROWS:
                    raise CannotRead(_FERPLUS_LONG.format(path=path, most=_MOST_VOTE_ROWS))
                if row >= first and (last is None or row <= last):
                    votes[row] = _vote_row(dict(zip(names, cells, strict=False)))
            return votes
    except (OSError, _BadRow) as error:
        raise CannotRead(_FERPLUS_UNREADABLE.format(path=path, error=error)) from error


def _vote_row(cells: Mapping[str, str]) -> _Votes:
    texts = {answer: cells.get(column, "").strip() for column, answer in FERPLUS_ANSWERS.items()}
    if not all(text.isascii() and text.isdigit() and len(text) < 10 for text in texts.values()):
        return cells.get("Usage", ""), None
    return cells.get("Usage", ""), {answer: int(text) for answer, text in texts.items() if int(text)}


def _votes_of(found: _Votes | None, usage: str) -> dict[str, int]:
    if found is None:
        raise _BadRow(gettext_noop("The FER+ table has no such row; is it the table of these images?"))
    if found[0] != usage:
        raise _BadRow(_OTHER_IMAGE.format(theirs=found[0], ours=usage))
    if found[1] is None:
        raise _BadRow(gettext_noop("The FER+ row holds something that is no number of votes."))
    return found[1]
