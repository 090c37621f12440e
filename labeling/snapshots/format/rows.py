"""The rows of a snapshot: their columns, what must hold of each, and the digest over them."""

import hashlib
import json
import struct
from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any

import pyarrow as pa

from labeling.snapshots.format.manifest import FORMAT

SPLITS = ("train", "validation", "test")
PNG = b"\x89PNG\r\n\x1a\n"

SCHEMA = pa.schema(
    [
        ("face_key", pa.string()),
        ("face_id", pa.int64()),
        ("image_sha256", pa.string()),
        ("image_bytes", pa.int32()),
        ("pack", pa.int32()),
        ("offset", pa.int64()),
        ("label", pa.string()),
        ("label_index", pa.int16()),
        ("label_origin", pa.string()),
        ("other_labels", pa.string()),
        ("votes", pa.list_(pa.int32())),
        ("soft_label", pa.list_(pa.float32())),
        ("split", pa.string()),
        ("fold", pa.int16()),
        ("group", pa.string()),
        ("agreement", pa.float32()),
        ("media_sha256", pa.string()),
        ("media_kind", pa.string()),
        ("time_ms", pa.int64()),
        ("x", pa.int32()),
        ("y", pa.int32()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("detector", pa.string()),
        ("track", pa.int32()),
        ("licence", pa.string()),
        ("author", pa.string()),
        ("page_url", pa.string()),
        ("source", pa.string()),
        ("given_split", pa.string()),
        ("erased", pa.bool_()),
        ("row_sha256", pa.string()),
    ]
)
"""Columns of a shard; no value is ever missing.

image_sha256, image_bytes, pack, offset: which image, and where in the folder's packs it lies. label_origin: whose word
the label is: `votes`, `adjudicated`, or the name of a column of labels such as `expert`. other_labels: JSON, column →
label. votes: one count per class in the manifest's order, then `can't tell`, then `not a face`. soft_label: the
classes' shares, adding up to 1. fold: 0 and up for cross-validation, -1 for none. group: what never straddles splits
or folds. agreement: 0–1. Boxes in pixels of the upright picture; time_ms: presentation time in a video, 0 for images.
track: its number within the media and detector, 0 for none. erased: the face is gone; all but its key, the place its
image had and row_sha256 is blank.
"""

OUTSIDE_DIGEST = frozenset({"face_id", "image_bytes", "pack", "offset", "erased", "row_sha256"})
"""Columns that belong to the database a snapshot was frozen from, or to where its bytes lie, not to its content."""

_INNER = ("image_bytes", "pack", "offset", "erased", "row_sha256")
COLUMNS = ("image", *(name for name in SCHEMA.names if name not in _INNER))
"""What readers get: the columns of the content, face_id, and `image`, the PNG itself."""
READ_SCHEMA = pa.schema(
    [pa.field("image", pa.binary()) if name == "image" else SCHEMA.field(name) for name in COLUMNS]
)

DEFAULTS: Mapping[str, Any] = {"label_origin": "votes", "other_labels": "{}", "fold": -1, "track": 0}
"""Of columns that a row need not name. `group` is the media alone unless named."""
_TEXTS = [each.name for each in SCHEMA if pa.types.is_string(each.type) and each.name not in OUTSIDE_DIGEST]
_LISTS = ("votes", "soft_label")
_WHOLE = [each.name for each in SCHEMA if pa.types.is_integer(each.type) and each.name not in OUTSIDE_DIGEST]
_BLANK: dict[str, Any] = {
    each.name: "" if pa.types.is_string(each.type) else [] if pa.types.is_list(each.type) else 0
    for each in SCHEMA
}
_KEPT_OF_ERASED = ("face_key", "pack", "offset", "image_bytes")


class BadRow(ValueError):
    """A row cannot be part of a snapshot; the text names the column."""


class OtherImage(BadRow):
    """The image is not the one whose sha256 the row names."""


def face_key(*, media_sha256: str, detector: str, time_ms: int, row: int, box: Sequence[int]) -> str:
    """A face's name by its content, the same in every database. box: x, y, width, height. 64 hex digits."""
    text = f"{media_sha256}/{detector}/{time_ms}/{row}/{'/'.join(map(str, box))}"
    return hashlib.sha256(text.encode()).hexdigest()


def group_of(media_sha256: str) -> str:
    """The name of the group that begins with this media: 16 hex digits."""
    return media_sha256[:16]


def completed(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row with what it need not name."""
    whole = {**DEFAULTS, **row}
    whole.setdefault("group", group_of(row.get("media_sha256") or ""))
    return whole


def blank(row: Mapping[str, Any]) -> dict[str, Any]:
    """What stays of a row whose face was erased."""
    kept = {name: row[name] for name in _KEPT_OF_ERASED}
    proof = row["row_sha256"] if row["erased"] else row_sha256(row).hex()
    return {**_BLANK, **kept, "erased": True, "row_sha256": proof}


def is_blank(row: Mapping[str, Any]) -> bool:
    """Whether the row is what `blank` leaves."""
    return len(row["row_sha256"]) == 64 and all(
        row[name] == empty
        for name, empty in _BLANK.items()
        if name not in (*_KEPT_OF_ERASED, "erased", "row_sha256")
    )


_CONTENT = tuple(name for name in SCHEMA.names if name not in OUTSIDE_DIGEST)
_content_of = itemgetter(*_CONTENT)


def check_row(row: Mapping[str, Any], classes: Sequence[str]) -> None:
    """Raises BadRow for what no snapshot may hold."""
    try:
        is_whole = None not in _content_of(row)
    except KeyError:
        is_whole = False
    if not is_whole:
        missing = next(name for name in _CONTENT if row.get(name) is None)
        raise BadRow(f"column {missing} has no value")
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
    if not row["group"]:
        raise BadRow("column group: no name")


class Digest:
    """The sha256 over a snapshot's content: classes, rule, and each row's own sha256 in order of face_key."""

    def __init__(self, classes: Sequence[str], rule: Mapping[str, Any]) -> None:
        head = {"format": FORMAT, "classes": list(classes), "rule": dict(rule), "columns": _CONTENT}
        self._sha = hashlib.sha256(json.dumps(head, sort_keys=True, ensure_ascii=False).encode())
        self._last = ""
        self.rows = 0

    def add(self, row: Mapping[str, Any]) -> None:
        """Of an erased row the sha256 it had counts. Raises BadRow for a row out of order."""
        key = row["face_key"]
        if key <= self._last:
            raise BadRow(f"column face_key: {key[:12]}… is out of order or there twice")
        self._last = key
        self._sha.update(bytes.fromhex(row["row_sha256"]) if row.get("erased") else row_sha256(row))
        self.rows += 1

    def hex(self) -> str:
        return self._sha.hexdigest()


_LENGTHS = struct.Struct(f"<{len(_TEXTS) + len(_LISTS)}I")
_SCALARS = struct.Struct(f"<{len(_WHOLE)}qf")
_texts_of = itemgetter(*_TEXTS)
_scalars_of = itemgetter(*_WHOLE, "agreement")


def canonical(row: Mapping[str, Any]) -> bytes:
    """Every column of the content: no two different rows have the same bytes.

    First the lengths of the texts and lists as 32-bit numbers, then the texts as UTF-8, in the order of the columns;
    then whole numbers with 64 bits and the agreement as a 32-bit fraction; then the votes with 64 bits each, the soft
    label with 32 each. All little-endian. The image stands for itself by its sha256.
    """
    texts = [text.encode() for text in _texts_of(row)]
    votes, soft = row["votes"], row["soft_label"]
    return b"".join(
        (
            _LENGTHS.pack(*map(len, texts), len(votes), len(soft)),
            *texts,
            _SCALARS.pack(*_scalars_of(row)),
            struct.pack(f"<{len(votes)}q{len(soft)}f", *votes, *soft),
        )
    )


def row_sha256(row: Mapping[str, Any]) -> bytes:
    """32 bytes."""
    return hashlib.sha256(canonical(row)).digest()
