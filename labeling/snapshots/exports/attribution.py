"""A CSV of whose the media are: a line per media, with all that its licence asks to be named."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from labeling.licences import licence, understood
from labeling.snapshots import format as snapshots
from labeling.snapshots.exports.format import About, Facts, Given
from labeling.snapshots.exports.tables import csv_text, joined
from labeling.snapshots.exports.tree import Tree

NAME = "media.csv"
COLUMNS = (
    "media_sha256", "title", "author", "licence", "licence_name", "licence_url", "page_url", "source", "basis",
    "fetched_at",
)  # fmt: skip
_KEPT = ["media_sha256", "licence", "author", "page_url", "source"]
_BATCH = 2_000
_UNKNOWN = Facts()
_ODD = r'[,"\r\n]|^[=+\-@\t]'
"""What a cell of a CSV cannot hold as it is."""


def write(given: Given, tree: Tree) -> Counter[str]:
    """Put media.csv in. Same snapshot, same facts: same bytes. Returns on which basis how many media were taken in."""
    done, bases = 0, Counter[str]()
    with tree.open(NAME, 600 * given.faces) as file:
        for lines, faces in table(given.folder, given.about, bases):
            file.write(lines)
            done += faces
            given.progress(done)
    return bases


def table(folder: Path, about: About, bases: Counter[str]) -> Iterator[tuple[bytes | memoryview, int]]:
    """The CSV some lines at a time, each with the number of faces read for it; media in the order of their faces.

    `licence` is as it was found; its name and address stand beside it where it is understood. `basis`: on which its
    sources were taken in, several joined by “;”; empty where nobody has said, or the site no longer knows. bases counts
    that column. What a source notes of its basis stays on the site, as it may name people (ADR 42).
    """
    yield csv_text([COLUMNS]), 0
    seen: set[str] = set()
    for batch in snapshots.iter_batches(folder, _KEPT):
        new = _first_of_each(batch, seen)
        for start in range(0, new.num_rows, _BATCH):
            yield _lines(new.slice(start, _BATCH), about, bases), 0
        yield b"", batch.num_rows


def _first_of_each(batch: pa.RecordBatch, seen: set[str]) -> pa.RecordBatch:
    """Of each media that was not seen before its first row; they are seen then."""
    rows = []
    for row, sha256 in enumerate(batch.column("media_sha256").to_pylist()):
        if sha256 not in seen:
            seen.add(sha256)
            rows.append(row)
    return batch.take(pa.array(rows, pa.int64()))


def _lines(media: pa.RecordBatch, about: About, bases: Counter[str]) -> memoryview:
    sha256s, found, author, page_url, source = media.columns
    each = sha256s.to_pylist()
    known = about(each)
    facts = [known.get(sha256, _UNKNOWN) for sha256 in each]
    titles = pa.array([one.title for one in facts], pa.string())
    fetched = pa.array([one.fetched_at for one in facts], pa.string())
    basis = [";".join(one.bases) for one in facts]
    bases.update(basis)
    licences = found.dictionary_encode()
    names, urls = (
        pa.array(texts, pa.string()).take(licences.indices)
        for texts in zip(*map(_understood, licences.dictionary.to_pylist()), strict=True)
    )
    return csv_lines(
        [sha256s, titles, author, found, names, urls, page_url, source, pa.array(basis, pa.string()), fetched]
    )


def _understood(found: str) -> tuple[str, str]:
    """The name and the address of a licence that is understood."""
    known = licence(understood(found))
    return (known.name, known.url) if known else ("", "")


_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def harmless(text: str) -> str:
    """A licence or author somebody typed must not run as a formula in a spreadsheet."""
    return f"'{text}" if text.startswith(_FORMULA) else text


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
