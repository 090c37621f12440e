"""Write a snapshot folder, holding no more than a few megabytes of it at a time."""

import hashlib
import os
import shutil
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from labeling.snapshots.format import order
from labeling.snapshots.format.base import Base, Found, hex_digits, leading_bits
from labeling.snapshots.format.manifest import MANIFEST, Manifest, Shard
from labeling.snapshots.format.packs import Packs, PackWriter
from labeling.snapshots.format.rows import (
    INNER,
    PNG,
    SCHEMA,
    SPLITS,
    BadRow,
    Digest,
    OtherImage,
    check,
    complete,
    row_sha256s,
)

SHARD_ROWS = 16_384
GROUP_ROWS = 2_048
"""What a writer and a reader hold at a time."""
_REPEATING = [
    "label", "label_origin", "other_labels", "split", "media_kind", "detector", "licence", "author", "page_url",
    "source", "given_split",
]  # fmt: skip

_READ_AT_ONCE = 128
_AHEAD = 2
"""Chunks whose images are being read while another is written."""
Image = bytes | Callable[[], bytes]
Read = tuple[Sequence[bytes], Sequence[str]]
"""Images, and the sha256 of each."""
Images = Sequence[Image] | Callable[[Sequence[int]], Read]
Chunk: TypeAlias = dict[str, Any]
"""Some rows, as one list or Arrow array per column."""
Whole: TypeAlias = NDArray[np.int64]
_NEW = -2
_NONE = np.empty(0, np.int64)


def write(
    folder: Path,
    rows: Iterable[Mapping[str, Any]],
    *,
    classes: Sequence[str],
    rule: Mapping[str, Any],
    **more: Any,
) -> Manifest:
    """Write rows as a snapshot into an empty folder.

    rows: one mapping per face, all with the same columns; see `write_columns`, to which `more` goes.
    """
    return write_columns(folder, _in_columns(rows), classes=classes, rule=rule, **more)


def _in_columns(rows: Iterable[Mapping[str, Any]]) -> Iterator[Chunk]:
    rest = iter(rows)
    while chunk := list(islice(rest, GROUP_ROWS)):
        yield {name: [row.get(name) for row in chunk] for name in chunk[0]}


