"""The version before, while the next one is written: what of it stays as it is.

Both are in order of face_key, so it is walked once, in step.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from labeling.snapshots.format import order
from labeling.snapshots.format.digits import Digits, digits_of, hex_digits, leading_bits
from labeling.snapshots.format.manifest import FORMAT, Manifest, Shard, read_manifest

Whole: TypeAlias = NDArray[np.int64]
_ROWS = 8_192
_COLUMNS = ("face_key", "row_sha256", "image_sha256", "pack", "offset", "image_bytes", "erased")
_PLACE = ("pack", "offset", "image_bytes")
ROW = np.dtype(
    [
        ("proof", "V32"), ("image", "V32"), ("pack", np.int32), ("offset", np.int64), ("bytes", np.int32),
    ]
)  # fmt: skip
"""What whoever writes a version may keep of each of its rows: row_sha256 and image_sha256 as bytes, and where the image
lies."""


Rows: TypeAlias = NDArray[np.void]
"""(n,) of ROW, in order of their keys."""


@dataclass(frozen=True)
class Found:
    """Of each key asked for what the base says. there: whether it has the face, not erased. The rest is of no meaning
    where it has not. proof, image: hex digits. place: (n, 3) pack, offset, length. shard, row: where the row lies; the
    shard is -1 if it cannot be kept.
    """

    there: NDArray[np.bool_]
    proof: Digits
    image: Digits
    place: Whole
    shard: Whole
    row: Whole

    def take(self, which: NDArray[Any]) -> "Found":
        return Found(*(getattr(self, name)[which] for name in self.__dataclass_fields__))


class Base:
    """A snapshot folder, or none. sound: tells whether a shard's bytes are as its manifest says.

    known: its rows, which are then not read from its files; with `handed`, which of them each row is that is asked for,
    -1 for one that it has not.
    """

    def __init__(
        self,
        folder: Path | None,
        sound: Callable[[Path, Shard], bool],
        known: Rows | None = None,
        handed: Whole | None = None,
    ) -> None:
        self.folder = folder
        manifest = self._manifest = None if folder is None else read_manifest(folder)
        self.packs = manifest.packs if manifest else ()
        self.shards = manifest.shards if manifest else ()
        self._order = np.empty((0, 3), np.int64)
        can = np.zeros(len(self.shards), np.bool_)
        if folder is not None and manifest is not None and manifest.format == FORMAT:
            can = np.array([sound(folder / shard.name, shard) for shard in self.shards], np.bool_)
        with suppress(OSError, ValueError, pa.ArrowException):
            if folder is not None and manifest is not None and _is_order_sound(folder, manifest, sound):
                self._order = order.runs_of(folder, manifest)
        self._kept = can if len(self._order) else np.zeros_like(can)
        self._known = None
        if known is not None and handed is not None:
            self._known = _Known(known, handed, self._order, self._kept)
        self._walk = self._rows()
        self._keys = np.empty(0, "S64")
        self._window = _nothing(0)
        self._removed = np.zeros(len(self.shards), np.bool_)

    def __enter__(self) -> "Base":
        return self

    def __exit__(self, *rest: object) -> None:
        self._walk.close()

    @property
    def keeps(self) -> bool:
        """Whether a row of it can be kept at all."""
        return bool(self._kept.any())

    @property
    def can_stay(self) -> bool:
        """Whether its rows may stay without being handed over: its files are as they should be, and none is erased."""
        manifest = self._manifest
        if manifest is None or manifest.erased or not len(self._kept):
            return False
        return bool(self._kept.all()) and int(self._order[:, 2].sum()) == manifest.rows

    def stay(self, rows: Whole) -> None:
        """These of the known rows are in the new version."""
        assert self._known is not None
        self._known.met[rows] = True

    def places_of(self, rows: Whole) -> tuple[NDArray[np.integer[Any]], NDArray[np.integer[Any]]]:
        """The shard and the row in it of these of the known rows."""
        assert self._known is not None
        return self._known.shard[rows], self._known.row[rows]

    def find(self, keys: Digits) -> Found:
        """Of keys in their order, all of them behind those asked for before."""
        if not len(keys) or self.folder is None:
            return _nothing(len(keys))
        if self._known is not None:
            return self._known.next(len(keys))
        self._reach(keys[-1])
        end = int(np.searchsorted(self._keys, keys[-1], "right"))
        here, window = self._keys[:end], self._window.take(np.arange(end))
        self._keys, self._window = self._keys[end:], self._window.take(np.arange(end, len(self._keys)))
        if not end:
            return _nothing(len(keys))
        at = np.searchsorted(here, keys).clip(max=end - 1)
        met = here[at] == keys
        wanted = np.zeros(end, np.bool_)
        wanted[at[met]] = True
        self._note_removed(window.shard[~wanted])
        found = window.take(at)
        return Found(
            found.there & met, *(getattr(found, name) for name in list(found.__dataclass_fields__)[1:])
        )

    def rest(self) -> None:
        """No key comes any more."""
        if self._known is not None:
            self._note_removed(self._known.shard[~self._known.met])
            return
        self._note_removed(self._window.shard)
        for _keys, window in self._walk:
            self._note_removed(window.shard)

    def _note_removed(self, shard: NDArray[np.integer[Any]]) -> None:
        self._removed[shard[shard >= 0]] = True

    def _reach(self, last: bytes) -> None:
        keys, windows = [self._keys], [self._window]
        while not len(keys[-1]) or keys[-1][-1] < last:
            more = next(self._walk, None)
            if more is None:
                break
            keys.append(more[0])
            windows.append(more[1])
        if len(keys) > 1:
            self._keys = np.concatenate(keys)
            self._window = Found(
                *(
                    np.concatenate([getattr(each, name) for each in windows])
                    for name in Found.__dataclass_fields__
                )
            )

    def _rows(self) -> Any:
        if self.folder is None or self._manifest is None:
            return
        # A damaged shard tells of no more rows; `verify` tells of it.
        with suppress(OSError, ValueError, pa.ArrowException):
            for some in order.located(self.folder, self._manifest, _COLUMNS, _ROWS):
                columns = {name: some.batch.column(name) for name in _COLUMNS}
                place = np.stack([columns[name].to_numpy().astype(np.int64) for name in _PLACE], axis=1)
                yield (
                    hex_digits(columns["face_key"]),
                    Found(
                        ~columns["erased"].to_numpy(zero_copy_only=False),
                        hex_digits(columns["row_sha256"]),
                        hex_digits(columns["image_sha256"]),
                        place,
                        np.where(self._kept[some.shard], some.shard, -1),
                        some.row,
                    ),
                )

    def to_keep(self, used: list[NDArray[np.bool_]], keys: NDArray[np.uint64]) -> list[bool]:
        """Which shards stay whole.

        used: of each which of its rows are. keys: the first 64 bits of all keys there are now, in their order.
        A shard with rows of faces that are not in this version any more is not kept: nothing of them may linger.
        """
        return [
            bool(self._kept[number] and not self._removed[number] and 2 * rows.sum() > len(rows))
            and not self._lingers(number, keys)
            for number, rows in enumerate(used)
        ]

    def _lingers(self, number: int, keys: NDArray[np.uint64]) -> bool:
        """Whether among the rows that were not the base's own either are some of faces that are gone now."""
        live = order.rows_used(self._order, number, self.shards[number].rows)
        if live.all():
            return False
        assert self.folder is not None
        with pq.ParquetFile(self.folder / self.shards[number].name) as file:
            column = file.read(columns=["face_key"]).column("face_key")
        stale = leading_bits(hex_digits(column.combine_chunks())[~live])
        place = np.searchsorted(keys, stale).clip(max=max(0, len(keys) - 1))
        return not (len(keys) and bool((keys[place] == stale).all()))

    def rows_of(self, number: int, used: NDArray[np.bool_]) -> Iterator[pa.RecordBatch]:
        """These rows of a shard."""
        assert self.folder is not None
        first = 0
        with pq.ParquetFile(self.folder / self.shards[number].name) as file:
            for batch in file.iter_batches(_ROWS):
                yield batch.filter(pa.array(used[first : first + batch.num_rows]))
                first += batch.num_rows


