"""Where each image of a new version lies: in a pack of the version before, or in a new one."""

import hashlib
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from labeling.snapshots.format.base import Base, Found
from labeling.snapshots.format.digits import Digits, Raw, digits_of, hex_digits, texts_of
from labeling.snapshots.format.packs import Images, Numbers, Packs, PackWriter
from labeling.snapshots.format.rows import (
    INNER,
    PNG,
    SCHEMA,
    BadRow,
    OtherImage,
    check,
    complete,
    row_sha256s,
)

_READ_AT_ONCE = 128
_PARTS = 2
"""Of a chunk each reader reads this many, so that the quicker one does not wait for the other."""
_AHEAD = 2
"""Chunks whose images are being read while another is written."""
Image = bytes | Callable[[], bytes]
Wanted = Sequence[Image] | Callable[[Numbers], Images]
Chunk: TypeAlias = dict[str, Any]
"""Some rows, as one list or Arrow array per column."""
Whole: TypeAlias = NDArray[np.int64]


class Placer:
    """Finds a place for each image: the one it has in an earlier version, or one in a new pack."""

    def __init__(self, folder: Path, base: Base, trusted: Collection[str], readers: int) -> None:
        self._base = base
        self._new = PackWriter(folder)
        self._packs = Packs(base.folder or folder, base.packs)
        # By number; the last is for what lies in no pack.
        self._trusted = np.array([name in trusted for name in (*base.packs, "")], np.bool_)
        self._numbers: dict[tuple[str, int], int] = {}
        """Whose pack (`base` or `new`) of which number there → its number here."""
        if base.keeps:
            # Rows that are kept number packs as the base does.
            self._numbers = {("base", number): number for number in range(len(base.packs))}
        self._readers = readers
        self._pool = ThreadPoolExecutor(readers)

    def placed(self, chunks: Iterable[Chunk], classes: Sequence[str]) -> Iterator["Placed"]:
        """The rows, with where their images are."""
        waiting: deque[_Placing] = deque()
        for columns in chunks:
            waiting.append(self._begun(columns, classes))
            if len(waiting) >= _AHEAD:
                yield self._ended(waiting.popleft(), classes)
        while waiting:
            yield self._ended(waiting.popleft(), classes)

    def _begun(self, columns: Chunk, classes: Sequence[str]) -> "_Placing":
        """Find what the base holds, and have the rest read."""
        complete(columns)
        images = columns.pop("image")
        if not callable(images) and None in images:
            raise BadRow("column image has no value")
        keys = hex_digits(_array(columns["face_key"], pa.string()))
        found = self._base.find(keys)
        content, hashes, same = None, None, np.zeros(len(keys), np.bool_)
        if "image_sha256" in columns:
            content = _content(columns, classes)
            hashes = row_sha256s(content)
            same = self._same(content, hashes, found)
        else:
            found.place[:] = -1
        missing = np.flatnonzero(found.place[:, 0] < 0)
        parts = [part for part in np.array_split(missing, _PARTS * self._readers) if len(part)]
        read = [self._pool.submit(_read, images, part) for part in parts]
        return _Placing(keys, columns, content, hashes, found, same, parts, read)

    def _same(self, content: pa.RecordBatch, hashes: Raw, found: Found) -> NDArray[np.bool_]:
        """Which rows say what they say in the base. Places of images that are not there as they were are forgotten."""
        if not found.there.any():
            found.place[:] = -1
            return np.zeros(len(hashes), np.bool_)
        found.place[~(found.there & (found.image == hex_digits(content.column("image_sha256"))))] = -1
        self._forget_damaged(found)
        there = (found.place[:, 0] >= 0) & (found.shard >= 0)
        return np.asarray(there & (found.proof == digits_of(hashes)))

    def _ended(self, placing: "_Placing", classes: Sequence[str]) -> "Placed":
        columns, place = placing.columns, placing.found.place
        self._renumber(place)
        content, proofs = placing.content, placing.hashes
        named = None if content is None else hex_digits(content.column("image_sha256"))
        sha256s = []
        for part, read in zip(placing.parts, placing.read, strict=True):
            images = read.result()
            _demand_images(images, None if named is None else named[part])
            place[part] = self._added(placing.keys[part], images)
            sha256s.append(images.sha256.tobytes())
        if content is None or proofs is None:
            # Of none was known which image it is: all of them have been read.
            columns["image_sha256"] = texts_of(b"".join(sha256s))
            content = _content(columns, classes)
            proofs = row_sha256s(content)
        return Placed(content, proofs, placing.found, placing.same)

    def _added(self, keys: Digits, images: Images) -> Whole:
        new = self._new.add(keys, images)
        first, last = int(new[0, 0]), int(new[-1, 0])
        numbers = [self._number("new", number) for number in range(first, last + 1)]
        new[:, 0] = np.array(numbers)[new[:, 0] - first]
        return new

    def _renumber(self, place: Whole) -> None:
        """Packs of the base by the numbers they get here, in the order in which they are met."""
        there = place[place[:, 0] >= 0, 0]
        _, first = np.unique(there, return_index=True)
        numbers = np.full(len(self._base.packs) + 1, -1)
        for number in there[np.sort(first)].tolist():
            numbers[number] = self._number("base", number)
        place[:, 0] = numbers[place[:, 0]]

    def __enter__(self) -> "Placer":
        return self

    def __exit__(self, kind: object, *rest: object) -> None:
        self._pool.shutdown(cancel_futures=True)
        self._packs.close()
        if kind is None:
            self._new.close()
        else:
            self._new.give_up()

    def names(self) -> tuple[str, ...]:
        """Of the packs, in the order of their numbers; complete once the block is left."""
        names = {"base": self._base.packs, "new": self._new.names}
        return tuple(names[whose][number] for whose, number in self._numbers)

    def _number(self, whose: str, number: int) -> int:
        return self._numbers.setdefault((whose, number), len(self._numbers))

    def _forget_damaged(self, found: Found) -> None:
        """What the base no longer has as it was is not taken from it."""
        pack = found.place[:, 0]
        known = np.flatnonzero((pack >= 0) & ~self._trusted[pack])
        for start in range(0, len(known), _READ_AT_ONCE):
            some = known[start : start + _READ_AT_ONCE]
            wanted = found.image[some].tolist()
            for row, image, sha256 in zip(some, self._packed(found.place[some]), wanted, strict=True):
                if hashlib.sha256(image).hexdigest().encode() != sha256:
                    found.place[row] = -1

    def _packed(self, place: Whole) -> list[bytes]:
        try:
            return list(self._packs.images(*place.T).to_pylist())
        except OSError:
            return [b""] * len(place)


