"""Take faces out of a frozen snapshot, so that what is left can still be proved to be what was frozen.

Of an erased row its face_key, the place its image had and the sha256 of what it said stay. Its shard is written anew
under another name and the manifest after it, so that a reader finds the old or the new, whole. Then its image is
overwritten in its pack, which other versions may share: rows that keep their images are not touched.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from labeling.snapshots.format.manifest import Manifest, Shard, read_manifest
from labeling.snapshots.format.packs import Spot
from labeling.snapshots.format.rows import SCHEMA, blank
from labeling.snapshots.format.writing import GROUP_ROWS, open_shard, shard_of

Alive = Callable[[], None]


def holds(folder: Path, keys: Collection[str], alive: Alive = lambda: None) -> int:
    """How many faces of these are in the snapshot and not erased."""
    wanted = pa.array(sorted(keys), pa.string())
    return sum(
        pc.sum(_hit(batch, wanted)).as_py() or 0
        for shard in read_manifest(folder).shards
        for batch in _batches(folder / shard.name, ["face_key", "erased"], alive)
    )


def places(folder: Path, keys: Collection[str], alive: Alive = lambda: None) -> dict[str, list[Spot]]:
    """Pack → where in it the images of these faces lie or lay, erased or not."""
    manifest, wanted = read_manifest(folder), pa.array(sorted(keys), pa.string())
    found: dict[str, list[Spot]] = defaultdict(list)
    for shard in manifest.shards:
        for batch in _batches(folder / shard.name, ["face_key", "pack", "offset", "image_bytes"], alive):
            there = batch.filter(pc.is_in(batch.column("face_key"), wanted))
            columns = (there.column(name).to_pylist() for name in ("pack", "offset", "image_bytes"))
            for pack, offset, length in zip(*columns, strict=True):
                found[manifest.packs[pack]].append((offset, length))
    return dict(found)


def rewritten(
    folder: Path, keys: Collection[str], target: Path, alive: Alive = lambda: None
) -> Manifest | None:
    """Write the shards that hold such faces anew, into the folder `target`; nothing in `folder` is changed.

    Returns the manifest that belongs to it afterwards, in which the other shards stand as they were, or None where
    there is nothing to erase.
    """
    manifest, wanted = read_manifest(folder), pa.array(sorted(keys), pa.string())
    hits = [_hits(folder / shard.name, wanted, alive) for shard in manifest.shards]
    if not sum(hits):
        return None
    target.mkdir(parents=True, exist_ok=True)
    erased = manifest.erased + sum(hits)
    gone: Counter[tuple[str, str]] = Counter()
    shards = tuple(
        _without(folder, shard, wanted, target, f"{shard.name.split('.')[0]}.{erased}.parquet", gone, alive)
        if hit
        else shard
        for shard, hit in zip(manifest.shards, hits, strict=True)
    )
    splits = {
        split: {label: count - gone[split, label] for label, count in counts.items()}
        for split, counts in manifest.splits.items()
    }
    return replace(manifest, shards=shards, splits=splits, erased=erased)


def _hits(path: Path, wanted: pa.Array, alive: Alive) -> int:
    batches = _batches(path, ["face_key", "erased"], alive)
    return sum(pc.sum(_hit(batch, wanted)).as_py() or 0 for batch in batches)


def _hit(batch: pa.RecordBatch, wanted: pa.Array) -> pa.Array:
    return pc.and_not(pc.is_in(batch.column("face_key"), wanted), batch.column("erased"))


def _batches(path: Path, columns: list[str] | None, alive: Alive) -> Iterator[pa.RecordBatch]:
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=GROUP_ROWS, columns=columns):
            alive()
            yield batch


def _without(
    folder: Path,
    shard: Shard,
    wanted: pa.Array,
    target: Path,
    name: str,
    gone: Counter[tuple[str, str]],
    alive: Alive,
) -> Shard:
    """One shard anew; what goes is counted in `gone` by split and label."""
    with open_shard(target / name) as file:
        for batch in _batches(folder / shard.name, None, alive):
            hit = _hit(batch, wanted)
            rows = batch.filter(hit).to_pylist()
            gone.update((row["split"], row["label"]) for row in rows)
            file.write_batch(_replaced(batch, hit, [blank(row) for row in rows]))
    return shard_of(target / name, shard.rows)


def _replaced(batch: pa.RecordBatch, hit: pa.Array, blanks: list[Mapping[str, Any]]) -> pa.RecordBatch:
    """The batch with these rows in the place of those that are hit, in their order."""
    if not blanks:
        return batch
    both = pa.Table.from_batches([batch, pa.RecordBatch.from_pylist(blanks, schema=SCHEMA)])
    order, spare = [], batch.num_rows
    for row, is_hit in enumerate(hit.to_pylist()):
        order.append(spare if is_hit else row)
        spare += is_hit
    return both.take(pa.array(order, pa.int64())).combine_chunks().to_batches()[0]
