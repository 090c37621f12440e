"""The rows of a snapshot: their columns, what must hold of each, and the digest over them."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from labeling.snapshots.format.manifest import FORMAT

SPLITS = ("train", "validation", "test")
_ROUNDING = 0.001
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
_WHOLE = [each.name for each in SCHEMA if pa.types.is_integer(each.type) and each.name not in OUTSIDE_DIGEST]
_LISTS = ("votes", "soft_label")
_BLANK: dict[str, Any] = {
    each.name: "" if pa.types.is_string(each.type) else [] if pa.types.is_list(each.type) else 0
    for each in SCHEMA
}
_KEPT_OF_ERASED = ("face_key", "pack", "offset", "image_bytes")


class BadRow(ValueError):
    """A row cannot be part of a snapshot; the text names the column. row: which of those given, from 0."""

    row = 0


class OtherImage(BadRow):
    """The image is not the one whose sha256 the row names."""


def face_key(*, media_sha256: str, detector: str, time_ms: int, row: int, box: Sequence[int]) -> str:
    """A face's name by its content, the same in every database. box: x, y, width, height. 64 hex digits."""
    text = f"{media_sha256}/{detector}/{time_ms}/{row}/{'/'.join(map(str, box))}"
    return hashlib.sha256(text.encode()).hexdigest()


def group_of(media_sha256: str) -> str:
    """The name of the group that begins with this media: 16 hex digits."""
    return media_sha256[:16]


Columns = dict[str, list[Any]]
"""Some rows, as one list per column, all of one length."""


def complete(columns: Columns) -> None:
    """Add the columns that rows need not name."""
    size = len(columns["face_key"])
    for name, value in DEFAULTS.items():
        columns.setdefault(name, [value] * size)
    if "group" not in columns:
        columns["group"] = [group_of(media or "") for media in columns["media_sha256"]]


def blank(row: Mapping[str, Any]) -> dict[str, Any]:
    """What stays of a row whose face was erased."""
    kept = {name: row[name] for name in _KEPT_OF_ERASED}
    proof = row["row_sha256"] if row["erased"] else next(row_sha256s(_alone(row))).hex()
    return {**_BLANK, **kept, "erased": True, "row_sha256": proof}


def is_blank(columns: Columns) -> bool:
    """Whether the erased rows among these are what `blank` leaves."""
    gone = [row for row, is_gone in enumerate(columns["erased"]) if is_gone]
    said = [name for name in _BLANK if name not in (*_KEPT_OF_ERASED, "erased", "row_sha256")]
    return all(len(columns["row_sha256"][row]) == 64 for row in gone) and all(
        columns[name][row] == _BLANK[name] for name in said for row in gone
    )


def without_erased(columns: Columns) -> Columns:
    """The rows whose faces are there."""
    erased = columns.get("erased", ())
    if not any(erased):
        return columns
    there = [row for row, is_gone in enumerate(erased) if not is_gone]
    return {name: [values[row] for row in there] for name, values in columns.items()}


_CONTENT = tuple(name for name in SCHEMA.names if name not in OUTSIDE_DIGEST)


def check(columns: Columns, classes: Sequence[str]) -> None:
    """Raises BadRow for what no snapshot may hold; its text tells of the first such row."""
    if not _is_good(columns, classes):
        for number, row in enumerate(_rows(columns)):
            try:
                _check_row(row, classes)
            except BadRow as bad:
                bad.row = number
                raise


