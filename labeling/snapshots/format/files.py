"""The files that rows lie in: shards of the version before, kept as they are, and new ones."""

import hashlib
import os
import shutil
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from labeling.snapshots.format import order
from labeling.snapshots.format.base import Base
from labeling.snapshots.format.digits import hex_digits, leading_bits, leading_words
from labeling.snapshots.format.images import Placed
from labeling.snapshots.format.manifest import Shard
from labeling.snapshots.format.rows import SCHEMA

SHARD_ROWS = 16_384
GROUP_ROWS = 2_048
"""What a writer and a reader hold at a time."""
_REPEATING = [
    "label", "label_origin", "other_labels", "split", "media_kind", "detector", "licence", "author", "page_url",
    "source", "given_split",
]  # fmt: skip
Whole: TypeAlias = NDArray[np.int64]
Numbers: TypeAlias = NDArray[np.integer[Any]]
_NEW = -2
_NONE = np.empty(0, np.int64)


class Files:
    """The files the rows lie in: shards of the base, kept as they are, and new ones."""

    def __init__(self, folder: Path, base: Base) -> None:
        self._folder, self._base = folder, base
        taken = [int(shard.name[6:11]) for shard in base.shards] if base.keeps else []
        self._new = _Shards(folder, max(taken, default=-1) + 1)
        self._shard: list[Whole] = []
        self._row: list[Whole] = []
        self._keys: list[NDArray[np.uint64]] = []
        self._rows = 0

    def __enter__(self) -> "Files":
        return self

    def __exit__(self, *rest: object) -> None:
        self._new.close()

    def add(self, rows: Placed) -> None:
        changed = np.flatnonzero(~rows.same)
        if self._base.keeps:
            shard, row = rows.found.shard.copy(), rows.found.row.copy()
            shard[changed], row[changed] = _NEW, np.arange(self._rows, self._rows + len(changed))
            self._shard.append(shard)
            self._row.append(row)
            self._keys.append(leading_bits(hex_digits(rows.content.column("face_key"))))
        self._rows += len(changed)
        if len(changed):
            self._new.add(rows.changed())

    def ended(
        self, staying: Whole = _NONE, at: Whole = _NONE, keys: NDArray[np.void] | None = None
    ) -> tuple[tuple[Shard, ...], Shard | None]:
        """The shards, and the file of their order, where one is needed.

        staying: numbers of the base's rows that stay besides those added. at: which of all rows they are. keys: of all
        rows, if some stay.
        """
        self._new.end(needed=not self._base.keeps)
        if not self._base.keeps:
            return tuple(self._new.written), None
        shard: Numbers
        row: Numbers
        shard, row = np.concatenate([_NONE, *self._shard]), np.concatenate([_NONE, *self._row])
        leading = np.concatenate([_NONE.view(np.uint64), *self._keys])
        if keys is not None:
            leading = leading_words(keys)
            shard, row = self._with_staying(shard, row, staying, at)
        used = [np.zeros(each.rows, np.bool_) for each in self._base.shards]
        for number, rows in enumerate(used):
            rows[row[shard == number]] = True
        keeps = self._base.to_keep(used, leading)
        files: list[Shard] = []
        at = np.empty_like(shard)
        for number, rows in enumerate(used):
            mine = shard == number
            if keeps[number]:
                self._link(self._base.shards[number].name)
                files.append(self._base.shards[number])
            elif rows.any():
                row[mine] = (np.cumsum(rows) - 1)[row[mine]]
                files += self._copied(number, rows)
            else:
                continue
            at[mine] = len(files) - 1
        new = shard == _NEW
        at[new], row[new] = len(files) + row[new] // SHARD_ROWS, row[new] % SHARD_ROWS
        files += self._new.written
        return tuple(files), self._order(order.runs(at, row), files)

    def _with_staying(
        self, shard: Numbers, row: Numbers, staying: Whole, at: Whole
    ) -> tuple[Numbers, Numbers]:
        """Where all rows lie, given where those lie that were added."""
        added = np.ones(len(shard) + len(staying), np.bool_)
        added[at] = False
        whole = np.empty(len(added), np.int32), np.empty(len(added), np.int32)
        for each, new, old in zip(whole, (shard, row), self._base.places_of(staying), strict=True):
            each[added], each[at] = new, old
        return whole

    def _copied(self, number: int, rows: NDArray[np.bool_]) -> list[Shard]:
        """The rows of a shard that are used, as a shard of their own: at most as many as one holds."""
        before = len(self._new.written)
        for batch in self._base.rows_of(number, rows):
            self._new.add(batch)
        self._new.end(needed=False)
        copied = self._new.written[before:]
        del self._new.written[before:]
        self._new.first += len(copied)
        return copied

    def _link(self, name: str) -> None:
        assert self._base.folder is not None
        try:
            os.link(self._base.folder / name, self._folder / name)
        except OSError:
            # Another disk, or one that knows no links.
            shutil.copyfile(self._base.folder / name, self._folder / name)

    def _order(self, runs: order.Runs, files: Sequence[Shard]) -> Shard | None:
        whole = [(number, 0, shard.rows) for number, shard in enumerate(files)]
        if runs.tolist() == [list(each) for each in whole]:
            return None
        path = self._folder / order.NAME
        order.write(path, runs)
        return shard_of(path, len(runs))