def write_columns(
    folder: Path,
    chunks: Iterable[Chunk],
    *,
    classes: Sequence[str],
    rule: Mapping[str, Any],
    left_out: Mapping[str, int] | None = None,
    notes: Sequence[str] = (),
    certificate: Mapping[str, Any] | None = None,
    base: Path | None = None,
    trusted: Collection[str] = (),
    readers: int = 1,
) -> Manifest:
    """Write a snapshot into an empty folder, the manifest last, so that a folder without one is not a snapshot.

    chunks: some rows at a time, as lists or Arrow arrays by column, ordered by face_key over all. Their columns are
    COLUMNS; those in DEFAULTS, `group` and `image_sha256` may be left out. `image` is of each row the PNG, or a
    function that returns it; or one function that is given numbers of rows of the chunk and returns their PNGs and the
    sha256 of each. Functions are called only where an image is needed, by so many threads at once as there are
    `readers`, a few chunks ahead.
    base: a snapshot folder whose packs are stored with this one's: images that it holds, and that are what its rows
    say, are not written again; nor are rows that say the same, whose shards are linked. trusted: packs of the base that
    are believed to be whole, and not read.
    Raises BadRow for rows out of order or outside the classes and splits, FileExistsError for a folder that holds
    something.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty; a snapshot needs a folder of its own.")
    digest = Digest(classes, rule)
    counts = np.zeros((len(SPLITS), len(classes)), np.int64)
    before = Base(base, _is_sound)
    with before, _Images(folder, before, trusted, readers) as images, _Files(folder, before) as files:
        for rows in images.placed(chunks, classes):
            digest.add_hashed(rows.content.column("face_key"), rows.hashes)
            counts += _counts(rows.content, len(classes))
            files.add(rows)
        before.rest()
        shards, runs = files.ended()
    manifest = Manifest(
        classes=tuple(classes),
        rule=dict(rule),
        splits={
            split: dict(zip(classes, row, strict=True))
            for split, row in zip(SPLITS, counts.tolist(), strict=True)
        },
        left_out=dict(left_out or {}),
        notes=tuple(notes),
        certificate=dict(certificate or {}),
        rows=digest.rows,
        digest=digest.hex(),
        shards=shards,
        packs=images.names(),
        order=runs,
    )
    (folder / MANIFEST).write_text(manifest.to_json(), encoding="utf-8")
    return manifest


def _is_sound(path: Path, shard: Shard) -> bool:
    return path.is_file() and path.stat().st_size == shard.bytes and sha256_of(path) == shard.sha256


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


def _counts(batch: pa.RecordBatch, classes: int) -> NDArray[np.int64]:
    """(splits, classes): rows."""
    split = pc.index_in(batch.column("split"), pa.array(SPLITS)).to_numpy().astype(np.int64)
    flat = split * classes + batch.column("label_index").to_numpy()
    return np.bincount(flat, minlength=len(SPLITS) * classes).reshape(len(SPLITS), classes)


class _Images:
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
        self._pool = ThreadPoolExecutor(readers)

    def placed(self, chunks: Iterable[Chunk], classes: Sequence[str]) -> Iterator["_Placed"]:
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
        missing = np.flatnonzero(found.place[:, 0] < 0).tolist()
        parts = [missing[start : start + _READ_AT_ONCE] for start in range(0, len(missing), _READ_AT_ONCE)]
        read = [self._pool.submit(_read, images, part) for part in parts]
        return _Placing(columns, content, hashes, found, same, parts, read)

    def _same(self, content: pa.RecordBatch, hashes: list[bytes], found: Found) -> NDArray[np.bool_]:
        """Which rows say what they say in the base. Places of images that are not there as they were are forgotten."""
        found.place[~(found.there & (found.image == hex_digits(content.column("image_sha256"))))] = -1
        self._forget_damaged(found)
        proofs = np.frombuffer(b"".join(hashes).hex().encode(), "S64")
        return np.asarray((found.place[:, 0] >= 0) & (found.shard >= 0) & (found.proof == proofs))

    def _ended(self, placing: "_Placing", classes: Sequence[str]) -> "_Placed":
        columns, place = placing.columns, placing.found.place
        self._renumber(place)
        known = _listed(columns.get("image_sha256", [None] * len(place)))
        if placing.parts:
            keys = _listed(columns["face_key"])
            for part, read in zip(placing.parts, placing.read, strict=True):
                images, hashes = read.result()
                _demand_images(images, hashes, [known[row] for row in part])
                for row, sha256 in zip(part, hashes, strict=True):
                    known[row] = sha256
                place[part] = self._added([keys[row] for row in part], images, hashes)
        content, proofs = placing.content, placing.hashes
        if content is None or proofs is None:
            columns["image_sha256"] = known
            content = _content(columns, classes)
            proofs = row_sha256s(content)
        return _Placed(content, proofs, placing.found, placing.same)

    def _added(self, keys: Sequence[str], images: Sequence[bytes], hashes: Sequence[str]) -> Whole:
        new = np.array(self._new.add(keys, images, hashes), np.int64).reshape(-1, 3)
        numbers = {number: self._number("new", number) for number in np.unique(new[:, 0]).tolist()}
        new[:, 0] = [numbers[number] for number in new[:, 0].tolist()]
        return new

    def _renumber(self, place: Whole) -> None:
        """Packs of the base by the numbers they get here, in the order in which they are met."""
        there = place[place[:, 0] >= 0, 0]
        _, first = np.unique(there, return_index=True)
        numbers = np.full(len(self._base.packs) + 1, -1)
        for number in there[np.sort(first)].tolist():
            numbers[number] = self._number("base", number)
        place[:, 0] = numbers[place[:, 0]]

    def __enter__(self) -> "_Images":
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

    columns: Chunk
    content: pa.RecordBatch | None
    hashes: list[bytes] | None
    found: Found
    same: NDArray[np.bool_]
    parts: list[list[int]]
    read: list[Future[Read]]


@dataclass(frozen=True)
class _Placed:
    """Some rows. same: which of them the base has just so."""

    content: pa.RecordBatch
    hashes: list[bytes]
    found: Found
    same: NDArray[np.bool_]

    def changed(self) -> pa.RecordBatch:
        """The rows that are not in the base, whole."""
        which = ~self.same
        content = self.content.filter(pa.array(which))
        place, proofs = (
            self.found.place[which],
            [
                proof.hex()
                for proof, is_same in zip(self.hashes, self.same.tolist(), strict=True)
                if not is_same
            ],
        )
        inner = {
            "pack": pa.array(place[:, 0], pa.int32()),
            "offset": pa.array(place[:, 1], pa.int64()),
            "image_bytes": pa.array(place[:, 2], pa.int32()),
            "erased": pa.array(np.zeros(len(place), np.bool_)),
            "row_sha256": pa.array(proofs, pa.string()),
        }
        columns = [inner[name] if name in inner else content.column(name) for name in SCHEMA.names]
        return pa.RecordBatch.from_arrays(columns, schema=SCHEMA)


def _demand_images(images: Sequence[bytes], hashes: Sequence[str], wanted: Sequence[str | None]) -> None:
    for image, sha256, known in zip(images, hashes, wanted, strict=True):
        if known is not None and known != sha256:
            raise OtherImage("column image_sha256: not that of the image")
        if not image.startswith(PNG):
            raise BadRow("column image: not a PNG")


def _read(images: Images, rows: Sequence[int]) -> Read:
    if callable(images):
        return images(rows)
    some = [images[row] for row in rows]
    read = [image if isinstance(image, bytes) else image() for image in some]
    return read, [hashlib.sha256(image).hexdigest() for image in read]


def _listed(values: Any) -> list[Any]:
    return values.to_pylist() if isinstance(values, pa.Array) else list(values)


class _Files:
    """The files the rows lie in: shards of the base, kept as they are, and new ones."""

    def __init__(self, folder: Path, base: Base) -> None:
        self._folder, self._base = folder, base
        taken = [int(shard.name[6:11]) for shard in base.shards] if base.keeps else []
        self._new = _Shards(folder, max(taken, default=-1) + 1)
        self._shard: list[Whole] = []
        self._row: list[Whole] = []
        self._keys: list[NDArray[np.uint64]] = []
        self._rows = 0

    def __enter__(self) -> "_Files":
        return self

    def __exit__(self, *rest: object) -> None:
        self._new.close()

    def add(self, rows: _Placed) -> None:
        changed = np.flatnonzero(~rows.same)
        if self._base.keeps:
            shard, row = rows.found.shard.copy(), rows.found.row.copy()
            shard[changed], row[changed] = _NEW, np.arange(self._rows, self._rows + len(changed))
            self._shard.append(shard)
            self._row.append(row)
            self._keys.append(leading_bits(hex_digits(rows.content.column("face_key"))))
        self._rows += len(changed)
        if len(changed):
            self._new.add(rows.changed())

    def ended(self) -> tuple[tuple[Shard, ...], Shard | None]:
        """The shards, and the file of their order, where one is needed."""
        self._new.end(needed=not self._base.keeps)
        if not self._base.keeps:
            return tuple(self._new.written), None
        shard, row = np.concatenate([_NONE, *self._shard]), np.concatenate([_NONE, *self._row])
        used = [np.zeros(each.rows, np.bool_) for each in self._base.shards]
        for number, rows in enumerate(used):
            rows[row[shard == number]] = True
        keeps = self._base.to_keep(used, np.concatenate([_NONE.view(np.uint64), *self._keys]))
        files: list[Shard] = []
        at = np.empty_like(shard)
        for number, rows in enumerate(used):
            mine = shard == number
            if keeps[number]:
                self._link(self._base.shards[number].name)
                files.append(self._base.shards[number])
            elif rows.any():
                row[mine] = (np.cumsum(rows) - 1)[row[mine]]
                files += self._copied(number, rows)
            else:
                continue
            at[mine] = len(files) - 1
        new = shard == _NEW
        at[new], row[new] = len(files) + row[new] // SHARD_ROWS, row[new] % SHARD_ROWS
        files += self._new.written
        return tuple(files), self._order(order.runs(at, row), files)

    def _copied(self, number: int, rows: NDArray[np.bool_]) -> list[Shard]:
        """The rows of a shard that are used, as a shard of their own: at most as many as one holds."""
        before = len(self._new.written)
        for batch in self._base.rows_of(number, rows):
            self._new.add(batch)
        self._new.end(needed=False)
        copied = self._new.written[before:]
        del self._new.written[before:]
        self._new.first += len(copied)
        return copied

    def _link(self, name: str) -> None:
        assert self._base.folder is not None
        try:
            os.link(self._base.folder / name, self._folder / name)
        except OSError:
            # Another disk, or one that knows no links.
            shutil.copyfile(self._base.folder / name, self._folder / name)

    def _order(self, runs: order.Runs, files: Sequence[Shard]) -> Shard | None:
        whole = [(number, 0, shard.rows) for number, shard in enumerate(files)]
        if runs.tolist() == [list(each) for each in whole]:
            return None
        path = self._folder / order.NAME
        order.write(path, runs)
        return shard_of(path, len(runs))


class _Shards:
    """Rows go in, Parquet files come out, cut by their number alone, so that equal rows make equal files.

    A thread of its own writes them.
    """

    def __init__(self, folder: Path, first: int) -> None:
        """first: the number in the name of the first shard."""
        self.written: list[Shard] = []
        self.first = first
        self._folder = folder
        self._file: pq.ParquetWriter | None = None
        self._waiting = SCHEMA.empty_table()
        self._rows = 0
        self._writer = ThreadPoolExecutor(1)
        self._last: Future[None] | None = None

    def close(self) -> None:
        self._writer.shutdown(cancel_futures=True)
        if self._file is not None:
            self._file.close()

    def end(self, *, needed: bool) -> None:
        """End the shard that is being written. needed: there must be one, be it without a row."""
        if self._last is not None:
            self._last.result()
        if self._rows or self._waiting.num_rows or (needed and not self.written):
            self._writer.submit(self._end_shard).result()

    def add(self, batch: pa.RecordBatch) -> None:
        if self._last is not None:
            self._last.result()
        self._last = self._writer.submit(self._add, batch)

    def _add(self, batch: pa.RecordBatch) -> None:
        self._waiting = pa.concat_tables([self._waiting, pa.Table.from_batches([batch])])
        while self._waiting.num_rows >= (wanted := min(GROUP_ROWS, SHARD_ROWS - self._rows)):
            self._end_group(wanted)
            if self._rows == SHARD_ROWS:
                self._end_shard()

    def _end_group(self, rows: int) -> None:
        if self._file is None:
            self._file = open_shard(self._path())
        if rows:
            self._file.write_table(self._waiting.slice(0, rows).combine_chunks())
            self._waiting = self._waiting.slice(rows)
        self._rows += rows

    def _end_shard(self) -> None:
        self._end_group(self._waiting.num_rows if self._rows < SHARD_ROWS else 0)
        assert self._file is not None
        self._file.close()
        self.written.append(shard_of(self._path(), self._rows))
        self._file, self._rows = None, 0

    def _path(self) -> Path:
        return self._folder / f"faces-{self.first + len(self.written):05d}.parquet"


def open_shard(path: Path) -> pq.ParquetWriter:
    # Each page carries a CRC, by which `verify` tells the column a flipped bit lies in.
    return pq.ParquetWriter(
        path, SCHEMA, compression="zstd", use_dictionary=_REPEATING, write_page_checksum=True
    )


def shard_of(path: Path, rows: int) -> Shard:
    return Shard(path.name, rows, path.stat().st_size, sha256_of(path))


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
