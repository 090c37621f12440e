"""Write a snapshot folder, holding no more than a few megabytes of it at a time."""

import hashlib
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from labeling.snapshots.format.manifest import MANIFEST, Manifest, Shard, read_manifest
from labeling.snapshots.format.packs import Packs, PackWriter
from labeling.snapshots.format.rows import (
    PNG,
    SCHEMA,
    SPLITS,
    BadRow,
    Digest,
    OtherImage,
    check,
    complete,
    without_erased,
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
Places: TypeAlias = NDArray[np.int64]
"""(rows, 3): pack, offset and length; the pack is -1 for none."""


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
    unseen: bool = False,
    readers: int = 1,
) -> Manifest:
    """Write a snapshot into an empty folder, the manifest last, so that a folder without one is not a snapshot.

    chunks: some rows at a time, as lists or Arrow arrays by column, ordered by face_key over all. Their columns are
    COLUMNS; those in DEFAULTS, `group` and `image_sha256` may be left out. `image` is of each row the PNG, or a
    function that returns it; or one function that is given numbers of rows of the chunk and returns their PNGs and the
    sha256 of each. Functions are called only where an image is needed, by so many threads at once as there are
    `readers`, a few chunks ahead.
    base: a snapshot folder whose packs are stored with this one's: images that it holds, and that are what its rows
    say, are not written again. unseen: its packs are not on this machine, and believed to be whole.
    Raises BadRow for rows out of order or outside the classes and splits, FileExistsError for a folder that holds
    something.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty; a snapshot needs a folder of its own.")
    digest = Digest(classes, rule)
    counts = np.zeros((len(SPLITS), len(classes)), np.int64)
    with _Shards(folder) as shards, _Images(folder, base, unseen, readers) as images:
        for columns in images.placed(chunks):
            batch = _batch(columns, classes)
            check(batch, classes)
            digest.add(batch)
            counts += _counts(batch, len(classes))
            shards.add(batch)
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
        shards=tuple(shards.written),
        packs=images.names(),
    )
    (folder / MANIFEST).write_text(manifest.to_json(), encoding="utf-8")
    return manifest


def _batch(columns: Chunk, classes: Sequence[str]) -> pa.RecordBatch:
    try:
        return pa.RecordBatch.from_arrays(
            [_array(columns[field.name], field.type) for field in SCHEMA], schema=SCHEMA
        )
    except (TypeError, ValueError, OverflowError, pa.ArrowException):
        # What is no value of its column: say which.
        check(columns, classes)
        raise


def _array(values: Any, kind: pa.DataType) -> pa.Array:
    return values if isinstance(values, pa.Array) else pa.array(values, kind)


def _counts(batch: pa.RecordBatch, classes: int) -> NDArray[np.int64]:
    """(splits, classes): rows."""
    split = pc.index_in(batch.column("split"), pa.array(SPLITS)).to_numpy().astype(np.int64)
    flat = split * classes + batch.column("label_index").to_numpy()
    return np.bincount(flat, minlength=len(SPLITS) * classes).reshape(len(SPLITS), classes)


class _Images:
    """Finds a place for each image: the one it has in an earlier version, or one in a new pack."""

    def __init__(self, folder: Path, base: Path | None, unseen: bool, readers: int) -> None:
        self._new = PackWriter(folder)
        self._base_packs = read_manifest(base).packs if base else ()
        self._packs = Packs(base or folder, self._base_packs)
        self._unseen = unseen
        self._known = _Known(base)
        self._numbers: dict[tuple[str, int], int] = {}
        """Whose pack (`base` or `new`) of which number there → its number here."""
        self._pool = ThreadPoolExecutor(readers)

    def placed(self, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
        """The rows, complete by where their images are."""
        waiting: deque[_Placing] = deque()
        for columns in chunks:
            waiting.append(self._begun(columns))
            if len(waiting) >= _AHEAD:
                yield self._ended(waiting.popleft())
        while waiting:
            yield self._ended(waiting.popleft())

    def _begun(self, columns: Chunk) -> "_Placing":
        """Find what the base holds, and have the rest read."""
        complete(columns)
        images = columns.pop("image")
        keys = columns["face_key"]
        hashes = columns.setdefault("image_sha256", [None] * len(keys))
        if not callable(images) and None in images:
            raise BadRow("column image has no value")
        places = self._known.places(keys, hashes)
        self._forget_damaged(places, hashes)
        missing = np.flatnonzero(places[:, 0] < 0).tolist()
        parts = [missing[start : start + _READ_AT_ONCE] for start in range(0, len(missing), _READ_AT_ONCE)]
        return _Placing(columns, places, parts, [self._pool.submit(_read, images, part) for part in parts])

    def _ended(self, placing: "_Placing") -> Chunk:
        columns, places = placing.columns, placing.places
        keys, wanted = (_listed(columns[name]) for name in ("face_key", "image_sha256"))
        self._renumber(places)
        for part, read in zip(placing.parts, placing.read, strict=True):
            images, hashes = read.result()
            for row, image, sha256 in zip(part, images, hashes, strict=True):
                if wanted[row] is None:
                    wanted[row] = sha256
                elif wanted[row] != sha256:
                    raise OtherImage("column image_sha256: not that of the image")
                if not image.startswith(PNG):
                    raise BadRow("column image: not a PNG")
            new = np.array(self._new.add([keys[row] for row in part], images, hashes), np.int64)
            for number in np.unique(new[:, 0]).tolist():
                new[new[:, 0] == number, 0] = self._number("new", number)
            places[part] = new
        columns["image_sha256"] = wanted
        columns["pack"] = pa.array(places[:, 0], pa.int32())
        columns["offset"] = pa.array(places[:, 1], pa.int64())
        columns["image_bytes"] = pa.array(places[:, 2], pa.int32())
        columns["erased"], columns["row_sha256"] = [False] * len(keys), [""] * len(keys)
        return columns

    def _renumber(self, places: Places) -> None:
        """Packs of the base by the numbers they get here, in the order in which they are met."""
        there = places[places[:, 0] >= 0, 0]
        _, first = np.unique(there, return_index=True)
        numbers = np.full(len(self._base_packs) + 1, -1)
        for number in there[np.sort(first)].tolist():
            numbers[number] = self._number("base", number)
        places[:, 0] = numbers[places[:, 0]]

    def __enter__(self) -> "_Images":
        return self

    def __exit__(self, kind: object, *rest: object) -> None:
        self._pool.shutdown(cancel_futures=True)
        self._known.close()
        self._packs.close()
        if kind is None:
            self._new.close()
        else:
            self._new.give_up()

    def names(self) -> tuple[str, ...]:
        """Of the packs, in the order of their numbers; complete once the block is left."""
        names = {"base": self._base_packs, "new": self._new.names}
        return tuple(names[whose][number] for whose, number in self._numbers)

    def _number(self, whose: str, number: int) -> int:
        return self._numbers.setdefault((whose, number), len(self._numbers))

    def _forget_damaged(self, places: Places, hashes: Sequence[Any] | pa.Array) -> None:
        """What the base no longer has as it was is not taken from it."""
        if self._unseen:
            return
        known = np.flatnonzero(places[:, 0] >= 0)
        for start in range(0, len(known), _READ_AT_ONCE):
            some = known[start : start + _READ_AT_ONCE]
            wanted = [str(hashes[row]) for row in some.tolist()]
            for row, image, sha256 in zip(some, self._packed(places[some]), wanted, strict=True):
                if hashlib.sha256(image).hexdigest() != sha256:
                    places[row] = -1

    def _packed(self, places: Places) -> list[bytes]:
        try:
            return list(self._packs.images(*places.T).to_pylist())
        except OSError:
            return [b""] * len(places)


class _Placing:
    """A chunk whose images are being read. parts: of the rows that the base lacks, which are read together."""

    def __init__(
        self, columns: Chunk, places: Places, parts: list[list[int]], read: list[Future[Read]]
    ) -> None:
        self.columns, self.places, self.parts, self.read = columns, places, parts, read


def _read(images: Images, rows: Sequence[int]) -> Read:
    if callable(images):
        return images(rows)
    some = [images[row] for row in rows]
    read = [image if isinstance(image, bytes) else image() for image in some]
    return read, [hashlib.sha256(image).hexdigest() for image in read]


def _listed(values: Any) -> list[Any]:
    return values.to_pylist() if isinstance(values, pa.Array) else list(values)


def hex_digits(values: Any, digits: int = 64) -> NDArray[np.bytes_]:
    """Texts of so many hex digits; others, and none, are cut or filled up, so that they are equal to no other."""
    array = _array(values, pa.string())
    _, ends, data = array.buffers()
    if len(array) and data is not None and not array.null_count:
        at = np.frombuffer(ends, np.int32)[array.offset : array.offset + len(array) + 1]
        if (np.diff(at) == digits).all():
            return np.frombuffer(data, f"S{digits}", len(array), int(at[0]))
    return np.array([(text or "").encode() for text in array.to_pylist()], f"S{digits}")


class _Known:
    """Where the base holds an image. It is walked once, in step: both versions are in order of face_key."""

    _COLUMNS = ("face_key", "image_sha256", "pack", "offset", "image_bytes", "erased")

    def __init__(self, base: Path | None) -> None:
        self._batches = self._read(base)
        self._keys, self._hashes = np.empty(0, "S64"), np.empty(0, "S64")
        self._places: Places = np.empty((0, 3), np.int64)

    def places(self, keys: Any, hashes: Any) -> Places:
        wanted = hex_digits(keys)
        found = np.full((len(wanted), 3), -1, np.int64)
        if not len(wanted):
            return found
        self._reach(wanted[0], wanted[-1])
        if len(self._keys):
            at = np.searchsorted(self._keys, wanted).clip(max=len(self._keys) - 1)
            same = (self._keys[at] == wanted) & (self._hashes[at] == hex_digits(hashes))
            found[same] = self._places[at[same]]
        return found

    def _reach(self, first: bytes, last: bytes) -> None:
        """Have the rows at hand from the first key to the last."""
        keep = int(np.searchsorted(self._keys, first))
        keys, hashes, places = [self._keys[keep:]], [self._hashes[keep:]], [self._places[keep:]]
        while not len(keys[-1]) or keys[-1][-1] < last:
            batch = next(self._batches, None)
            if batch is None:
                break
            keys.append(hex_digits(batch.column("face_key")))
            hashes.append(hex_digits(batch.column("image_sha256")))
            columns = (batch.column(name).to_numpy() for name in ("pack", "offset", "image_bytes"))
            places.append(np.stack([column.astype(np.int64) for column in columns], axis=1))
        self._keys, self._hashes = np.concatenate(keys), np.concatenate(hashes)
        self._places = np.concatenate(places)

    def _read(self, base: Path | None) -> Generator[pa.RecordBatch, None, None]:
        if base is None:
            return
        # A damaged shard gives no more places; `verify` tells of it.
        with suppress(OSError, pa.ArrowException):
            for shard in read_manifest(base).shards:
                with pq.ParquetFile(base / shard.name) as file:
                    for batch in file.iter_batches(batch_size=GROUP_ROWS, columns=list(self._COLUMNS)):
                        yield without_erased(batch)

    def close(self) -> None:
        self._batches.close()


class _Shards:
    """Rows go in, Parquet files come out, cut by their number alone, so that equal rows make equal files.

    A thread of its own writes them.
    """

    def __init__(self, folder: Path) -> None:
        self.written: list[Shard] = []
        self._folder = folder
        self._file: pq.ParquetWriter | None = None
        self._waiting = SCHEMA.empty_table()
        self._rows = 0
        self._writer = ThreadPoolExecutor(1)
        self._last: Future[None] | None = None

    def __enter__(self) -> "_Shards":
        return self

    def __exit__(self, kind: object, *rest: object) -> None:
        try:
            if kind is None:
                if self._last is not None:
                    self._last.result()
                self._writer.submit(self._end_shard).result()
        finally:
            self._writer.shutdown(cancel_futures=True)
            if self._file is not None:
                self._file.close()

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
        if self.written and not (self._rows or self._waiting.num_rows):
            return
        self._end_group(self._waiting.num_rows if self._rows < SHARD_ROWS else 0)
        assert self._file is not None
        self._file.close()
        self.written.append(shard_of(self._path(), self._rows))
        self._file, self._rows = None, 0

    def _path(self) -> Path:
        return self._folder / f"faces-{len(self.written):05d}.parquet"


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
