"""Write a snapshot folder, holding no more than a few megabytes of it at a time."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from labeling.snapshots.format.manifest import MANIFEST, Manifest, Shard
from labeling.snapshots.format.rows import SCHEMA, SPLITS, Digest, check_row

SHARD_ROWS = 4_096
SHARD_BYTES = 256 * 1024**2
"""A shard ends with the row that reaches either."""
GROUP_ROWS = 512
GROUP_BYTES = 8 * 1024**2
"""So does a row group: what a writer and a reader hold at a time."""
_REPEATING = [
    "label", "split", "media_kind", "detector", "licence", "author", "page_url", "source", "given_split",
]  # fmt: skip
_PATHS = [
    {"votes": "votes.list.element", "soft_label": "soft_label.list.element"}.get(name, name)
    for name in SCHEMA.names
]
# PNG does not compress further, and the least and the greatest of the pictures help nobody.
_PACKED: Any = {path: "none" if path == "image" else "zstd" for path in _PATHS}
_MEASURED = [path for path in _PATHS if path != "image"]


def write(
    folder: Path,
    rows: Iterable[Mapping[str, Any]],
    *,
    classes: Sequence[str],
    rule: Mapping[str, Any],
    left_out: Mapping[str, int] | None = None,
    notes: Sequence[str] = (),
) -> Manifest:
    """Write a snapshot into an empty folder, the manifest last, so that a folder without one is not a snapshot.

    rows: one mapping per face with the columns of SCHEMA, ordered by face_key. Raises BadRow for rows out of order or
    outside the classes and splits, FileExistsError for a folder that holds something.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty; a snapshot needs a folder of its own.")
    digest = Digest(classes, rule)
    splits = {split: Counter[str]() for split in SPLITS}
    with _Shards(folder) as shards:
        for row in rows:
            check_row(row, classes)
            digest.add(row)
            splits[row["split"]][row["label"]] += 1
            shards.add(row)
    manifest = Manifest(
        classes=tuple(classes),
        rule=dict(rule),
        splits={split: {name: counts[name] for name in classes} for split, counts in splits.items()},
        left_out=dict(left_out or {}),
        notes=tuple(notes),
        rows=digest.rows,
        digest=digest.hex(),
        shards=tuple(shards.written),
    )
    (folder / MANIFEST).write_text(manifest.to_json(), encoding="utf-8")
    return manifest


class _Shards:
    """Rows go in, Parquet files come out, cut by what the rows hold alone, so that equal rows make equal files."""

    def __init__(self, folder: Path) -> None:
        self.written: list[Shard] = []
        self._folder = folder
        self._file: pq.ParquetWriter | None = None
        self._waiting: list[Mapping[str, Any]] = []
        self._waiting_bytes = self._rows = self._bytes = 0

    def __enter__(self) -> "_Shards":
        return self

    def __exit__(self, kind: object, *rest: object) -> None:
        if kind is None:
            self._end_shard()
        elif self._file is not None:
            self._file.close()

    def add(self, row: Mapping[str, Any]) -> None:
        self._waiting.append(row)
        self._waiting_bytes += len(row["image"])
        if len(self._waiting) == GROUP_ROWS or self._waiting_bytes >= GROUP_BYTES:
            self._end_group()
        if self._rows + len(self._waiting) == SHARD_ROWS or self._bytes >= SHARD_BYTES:
            self._end_shard()

    def _end_group(self) -> None:
        if self._file is None:
            self._file = _open(self._path())
        if self._waiting:
            self._file.write_table(pa.Table.from_pylist(self._waiting, schema=SCHEMA))
        self._rows += len(self._waiting)
        self._bytes += self._waiting_bytes
        self._waiting, self._waiting_bytes = [], 0

    def _end_shard(self) -> None:
        if self.written and not (self._rows or self._waiting):
            return
        self._end_group()
        assert self._file is not None
        self._file.close()
        path = self._path()
        self.written.append(Shard(path.name, self._rows, path.stat().st_size, sha256_of(path)))
        self._file, self._rows, self._bytes = None, 0, 0

    def _path(self) -> Path:
        return self._folder / f"faces-{len(self.written):05d}.parquet"


def _open(path: Path) -> pq.ParquetWriter:
    # Each page carries a CRC, by which `verify` tells the column a flipped bit lies in.
    return pq.ParquetWriter(
        path,
        SCHEMA,
        compression=_PACKED,
        use_dictionary=_REPEATING,
        write_statistics=_MEASURED,
        write_page_checksum=True,
    )


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
