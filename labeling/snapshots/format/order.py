"""In which order the rows of several files make a snapshot.

A version that differs little from the one before keeps that one's shards and adds what is new. Its rows are then runs
of rows of its files: a table of (number of a shard, first row, how many), in order of face_key. Within a file runs
follow each other, so each file is read once, from front to end. Rows in no run are of an earlier version only.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from labeling.snapshots.format.manifest import Manifest

NAME = "order.parquet"
SCHEMA = pa.schema([("shard", pa.int32()), ("first", pa.int32()), ("rows", pa.int32())])
Runs: TypeAlias = NDArray[np.int64]
"""(runs, 3)."""
_ROWS = 2_048


def runs(shard: NDArray[np.integer[Any]], row: NDArray[np.integer[Any]]) -> Runs:
    """Of rows that lie there, one after another."""
    if not len(shard):
        return np.empty((0, 3), np.int64)
    begins = np.flatnonzero((np.diff(shard) != 0) | (np.diff(row) != 1)) + 1
    first = np.concatenate([[0], begins])
    counts = np.diff(np.concatenate([first, [len(shard)]]))
    return np.stack([shard[first], row[first], counts], axis=1).astype(np.int64)


def write(path: Path, order: Runs) -> None:
    columns = [pa.array(column, pa.int32()) for column in order.T]
    pq.write_table(pa.Table.from_arrays(columns, schema=SCHEMA), path, compression="zstd")


def runs_of(folder: Path, manifest: Manifest) -> Runs:
    """Raises ValueError for a table of something else, or with rows that no shard has."""
    whole = np.array([(number, 0, shard.rows) for number, shard in enumerate(manifest.shards)], np.int64)
    if manifest.order is None:
        return whole.reshape(-1, 3)
    with pq.ParquetFile(folder / manifest.order.name) as file:
        table = file.read()
    if not table.schema.equals(SCHEMA):
        raise ValueError(f"{manifest.order.name} is no table of runs of rows.")
    found = np.stack([column.to_numpy().astype(np.int64) for column in table.columns], axis=1)
    shard, first, rows = found.T
    if not ((shard >= 0) & (shard < len(whole)) & (first >= 0) & (rows > 0)).all():
        raise ValueError(f"{manifest.order.name} names rows that are not there.")
    if (first + rows > whole[shard, 2]).any():
        raise ValueError(f"{manifest.order.name} names rows that are not there.")
    return found


def rows_used(order: Runs, shard: int, rows: int) -> NDArray[np.bool_]:
    """Which rows of a shard are in a run."""
    change = np.zeros(rows + 1, np.int64)
    mine = order[order[:, 0] == shard]
    np.add.at(change, mine[:, 1], 1)
    np.add.at(change, mine[:, 1] + mine[:, 2], -1)
    return np.cumsum(change[:-1]) > 0


class Located:
    """Some rows of a snapshot, and where each lies. shard, row: (rows,)."""

    def __init__(self, batch: pa.RecordBatch, shard: NDArray[np.int64], row: NDArray[np.int64]) -> None:
        self.batch, self.shard, self.row = batch, shard, row


def located(
    folder: Path, manifest: Manifest, columns: Sequence[str] | None, rows: int = _ROWS
) -> Iterator[Located]:
    """All rows, erased ones too, in order of face_key, `rows` at a time at most. columns: all of them if None."""
    order = runs_of(folder, manifest)
    left = dict(zip(*np.unique(order[:, 0], return_counts=True), strict=True))
    streams: dict[int, _Stream] = {}
    with ExitStack() as files:
        waiting: list[pa.RecordBatch] = []
        places: list[tuple[int, int, int]] = []
        count = 0
        for shard, begin, size in order.tolist():
            if shard not in streams:
                streams[shard] = files.enter_context(
                    _Stream(folder / manifest.shards[shard].name, columns, rows)
                )
            first, end = begin, begin + size
            while first < end:
                taken = streams[shard].take(first, min(end - first, rows - count))
                waiting.append(taken)
                places.append((shard, first, taken.num_rows))
                first += taken.num_rows
                count += taken.num_rows
                if count == rows or (manifest.order is None and first == end):
                    yield _located(waiting, places)
                    waiting, places, count = [], [], 0
            left[shard] -= 1
            if not left[shard]:
                streams[shard].close()
        if waiting:
            yield _located(waiting, places)


def _located(batches: list[pa.RecordBatch], places: list[tuple[int, int, int]]) -> Located:
    shard, first, size = np.array(places, np.int64).T
    before = np.cumsum(size) - size
    row = np.repeat(first - before, size) + np.arange(size.sum())
    whole = batches[0]
    if len(batches) > 1:
        whole = pa.Table.from_batches(batches).combine_chunks().to_batches()[0]
    return Located(whole, np.repeat(shard, size), row)


class _Stream:
    """A shard that is read from front to end."""

    def __init__(self, path: Path, columns: Sequence[str] | None, rows: int) -> None:
        self._file = pq.ParquetFile(path)
        self._batches = self._file.iter_batches(
            batch_size=rows, columns=None if columns is None else list(columns)
        )
        self._columns = columns
        self._batch: pa.RecordBatch | None = None
        self._first = 0

    def __enter__(self) -> "_Stream":
        return self

    def __exit__(self, *rest: object) -> None:
        self.close()

    def close(self) -> None:
        self._batch = None
        self._batches.close()
        self._file.close()

    def take(self, first: int, rows: int) -> pa.RecordBatch:
        """At least one row from there, at most so many. Raises ValueError where the file ends before."""
        while self._batch is None or first >= self._first + self._batch.num_rows:
            self._first += self._batch.num_rows if self._batch is not None else 0
            self._batch = next(self._batches, None)
            if self._batch is None:
                raise ValueError("it has fewer rows than its snapshot says.")
            if self._columns is not None:
                # In the order asked for, whatever the file's is.
                self._batch = self._batch.select(list(self._columns))
        return self._batch.slice(first - self._first, rows)
