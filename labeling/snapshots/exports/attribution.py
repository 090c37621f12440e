"""A CSV of whose the media are: a line per media, with all that its licence asks to be named."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from labeling.licences import licence, understood
from labeling.snapshots import format as snapshots
from labeling.snapshots.exports.format import About, Facts, Given
from labeling.snapshots.exports.tables import csv_text
from labeling.snapshots.exports.tree import Tree

NAME = "media.csv"
COLUMNS = (
    "media_sha256", "title", "author", "licence", "licence_name", "licence_url", "page_url", "source", "fetched_at",
)  # fmt: skip
_KEPT = ["media_sha256", "licence", "author", "page_url", "source"]
_BATCH = 500
_UNKNOWN = Facts()


def write(given: Given, tree: Tree) -> str:
    """Put media.csv in. Same snapshot, same facts: same bytes."""
    done = 0
    with tree.open(NAME) as file:
        for lines, faces in table(given.folder, given.about):
            file.write(lines)
            done += faces
            given.progress(done)
    return ""


def table(folder: Path, about: About) -> Iterator[tuple[bytes, int]]:
    """The CSV some lines at a time, each with the number of faces read for it; media in the order of their faces.

    `licence` is as it was found; its name and address stand beside it where it is understood.
    """
    yield csv_text([COLUMNS]), 0
    seen: set[str] = set()
    for batch in snapshots.iter_batches(folder, _KEPT):
        new = []
        for face in batch.to_pylist():
            if face["media_sha256"] not in seen:
                seen.add(face["media_sha256"])
                new.append(face)
        for start in range(0, len(new), _BATCH):
            chunk = new[start : start + _BATCH]
            facts = about([face["media_sha256"] for face in chunk])
            yield csv_text(_line(face, facts.get(face["media_sha256"], _UNKNOWN)) for face in chunk), 0
        yield b"", batch.num_rows


def _line(face: dict[str, Any], facts: Facts) -> list[str]:
    known = licence(understood(face["licence"]))
    name, url = (known.name, known.url) if known else ("", "")
    told = [facts.title, face["author"], face["licence"], name, url, face["page_url"], face["source"]]
    return [face["media_sha256"], *map(harmless, told), facts.fetched_at]


def harmless(text: str) -> str:
    """A licence or author somebody typed must not run as a formula in a spreadsheet."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
