"""What a format is, and what it is handed."""

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from labeling.snapshots import format as snapshots
from labeling.snapshots.exports.tree import Tree

Part = TypeVar("Part")
Progress = Callable[[int], None]
"""Called with the number of faces written so far; may raise to stop."""


FACTS = pa.schema(
    [
        ("media_sha256", pa.string()), ("title", pa.string()), ("fetched_at", pa.string()), ("width", pa.int64()),
        ("height", pa.int64()), ("ending", pa.string()), ("bases", pa.string()),
    ]
)  # fmt: skip
"""What is known of a media beside what its snapshot says. fetched_at: ISO 8601 in UTC, to the second.

width, height: pixels, upright; 0: not known. ending: of its file, with the dot. bases: on which its sources were taken
in, each a key of labeling.sources.rights.BASES, several joined by “;”; empty where nobody has said.
"""
About = Callable[[Iterable[Sequence[str]]], Iterator[pa.Table]]
"""Of the sha256 of some media at a time the FACTS of those that are known, in any order. It may take the next ones
from a thread of its own before it tells of these."""

Ballot = tuple[str, str]
"""A pseudonym and an answer: one of the classes, or of labeling.expressions.OTHER_ANSWERS."""
Ballots = Callable[[pa.RecordBatch], Sequence[Sequence[Ballot] | None]]
"""Who voted what on the faces of a batch with BALLOT_COLUMNS; None where that is not known any more."""
BALLOT_COLUMNS = ("face_id", "votes")


def _nothing(parts: Iterable[Sequence[str]]) -> Iterator[pa.Table]:
    return (FACTS.empty_table() for _part in parts)


def _no_ballots(batch: pa.RecordBatch) -> Sequence[None]:
    return [None] * batch.num_rows


def _silent(done: int) -> None:
    pass


@dataclass(frozen=True)
class Given:
    """A frozen snapshot as a folder on this machine, and what the site knows besides.

    frozen_on: the day, as ISO 8601. words: what a person says of the dataset: key of card.QUESTIONS → text.
    """

    folder: Path
    name: str = ""
    frozen_on: str = ""
    progress: Progress = _silent
    about: About = _nothing
    ballots: Ballots = _no_ballots
    words: Mapping[str, str] = field(default_factory=dict)

    def with_facts(
        self, parts: Iterable[Part], sha256s: Callable[[Part], Sequence[str]]
    ) -> Iterator[tuple[Part, pa.Table]]:
        """Each part, and of all its media in their order the FACTS; of those nobody knows any more what is not known.

        sha256s: of the media of a part, each once.
        """
        waiting = deque[tuple[Part, Sequence[str]]]()

        def asked() -> Iterator[Sequence[str]]:
            for part in parts:
                waiting.append((part, sha256s(part)))
                yield waiting[-1][1]

        for known in self.about(asked()):
            part, wanted = waiting.popleft()
            media = pa.array(wanted, pa.string())
            rows = known.take(pc.index_in(media, known["media_sha256"]))
            told = [rows[each.name].fill_null("" if pa.types.is_string(each.type) else 0) for each in FACTS]
            yield part, pa.table(told, FACTS).set_column(0, FACTS.field(0), media)

    @cached_property
    def manifest(self) -> snapshots.Manifest:
        return snapshots.read_manifest(self.folder)

    @property
    def classes(self) -> tuple[str, ...]:
        return self.manifest.classes

    @property
    def splits(self) -> list[str]:
        """Those that hold a face, train first."""
        return [split for split in snapshots.SPLITS if any(self.counts(split).values())]

    @property
    def faces(self) -> int:
        """How many were frozen; some may have been erased since."""
        return sum(sum(self.counts(split).values()) for split in snapshots.SPLITS)

    def counts(self, split: str) -> dict[str, int]:
        """Class → faces of the split."""
        return self.manifest.splits.get(split, {})

    def batches(self, columns: Sequence[str], split: str | None = None) -> Iterator[pa.RecordBatch]:
        """The rows in order of face_key. Raises ImageChanged before it hands out what is damaged."""
        return snapshots.iter_batches(self.folder, columns, split, checked=True)

    def told(self, columns: Sequence[str]) -> Iterator[tuple[str, pa.RecordBatch]]:
        """Split after split, with its name; says how far it is."""
        done = 0
        for split in self.splits:
            for batch in self.batches(columns, split):
                yield split, batch
                done += batch.num_rows
                self.progress(done)


@dataclass(frozen=True)
class Format:
    """title, purpose: for people. write: everything that is in its one file; returns notes for people.

    per_face: bytes it takes for a face, beside the images where these are in it; generous. reads_images: all of them.
    problem: why these classes cannot be written so; empty if they can. front: lines for the head of the dataset card.
    """

    title: str
    purpose: str
    write: Callable[[Given, Tree], str]
    per_face: int
    images: bool = True
    reads_images: bool = True
    problem: Callable[[Sequence[str]], str] = lambda classes: ""
    front: Callable[[Given], Sequence[str]] = lambda given: ()


_COMPACT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def compact(value: object) -> bytes:
    """JSON without blanks, in UTF-8."""
    return _COMPACT.encode(value).encode()
