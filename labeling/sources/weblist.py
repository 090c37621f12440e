"""A list of web addresses: one a line, or a CSV that says beside each whose it is."""

import csv
import io
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from labeling.fetching import targets
from labeling.fetching.refusals import CannotFetch
from labeling.sayings import gettext_noop
from labeling.sources.base import LONGEST_LOCATOR, Note

MOST_BYTES = 32 * 1024**2
MOST_LINES = 500_000
_MOST_COLUMNS = 1000
_LONGEST_HEADING = 64 * 1024
_NOTHING_SAID = Note()
_COLUMNS = {
    "url": "url", "address": "url", "link": "url", "image_url": "url", "file_url": "url", "src": "url",
    "licence": "licence", "license": "licence", "rights": "licence",
    "author": "author", "creator": "author", "artist": "author",
    "page": "page_url", "page_url": "page_url", "landing_page": "page_url", "source": "page_url",
    "title": "title", "label": "label",
}  # fmt: skip
_LIMITS = {"licence": 200, "author": 200, "page_url": 2000, "label": 100, "title": 500}
_DELIMITERS = ",;\t"
_LONG = gettext_noop("The address has {characters:,} characters; {most:,} are allowed.")
_NO_ADDRESS = gettext_noop("This line has no address in its column “{column}”.")
_NOT_A_LIST = gettext_noop(
    "This is no list of web addresses: it has neither an address a line nor a CSV’s first line with a column “url”."
)
_NOT_TEXT = gettext_noop("The list is not text in UTF-8 ({error}).")
_MANY = gettext_noop("The list has more than {most:,} lines. Make several of it.")
_MANY_COLUMNS = gettext_noop("Its first line names {columns:,} columns; {most:,} are allowed.")
_TOO_LONG = gettext_noop("The list is longer than {most:,} bytes.")


class BadList(Exception):
    """The list as a whole cannot be read; the text says why, for people."""


@dataclass(frozen=True, slots=True)
class Entry:
    name: str
    """The address as it is written; `line 7` if there is none."""
    note: Note
    reason: str = ""
    """Why it can be said already now that it will not be fetched."""


def looks_like_one(begin: bytes) -> bool:
    """Whether a file that begins so is a list of addresses."""
    first = _first_line(io.StringIO(begin.decode("utf-8-sig", "ignore"), newline=None))
    return _is_address(first) or _heading(first) is not None


def parse(data: bytes) -> list[Entry]:
    """The entries in their order, each address once. Raises BadList."""
    if len(data) > MOST_BYTES:
        raise BadList(_TOO_LONG.format(most=MOST_BYTES))
    if data.count(b"\n") > MOST_LINES:
        raise BadList(_MANY.format(most=MOST_LINES))
    try:
        first = _first_line(_lines(data))
        delimiter = None if _is_address(first) else _heading(first[:_LONGEST_HEADING])
        if delimiter is None and not _is_address(first):
            raise BadList(_NOT_A_LIST)
        entries = _plain(_lines(data)) if delimiter is None else _table(_lines(data, newline=""), delimiter)
        once: dict[str, Entry] = {}
        for entry in entries:
            once.setdefault(entry.name, entry)
        return list(once.values())
    except UnicodeDecodeError as error:
        raise BadList(_NOT_TEXT.format(error=error)) from error


def _lines(data: bytes, newline: str | None = None) -> Iterator[str]:
    # Line by line: the whole as text may take four times its bytes.
    return io.TextIOWrapper(io.BytesIO(data), "utf-8-sig", newline=newline)


def _first_line(text: Iterable[str]) -> str:
    lines = (line.strip() for line in text)
    return next((line for line in lines if line and not line.startswith("#")), "")


def _is_address(line: str) -> bool:
    return line.lower().startswith(("http://", "https://"))


def _heading(line: str) -> str | None:
    """The delimiter of the CSV whose first line this is; None if it is none with a column of addresses."""
    for delimiter in _DELIMITERS:
        with suppress(csv.Error):
            if "url" in map(_column, next(csv.reader([line], delimiter=delimiter), [])):
                return delimiter
    return None


def _column(name: str) -> str:
    return _COLUMNS.get(name.strip().lower().replace(" ", "_"), "")


def _plain(text: Iterable[str]) -> Iterator[Entry]:
    for line in text:
        url = line.strip()
        if url and not url.startswith("#"):
            yield _entry(url, _NOTHING_SAID)


def _table(text: Iterable[str], delimiter: str) -> Iterator[Entry]:
    rows = csv.reader(text, delimiter=delimiter)
    columns: list[str] = []
    shown = ""
    try:
        for cells in rows:
            if not any(cell.strip() for cell in cells) or (not columns and cells[0].strip().startswith("#")):
                continue
            if not columns:
                if len(cells) > _MOST_COLUMNS:
                    raise BadList(_MANY_COLUMNS.format(columns=len(cells), most=_MOST_COLUMNS))
                columns = [_column(name) for name in cells]
                shown = cells[columns.index("url")].strip() if "url" in columns else ""
                continue
            values = _values(columns, cells)
            url = values.pop("url", "")
            if url:
                yield _entry(url, Note(**{name: value[: _LIMITS[name]] for name, value in values.items()}))
            else:
                yield Entry(f"line {rows.line_num}", _NOTHING_SAID, _NO_ADDRESS.format(column=shown))
    except csv.Error as error:
        raise BadList(_NOT_TEXT.format(error=error)) from error


def _values(columns: list[str], cells: list[str]) -> dict[str, str]:
    """Of columns of one meaning the first that says something."""
    values: dict[str, str] = {}
    for column, cell in zip(columns, cells, strict=False):
        if column and not values.get(column):
            values[column] = cell.strip().replace("\x00", "")
    return values


def _entry(url: str, note: Note) -> Entry:
    if len(url) > LONGEST_LOCATOR:
        shown = url[: LONGEST_LOCATOR - 1] + "…"
        return Entry(shown, note, _LONG.format(characters=len(url), most=LONGEST_LOCATOR))
    try:
        targets.parse(url)
    except CannotFetch as reason:
        return Entry(url.replace("\x00", "␀"), note, str(reason))
    return Entry(url, note)
