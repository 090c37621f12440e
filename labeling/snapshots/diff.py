"""What differs between two frozen versions, in columns and batch by batch: memory stays flat at any size. Pure.

Both are in order of face_key, so they are walked once, in step. Erased rows say nothing of their faces and are only
counted.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from labeling.snapshots.format.manifest import NotASnapshot, read_manifest
from labeling.snapshots.format.order import located

ADDED, REMOVED, LABEL, SPLIT, VOTES, ORIGIN = "added", "removed", "label", "split", "votes", "origin"
KINDS = (ADDED, REMOVED, LABEL, SPLIT, VOTES, ORIGIN)
"""How a face may differ: only in the newer, only in the older, or in both with another label, split, number of votes,
or with somebody else's word as its label."""
_ROWS = 16_384
_COUNTED = ("face_key", "label", "label_origin", "votes", "split", "erased")
_SHOWN = (
    *_COUNTED, "face_id", "agreement", "source", "licence", "media_sha256", "width", "height", "image_sha256",
)  # fmt: skip
Table: TypeAlias = dict[str, dict[str, int]]
"""Value in the older → value in the newer → faces."""
Rows: TypeAlias = NDArray[np.intp]


@dataclass
class Difference:
    """Counts of faces. old, new: class → faces there. added, removed: by class. labels, splits, origins: of the faces
    in both, those that stay as they are among them. votes: of the faces in both, how many have more and fewer, and how
    many votes that makes. erased: rows of the older and of the newer whose face is gone.
    """

    old: Counter[str] = field(default_factory=Counter)
    new: Counter[str] = field(default_factory=Counter)
    added: Counter[str] = field(default_factory=Counter)
    removed: Counter[str] = field(default_factory=Counter)
    labels: Table = field(default_factory=dict)
    splits: Table = field(default_factory=dict)
    origins: Table = field(default_factory=dict)
    votes: Counter[str] = field(default_factory=Counter)
    erased: Counter[str] = field(default_factory=Counter)

    def to_json(self) -> dict[str, Any]:
        """Plain values, in a fixed order."""
        return {name: _plain(value) for name, value in vars(self).items()}

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> "Difference":
        """What to_json has kept."""
        tables = ("labels", "splits", "origins")
        values: dict[str, Any] = {
            name: kept[name] if name in tables else Counter(kept[name]) for name in kept
        }
        return cls(**values)

    def count(self, kind: str) -> int:
        """How many faces differ in this way."""
        if kind in (ADDED, REMOVED):
            return sum((self.added if kind == ADDED else self.removed).values())
        if kind == VOTES:
            return self.votes["gained_faces"] + self.votes["lost_faces"]
        table = {LABEL: self.labels, SPLIT: self.splits, ORIGIN: self.origins}[kind]
        return sum(count for old, row in table.items() for new, count in row.items() if old != new)

    @property
    def both(self) -> int:
        return sum(sum(row.values()) for row in self.labels.values())


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in sorted(value.items()) if each}
    return value


@dataclass(frozen=True)
class Change:
    """One face. old, new: its row in each, None where it is not there."""

    face_key: str
    kinds: tuple[str, ...]
    old: dict[str, Any] | None
    new: dict[str, Any] | None

    @property
    def row(self) -> dict[str, Any]:
        """The newest there is."""
        found = self.new or self.old
        assert found is not None
        return found


@dataclass(frozen=True)
class Wanted:
    """Which changes. before, after: of faces in both with another label or split, from which value to which."""

    kinds: Collection[str] = KINDS
    before: str = ""
    after: str = ""


ALL = Wanted()


def difference(old: Path, new: Path) -> Difference:
    """What changed from the folder of the older version to that of the newer. Raises NotASnapshot, OSError."""
    found = Difference()
    for step in _steps(old, new, _COUNTED, ""):
        step.count_into(found)
    return found


def changes(old: Path, new: Path, wanted: Wanted = ALL, *, beyond: str = "") -> Iterator[Change]:
    """The faces that differ as wanted, in order of face_key, those beyond a key."""
    for step in _steps(old, new, _SHOWN, beyond):
        yield from step.changes(wanted)


