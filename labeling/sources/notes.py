"""sources.csv: who made the files beside it, under which licence, and what they are said to show."""

import csv
import io
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress

from labeling.sayings import gettext_noop
from labeling.sources.base import NOTES_NAME, Note, Reader, Unusable

COLUMNS = ("licence", "author", "page_url", "label")
_ALSO = {"license": "licence", "url": "page_url", "filename": "file", "path": "file"}
_LIMITS = {"licence": 200, "author": 200, "page_url": 2000, "label": 100}
_MOST_BYTES = 32 * 1024**2
_MOST_ROWS = 500_000
_MOST_COLUMNS = 1000
_DELIMITERS = ",;\t"
_LONGEST_HEADING = 64 * 1024
_TOO_LONG = gettext_noop("It is longer than {most:,} bytes.")
_NO_FILE_COLUMN = gettext_noop(
    "It has no column “file”. Its first line names the columns, with commas, semicolons or tabs between them: file, "
    "licence, author …"
)
_MANY_ROWS = gettext_noop(
    "It has more than {most:,} lines. Put each folder’s lines into a sources.csv of its own."
)
_MANY_COLUMNS = gettext_noop("Its first line names {columns:,} columns; {most:,} are allowed.")
_NOT_CSV = gettext_noop("It is not a CSV file in UTF-8 ({error}).")


class BadNotes(Exception):
    """The sources.csv cannot be read; the text says why, for people."""


class Notes:
    """The notes of a tree of folders. A file's own folder is asked first, then the folders above.

    open_file: opens a file of the tree by its name with slashes; raises Unusable if there is none.
    """

    def __init__(self, open_file: Callable[[str], AbstractContextManager[Reader]]) -> None:
        self._open = open_file
        self._folders: dict[str, dict[str, Note]] = {}
        """Of those asked last, together no more than _MOST_ROWS notes: a tree may have any number of folders."""
        self._held = 0

    def of(self, locator: str) -> Note:
        """What is said about the file; an unreadable sources.csv says nothing."""
        folder, _, name = locator.rpartition("/")
        while True:
            note = self._in(folder).get(name)
            if note is not None or not folder:
                return note or Note()
            folder, _, last = folder.rpartition("/")
            name = f"{last}/{name}"

    def _in(self, folder: str) -> dict[str, Note]:
        found = self._folders.pop(folder, None)
        if found is None:
            found = self._read(folder)
            self._held += len(found)
            while self._folders and self._held > _MOST_ROWS:
                self._held -= len(self._folders.pop(next(iter(self._folders))))
        self._folders[folder] = found
        return found

    def _read(self, folder: str) -> dict[str, Note]:
        try:
            with self._open(f"{folder}/{NOTES_NAME}" if folder else NOTES_NAME) as file:
                return parse(file)
        except (Unusable, BadNotes):
            return {}


def parse(file: Reader) -> dict[str, Note]:
    """File name → note. Raises BadNotes, and Unusable where the file cannot be read."""
    data = file.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise BadNotes(_TOO_LONG.format(most=_MOST_BYTES))
    if data.count(b"\n") > _MOST_ROWS:
        raise BadNotes(_MANY_ROWS.format(most=_MOST_ROWS))
    try:
        rows = csv.reader(_lines(data), delimiter=_delimiter(next(_lines(data), "")))
        names = [_column(name) for name in next(rows, [])]
        if len(names) > _MOST_COLUMNS:
            raise BadNotes(_MANY_COLUMNS.format(columns=len(names), most=_MOST_COLUMNS))
        if "file" not in names:
            raise BadNotes(_NO_FILE_COLUMN)
        notes: dict[str, Note] = {}
        for row in rows:
            if row:
                file_name, note = _entry(dict(zip(names, row, strict=False)))
                notes[file_name] = note
        return notes
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadNotes(_NOT_CSV.format(error=error)) from error


def _lines(data: bytes) -> Iterator[str]:
    return io.TextIOWrapper(io.BytesIO(data), "utf-8-sig", newline="")


def _delimiter(first: str) -> str:
    """What stands between the columns of the table that begins with this line."""
    for delimiter in _DELIMITERS:
        with suppress(csv.Error):
            cells = next(csv.reader([first[:_LONGEST_HEADING]], delimiter=delimiter), [])
            if "file" in map(_column, cells):
                return delimiter
    return _DELIMITERS[0]


def _column(name: str) -> str:
    plain = name.strip().lower().replace(" ", "_")
    return _ALSO.get(plain, plain)


def _entry(row: dict[str, str]) -> tuple[str, Note]:
    values = {column: row.get(column, "").strip()[: _LIMITS[column]] for column in COLUMNS}
    file = row.get("file", "").strip().replace("\\", "/").removeprefix("./")
    return file, Note(**{column: value.replace("\x00", "") for column, value in values.items()})
