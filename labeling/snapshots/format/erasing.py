"""Take faces out of a frozen snapshot, so that what is left can still be proved to be what was frozen.

Of an erased row its face_key, the place its image had and the sha256 of what it said stay. Its shard is written anew
under another name and the manifest after it, so that a reader finds the old or the new, whole. Then its image is
overwritten in its pack, which other versions may share: rows that keep their images are not touched.
"""

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from labeling.snapshots.format.digits import texts_of
from labeling.snapshots.format.files import open_shard, shard_of
from labeling.snapshots.format.manifest import Manifest, Shard, read_manifest
from labeling.snapshots.format.order import rows_used, runs_of
from labeling.snapshots.format.packs import Spot
from labeling.snapshots.format.rows import BLANK, KEPT_OF_ERASED, SCHEMA, row_sha256s

Alive = Callable[[], None]
_KEY = "face_key"
_PLACE = ["erased", "pack", "offset", "image_bytes"]
_LIVE = "live"
Which: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True)
class Found:
    """What a snapshot holds of some faces."""

    manifest: Manifest
    shards: tuple[pa.Table, ...]
    """Of each shard the rows of these faces: whether they are erased, where their images lie, and whether they are of
    this version: a shard it has from an earlier one may hold rows of that one only."""

    @property
    def rows(self) -> tuple[int, ...]:
        """Of each shard: how many rows of them are in it and not erased, of whichever version."""
        return tuple(pc.sum(pc.invert(shard.column("erased"))).as_py() or 0 for shard in self.shards)

    @property
    def count(self) -> int:
        """How many of them are there and not erased."""
        there = (pc.and_not(shard.column(_LIVE), shard.column("erased")) for shard in self.shards)
        return sum(pc.sum(rows).as_py() or 0 for rows in there)

    def places(self) -> dict[str, list[Spot]]:
        """Pack → where in it their images lie or lay, erased or not."""
        found: dict[str, list[Spot]] = defaultdict(list)
        for shard in self.shards:
            columns = (shard.column(name).to_pylist() for name in ("pack", "offset", "image_bytes"))
            for pack, offset, length in zip(*columns, strict=True):
                found[self.manifest.packs[pack]].append((offset, length))
        return dict(found)


def find(folder: Path, keys: Collection[str], alive: Alive = lambda: None) -> Found:
    """Look for the faces with these keys. Of the rows only those are read among which they can be."""
    manifest, wanted = read_manifest(folder), sorted(keys)
    live = _live(folder, manifest)
    return Found(
        manifest,
        tuple(
            _found(folder / shard.name, wanted, rows, alive)
            for shard, rows in zip(manifest.shards, live, strict=True)
        ),
    )


def _live(folder: Path, manifest: Manifest) -> list[Which]:
    """Of each shard which rows are of this version."""
    order = runs_of(folder, manifest)
    return [rows_used(order, number, shard.rows) for number, shard in enumerate(manifest.shards)]


def _found(path: Path, wanted: Sequence[str], live: Which, alive: Alive) -> pa.Table:
    fields = [*(SCHEMA.field(name) for name in _PLACE), pa.field(_LIVE, pa.bool_())]
    found = [pa.schema(fields).empty_table()]
    first = 0
    with _opened(path) as file:
        for group, some in _groups(file, wanted):
            alive()
            rows = file.metadata.row_group(group).num_rows
            if some:
                table = file.read_row_group(group, columns=[_KEY, *_PLACE], use_threads=False)
                theirs = pc.is_in(table.column(_KEY), pa.array(some, pa.string()))
                here = table.select(_PLACE).append_column(fields[-1], pa.array(live[first : first + rows]))
                found.append(here.filter(theirs))
            first += rows
    return pa.concat_tables(found)


