"""The one written definition of a snapshot folder: manifest.json and Parquet shards. Pure: no Django, no torch.

    SNAPSHOT/manifest.json           what it is: classes, rule, counts, digest, and every shard's sha256
    SNAPSHOT/faces-00000.parquet …   one row per face, ordered by face_key, at most SHARD_ROWS each

The digest is a sha256 over the content: classes, rule, and each row's canonical bytes in order of face_key. It knows
neither the version of pyarrow nor the clock nor any database key, so the same faces, votes and splits have the same
digest everywhere. The shards' own sha256 stand beside it and find a flipped bit.
"""

import hashlib
import json
import struct
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

FORMAT = "vemo-snapshot/1"
MANIFEST = "manifest.json"
SPLITS = ("train", "validation", "test")
SHARD_ROWS = 4_096
_BATCH_ROWS = 512

SCHEMA = pa.schema(
    [
        ("face_key", pa.string()),
        ("face_id", pa.int64()),
        ("image", pa.binary()),
        ("label", pa.string()),
        ("label_index", pa.int16()),
        ("votes", pa.list_(pa.int32())),
        ("soft_label", pa.list_(pa.float32())),
        ("split", pa.string()),
        ("agreement", pa.float32()),
        ("media_sha256", pa.string()),
        ("media_kind", pa.string()),
        ("time_ms", pa.int64()),
        ("x", pa.int32()),
        ("y", pa.int32()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("detector", pa.string()),
        ("licence", pa.string()),
        ("author", pa.string()),
        ("page_url", pa.string()),
        ("source", pa.string()),
        ("given_split", pa.string()),
    ]
)
"""Columns of a shard. votes: one count per class in the manifest's order, then `can't tell`, then `not a face`.
soft_label: the classes' votes, adding up to 1. image: a PNG. agreement: 0–1. Boxes in pixels of the upright picture."""

OUTSIDE_DIGEST = frozenset({"face_id"})
"""Columns that belong to the database a snapshot was frozen from, not to its content."""


class NotASnapshot(ValueError):
    """The folder holds no snapshot this version can read; the text says why."""


@dataclass(frozen=True)
class Shard:
    name: str
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What manifest.json says. splits: split → class → faces. left_out: reason → faces."""

    classes: tuple[str, ...]
    rule: dict[str, Any]
    splits: dict[str, dict[str, int]]
    left_out: dict[str, int]
    rows: int
    digest: str
    shards: tuple[Shard, ...]

    def to_json(self) -> str:
        body = {
            "format": FORMAT,
            "classes": list(self.classes),
            "rule": self.rule,
            "splits": self.splits,
            "left_out": self.left_out,
            "rows": self.rows,
            "digest": self.digest,
            "shards": [vars(shard) for shard in self.shards],
        }
        return json.dumps(body, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


@dataclass(frozen=True)
class Problem:
    """Something in a snapshot folder that is not as the manifest says."""

    where: str
    what: str


def face_key(*, media_sha256: str, detector: str, time_ms: int, row: int, box: Sequence[int]) -> str:
    """A face's name by its content, the same in every database. box: x, y, width, height. 64 hex digits."""
    text = "/".join(map(str, [media_sha256, detector, time_ms, row, *box]))
    return hashlib.sha256(text.encode()).hexdigest()


def write(
    folder: Path,
    rows: Iterable[Mapping[str, Any]],
    *,
    classes: Sequence[str],
    rule: Mapping[str, Any],
    left_out: Mapping[str, int] | None = None,
) -> Manifest:
    """Write a snapshot into an empty folder, the manifest last, so that a folder without one is not a snapshot.

    rows: one mapping per face with the columns of SCHEMA, ordered by face_key. Holds at most one shard in memory.
    Raises ValueError for rows out of order or outside the classes and splits.
    """
    folder.mkdir(parents=True, exist_ok=True)
    digest = Digest(classes, rule)
    splits: dict[str, Counter[str]] = {split: Counter() for split in SPLITS}
    shards: list[Shard] = []
    waiting: list[Mapping[str, Any]] = []
    for row in rows:
        _check(row, classes)
        digest.add(row)
        splits[row["split"]][row["label"]] += 1
        waiting.append(row)
        if len(waiting) == SHARD_ROWS:
            shards.append(_write_shard(folder, len(shards), waiting))
            waiting = []
    if waiting or not shards:
        shards.append(_write_shard(folder, len(shards), waiting))
    manifest = Manifest(
        classes=tuple(classes),
        rule=dict(rule),
        splits={split: {name: counts[name] for name in classes} for split, counts in splits.items()},
        left_out=dict(left_out or {}),
        rows=digest.rows,
        digest=digest.hex(),
        shards=tuple(shards),
    )
    (folder / MANIFEST).write_text(manifest.to_json(), encoding="utf-8")
    return manifest


class Digest:
    """The sha256 over a snapshot's content, row by row in order of face_key."""

    def __init__(self, classes: Sequence[str], rule: Mapping[str, Any]) -> None:
        head = {"format": FORMAT, "classes": list(classes), "rule": dict(rule)}
        self._sha = hashlib.sha256(json.dumps(head, sort_keys=True, ensure_ascii=False).encode())
        self._last = ""
        self.rows = 0

    def add(self, row: Mapping[str, Any]) -> None:
        if row["face_key"] <= self._last:
            raise ValueError(f"Face {row['face_key'][:12]} is out of order or there twice.")
        self._last = row["face_key"]
        self._sha.update(_canonical(row))
        self.rows += 1

    def hex(self) -> str:
        return self._sha.hexdigest()


def read_manifest(folder: Path) -> Manifest:
    """What manifest.json says. Raises NotASnapshot."""
    try:
        body = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise NotASnapshot(
            f"{folder} has no {MANIFEST}: it is no snapshot, or its freezing never ended."
        ) from error
    except ValueError as error:
        raise NotASnapshot(f"{folder / MANIFEST} is not JSON: {error}.") from error
    if not isinstance(body, dict) or body.get("format") != FORMAT:
        raise NotASnapshot(f"{folder / MANIFEST} is not of the format {FORMAT}.")
    try:
        return Manifest(
            classes=tuple(body["classes"]),
            rule=body["rule"],
            splits=body["splits"],
            left_out=body["left_out"],
            rows=body["rows"],
            digest=body["digest"],
            shards=tuple(Shard(**shard) for shard in body["shards"]),
        )
    except (KeyError, TypeError) as error:
        raise NotASnapshot(f"{folder / MANIFEST} lacks or misspells a field: {error}.") from error


def iter_batches(
    folder: Path, columns: Sequence[str] | None = None, split: str | None = None, rows: int = _BATCH_ROWS
) -> Iterator[pa.RecordBatch]:
    """The rows in order of face_key, `rows` at a time at most. Memory stays at one batch."""
    wanted = list(columns) if columns is not None else SCHEMA.names
    read = wanted if split is None or "split" in wanted else [*wanted, "split"]
    for shard in read_manifest(folder).shards:
        with pq.ParquetFile(folder / shard.name) as file:
            for batch in file.iter_batches(batch_size=rows, columns=read):
                kept = batch if split is None else batch.filter(_is(batch, split))
                if kept.num_rows:
                    yield kept.select(wanted)


def read_table(folder: Path, columns: Sequence[str] | None = None, split: str | None = None) -> pa.Table:
    """All rows (of a split) with the named columns, in order of face_key."""
    names = list(columns) if columns is not None else SCHEMA.names
    schema = pa.schema([SCHEMA.field(name) for name in names])
    return pa.Table.from_batches(iter_batches(folder, names, split), schema=schema)


def verify(folder: Path) -> list[Problem]:
    """Read every byte again. Returns what is not as it was frozen; an empty list means nothing has changed."""
    try:
        manifest = read_manifest(folder)
    except NotASnapshot as error:
        return [Problem(MANIFEST, str(error))]
    problems = [problem for shard in manifest.shards for problem in _verify_shard(folder, shard)]
    known = {MANIFEST, *(shard.name for shard in manifest.shards)}
    strangers = sorted(path.name for path in folder.iterdir() if path.name not in known)
    problems += [Problem(name, "This file is not part of the snapshot.") for name in strangers]
    return problems or _verify_content(folder, manifest)


def _verify_shard(folder: Path, shard: Shard) -> list[Problem]:
    path = folder / shard.name
    if not path.is_file():
        return [Problem(shard.name, "This file is missing.")]
    if path.stat().st_size != shard.bytes:
        return [Problem(shard.name, f"It has {path.stat().st_size} bytes instead of {shard.bytes}.")]
    if _sha256(path) != shard.sha256:
        return [Problem(shard.name, "Its bytes have changed: the sha256 is not the one in the manifest.")]
    return []


def _verify_content(folder: Path, manifest: Manifest) -> list[Problem]:
    """The shards are what the manifest says; does the manifest itself still say what was frozen?"""
    digest = Digest(manifest.classes, manifest.rule)
    splits = {split: dict.fromkeys(manifest.classes, 0) for split in SPLITS}
    try:
        for batch in iter_batches(folder):
            for row in batch.to_pylist():
                _check(row, manifest.classes)
                digest.add(row)
                splits[row["split"]][row["label"]] += 1
    except (ValueError, KeyError, pa.ArrowException) as error:
        return [Problem("rows", f"A row is not as it can have been frozen: {error}")]
    problems = []
    if digest.hex() != manifest.digest:
        problems.append(Problem(MANIFEST, "The digest is not that of the rows, classes and rule."))
    if digest.rows != manifest.rows or splits != manifest.splits:
        problems.append(Problem(MANIFEST, "The counts are not those of the rows."))
    if (folder / MANIFEST).read_text(encoding="utf-8") != manifest.to_json():
        problems.append(Problem(MANIFEST, "It has been edited since it was written."))
    return problems


def _check(row: Mapping[str, Any], classes: Sequence[str]) -> None:
    index = row["label_index"]
    if not 0 <= index < len(classes) or classes[index] != row["label"]:
        raise ValueError(f"label {row['label']!r} with index {index} is not one of the classes")
    if row["split"] not in SPLITS:
        raise ValueError(f"there is no split {row['split']!r}")
    if len(row["votes"]) != len(classes) + 2 or len(row["soft_label"]) != len(classes):
        raise ValueError("votes or soft_label do not fit the classes")


def _write_shard(folder: Path, number: int, rows: Sequence[Mapping[str, Any]]) -> Shard:
    path = folder / f"faces-{number:05d}.parquet"
    table = pa.Table.from_pylist([dict(row) for row in rows], schema=SCHEMA)
    # PNG does not compress further; one row group of a few megabytes is what a reader takes at a time.
    packed: Any = {name: "none" if name == "image" else "zstd" for name in SCHEMA.names}
    pq.write_table(
        table, path, compression=packed, row_group_size=_BATCH_ROWS, use_dictionary=["label", "split"]
    )
    return Shard(path.name, len(rows), path.stat().st_size, _sha256(path))


def _canonical(row: Mapping[str, Any]) -> bytes:
    """Every column of the content as tag, length and bytes: no two different rows have the same bytes."""
    parts = []
    for field in SCHEMA:
        if field.name not in OUTSIDE_DIGEST:
            body = _encoded(field.type, row[field.name])
            parts += [field.name.encode(), struct.pack("<q", len(body)), body]
    return b"".join(parts)


def _encoded(kind: pa.DataType, value: Any) -> bytes:
    if pa.types.is_list(kind):
        letter = "f" if pa.types.is_floating(kind.value_type) else "q"
        return struct.pack(f"<{len(value)}{letter}", *value)
    if pa.types.is_floating(kind):
        return struct.pack("<f", value)
    if pa.types.is_integer(kind):
        return struct.pack("<q", value)
    return value if isinstance(value, bytes) else str(value).encode()


def _is(batch: pa.RecordBatch, split: str) -> pa.Array:
    return pa.array([value == split for value in batch.column("split").to_pylist()])


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
