"""The rows of a snapshot: their columns, what must hold of each, and the digest over them."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from labeling.snapshots.format.digits import RAW, Raw, hex_digits, raw_bytes
from labeling.snapshots.format.manifest import CONTENT

SPLITS = ("train", "validation", "test")
_ROUNDING = 0.001
_AT_ONCE = 65_536
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
image had and row_sha256 is blank. row_sha256: of what the row says, or said.
"""

OUTSIDE_DIGEST = frozenset({"face_id", "image_bytes", "pack", "offset", "erased", "row_sha256"})
"""Columns that belong to the database a snapshot was frozen from, or to where its bytes lie, not to its content."""

INNER = ("image_bytes", "pack", "offset", "erased", "row_sha256")
COLUMNS = ("image", *(name for name in SCHEMA.names if name not in INNER))
"""What readers get: the columns of the content, face_id, and `image`, the PNG itself."""
READ_SCHEMA = pa.schema(
    [pa.field("image", pa.binary()) if name == "image" else SCHEMA.field(name) for name in COLUMNS]
)

DEFAULTS: Mapping[str, Any] = {"label_origin": "votes", "other_labels": "{}", "fold": -1, "track": 0}
"""Of columns that a row need not name. `group` is the media alone unless named."""
_TEXTS = [each.name for each in SCHEMA if pa.types.is_string(each.type) and each.name not in OUTSIDE_DIGEST]
_WHOLE = [each.name for each in SCHEMA if pa.types.is_integer(each.type) and each.name not in OUTSIDE_DIGEST]
_LISTS = ("votes", "soft_label")
BLANK: dict[str, Any] = {
    each.name: "" if pa.types.is_string(each.type) else [] if pa.types.is_list(each.type) else 0
    for each in SCHEMA
}
"""What an erased row says, but for `erased`, its row_sha256 and the columns of KEPT_OF_ERASED."""
KEPT_OF_ERASED = ("face_key", "pack", "offset", "image_bytes")


class BadRow(ValueError):
    """A row cannot be part of a snapshot; the text names the column. row: which of those given, from 0."""

    row = 0


def bad_row(row: int, text: str) -> BadRow:
    bad = BadRow(text)
    bad.row = row
    return bad


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
Rows: TypeAlias = Columns | pa.RecordBatch
"""The same, or as Arrow has them, in which nothing is done row by row."""


def complete(columns: Columns) -> None:
    """Add the columns that rows need not name."""
    size = len(columns["face_key"])
    for name, value in DEFAULTS.items():
        columns.setdefault(name, [value] * size)
    if "group" not in columns:
        columns["group"] = [group_of(media or "") for media in columns["media_sha256"]]


def is_blank(batch: pa.RecordBatch) -> bool:
    """Whether the erased rows among these are what an erasure leaves."""
    gone = batch.filter(batch.column("erased")).to_pydict()
    said = [name for name in BLANK if name not in (*KEPT_OF_ERASED, "erased", "row_sha256")]
    return all(len(proof) == 64 for proof in gone["row_sha256"]) and all(
        value == BLANK[name] for name in said for value in gone[name]
    )


