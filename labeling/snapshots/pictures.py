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
    """Only the one group of rows that can hold it is read."""
    for shard in snapshots.read_manifest(folder).shards:
        with pq.ParquetFile(folder / shard.name) as file:
            for group in range(file.num_row_groups):
                if last_key(file, group) < face_key:
                    continue
                rows = file.read_row_group(group, columns=_COLUMNS)
                found = rows.filter(pc.equal(rows.column("face_key"), face_key)).to_pylist()
                return found[0] if found else None
    return None
