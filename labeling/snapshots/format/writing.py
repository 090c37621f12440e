"""Write a snapshot folder, holding no more than a few megabytes of it at a time."""

import hashlib
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import suppress
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
    Digest,
    OtherImage,
    check_row,
    completed,
)

SHARD_ROWS = 16_384
GROUP_ROWS = 2_048
"""What a writer and a reader hold at a time."""
_REPEATING = [
    "label", "label_origin", "other_labels", "split", "media_kind", "detector", "licence", "author", "page_url",
    "source", "given_split",
]  # fmt: skip

Image = bytes | Callable[[], bytes]


def write(
    folder: Path,
    rows: Iterable[Mapping[str, Any]],
    *,
    classes: Sequence[str],
    rule: Mapping[str, Any],
    left_out: Mapping[str, int] | None = None,
    notes: Sequence[str] = (),
    certificate: Mapping[str, Any] | None = None,
    base: Path | None = None,
    unseen: bool = False,
) -> Manifest:
    """Write a snapshot into an empty folder, the manifest last, so that a folder without one is not a snapshot.

    rows: one mapping per face with the columns of COLUMNS, ordered by face_key; those in DEFAULTS, `group` and
    `image_sha256` may be left out. `image` is the PNG, or a function that returns it, called only where it is needed.
    base: a snapshot folder whose packs are stored with this one's: images that it holds, and that are what its rows
    say, are not written again. unseen: its packs are not on this machine, and believed to be whole.
    Raises BadRow for rows out of order or outside the classes and splits, FileExistsError for a folder that holds
    something.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty; a snapshot needs a folder of its own.")
    digest = Digest(classes, rule)
    splits = {split: Counter[str]() for split in SPLITS}
    with _Shards(folder) as shards, _Images(folder, base, unseen) as images:
        for given in rows:
            row = completed(given)
            images.put(row)
            check_row(row, classes)
            digest.add(row)
            splits[row["split"]][row["label"]] += 1
            shards.add(row)
    manifest = Manifest(
        classes=tuple(classes),
        rule=dict(rule),
        splits={split: {name: counts[name] for name in classes} for split, counts in splits.items()},
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


class _Images:
    """Finds a place for each image: the one it has in an earlier version, or one in a new pack."""

    def __init__(self, folder: Path, base: Path | None, unseen: bool) -> None:
        self._new = PackWriter(folder)
        self._base_packs = read_manifest(base).packs if base else ()
        self._packs = Packs(base or folder, self._base_packs)
        self._unseen = unseen
        self._known = _placed(base)
        self._next = next(self._known, None)
        self._numbers: dict[tuple[str, int], int] = {}
        """Whose pack (`base` or `new`) of which number there → its number here."""

    def put(self, row: dict[str, Any]) -> None:
        """Complete the row by where its image is."""
        image: Image | None = row.pop("image", None)
        if image is None:
            raise BadRow("column image has no value")
        known = self._in_base(row["face_key"], row.get("image_sha256"))
        if known:
            pack, row["offset"], row["image_bytes"] = known
            row["pack"] = self._number("base", pack)
        else:
            self._write(row, image if isinstance(image, bytes) else image())
        row["erased"], row["row_sha256"] = False, ""

    def __enter__(self) -> "_Images":
        return self

    def __exit__(self, kind: object, *rest: object) -> None:
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

    def _write(self, row: dict[str, Any], image: bytes) -> None:
        sha256 = hashlib.sha256(image).hexdigest()
        if row.setdefault("image_sha256", sha256) != sha256:
            raise OtherImage("column image_sha256: not that of the image")
        if not image.startswith(PNG):
            raise BadRow("column image: not a PNG")
        row["pack"], row["image_bytes"] = self._number("new", self._new.number), len(image)
        row["offset"] = self._new.add(row["face_key"], image)

    def _number(self, whose: str, number: int) -> int:
        return self._numbers.setdefault((whose, number), len(self._numbers))

    def _in_base(self, key: str, sha256: str | None) -> tuple[int, int, int] | None:
        """Both versions are in order of face_key, so the base is walked once, in step."""
        while self._next and self._next[0] < key:
            self._next = next(self._known, None)
        if sha256 is None or not self._next or self._next[:2] != (key, sha256):
            return None
        place = self._next[2:]
        return place if self._unseen or self._is_whole(place, sha256) else None

    def _is_whole(self, place: tuple[int, int, int], sha256: str) -> bool:
        try:
            return hashlib.sha256(self._packs.read(*place)).hexdigest() == sha256
        except OSError:
            return False


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
        self._waiting: list[Mapping[str, Any]] = []
        self._rows = 0

    def __enter__(self) -> "_Shards":
        return self

    def __exit__(self, kind: object, *rest: object) -> None:
        if kind is None:
            self._end_shard()
        elif self._file is not None:
            self._file.close()

    def add(self, row: Mapping[str, Any]) -> None:
        self._waiting.append(row)
        if len(self._waiting) == GROUP_ROWS:
            self._end_group()
        if self._rows + len(self._waiting) == SHARD_ROWS:
            self._end_shard()

    def _end_group(self) -> None:
        if self._file is None:
            self._file = open_shard(self._path())
        if self._waiting:
            self._file.write_table(pa.Table.from_pylist(self._waiting, schema=SCHEMA))
        self._rows += len(self._waiting)
        self._waiting = []

    def _end_shard(self) -> None:
        if self.written and not (self._rows or self._waiting):
            return
        self._end_group()
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
