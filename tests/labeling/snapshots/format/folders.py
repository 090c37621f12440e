"""Snapshot folders, and what is in them."""

import hashlib
from pathlib import Path

import pyarrow.parquet as pq

from labeling.expressions import SEVEN
from labeling.snapshots import format as snapshots
from labeling.snapshots.format import rows as row_rules

SHARD = "faces-00000.parquet"


def rows_of(folder: Path) -> list[dict]:
    return snapshots.read_table(folder).to_pylist()


def write(folder: Path, rows: list[dict], **more: object) -> snapshots.Manifest:
    return snapshots.write(folder, rows, classes=SEVEN, rule={"seed": 0, "splits": "made"}, **more)


def alone(row: dict) -> dict:
    return {name: [value] for name, value in row.items()}


def canonical(row: dict) -> bytes:
    return next(row_rules.canonical(alone(row)))


def text_of(folder: Path) -> str:
    return (folder / snapshots.MANIFEST).read_text()


def forge(folder: Path, shard: Path | None = None, **fields: object) -> None:
    """A manifest with other fields, whose own checksum fits, as no accident makes it."""
    manifest = snapshots.read_manifest(folder)
    if shard is not None:
        data = shard.read_bytes()
        sha256 = hashlib.sha256(data).hexdigest()
        rows = pq.ParquetFile(shard).metadata.num_rows
        fields["shards"] = (snapshots.Shard(SHARD, rows, len(data), sha256),)
    forged = snapshots.Manifest(**{**vars(manifest), **fields})
    (folder / snapshots.MANIFEST).write_text(forged.to_json())


def erase(folder: Path, keys: list[str]) -> None:
    """As the site does it, on a folder whose packs lie inside."""
    made = folder.parent / "made anew"
    manifest = snapshots.rewritten(folder, keys, made)
    if manifest is None:
        return
    for file in made.iterdir():
        file.rename(folder / file.name)
    before = {shard.name for shard in snapshots.read_manifest(folder).shards}
    (folder / snapshots.MANIFEST).write_text(manifest.to_json())
    for name in before - {shard.name for shard in manifest.shards}:
        (folder / name).unlink()
    for name, places in snapshots.find(folder, keys).places().items():
        pack = folder / "packs" / name
        if snapshots.without(pack, places, folder.parent / "pack"):
            (folder.parent / "pack").replace(pack)
        else:
            pack.unlink()