class _Shards:
    """Rows go in, Parquet files come out, cut by their number alone, so that equal rows make equal files.

    A thread of its own writes them.
    """

    def __init__(self, folder: Path, first: int) -> None:
        """first: the number in the name of the first shard."""
        self.written: list[Shard] = []
        self.first = first
        self._folder = folder
        self._file: pq.ParquetWriter | None = None
        self._waiting = SCHEMA.empty_table()
        self._rows = 0
        self._writer = ThreadPoolExecutor(1)
        self._last: Future[None] | None = None

    def close(self) -> None:
        self._writer.shutdown(cancel_futures=True)
        if self._file is not None:
            self._file.close()

    def end(self, *, needed: bool) -> None:
        """End the shard that is being written. needed: there must be one, be it without a row."""
        if self._last is not None:
            self._last.result()
        if self._rows or self._waiting.num_rows or (needed and not self.written):
            self._writer.submit(self._end_shard).result()

    def add(self, batch: pa.RecordBatch) -> None:
        if self._last is not None:
            self._last.result()
        self._last = self._writer.submit(self._add, batch)

    def _add(self, batch: pa.RecordBatch) -> None:
        self._waiting = pa.concat_tables([self._waiting, pa.Table.from_batches([batch])])
        while self._waiting.num_rows >= (wanted := min(GROUP_ROWS, SHARD_ROWS - self._rows)):
            self._end_group(wanted)
            if self._rows == SHARD_ROWS:
                self._end_shard()

    def _end_group(self, rows: int) -> None:
        if self._file is None:
            self._file = open_shard(self._path())
        if rows:
            self._file.write_table(self._waiting.slice(0, rows).combine_chunks())
            self._waiting = self._waiting.slice(rows)
        self._rows += rows

    def _end_shard(self) -> None:
        self._end_group(self._waiting.num_rows if self._rows < SHARD_ROWS else 0)
        assert self._file is not None
        self._file.close()
        self.written.append(shard_of(self._path(), self._rows))
        self._file, self._rows = None, 0

    def _path(self) -> Path:
        return self._folder / f"faces-{self.first + len(self.written):05d}.parquet"


def open_shard(path: Path) -> pq.ParquetWriter:
    # Each page carries a CRC, by which `verify` tells the column a flipped bit lies in.
    return pq.ParquetWriter(
        path, SCHEMA, compression="zstd", use_dictionary=_REPEATING, write_page_checksum=True
    )


def shard_of(path: Path, rows: int) -> Shard:
    return Shard(path.name, rows, path.stat().st_size, sha256_of(path))


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
