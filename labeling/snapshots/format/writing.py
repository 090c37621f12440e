"""Write a snapshot folder, holding no more than a few megabytes of it at a time."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from labeling.snapshots.format.base import ROW, Base, Rows
from labeling.snapshots.format.digits import Raw, hex_digits, raw_bytes
from labeling.snapshots.format.files import GROUP_ROWS, Files, sha256_of
from labeling.snapshots.format.images import Chunk, Placed, Placer
from labeling.snapshots.format.manifest import MANIFEST, Manifest, Shard
from labeling.snapshots.format.rows import SPLITS, Digest

Whole: TypeAlias = NDArray[np.int64]
_AT_ONCE = 65_536


@dataclass(frozen=True)
class Staying:
    """Rows of the base that are in the new version as they are, and need not be handed over.

    known: all rows of the base, as they were filled in when it was written. rows: the numbers there of those that stay.
    at: their numbers in the new version. Both (n,), ascending. counts: (splits, classes) how many. handed: of the other
    rows of the new version their numbers in the base, -1 for those it has not. keys: of all rows of the new version,
    32 bytes each.
    """

    known: Rows
    rows: Whole
    at: Whole
    counts: NDArray[np.integer[Any]]
    handed: Whole
    keys: Raw


def write(
    folder: Path,
    rows: Iterable[Mapping[str, Any]],
    *,
    classes: Sequence[str],
    rule: Mapping[str, Any],
    **more: Any,
) -> Manifest:
    """Write rows as a snapshot into an empty folder.

    rows: one mapping per face, all with the same columns; see `write_columns`, to which `more` goes.
    """
    return write_columns(folder, _in_columns(rows), classes=classes, rule=rule, **more)


def _in_columns(rows: Iterable[Mapping[str, Any]]) -> Iterator[Chunk]:
    rest = iter(rows)
    while chunk := list(islice(rest, GROUP_ROWS)):
        yield {name: [row.get(name) for row in chunk] for name in chunk[0]}


def write_columns(
    folder: Path,
    chunks: Iterable[Chunk],
    *,
    classes: Sequence[str],
    rule: Mapping[str, Any],
    left_out: Mapping[str, int] | None = None,
    notes: Sequence[str] = (),
    certificate: Mapping[str, Any] | None = None,
    base: Path | None = None,
    trusted: Collection[str] = (),
    readers: int = 1,
    staying: Staying | None = None,
    rows: Rows | None = None,
) -> Manifest:
    """Write a snapshot into an empty folder, the manifest last, so that a folder without one is not a snapshot.

    chunks: some rows at a time, as lists or Arrow arrays by column, ordered by face_key over all. Their columns are
    COLUMNS; those in DEFAULTS, `group` and `image_sha256` may be left out. `image` is of each row the PNG, or a
    function that returns it; or one function that is given numbers of rows of the chunk and returns their Images.
    Functions are called only where an image is needed, by so many threads at once as there are
    `readers`, a few chunks ahead.
    base: a snapshot folder whose packs are stored with this one's: images that it holds, and that are what its rows
    say, are not written again; nor are rows that say the same, whose shards are linked. trusted: files and packs of the
    base that are believed to be whole, and not read.
    rows: room for all rows of the new version, which is filled. staying: rows of the base that are in the new version
    besides those of the chunks, if rows can stay there (Base.can_stay); its files are then not read. It takes `rows`.
    Raises BadRow for rows out of order or outside the classes and splits, FileExistsError for a folder that holds
    something.
    """
    _demand_empty(folder)
    tally = _Tally(classes, rule, staying, rows)
    before = base_of(base, trusted, staying)
    with before, Placer(folder, before, trusted, readers) as placer, Files(folder, before) as files:
        if staying is not None:
            before.stay(staying.rows)
        for some in placer.placed(chunks, classes):
            tally.add(some)
            files.add(some)
        before.rest()
        tally.end()
        if staying is None:
            shards, runs = files.ended()
        else:
            shards, runs = files.ended(staying.rows, staying.at, staying.keys)
    manifest = Manifest(
        classes=tuple(classes),
        rule=dict(rule),
        splits=tally.splits(),
        left_out=dict(left_out or {}),
        notes=tuple(notes),
        certificate=dict(certificate or {}),
        rows=tally.digest.rows,
        digest=tally.digest.hex(),
        shards=shards,
        packs=placer.names(),
        order=runs,
    )
    (folder / MANIFEST).write_text(manifest.to_json(), encoding="utf-8")
    return manifest


def _demand_empty(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty; a snapshot needs a folder of its own.")


def base_of(folder: Path | None, trusted: Collection[str], staying: Staying | None = None) -> Base:
    """The version before. trusted, staying: as of `write_columns`."""

    def sound(path: Path, shard: Shard) -> bool:
        if not path.is_file() or path.stat().st_size != shard.bytes:
            return False
        return shard.name in trusted or sha256_of(path) == shard.sha256

    return Base(folder, sound) if staying is None else Base(folder, sound, staying.known, staying.handed)


class _Tally:
    """What all rows come to: the digest, how many of each class in each split, and where asked for the rows."""

    def __init__(
        self, classes: Sequence[str], rule: Mapping[str, Any], staying: Staying | None, rows: Rows | None
    ) -> None:
        self.digest = Digest(classes, rule)
        self._classes, self._staying = classes, staying
        self._counts = np.zeros((len(SPLITS), len(classes)), np.int64)
        if staying is not None:
            self._counts += staying.counts
        self._ledger = None if rows is None else _Ledger(rows, staying)

    def add(self, some: Placed) -> None:
        """Rows that were handed over."""
        if self._staying is None:
            self.digest.add_hashed(some.content.column("face_key"), some.hashes)
        if self._ledger is not None:
            self._ledger.add(some)
        self._counts += _counts(some.content, len(self._classes))

    def end(self) -> None:
        """No more come. Where others stay, the digest takes in all at once, in their order."""
        if self._staying is not None:
            assert self._ledger is not None
            self.digest.add_rows(self._staying.keys, self._ledger.rows["proof"])

    def splits(self) -> dict[str, dict[str, int]]:
        return {
            split: dict(zip(self._classes, row, strict=True))
            for split, row in zip(SPLITS, self._counts.tolist(), strict=True)
        }


class _Ledger:
    """Fills in the rows of the new version."""

    def __init__(self, rows: Rows, staying: Staying | None) -> None:
        self.rows = rows
        self._at = np.arange(len(rows))
        self._done = 0
        if staying is not None:
            for start in range(0, len(staying.at), _AT_ONCE):
                some = slice(start, start + _AT_ONCE)
                rows[staying.at[some]] = staying.known[staying.rows[some]]
            handed = np.ones(len(rows), np.bool_)
            handed[staying.at] = False
            self._at = np.flatnonzero(handed)

    def add(self, some: Placed) -> None:
        size = some.content.num_rows
        entries = np.empty(size, ROW)
        entries["image"] = raw_bytes(hex_digits(some.content.column("image_sha256")))
        entries["proof"] = some.hashes
        for number, name in enumerate(("pack", "offset", "bytes")):
            entries[name] = some.found.place[:, number]
        self.rows[self._at[self._done : self._done + size]] = entries
        self._done += size


def _counts(batch: pa.RecordBatch, classes: int) -> NDArray[np.int64]:
    """(splits, classes): rows."""
    split = pc.index_in(batch.column("split"), pa.array(SPLITS)).to_numpy().astype(np.int64)
    flat = split * classes + batch.column("label_index").to_numpy()
    return np.bincount(flat, minlength=len(SPLITS) * classes).reshape(len(SPLITS), classes)
