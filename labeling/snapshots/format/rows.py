"""The rows of a snapshot: their columns, what must hold of each, and the digest over them."""

import hashlib
import json
import struct
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from labeling.snapshots.format.manifest import FORMAT

SPLITS = ("train", "validation", "test")
PNG = b"\x89PNG\r\n\x1a\n"

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
"""Columns of a shard; no value is ever missing. image: a PNG. votes: one count per class in the manifest's order, then
`can't tell`, then `not a face`. soft_label: the classes' shares, adding up to 1. agreement: 0–1. Boxes in pixels of the
upright picture; time_ms: presentation time in a video, 0 for images."""

OUTSIDE_DIGEST = frozenset({"face_id"})
"""Columns that belong to the database a snapshot was frozen from, not to its content."""


class BadRow(ValueError):
    """A row cannot be part of a snapshot; the text names the column."""


def face_key(*, media_sha256: str, detector: str, time_ms: int, row: int, box: Sequence[int]) -> str:
    """A face's name by its content, the same in every database. box: x, y, width, height. 64 hex digits."""
    text = "/".join(map(str, [media_sha256, detector, time_ms, row, *box]))
    return hashlib.sha256(text.encode()).hexdigest()


def check_row(row: Mapping[str, Any], classes: Sequence[str]) -> None:
    """Raises BadRow for what no snapshot may hold."""
    for name in SCHEMA.names:
        if row.get(name) is None:
            raise BadRow(f"column {name} has no value")
    index = row["label_index"]
    if not 0 <= index < len(classes) or classes[index] != row["label"]:
        raise BadRow(f"column label: {row['label']!r} with index {index} is not one of the classes")
    if row["split"] not in SPLITS:
        raise BadRow(f"column split: there is no split {row['split']!r}")
    if len(row["votes"]) != len(classes) + 2 or min(row["votes"]) < 0:
        raise BadRow("column votes: not one count per class and two for the other answers")
    soft = row["soft_label"]
    if len(soft) != len(classes) or min(soft) < 0 or not 0.999 < sum(soft) < 1.001:
        raise BadRow("column soft_label: not one share per class, adding up to 1")
    if not 0 <= row["agreement"] <= 1:
        raise BadRow(f"column agreement: {row['agreement']} is not from 0 to 1")
    if not row["image"].startswith(PNG):
        raise BadRow("column image: not a PNG")


class Digest:
    """The sha256 over a snapshot's content, row by row in order of face_key."""

    def __init__(self, classes: Sequence[str], rule: Mapping[str, Any]) -> None:
        head = {"format": FORMAT, "classes": list(classes), "rule": dict(rule)}
        self._sha = hashlib.sha256(json.dumps(head, sort_keys=True, ensure_ascii=False).encode())
        self._last = ""
        self.rows = 0

    def add(self, row: Mapping[str, Any]) -> None:
        """Raises BadRow for a row out of order."""
        if row["face_key"] <= self._last:
            raise BadRow(f"column face_key: {row['face_key'][:12]}… is out of order or there twice")
        self._last = row["face_key"]
        self._sha.update(canonical(row))
        self.rows += 1

    def hex(self) -> str:
        return self._sha.hexdigest()


def canonical(row: Mapping[str, Any]) -> bytes:
    """Every column of the content as name, length and bytes: no two different rows have the same bytes.

    Texts are UTF-8, whole numbers 64-bit, fractions 32-bit, all little-endian.
    """
    parts: list[bytes] = []
    for tag, name, encode in _ENCODERS:
        body = encode(row[name])
        parts += [tag, len(body).to_bytes(8, "little"), body]
    return b"".join(parts)


def _encoder(kind: pa.DataType) -> Any:
    if pa.types.is_list(kind):
        letter = "f" if pa.types.is_floating(kind.value_type) else "q"
        return lambda values: struct.pack(f"<{len(values)}{letter}", *values)
    if pa.types.is_floating(kind):
        return struct.Struct("<f").pack
    if pa.types.is_integer(kind):
        return struct.Struct("<q").pack
    return bytes if pa.types.is_binary(kind) else str.encode


_ENCODERS = [
    (each.name.encode(), each.name, _encoder(each.type)) for each in SCHEMA if each.name not in OUTSIDE_DIGEST
]
