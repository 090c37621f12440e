"""Packs: files that hold images one after another, nothing between them.

A row says in which pack, where and how long its image is, and the image's own sha256 says whether it is the one. So a
pack is shared by every version that holds its images, and an image can be erased from it, overwritten by zeros,
without a change for any other. A pack is named by a sha256 over the images it held when it was written and the faces
they were of, so that a name never comes back with other faces.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

PACK_BYTES = 64 * 1024**2
"""A pack ends with the image that reaches this."""
FOLDER = "packs"
ENDING = ".pack"
_BLOCK = 1024**2
Place = tuple[int, int]
"""Offset and length in bytes."""


class PackWriter:
    """Images go in, packs come out in folder/packs. `names` are complete after close()."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / FOLDER
        self._part = self._folder / "part"
        self._sha = hashlib.sha256()
        self._file: BinaryIO | None = None
        self._bytes = 0
        self.names: list[str] = []

    @property
    def number(self) -> int:
        """Of the pack that takes the next image, from 0."""
        return len(self.names)

    def add(self, face_key: str, image: bytes) -> int:
        """Returns its offset in pack `number`, as it was before the call."""
        if self._file is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._file = self._part.open("wb")
        offset = self._bytes
        self._file.write(image)
        self._sha.update(face_key.encode())
        self._sha.update(image)
        self._bytes += len(image)
        if self._bytes >= PACK_BYTES:
            self.close()
        return offset

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

    def images(self, packs: Sequence[int], offsets: Sequence[int], lengths: Sequence[int]) -> list[bytes]:
        """Many at once; what lies side by side is read in one go."""
        found: list[bytes] = []
        for first, last in _runs(packs, offsets, lengths):
            start = offsets[first]
            block = self.read(packs[first], start, offsets[last] + lengths[last] - start)
            found += [
                block[offsets[row] - start : offsets[row] - start + lengths[row]]
                for row in range(first, last + 1)
            ]
        return found


def _runs(packs: Sequence[int], offsets: Sequence[int], lengths: Sequence[int]) -> Iterator[tuple[int, int]]:
    """First and last of each run of images that follow each other in one pack."""
    first = 0
    for row in range(1, len(packs) + 1):
        follows = (
            row < len(packs)
            and packs[row] == packs[row - 1]
            and offsets[row] == offsets[row - 1] + lengths[row - 1]
        )
        if not follows:
            yield first, row - 1
            first = row


def is_zero(path: Path, places: Iterable[Place]) -> bool:
    """Whether the pack holds nothing but zeros there."""
    with path.open("rb") as file:
        for offset, length in places:
            file.seek(offset)
            if any(file.read(length)):
                return False
    return True


def without(path: Path, places: Iterable[Place], target: Path) -> bool:
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


def _between(places: Sequence[Place], size: int) -> Iterator[Place]:
    """What the sorted places leave of so many bytes."""
    at = 0
    for offset, length in places:
        if offset > at:
            yield at, offset - at
        at = max(at, offset + length)
    if size > at:
        yield at, size - at
