"""Write a snapshot folder, holding no more than a few megabytes of it at a time."""

import hashlib
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from labeling.snapshots.format.manifest import MANIFEST, Manifest, Shard, read_manifest
from labeling.snapshots.format.packs import Packs, PackWriter
from labeling.snapshots.format.rows import (
    PNG,
    SCHEMA,
    SPLITS,
    BadRow,
    Columns,
    Digest,
    OtherImage,
    check,
    complete,
)

SHARD_ROWS = 16_384
GROUP_ROWS = 2_048
"""What a writer and a reader hold at a time."""
_REPEATING = [
    "label", "label_origin", "other_labels", "split", "media_kind", "detector", "licence", "author", "page_url",
    "source", "given_split",
]  # fmt: skip

_READ_AT_ONCE = 256
Image = bytes | Callable[[], bytes]


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


def _in_columns(rows: Iterable[Mapping[str, Any]]) -> Iterator[Columns]:
    rest = iter(rows)
    while chunk := list(islice(rest, GROUP_ROWS)):
        yield {name: [row.get(name) for row in chunk] for name in chunk[0]}


def write_columns(
    folder: Path,
    chunks: Iterable[Columns],
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

    chunks: some rows at a time, as lists by column, ordered by face_key over all. Their columns are COLUMNS; those in
    DEFAULTS, `group` and `image_sha256` may be left out. `image` is the PNG, or a function that returns it, called only
    where it is needed, by so many threads at once as there are `readers`.
    base: a snapshot folder whose packs are stored with this one's: images that it holds, and that are what its rows
    say, are not written again. unseen: its packs are not on this machine, and believed to be whole.
    Raises BadRow for rows out of order or outside the classes and splits, FileExistsError for a folder that holds
    something.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty; a snapshot needs a folder of its own.")
    digest = Digest(classes, rule)
    counts: Counter[tuple[str, str]] = Counter()
    with _Shards(folder) as shards, _Images(folder, base, unseen, readers) as images:
        for columns in chunks:
            complete(columns)
            images.put(columns)
            check(columns, classes)
            digest.add(columns)
            counts.update(zip(columns["split"], columns["label"], strict=True))
            shards.add(columns)
    manifest = Manifest(
        classes=tuple(classes),
        rule=dict(rule),
        splits={split: {name: counts[split, name] for name in classes} for split in SPLITS},
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


Place = tuple[int, int, int]
"""Pack, offset and length."""


class _Images:
    """Finds a place for each image: the one it has in an earlier version, or one in a new pack."""

    def __init__(self, folder: Path, base: Path | None, unseen: bool, readers: int) -> None:
        self._new = PackWriter(folder)
        self._base_packs = read_manifest(base).packs if base else ()
        self._packs = Packs(base or folder, self._base_packs)
        self._unseen = unseen
        self._known = _placed(base)
        self._next = next(self._known, None)
        self._numbers: dict[tuple[str, int], int] = {}
        """Whose pack (`base` or `new`) of which number there → its number here."""
        self._pool = ThreadPoolExecutor(readers) if readers > 1 else None

    def put(self, columns: Columns) -> None:
        """Complete the rows by where their images are."""
        keys, images = columns["face_key"], columns.pop("image")
        if None in images:
            raise BadRow("column image has no value")
        hashes = columns.setdefault("image_sha256", [None] * len(keys))
        places: list[Place | None] = [self._in_base(*pair) for pair in zip(keys, hashes, strict=True)]
        self._forget_damaged(places, hashes)
        places = [place and (self._number("base", place[0]), *place[1:]) for place in places]
        missing = [row for row, place in enumerate(places) if place is None]
        for start in range(0, len(missing), _READ_AT_ONCE):
            some = missing[start : start + _READ_AT_ONCE]
            for row, image in zip(some, self._read([images[row] for row in some]), strict=True):
                hashes[row] = self._checked(image, hashes[row])
                number = self._number("new", self._new.number)
                places[row] = (number, self._new.add(keys[row], image), len(image))
        columns["pack"], columns["offset"], columns["image_bytes"] = (
            list(column) for column in zip(*(place for place in places if place), strict=True)
        )
        columns["erased"], columns["row_sha256"] = [False] * len(keys), [""] * len(keys)

    def __enter__(self) -> "_Images":
        return self

    def __exit__(self, kind: object, *rest: object) -> None:
        if self._pool is not None:
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

    def _read(self, images: Sequence[Image]) -> Iterable[bytes]:
        return map(_bytes_of, images) if self._pool is None else self._pool.map(_bytes_of, images)

    def _checked(self, image: bytes, wanted: str | None) -> str:
        """The image's sha256."""
        sha256 = hashlib.sha256(image).hexdigest()
        if wanted is not None and wanted != sha256:
            raise OtherImage("column image_sha256: not that of the image")
        if not image.startswith(PNG):
            raise BadRow("column image: not a PNG")
        return sha256

    def _number(self, whose: str, number: int) -> int:
        return self._numbers.setdefault((whose, number), len(self._numbers))

    def _in_base(self, key: str, sha256: str | None) -> Place | None:
        """Both versions are in order of face_key, so the base is walked once, in step."""
        while self._next and self._next[0] < key:
            self._next = next(self._known, None)
        if sha256 is None or not self._next or self._next[:2] != (key, sha256):
            return None
        return self._next[2:]

    def _forget_damaged(self, places: list[Place | None], hashes: Sequence[str]) -> None:
        """What the base no longer has as it was is not taken from it."""
        if self._unseen:
            return
        known = [row for row, place in enumerate(places) if place]
        for start in range(0, len(known), _READ_AT_ONCE):
            some = known[start : start + _READ_AT_ONCE]
            for row, image in zip(some, self._packed([places[row] for row in some]), strict=True):
                if hashlib.sha256(image).hexdigest() != hashes[row]:
                    places[row] = None

    def _packed(self, places: Sequence[Place | None]) -> list[bytes]:
        try:
            return self._packs.images(*zip(*(place for place in places if place), strict=True))
        except OSError:
            return [b""] * len(places)


def _bytes_of(image: Image) -> bytes:
    return image if isinstance(image, bytes) else image()


def _placed(base: Path | None) -> Generator[tuple[str, str, int, int, int], None, None]:
    """face_key, image_sha256, pack, offset and image_bytes of what is there, as far as it can be read."""
    if base is None:
        return
    columns = ["face_key", "image_sha256", "pack", "offset", "image_bytes", "erased"]
    with suppress(OSError, pa.ArrowException):
        for shard in read_manifest(base).shards:
            with pq.ParquetFile(base / shard.name) as file:
                for batch in file.iter_batches(batch_size=GROUP_ROWS, columns=columns):
                    # In the order of `columns`, whatever the file's is.
                    values = (batch.column(name).to_pylist() for name in columns)
                    yield from (tuple(place) for *place, erased in zip(*values, strict=True) if not erased)


class _Shards:
    """Rows go in, Parquet files come out, cut by their number alone, so that equal rows make equal files."""

    def __init__(self, folder: Path) -> None:
        self.written: list[Shard] = []
        self._folder = folder
        self._file: pq.ParquetWriter | None = None
        self._waiting = SCHEMA.empty_table()
        self._rows = 0

    def __enter__(self) -> "_Shards":
        return self

    def __exit__(self, kind: object, *rest: object) -> None:
        if kind is None:
            self._end_shard()
        elif self._file is not None:
            self._file.close()

    def add(self, columns: Columns) -> None:
        arrays = [pa.array(columns[field.name], field.type) for field in SCHEMA]
        self._waiting = pa.concat_tables([self._waiting, pa.Table.from_arrays(arrays, schema=SCHEMA)])
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