def without_erased(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The rows whose faces are there."""
    erased = batch.column("erased")
    return batch.filter(pc.invert(erased)) if erased.true_count else batch


_CONTENT = tuple(name for name in SCHEMA.names if name not in OUTSIDE_DIGEST)


def check(rows: Rows, classes: Sequence[str]) -> None:
    """Raises BadRow for what no snapshot may hold; its text tells of the first such row."""
    if not _is_good(rows, classes):
        for number, row in enumerate(_rows(rows)):
            try:
                _check_row(row, classes)
            except BadRow as bad:
                bad.row = number
                raise


def _is_good(rows: Rows, classes: Sequence[str]) -> bool:
    """What _check_row asks of each row, asked of all at once."""
    try:
        batch = _content(rows)
    except (KeyError, TypeError, ValueError, OverflowError, pa.ArrowException):
        return False
    if any(column.null_count for column in batch.columns):
        return False
    if not batch.num_rows:
        return True
    votes, soft = (_matrix(batch.column(name)) for name in _LISTS)
    if votes is None or soft is None:
        return False
    index, agreement = (batch.column(name).to_numpy() for name in ("label_index", "agreement"))
    if not 0 <= index.min() <= index.max() < len(classes):
        return False
    labels = pa.array(classes, pa.string()).take(batch.column("label_index"))
    return bool(
        votes.shape == (len(index), len(classes) + 2)
        and soft.shape == (len(index), len(classes))
        and votes.min() >= 0
        and soft.min() >= 0
        and (abs(soft.sum(axis=1, dtype=np.float64) - 1) < _ROUNDING).all()
        and 0 <= agreement.min() <= agreement.max() <= 1
        and labels.equals(batch.column("label"))
        and set(pc.unique(batch.column("split")).to_pylist()) <= set(SPLITS)
        and pc.min(pc.binary_length(batch.column("group"))).as_py() > 0
    )


def _matrix(lists: pa.ListArray) -> NDArray[Any] | None:
    """Lists of one length as (rows, length); None where they have different ones, or hold a null."""
    lengths = pc.min_max(pc.list_value_length(lists)).as_py()
    values = lists.flatten()
    if lengths["min"] != lengths["max"] or values.null_count:
        return None
    return np.asarray(values.to_numpy().reshape(len(lists), lengths["min"]))


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
        head = {"format": CONTENT, "classes": list(classes), "rule": dict(rule), "columns": _CONTENT}
        self._sha = hashlib.sha256(json.dumps(head, sort_keys=True, ensure_ascii=False).encode())
        self._last = ""
        self.rows = 0

    def add(self, rows: Rows, *, proved: bool = False) -> None:
        """Of erased rows the sha256 they had counts. proved: the others say theirs too, and it must be right.

        Raises BadRow for a row out of order, or that says another sha256.
        """
        batch = _content(rows) if isinstance(rows, dict) else rows
        has_erased = "erased" in batch.schema.names and batch.column("erased").true_count
        hashes = row_sha256s(without_erased(batch) if has_erased else batch)
        if has_erased or proved:
            said = raw_bytes(hex_digits(batch.column("row_sha256")))
            there = ~batch.column("erased").to_numpy(zero_copy_only=False)
            wrong = np.flatnonzero(there)[said[there] != hashes]
            if proved and len(wrong):
                raise bad_row(int(wrong[0]), "column row_sha256: not that of the row")
            hashes, living = said.copy(), hashes
            hashes[there] = living
        self.add_hashed(batch.column("face_key"), hashes)

    def add_hashed(self, keys: pa.StringArray, hashes: Raw) -> None:
        """Rows whose sha256 is known. Raises BadRow for a row out of order."""
        if not len(keys):
            return
        first, last = keys[0].as_py(), keys[-1].as_py()
        if first <= self._last or not pc.all(pc.less(keys[:-1], keys[1:]), min_count=0).as_py():
            self._tell_of_order(keys.to_pylist())
        self._last = last
        self._sha.update(hashes.tobytes())
        self.rows += len(keys)

    def add_rows(self, keys: Raw, hashes: Raw) -> None:
        """Many rows, whose keys and sha256 are given. Raises BadRow for a row out of order."""
        leading = np.ascontiguousarray(keys).view(">u8").reshape(len(keys), 4)[:, 0]
        if not (leading[1:] > leading[:-1]).all():
            self._tell_of_order([bytes(key).hex() for key in keys])
        for start in range(0, len(keys), _AT_ONCE):
            self._sha.update(hashes[start : start + _AT_ONCE].tobytes())
        self.rows += len(keys)

    def _tell_of_order(self, keys: Sequence[str]) -> None:
        for number, key in enumerate(keys):
            if key <= self._last:
                raise bad_row(number, f"column face_key: {key[:12]}… is out of order or there twice")
            self._last = key

    def hex(self) -> str:
        return self._sha.hexdigest()


def row_sha256s(rows: Rows) -> Raw:
    """Of each row, of its canonical bytes."""
    sha256 = hashlib.sha256
    return np.frombuffer(b"".join([sha256(each).digest() for each in canonical(rows)]), RAW)


def canonical(rows: Rows) -> Iterator[bytes]:
    """Of each row every column of the content: no two different rows have the same bytes.

    First the numbers, each with its own width, little-endian: how many votes there are and how many shares, and how
    many characters each text has, with 32 bits; whole numbers with 64; the agreement as a 32-bit fraction; each vote
    with 64 bits and each share of the soft label with 32. Then the texts as UTF-8. Within each kind in the order of the
    columns. The image stands for itself by its sha256.
    """
    batch = _content(rows)
    if not batch.num_rows:
        return iter(())
    votes, soft = (_matrix(batch.column(name)) for name in _LISTS)
    if votes is None or soft is None:
        return (next(canonical(batch.slice(row, 1))) for row in range(batch.num_rows))
    texts = [batch.column(name) for name in _TEXTS]
    block = np.empty(batch.num_rows, _numbers(votes.shape[1], soft.shape[1]))
    block["cast"], block["shares"] = votes.shape[1], soft.shape[1]
    for number, text in enumerate(texts):
        block["lengths"][:, number] = pc.utf8_length(text).to_numpy()
    for number, name in enumerate(_WHOLE):
        block["whole"][:, number] = batch.column(name).to_numpy()
    block["agreement"] = batch.column("agreement").to_numpy()
    block["votes"], block["soft"] = votes, soft
    numbers = pa.array(block.view((np.void, block.dtype.itemsize)).tolist(), pa.binary())
    said = [text.cast(pa.binary()) for text in texts]
    return iter(pc.binary_join_element_wise(numbers, *said, pa.scalar(b"", pa.binary())).to_pylist())


def _content(rows: Rows) -> pa.RecordBatch:
    """The columns of the digest alone, as Arrow has them."""
    if isinstance(rows, dict):
        given = [pa.array(rows[name], SCHEMA.field(name).type) for name in _CONTENT]
        return pa.RecordBatch.from_arrays(given, names=list(_CONTENT))
    return rows.select(list(_CONTENT))


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


def _rows(rows: Rows) -> Iterator[dict[str, Any]]:
    columns = rows if isinstance(rows, dict) else rows.to_pydict()
    names = tuple(columns)
    return (dict(zip(names, values, strict=True)) for values in zip(*columns.values(), strict=True))