@dataclass(frozen=True)
class _Placing:
    """A chunk whose images are being read. parts: of the rows that the base lacks, which are read together."""

    keys: Digits
    columns: Chunk
    content: pa.RecordBatch | None
    hashes: Raw | None
    found: Found
    same: NDArray[np.bool_]
    parts: list[Whole]
    read: list[Future[Images]]


@dataclass(frozen=True)
class Placed:
    """Some rows. same: which of them the base has just so."""

    content: pa.RecordBatch
    hashes: Raw
    found: Found
    same: NDArray[np.bool_]

    def changed(self) -> pa.RecordBatch:
        """The rows that are not in the base, whole."""
        which = ~self.same
        content = self.content if which.all() else self.content.filter(pa.array(which))
        place = self.found.place[which]
        inner = {
            "pack": pa.array(place[:, 0], pa.int32()),
            "offset": pa.array(place[:, 1], pa.int64()),
            "image_bytes": pa.array(place[:, 2], pa.int32()),
            "erased": pa.array(np.zeros(len(place), np.bool_)),
            "row_sha256": texts_of(self.hashes[which].tobytes()),
        }
        columns = [inner[name] if name in inner else content.column(name) for name in SCHEMA.names]
        return pa.RecordBatch.from_arrays(columns, schema=SCHEMA)


def _demand_images(images: Images, named: Digits | None) -> None:
    """named: the sha256 that the rows name, if they do. Raises BadRow."""
    if named is not None and (digits_of(images.sha256) != named).any():
        raise OtherImage("column image_sha256: not that of the image")
    head = images.starts[:-1, None] + np.arange(len(PNG))
    is_png = len(images.data) >= len(PNG) and bool((images.sizes >= len(PNG)).all())
    if not is_png or (np.frombuffer(images.data, np.uint8)[head] != np.frombuffer(PNG, np.uint8)).any():
        raise BadRow("column image: not a PNG")


def _read(images: Wanted, rows: Whole) -> Images:
    if callable(images):
        return images(rows)
    some = [images[row] for row in rows.tolist()]
    return Images.of([image if isinstance(image, bytes) else image() for image in some])


def _content(columns: Chunk, classes: Sequence[str]) -> pa.RecordBatch:
    """The rows without what says where they lie, checked."""
    try:
        fields = [field for field in SCHEMA if field.name not in INNER]
        batch = pa.RecordBatch.from_arrays(
            [_array(columns[field.name], field.type) for field in fields], schema=pa.schema(fields)
        )
    except (TypeError, ValueError, OverflowError, pa.ArrowException):
        # What is no value of its column: say which.
        check(columns, classes)
        raise
    check(batch, classes)
    return batch


def _array(values: Any, kind: pa.DataType) -> pa.Array:
    return values if isinstance(values, pa.Array) else pa.array(values, kind)