def _is_order_sound(folder: Path, manifest: Manifest, sound: Callable[[Path, Shard], bool]) -> bool:
    return manifest.order is None or sound(folder / manifest.order.name, manifest.order)


class _Known:
    """Rows that are known by their numbers, instead of walked along. met: which of them the new version has."""

    def __init__(self, rows: Rows, handed: Whole, runs: order.Runs, kept: NDArray[np.bool_]) -> None:
        self._rows, self._handed = rows, handed
        shard, first, size = runs.T
        before = np.cumsum(size) - size
        self.row = np.repeat((first - before).astype(np.int32), size) + np.arange(size.sum(), dtype=np.int32)
        self.shard = np.where(kept[shard], shard, -1).astype(np.int32).repeat(size)
        self.met = np.zeros(len(rows), np.bool_)

    def next(self, rows: int) -> Found:
        """Of so many of the rows that are handed over."""
        at, self._handed = self._handed[:rows], self._handed[rows:]
        there = at >= 0
        self.met[at[there]] = True
        some = self._rows[at]
        place = np.stack([some[name].astype(np.int64) for name in ("pack", "offset", "bytes")], axis=1)
        shard, row = self.shard[at].astype(np.int64), self.row[at].astype(np.int64)
        return Found(there, digits_of(some["proof"]), digits_of(some["image"]), place, shard, row)


def _nothing(rows: int) -> Found:
    none = np.zeros(rows, np.int64)
    digits = np.zeros(rows, "S64")
    return Found(np.zeros(rows, np.bool_), digits, digits, np.full((rows, 3), -1, np.int64), none - 1, none)
