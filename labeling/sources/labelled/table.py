"""The table of a labelled set: a CSV of path, label, split and origin, of any length.

What it says is put into a small database on the disk first, so that memory stays bounded, a path that is there twice is
found out, and any row can be asked for.
"""

import codecs
import csv
import io
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass

from labeling.sayings import gettext_noop
from labeling.sources import store
from labeling.sources.base import Alive, CannotRead, Reader

NAME = "labels.csv"
"""A set in which such a file lies is read by it, if nothing else is said."""
_BLOCK = 1024 * 1024
_LONGEST_LINE = 1024 * 1024
_DELIMITERS = ",;\t"
_COLUMNS = {
    "path": "path", "file": "path", "filename": "path", "file_name": "path", "image": "path", "img": "path",
    "image_path": "path", "pth": "path",
    "label": "label", "emotion": "label", "expression": "label", "class": "label",
    "split": "split", "usage": "split", "set": "split", "subset": "split",
    "origin": "origin", "labelled_by": "origin", "labeled_by": "origin", "expert": "origin",
}  # fmt: skip
_LIMITS = {"label": 200, "split": 40, "origin": 200}
_NO_COLUMNS = gettext_noop(
    "The table’s first line does not name its columns. It needs path and label; split and origin may follow, with "
    "commas, semicolons or tabs between them."
)
_NOT_TEXT = gettext_noop("The table is not text in UTF-8, from line {line:,} on. Save it as CSV in UTF-8.")
_NOT_CSV = gettext_noop(
    "The table cannot be read from line {line:,} on ({error}). Look for a quotation mark too many."
)
_LONG_LINE = gettext_noop("Line {line:,} of the table has more than {most:,} characters.")


@dataclass(frozen=True)
class Row:
    path: str
    label: str
    split: str = ""
    origin: str = ""
    line: int = 0
    """On which it ends, from 1."""


class Table:
    """The rows by path and in their order; of a path that is there twice the first counts."""

    def __init__(self, rows: sqlite3.Connection) -> None:
        self._rows = rows

    def all(self) -> Iterator[Row]:
        return (Row(*cells) for cells in self._rows.execute(f"{_SELECT} ORDER BY rowid"))

    def of(self, path: str) -> Row | None:
        found = self._rows.execute(f"{_SELECT} WHERE path = ?", (path,)).fetchone()
        return Row(*found) if found else None

    def otherwise(self) -> Iterator[tuple[Row, Row]]:
        """Rows whose path another row before them has, with another label or split; and that one."""
        found = self._rows.execute("SELECT path, label, split, origin, line FROM otherwise ORDER BY rowid")
        for cells in found:
            first = self.of(cells[0])
            assert first is not None
            yield Row(*cells), first

    def labels(self) -> dict[str, int]:
        """The names of labels, each with the rows that have it."""
        return dict(self._rows.execute("SELECT label, count(*) FROM said GROUP BY label ORDER BY label"))


_SELECT = "SELECT path, label, split, origin, line FROM said"
_MAKE = """
    PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -16384;
    CREATE TABLE said (path TEXT NOT NULL UNIQUE, label TEXT, split TEXT, origin TEXT, line INTEGER);
    CREATE TABLE otherwise (path TEXT NOT NULL, label TEXT, split TEXT, origin TEXT, line INTEGER);
"""


@contextmanager
def read(file: Reader, alive: Alive) -> Iterator[Table]:
    """The table, read to its end. Raises CannotRead, and Unusable where the file cannot be read."""
    with store.staged() as path, closing(sqlite3.connect(path, check_same_thread=False)) as rows:
        rows.executescript(_MAKE)
        for row in parsed(file, alive):
            cells = (row.path, row.label, row.split, row.origin, row.line)
            kept = rows.execute("INSERT OR IGNORE INTO said VALUES (?, ?, ?, ?, ?)", cells)
            if not kept.rowcount:
                rows.execute(
                    "INSERT INTO otherwise SELECT ?, ?, ?, ?, ? FROM said "
                    "WHERE path = ? AND (label, split) <> (?, ?)",
                    (*cells, row.path, row.label, row.split),
                )
        yield Table(rows)


def parsed(file: Reader, alive: Alive) -> Iterator[Row]:
    """The rows, as they come. Raises CannotRead."""
    lines = _lines(file, alive)
    first = next((line for line in lines if line.strip()), "")
    delimiter, columns = _heading(first)
    rows = csv.reader(lines, delimiter=delimiter)
    try:
        for cells in rows:
            if any(cell.strip() for cell in cells):
                yield _row(columns, cells, rows.line_num + 1)
    except csv.Error as error:
        raise CannotRead(_NOT_CSV.format(line=rows.line_num + 1, error=error)) from error


def _heading(line: str) -> tuple[str, list[str]]:
    for delimiter in _DELIMITERS:
        with suppress(csv.Error):
            cells = next(csv.reader([line], delimiter=delimiter), [])
            columns = [_COLUMNS.get(cell.strip().lower().replace(" ", "_"), "") for cell in cells]
            if {"path", "label"} <= set(columns):
                return delimiter, columns
    raise CannotRead(_NO_COLUMNS)


def _row(columns: list[str], cells: list[str], line: int) -> Row:
    values: dict[str, str] = {}
    for column, cell in zip(columns, cells, strict=False):
        if column and not values.get(column):
            values[column] = cell.strip()
    path = plain(values.get("path", ""))
    return Row(path, **{name: values.get(name, "")[:most] for name, most in _LIMITS.items()}, line=line)


def plain(path: str) -> str:
    """The path as this site writes it, with slashes and without ./ before it."""
    path = path.replace("\\", "/")
    while path.startswith("./"):
        path = path[2:]
    return path


def leads_out(path: str) -> bool:
    """Whether it names a place outside the set."""
    parts = path.split("/")
    return ".." in parts or parts[0] == "" or parts[0].endswith(":")


_MARKS: Mapping[bytes, str] = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


def _lines(file: Reader, alive: Alive) -> Iterator[str]:
    """The file's lines with their ends, one block of it in memory at a time. Raises CannotRead."""
    block = file.read(_BLOCK)
    encoding = next((name for mark, name in _MARKS.items() if block.startswith(mark)), "utf-8-sig")
    decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder(encoding)(), translate=True)
    number, rest = 0, ""
    while block or rest:
        try:
            text = rest + decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            raise CannotRead(_NOT_TEXT.format(line=number + 1)) from error
        *whole, rest = text.split("\n") if block else [*text.split("\n"), ""]
        for line in whole:
            number += 1
            yield f"{line}\n"
        if len(rest) > _LONGEST_LINE:
            raise CannotRead(_LONG_LINE.format(line=number + 1, most=_LONGEST_LINE))
        if not block:
            return
        alive()
        block = file.read(_BLOCK)
