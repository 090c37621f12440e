"""Labels of faces that are there already, as a table: out of the database and into it."""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, TextIO

from labeling import labels
from labeling.cells import as_meant, harmless
from labeling.erasure.tombstones import face_key
from labeling.expressions import known_as
from labeling.labels import Wanted
from labeling.models import Face, FaceLabel
from labeling.refusals import Refusal

COLUMNS = ("face", "key", "label", "origin", "column")
_CHUNK = 1_000
_DELIMITERS = ",;\t"


class BadTable(Refusal):
    """The table as a whole cannot be read; the text says why."""


@dataclass(frozen=True)
class Told:
    """What became of one line. problem: empty where its label stands."""

    line: int
    problem: str


def write(file: TextIO, *, column: str = "") -> int:
    """All labels, of one column or of all, as CSV. Returns how many. The key is that of snapshots' `face_key`."""
    rows = FaceLabel.objects.filter(column=column) if column else FaceLabel.objects.all()
    table, count = csv.writer(file), 0
    table.writerow(COLUMNS)
    for row in rows.select_related("face__media").order_by("pk").iterator(chunk_size=_CHUNK):
        key = face_key(row.face, row.face.media.sha256)
        table.writerow((row.face_id, key, *map(harmless, (row.label, row.origin, row.column))))
        count += 1
    return count


def read(file: TextIO, *, origin: str = "", column: str = "", by: Any = None) -> Iterator[Told]:
    """Give the labels that a CSV says: face (its number) or key, label, and where it says so origin and column.

    file: opened with newline="", able to seek. origin, column: of lines that name none. A chunk of lines is a
    transaction: begun again after it was cut off, what was given is there already. Raises BadTable.
    """
    keyed = _faces_by_key({row["key"] for _, row in _rows(file) if not row.get("face") and row.get("key")})
    rows = _rows(file)
    while chunk := list(islice(rows, _CHUNK)):
        yield from _give(chunk, keyed, origin, column or labels.EXPERT, by)


def _give(
    chunk: list[tuple[int, dict[str, str]]], keyed: Mapping[str, int], origin: str, column: str, by: Any
) -> Iterator[Told]:
    problems: dict[int, str] = {}
    wanted: dict[str, list[tuple[int, Wanted]]] = {}
    faces = {line: _face(row, keyed) for line, row in chunk}
    there = set(Face.objects.filter(pk__in=set(faces.values())).values_list("pk", flat=True))
    for line, row in chunk:
        into = row.get("column") or column
        one = Wanted(faces[line], known_as(row.get("label", "")), row.get("origin") or origin)
        try:
            labels.check(label=one.label, origin=one.origin, column=into)
        except labels.CannotLabel as reason:
            problems[line] = str(reason)
            continue
        if one.face not in there:
            problems[line] = "There is no such face."
        else:
            wanted.setdefault(into, []).append((line, one))
    for into, lines in wanted.items():
        told = labels.give([one for _, one in lines], column=into, by=by)
        problems.update({line: problem for (line, _), problem in zip(lines, told, strict=True)})
    for line, _ in chunk:
        yield Told(line, problems[line])


def _face(row: Mapping[str, str], keyed: Mapping[str, int]) -> int:
    """The face's primary key; 0 if there is none."""
    number = row.get("face", "")
    if number:
        return int(number) if number.isascii() and number.isdigit() and len(number) < 19 else 0
    return keyed.get(row.get("key", ""), 0)


def _faces_by_key(wanted: set[str]) -> dict[str, int]:
    """Of these keys the faces. The keys are nowhere in the database: each face's is reckoned."""
    if not wanted:
        return {}
    columns = ("media__sha256", "detector", "time_ms", "row", "x", "y", "width", "height")
    faces = Face.objects.select_related("media").only(*columns).order_by()
    found = ((face_key(face, face.media.sha256), face.pk) for face in faces.iterator(chunk_size=5_000))
    return {key: pk for key, pk in found if key in wanted}


def _rows(file: TextIO) -> Iterator[tuple[int, dict[str, str]]]:
    """Line number and cells by column, from the beginning. Raises BadTable."""
    file.seek(0)
    try:
        first = file.readline()
        delimiter, names = _heading(first.lstrip("\ufeff"))
        rows = csv.reader(file, delimiter=delimiter)
        for cells in rows:
            if any(cell.strip() for cell in cells):
                pairs = zip(names, (as_meant(cell.strip()) for cell in cells), strict=False)
                yield rows.line_num + 1, {name: cell for name, cell in pairs if name}
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadTable(f"This is no CSV in UTF-8 ({error}).") from error


def _heading(line: str) -> tuple[str, list[str]]:
    for delimiter in _DELIMITERS:
        names = [name.strip().lower() for name in next(csv.reader([line], delimiter=delimiter), [])]
        if "label" in names and ("face" in names or "key" in names):
            return delimiter, names
    raise BadTable(
        "The first line must name the columns: face or key, label, and if you like origin, column."
    )