def _is_good(columns: Columns, classes: Sequence[str]) -> bool:
    """What _check_row asks of each row, asked of all at once."""
    if any(None in columns.get(name, (None,)) for name in _CONTENT):
        return False
    if not columns["face_key"]:
        return True
    try:
        votes = np.array(columns["votes"], np.int64)
        soft = np.array(columns["soft_label"], np.float64)
        index = np.array(columns["label_index"], np.int64)
        agreement = np.array(columns["agreement"], np.float64)
    except (ValueError, TypeError, OverflowError):
        return False
    return bool(
        votes.shape == (len(index), len(classes) + 2)
        and soft.shape == (len(index), len(classes))
        and votes.min() >= 0
        and soft.min() >= 0
        and (abs(soft.sum(axis=1) - 1) < _ROUNDING).all()
        and 0 <= agreement.min() <= agreement.max() <= 1
        and 0 <= index.min() <= index.max() < len(classes)
        and [classes[number] for number in columns["label_index"]] == columns["label"]
        and set(columns["split"]) <= set(SPLITS)
        and all(columns["group"])
    )


def _check_row(row: Mapping[str, Any], classes: Sequence[str]) -> None:
    for name in _CONTENT:
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
    if len(soft) != len(classes) or min(soft) < 0 or not abs(sum(soft) - 1) < _ROUNDING:
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

    def add(self, columns: Columns) -> None:
        """Of erased rows the sha256 they had counts. Raises BadRow for a row out of order."""
        keys, proofs = columns["face_key"], columns.get("row_sha256", ())
        erased = columns.get("erased") or [False] * len(keys)
        hashes = iter(row_sha256s(without_erased(columns)))
        for row, (key, is_gone) in enumerate(zip(keys, erased, strict=True)):
            if key <= self._last:
                raise BadRow(f"column face_key: {key[:12]}… is out of order or there twice")
            self._last = key
            self._sha.update(bytes.fromhex(proofs[row]) if is_gone else next(hashes))
            self.rows += 1

    def hex(self) -> str:
        return self._sha.hexdigest()


def row_sha256s(columns: Columns) -> Iterator[bytes]:
    """Of each row, of its canonical bytes. 32 bytes each."""
    return (hashlib.sha256(each).digest() for each in canonical(columns))


def canonical(columns: Columns) -> Iterator[bytes]:
    """Of each row every column of the content: no two different rows have the same bytes.

    First the numbers, each with its own width, little-endian: how many votes there are and how many shares, and how
    many characters each text has, with 32 bits; whole numbers with 64; the agreement as a 32-bit fraction; each vote
    with 64 bits and each share of the soft label with 32. Then the texts as UTF-8. Within each kind in the order of the
    columns. The image stands for itself by its sha256.
    """
    texts = [columns[name] for name in _TEXTS]
    votes, soft = columns["votes"], columns["soft_label"]
    widths = {(len(one), len(two)) for one, two in zip(votes, soft, strict=True)}
    if not widths:
        return iter(())
    if len(widths) > 1:
        return (next(canonical(_alone(row))) for row in _rows(columns))
    ((cast, shares),) = widths
    block = np.empty(len(votes), _numbers(cast, shares))
    block["cast"], block["shares"] = cast, shares
    for number, text in enumerate(texts):
        block["lengths"][:, number] = list(map(len, text))
    for number, name in enumerate(_WHOLE):
        block["whole"][:, number] = columns[name]
    block["agreement"] = columns["agreement"]
    block["votes"], block["soft"] = votes, soft
    numbers, width = block.tobytes(), block.dtype.itemsize
    return (
        numbers[row * width : (row + 1) * width] + "".join(text).encode()
        for row, text in enumerate(zip(*texts, strict=True))
    )


def _numbers(cast: int, shares: int) -> np.dtype[np.void]:
    """What stands before the texts."""
    return np.dtype(
        [
            ("cast", "<u4"),
            ("shares", "<u4"),
            ("lengths", "<u4", (len(_TEXTS),)),
            ("whole", "<i8", (len(_WHOLE),)),
            ("agreement", "<f4"),
            ("votes", "<i8", (cast,)),
            ("soft", "<f4", (shares,)),
        ]
    )


def _alone(row: Mapping[str, Any]) -> Columns:
    return {name: [value] for name, value in row.items()}


def _rows(columns: Columns) -> Iterator[dict[str, Any]]:
    names = tuple(columns)
    return (dict(zip(names, values, strict=True)) for values in zip(*columns.values(), strict=True))
