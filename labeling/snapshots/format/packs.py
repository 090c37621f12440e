"""Packs: files that hold images one after another, nothing between them.

A row says in which pack, where and how long its image is, and the image's own sha256 says whether it is the one. So a
pack is shared by every version that holds its images, and an image can be erased from it, overwritten by zeros,
without a change for any other. A pack is named by a sha256 over the sha256s of the images it held when it was written
and the keys of the faces they were of, so that a name never comes back with other faces.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from labeling.snapshots.format.digits import RAW, Digits, Raw, digits_of

PACK_BYTES = 64 * 1024**2
"""A pack ends with the image that reaches this."""
FOLDER = "packs"
ENDING = ".pack"
_BLOCK = 1024**2
Numbers: TypeAlias = NDArray[np.integer]
Spot = tuple[int, int]
"""Offset and length in bytes."""


@dataclass(frozen=True, eq=False)
class Images:
    """Images, one after another. sizes: (n,) bytes of each. sha256: of each."""

    data: bytes | bytearray
    sizes: NDArray[np.int64]
    sha256: Raw

    @classmethod
    def of(cls, images: Sequence[bytes]) -> "Images":
        sha256 = b"".join([hashlib.sha256(image).digest() for image in images])
        return cls(
            b"".join(images), np.array([len(image) for image in images], np.int64), np.frombuffer(sha256, RAW)
        )

    @property
    def starts(self) -> NDArray[np.int64]:
        """(n + 1,) where each begins, and where the last ends."""
        return np.concatenate([np.zeros(1, np.int64), np.cumsum(self.sizes)])


class PackWriter:
    """Images go in, packs come out in folder/packs. `names` are complete after close()."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / FOLDER
        self._part = self._folder / "part"
        self._sha = hashlib.sha256()
        self._file: BinaryIO | None = None
        self._bytes = 0
        self.names: list[str] = []

    def add(self, keys: Digits, images: Images) -> NDArray[np.int64]:
        """Put in the images of these faces. Returns (n, 3): of each the pack, from 0, the offset and the length."""
        data, starts = memoryview(images.data), images.starts
        place = np.empty((len(keys), 3), np.int64)
        named = np.stack([keys, digits_of(images.sha256)], axis=1)
        first = 0
        while first < len(keys):
            begin, at = int(starts[first]), self._bytes
            last = int(np.searchsorted(starts[:-1], begin + PACK_BYTES - at))
            some = slice(first, last)
            place[some, 0] = len(self.names)
            place[some, 1] = starts[some] - begin + at
            place[some, 2] = images.sizes[some]
            self._write(data[begin : int(starts[last])])
            self._sha.update(named[some].tobytes())
            if self._bytes >= PACK_BYTES:
                self.close()
            first = last
        return place

    def _write(self, images: memoryview) -> None:
        if self._file is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._file = self._part.open("wb")
        self._file.write(images)
        self._bytes += len(images)

    def close(self) -> None:
        """End the pack that is being written, if there is one."""
        if self._file is None:
            return
        self._file.close()
        name = self._sha.hexdigest() + ENDING
        os.replace(self._part, self._folder / name)
        self.names.append(name)
        self._file, self._sha, self._bytes = None, hashlib.sha256(), 0

    def give_up(self) -> None:
        """Leave what was begun as it is."""
        if self._file is not None:
            self._file.close()


def where(folder: Path, name: str) -> Path:
    """A pack of the snapshot folder: inside it, as a folder that is carried about has them, else beside it."""
    inside = folder / FOLDER / name
    return inside if inside.exists() else folder.parent / FOLDER / name


class Packs:
    """The packs of a snapshot folder, opened for reading when first needed. Reads, never maps: memory stays small."""

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self._folder = folder
        self._names = names
        self._open: dict[int, int] = {}

    def __enter__(self) -> "Packs":
        return self

    def __exit__(self, *rest: object) -> None:
        self.close()

    def close(self) -> None:
        for descriptor in self._open.values():
            os.close(descriptor)
        self._open.clear()

    def read(self, pack: int, offset: int, length: int) -> bytes:
        """So many bytes from there, fewer where the pack ends before. Raises OSError, IndexError."""
        if pack < 0:
            raise IndexError(f"there is no pack {pack}")
        if pack not in self._open:
            self._open[pack] = os.open(where(self._folder, self._names[pack]), os.O_RDONLY)
        return os.pread(self._open[pack], length, offset)

    def images(self, packs: Numbers, offsets: Numbers, lengths: Numbers) -> pa.BinaryArray:
        """Many at once; what lies side by side is read in one go. Of one that its pack cuts off, what there is.

        Raises OSError, IndexError.
        """
        if not len(packs):
            return pa.array([], pa.binary())
        ends = np.flatnonzero((packs[1:] != packs[:-1]) | (offsets[1:] != offsets[:-1] + lengths[:-1])) + 1
        firsts = [0, *ends.tolist()]
        lasts = [*(ends - 1).tolist(), len(packs) - 1]
        blocks = []
        for first, last in zip(firsts, lasts, strict=True):
            start = int(offsets[first])
            wanted = int(offsets[last]) + int(lengths[last]) - start
            blocks.append(self.read(int(packs[first]), start, wanted))
            if len(blocks[-1]) < wanted:
                return pa.array(
                    map(self.read, packs.tolist(), offsets.tolist(), lengths.tolist()), pa.binary()
                )
        data = blocks[0] if len(blocks) == 1 else b"".join(blocks)
        at = np.zeros(len(lengths) + 1, np.int32)
        np.cumsum(lengths, out=at[1:])
        return pa.Array.from_buffers(pa.binary(), len(lengths), [None, pa.py_buffer(at), pa.py_buffer(data)])


def is_zero(path: Path, places: Iterable[Spot]) -> bool:
    """Whether the pack holds nothing but zeros there."""
    with path.open("rb") as file:
        for offset, length in places:
            file.seek(offset)
            if any(file.read(length)):
                return False
    return True


def without(path: Path, places: Iterable[Spot], target: Path) -> bool:
    """Write the pack anew to target, with zeros at these places. Returns whether anything else is left in it.

    Where the disk can leave holes the zeros take no room.
    """
    wanted = sorted(places)
    left = False
    with path.open("rb") as source, target.open("wb") as copy:
        size = os.fstat(source.fileno()).st_size
        for offset, length in _between(wanted, size):
            source.seek(offset)
            copy.seek(offset)
            for _start in range(0, length, _BLOCK):
                block = source.read(min(_BLOCK, length - _start))
                left = left or any(block)
                copy.write(block)
        copy.truncate(size)
    return left


def _between(places: Sequence[Spot], size: int) -> Iterator[Spot]:
    """What the sorted places leave of so many bytes."""
    at = 0
    for offset, length in places:
        if offset > at:
            yield at, offset - at
        at = max(at, offset + length)
    if size > at:
        yield at, size - at