def rewritten(
    folder: Path, keys: Collection[str], target: Path, alive: Alive = lambda: None, found: Found | None = None
) -> Manifest | None:
    """Write the shards that hold such faces anew, into the folder `target`; nothing in `folder` is changed.

    found: what `find` said of this folder and these faces, where that is known. Returns the manifest that belongs to
    it afterwards, in which the other shards stand as they were, or None where there is nothing to erase.
    """
    found, wanted = found or find(folder, keys, alive), sorted(keys)
    if not any(found.rows):
        return None
    target.mkdir(parents=True, exist_ok=True)
    manifest = found.manifest
    erased = manifest.erased + found.count
    gone: Counter[tuple[str, str]] = Counter()
    shards = tuple(
        _without(folder, shard, wanted, live, target / _next_name(shard.name, erased), gone, alive)
        if rows
        else shard
        for shard, rows, live in zip(manifest.shards, found.rows, _live(folder, manifest), strict=True)
    )
    splits = {
        split: {label: count - gone[split, label] for label, count in counts.items()}
        for split, counts in manifest.splits.items()
    }
    return replace(manifest, shards=shards, splits=splits, erased=erased)


def _next_name(name: str, erased: int) -> str:
    """Of the shard written anew: one it has not had."""
    stem, *rest = name.removesuffix(".parquet").split(".")
    return f"{stem}.{max(erased, *(int(number) + 1 for number in rest if number.isdigit()), 0)}.parquet"


def _opened(path: Path) -> pq.ParquetFile:
    # Groups are small: what would be read ahead, or shared among threads, costs more than it brings.
    return pq.ParquetFile(path, pre_buffer=False)


def _groups(file: pq.ParquetFile, wanted: Sequence[str]) -> Iterator[tuple[int, Sequence[str]]]:
    """The number of each group of rows, and those of the sorted keys that can be in it."""
    for group in range(file.metadata.num_row_groups):
        said = _said_of_keys(file.metadata.row_group(group))
        if said is None or not said.has_min_max:
            yield group, wanted
        else:
            yield group, wanted[bisect_left(wanted, said.min) : bisect_right(wanted, said.max)]


def _said_of_keys(group: Any) -> Any:
    """What the file says of the keys in a group of its rows; None where it says nothing."""
    columns = (group.column(number) for number in range(group.num_columns))
    return next((column.statistics for column in columns if column.path_in_schema == _KEY), None)


def _without(
    folder: Path,
    shard: Shard,
    wanted: Sequence[str],
    live: Which,
    path: Path,
    gone: Counter[tuple[str, str]],
    alive: Alive,
) -> Shard:
    """One shard anew; what goes of this version is counted in `gone` by split and label.

    Rows of an earlier version only are erased as well: they say the same of the face.
    """
    first = 0
    with _opened(folder / shard.name) as old, open_shard(path) as new:
        for group, some in _groups(old, wanted):
            alive()
            table = old.read_row_group(group, use_threads=False)
            here = live[first : first + table.num_rows]
            new.write_table(_blanked(table, some, here, gone) if some else table)
            first += table.num_rows
    return shard_of(path, shard.rows)


def _blanked(table: pa.Table, keys: Sequence[str], live: Which, gone: Counter[tuple[str, str]]) -> pa.Table:
    """The rows, but those of these faces say no more than what they keep."""
    is_theirs = pc.is_in(table.column(_KEY), pa.array(keys, pa.string()))
    hit = pc.and_not(is_theirs, table.column("erased")).combine_chunks()
    rows = table.filter(hit)
    if not rows.num_rows:
        return table
    counted = table.filter(pc.and_(hit, pa.array(live)))
    gone.update(zip(*(counted.column(name).to_pylist() for name in ("split", "label")), strict=True))
    proofs = texts_of(row_sha256s(rows.combine_chunks().to_batches()[0]).tobytes())
    blanks = {**BLANK, "erased": True}
    columns = []
    for field in SCHEMA:
        column = table.column(field.name).combine_chunks()
        if field.name == "row_sha256":
            column = pc.replace_with_mask(column, hit, proofs)
        elif field.name not in KEPT_OF_ERASED:
            column = pc.if_else(hit, pa.scalar(blanks[field.name], field.type), column)
        columns.append(column)
    return pa.Table.from_arrays(columns, schema=SCHEMA)