class _Names:
    """Words by number: numbers are compared and counted faster."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self._numbers: dict[str, int] = {}

    def number(self, word: str) -> int:
        """Of a word that may be new."""
        if word not in self._numbers:
            self._numbers[word] = len(self.words)
            self.words.append(word)
        return self._numbers[word]

    def numbers(self, column: pa.Array) -> NDArray[np.int64]:
        encoded = column.dictionary_encode()
        known = np.array([self.number(word) for word in encoded.dictionary.to_pylist()], np.int64)
        found: NDArray[np.int64] = known[encoded.indices.to_numpy()]
        return found

    def counted(self, numbers: NDArray[np.int64]) -> dict[str, int]:
        counts = np.bincount(numbers)
        return {self.words[number]: int(counts[number]) for number in np.flatnonzero(counts)}


@dataclass(frozen=True)
class _Part:
    """Some rows that are there, in order. keys: (n,) 64 bytes each. words: kind of change → numbers of words. votes:
    (n,) sums.
    """

    batch: pa.RecordBatch
    keys: NDArray[np.bytes_]
    words: dict[str, NDArray[np.int64]]
    votes: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.keys)

    def cut(self, first: int, last: int) -> "_Part":
        words = {name: column[first:last] for name, column in self.words.items()}
        batch = self.batch.slice(first, last - first)
        return _Part(batch, self.keys[first:last], words, self.votes[first:last])

    def rows(self, which: Rows) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.batch.take(pa.array(which)).to_pylist()
        for row, votes in zip(found, self.votes[which].tolist(), strict=True):
            row["votes"] = votes
        return found


_WORDS = {LABEL: "label", SPLIT: "split", ORIGIN: "label_origin"}


def _part(batch: pa.RecordBatch, names: _Names) -> tuple[_Part, int]:
    """The rows that are not erased, and how many are."""
    there = pc.invert(batch.column("erased"))
    erased = len(batch) - there.true_count
    if erased:
        batch = batch.filter(there)
    words = {kind: names.numbers(batch.column(name)) for kind, name in _WORDS.items()}
    votes = batch.column("votes")
    ends = np.concatenate([[0], np.cumsum(votes.flatten().to_numpy(zero_copy_only=False), dtype=np.int64)])
    lengths = np.concatenate([[0], np.cumsum(votes.value_lengths().to_numpy(zero_copy_only=False))])
    return _Part(
        batch, _keys(batch.column("face_key")), words, np.diff(ends[lengths.astype(np.int64)])
    ), erased


def _keys(column: pa.Array) -> NDArray[np.bytes_]:
    """All are 64 hex digits, so they lie one after another."""
    _valid, ends, data = column.buffers()
    if not len(column) or data is None:
        return np.empty(0, "S64")
    first, last = np.frombuffer(ends, np.int32)[[column.offset, column.offset + len(column)]].tolist()
    if last - first != 64 * len(column):
        raise NotASnapshot("a face_key is not 64 hex digits.")
    return np.frombuffer(data, "S64", len(column), first)


class _Feed:
    """One version's rows as they are asked for."""

    def __init__(self, folder: Path, columns: Sequence[str], beyond: str, names: _Names) -> None:
        self._names = names
        self._batches = _batches(folder, columns, beyond)
        self._part: _Part | None = None
        self._next = 0
        self._beyond = beyond.encode()
        self.erased = 0

    def fill(self) -> bool:
        """Whether there is another row."""
        while self._part is None or self._next == len(self._part):
            batch = next(self._batches, None)
            if batch is None:
                return False
            self._part, erased = _part(batch, self._names)
            self.erased += erased
            self._next = int(np.searchsorted(self._part.keys, self._beyond, "right")) if self._beyond else 0
        return True

    @property
    def last(self) -> bytes:
        """The last key of those at hand."""
        assert self._part is not None
        return bytes(self._part.keys[-1])

    def until(self, key: bytes) -> _Part:
        """The rows at hand up to the key."""
        assert self._part is not None
        first = self._next
        self._next = int(np.searchsorted(self._part.keys, key, "right"))
        return self._part.cut(first, max(first, self._next))


def _batches(folder: Path, columns: Sequence[str], beyond: str) -> Iterator[pa.RecordBatch]:
    """The rows of a folder, but for groups of rows that lie wholly before the key, where shards follow each other."""
    manifest = read_manifest(folder)
    if manifest.order is not None:
        yield from (some.batch for some in located(folder, manifest, list(columns), _ROWS))
        return
    for shard in manifest.shards:
        with pq.ParquetFile(folder / shard.name) as file:
            groups = [group for group in range(file.num_row_groups) if last_key(file, group) > beyond]
            yield from file.iter_batches(_ROWS, row_groups=groups, columns=list(columns))


def last_key(file: pq.ParquetFile, group: int) -> str:
    """The last face_key of a group of rows; more than any key where the file does not say."""
    at = file.schema_arrow.get_field_index("face_key")
    said = file.metadata.row_group(group).column(at).statistics
    return str(said.max) if said is not None and said.has_min_max else "~"


