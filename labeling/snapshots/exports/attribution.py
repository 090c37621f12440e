"""A CSV of whose the media are: a line per media, with all that its licence asks to be named."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from labeling.cells import SAVED, harmless
from labeling.licences import licence, understood
from labeling.snapshots import format as snapshots
from labeling.snapshots.exports.format import Given
from labeling.snapshots.exports.tables import csv_text, joined
from labeling.snapshots.exports.tree import Tree

NAME = "media.csv"
COLUMNS = (
    "media_sha256", "title", "author", "licence", "licence_name", "licence_url", "page_url", "source", "basis",
    "fetched_at",
)  # fmt: skip
_KEPT = ["media_sha256", "licence", "author", "page_url", "source"]
_ROWS = 4_096
_ODD = rf'[,"\r\n]|^{SAVED}'
"""What a cell of a CSV cannot hold as it is."""


def write(given: Given, tree: Tree) -> Counter[str]:
    """Put media.csv in. Same snapshot, same facts: same bytes. Returns on which basis how many media were taken in."""
    done, bases = 0, Counter[str]()
    with tree.open(NAME, 600 * given.faces) as file:
        for lines, faces in table(given, bases):
            file.write(lines)
            done += faces
            given.progress(done)
    return bases


def table(given: Given, bases: Counter[str]) -> Iterator[tuple[bytes | memoryview, int]]:
    """The CSV some lines at a time, each with the number of faces read for it; media in the order of their faces.

    `licence` is as it was found; its name and address stand beside it where it is understood. `basis`: on which its
    sources were taken in, several joined by “;”; empty where nobody has said, or the site no longer knows. bases counts
    that column. What a source notes of its basis stays on the site, as it may name people (ADR 42).
    """
    yield csv_text([COLUMNS]), 0
    parts = _parts(given.folder)
    for (media, faces), facts in given.with_facts(
        parts, lambda part: part[0].column("media_sha256").to_pylist()
    ):
        yield _lines(media, facts, bases), faces


def _parts(folder: Path) -> Iterator[tuple[pa.RecordBatch, int]]:
    """Some media that were not there before, and the number of faces read to find them."""
    seen: set[str] = set()
    for batch in snapshots.iter_batches(folder, _KEPT, rows=_ROWS):
        yield _first_of_each(batch, seen), batch.num_rows


def _first_of_each(batch: pa.RecordBatch, seen: set[str]) -> pa.RecordBatch:
    """Of each media that was not seen before its first row; they are seen then."""
    rows = []
    for row, sha256 in enumerate(batch.column("media_sha256").to_pylist()):
        if sha256 not in seen:
            seen.add(sha256)
            rows.append(row)
    return batch.take(pa.array(rows, pa.int64()))


def _lines(media: pa.RecordBatch, facts: pa.Table, bases: Counter[str]) -> memoryview:
    if not media.num_rows:
        return memoryview(b"")
    sha256s, found, author, page_url, source = media.columns
    title, fetched_at, basis = (facts[name].combine_chunks() for name in ("title", "fetched_at", "bases"))
    for counted in pc.value_counts(basis).to_pylist():
        bases[counted["values"]] += counted["counts"]
    licences = found.dictionary_encode()
    names, urls = (
        pa.array(texts, pa.string()).take(licences.indices)
        for texts in zip(*map(_understood, licences.dictionary.to_pylist()), strict=True)
    )
    return csv_lines([sha256s, title, author, found, names, urls, page_url, source, basis, fetched_at])


def _understood(found: str) -> tuple[str, str]:
    """The name and the address of a licence that is understood."""
    known = licence(understood(found))
    return (known.name, known.url) if known else ("", "")


def csv_lines(columns: Sequence[pa.StringArray]) -> memoryview:
    """Lines of a CSV, as the csv module writes them, each text made harmless."""
    *cells, last = map(_cells, columns)
    ended = pc.binary_join_element_wise(last, "\n", "")
    return joined(pc.binary_join_element_wise(*cells, ended, ","))


def _cells(column: pa.StringArray) -> pa.StringArray:
    odd = pc.match_substring_regex(column, _ODD)
    if not odd.true_count:
        return column
    changed = [_quoted(harmless(text)) for text in column.filter(odd).to_pylist()]
    return pc.replace_with_mask(column, odd, pa.array(changed, pa.string()))


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if any(sign in text for sign in ',"\r\n') else text
