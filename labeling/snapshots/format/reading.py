"""Read the rows of a snapshot folder."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from labeling.snapshots.format.manifest import read_manifest
from labeling.snapshots.format.rows import SCHEMA

BATCH_ROWS = 512


def iter_batches(
    folder: Path, columns: Sequence[str] | None = None, split: str | None = None, rows: int = BATCH_ROWS
) -> Iterator[pa.RecordBatch]:
    """The rows in order of face_key, `rows` at a time at most. Memory stays at one batch. Raises NotASnapshot."""
    wanted = list(columns) if columns is not None else SCHEMA.names
    read = wanted if split is None or "split" in wanted else [*wanted, "split"]
    for shard in read_manifest(folder).shards:
        with pq.ParquetFile(folder / shard.name) as file:
            for batch in file.iter_batches(batch_size=rows, columns=read):
                kept = batch if split is None else batch.filter(pc.equal(batch.column("split"), split))
                if kept.num_rows:
                    yield kept.select(wanted)


def read_table(folder: Path, columns: Sequence[str] | None = None, split: str | None = None) -> pa.Table:
    """All rows (of a split) with the named columns, in order of face_key. Raises NotASnapshot."""
    names = list(columns) if columns is not None else SCHEMA.names
    schema = pa.schema([SCHEMA.field(name) for name in names])
    return pa.Table.from_batches(iter_batches(folder, names, split), schema=schema)
