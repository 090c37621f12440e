"""One picture out of a frozen snapshot: there when the face itself is not any more."""

import hashlib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from django.core.files.storage import default_storage

from labeling.models import Snapshot
from labeling.snapshots import format as snapshots
from labeling.snapshots import stored
from labeling.snapshots.diff import last_key

_COLUMNS = ["face_key", "pack", "offset", "image_bytes", "image_sha256", "erased"]


def picture(snapshot: Snapshot, face_key: str) -> bytes | None:
    """The PNG as it was frozen; None where the snapshot has none, or not that one any more. Raises Refused, OSError."""
    stored.demand_frozen(snapshot)
    try:
        with stored.rows_of(snapshot.digest) as folder:
            row = _row(folder, face_key)
            packs = snapshots.read_manifest(folder).packs
    except (snapshots.NotASnapshot, pa.ArrowException):
        return None
    if row is None or row["erased"]:
        return None
    with default_storage.open(stored.pack_of(packs[row["pack"]]), "rb") as file:
        file.seek(row["offset"])
        image: bytes = file.read(row["image_bytes"])
    return image if hashlib.sha256(image).hexdigest() == row["image_sha256"] else None


def _row(folder: Path, face_key: str) -> dict[str, Any] | None:
    """Only groups of rows that can hold it are read."""
    manifest = snapshots.read_manifest(folder)
    order = None if manifest.order is None else snapshots.runs_of(folder, manifest)
    for number, shard in enumerate(manifest.shards):
        with pq.ParquetFile(folder / shard.name) as file:
            first = 0
            for group in range(file.num_row_groups):
                if last_key(file, group) >= face_key:
                    rows = file.read_row_group(group, columns=_COLUMNS)
                    at = pc.index(rows.column("face_key"), face_key).as_py()
                    if at >= 0 and (order is None or _is_used(order, number, first + at)):
                        found: dict[str, Any] = rows.slice(at, 1).to_pylist()[0]
                        return found
                    # In order of face_key, the next groups hold later ones.
                    break
                first += file.metadata.row_group(group).num_rows
    return None


def _is_used(order: snapshots.Runs, shard: int, row: int) -> bool:
    """Whether the row is of this version, and not of an earlier one only."""
    return bool(((order[:, 0] == shard) & (order[:, 1] <= row) & (row < order[:, 1] + order[:, 2])).any())
