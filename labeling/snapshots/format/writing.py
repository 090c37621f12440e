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
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty; a snapshot needs a folder of its own.")
    digest = Digest(classes, rule)
    counts = np.zeros((len(SPLITS), len(classes)), np.int64)
    if staying is not None:
        counts += staying.counts
    before = base_of(base, trusted, staying)
    ledger = None if rows is None else _Ledger(rows, staying)
    with before, Placer(folder, before, trusted, readers) as placer, Files(folder, before) as files:
        if staying is not None:
            before.stay(staying.rows)
        for some in placer.placed(chunks, classes):
            if staying is None:
                digest.add_hashed(some.content.column("face_key"), some.hashes)
            if ledger is not None:
                ledger.add(some)
            counts += _counts(some.content, len(classes))
            files.add(some)
        before.rest()
        if staying is None:
            shards, runs = files.ended()
        else:
            assert ledger is not None
            digest.add_rows(staying.keys, ledger.rows["proof"])
            shards, runs = files.ended(staying.rows, staying.at, staying.keys)
    manifest = Manifest(
        classes=tuple(classes),
        rule=dict(rule),
        splits={
            split: dict(zip(classes, row, strict=True))
            for split, row in zip(SPLITS, counts.tolist(), strict=True)
        },
        left_out=dict(left_out or {}),
        notes=tuple(notes),
        certificate=dict(certificate or {}),
        rows=digest.rows,
        digest=digest.hex(),
        shards=shards,
        packs=placer.names(),
        order=runs,
    )
    (folder / MANIFEST).write_text(manifest.to_json(), encoding="utf-8")
    return manifest


def base_of(folder: Path | None, trusted: Collection[str], staying: Staying | None = None) -> Base:
    """The version before. trusted, staying: as of `write_columns`."""

    def sound(path: Path, shard: Shard) -> bool:
        if not path.is_file() or path.stat().st_size != shard.bytes:
            return False
        return shard.name in trusted or sha256_of(path) == shard.sha256

    return Base(folder, sound) if staying is None else Base(folder, sound, staying.known, staying.handed)


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