def _steps(old: Path, new: Path, columns: Sequence[str], beyond: str) -> "Iterator[_Step]":
    names = _Names()
    left, right = _Feed(old, columns, beyond, names), _Feed(new, columns, beyond, names)
    while True:
        there = [feed for feed in (left, right) if feed.fill()]
        if not there:
            break
        limit = min(feed.last for feed in there)
        old_part, new_part = (feed.until(limit) if feed in there else None for feed in (left, right))
        yield _Step(names, old_part, new_part)
    yield _Step(names, None, None, erased=(left.erased, right.erased))


class _Step:
    """A stretch of face_keys in both versions."""

    def __init__(
        self, names: _Names, old: _Part | None, new: _Part | None, erased: tuple[int, int] = (0, 0)
    ) -> None:
        self._names = names
        self._old, self._new, self._erased = old, new, erased
        self._in_old, self._in_new = _met(old, new)
        self._removed = _others(old, self._in_old)
        self._added = _others(new, self._in_new)

    def count_into(self, found: Difference) -> None:
        found.erased["old"] += self._erased[0]
        found.erased["new"] += self._erased[1]
        for part, whole, alone, rows in (
            (self._old, found.old, found.removed, self._removed),
            (self._new, found.new, found.added, self._added),
        ):
            if part is not None:
                whole.update(self._names.counted(part.words[LABEL]))
                alone.update(self._names.counted(part.words[LABEL][rows]))
        if self._old is None or self._new is None:
            return
        for kind, table in ((LABEL, found.labels), (SPLIT, found.splits), (ORIGIN, found.origins)):
            before, after = self._old.words[kind][self._in_old], self._new.words[kind][self._in_new]
            pairs, counts = np.unique((before << 32) | after, return_counts=True)
            for pair, count in zip(pairs.tolist(), counts.tolist(), strict=True):
                row = table.setdefault(self._names.words[pair >> 32], {})
                word = self._names.words[pair & 0xFFFFFFFF]
                row[word] = row.get(word, 0) + count
        gained = self._gained()
        found.votes["gained_faces"] += int((gained > 0).sum())
        found.votes["gained"] += int(gained[gained > 0].sum())
        found.votes["lost_faces"] += int((gained < 0).sum())
        found.votes["lost"] -= int(gained[gained < 0].sum())

    def _gained(self) -> NDArray[np.int64]:
        """Votes more than in the older, of the faces in both."""
        assert self._old is not None
        assert self._new is not None
        return self._new.votes[self._in_new] - self._old.votes[self._in_old]

    def changes(self, wanted: Wanted) -> Iterator[Change]:
        found = [*self._alone(wanted), *self._in_both(wanted)]
        yield from sorted(found, key=lambda change: change.face_key)

    def _alone(self, wanted: Wanted) -> Iterator[Change]:
        for kind, part, rows, is_old in (
            (REMOVED, self._old, self._removed, True),
            (ADDED, self._new, self._added, False),
        ):
            if part is None or kind not in wanted.kinds or not len(rows):
                continue
            for row in part.rows(rows):
                yield Change(row["face_key"], (kind,), *((row, None) if is_old else (None, row)))

    def _in_both(self, wanted: Wanted) -> Iterator[Change]:
        if self._old is None or self._new is None or not len(self._in_old):
            return
        differs = {VOTES: self._gained() != 0}
        asked = differs[VOTES] & (VOTES in wanted.kinds)
        for kind in _WORDS:
            before, after = self._old.words[kind][self._in_old], self._new.words[kind][self._in_new]
            differs[kind] = before != after
            if kind in wanted.kinds:
                as_wanted = differs[kind].copy()
                if wanted.before:
                    as_wanted &= before == self._names.number(wanted.before)
                if wanted.after:
                    as_wanted &= after == self._names.number(wanted.after)
                asked = asked | as_wanted
        which = np.flatnonzero(asked)
        if not len(which):
            return
        rows = zip(self._old.rows(self._in_old[which]), self._new.rows(self._in_new[which]), strict=True)
        for number, (old, new) in zip(which, rows, strict=True):
            yield Change(
                new["face_key"], tuple(kind for kind in KINDS[2:] if differs[kind][number]), old, new
            )


def _met(old: _Part | None, new: _Part | None) -> tuple[Rows, Rows]:
    """The rows of faces in both, in each."""
    if old is None or new is None or not len(old) or not len(new):
        return np.empty(0, np.intp), np.empty(0, np.intp)
    place = np.searchsorted(new.keys, old.keys).clip(max=len(new) - 1)
    found = np.flatnonzero(new.keys[place] == old.keys)
    return found, place[found]


def _others(part: _Part | None, met: Rows) -> Rows:
    alone = np.ones(0 if part is None else len(part), np.bool_)
    alone[met] = False
    return np.flatnonzero(alone)
