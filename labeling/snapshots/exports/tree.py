"""Many files as one zip, written in one go: memory stays flat however many there are.

What is put in is stored as it is: pictures do not compress further, and the same content has the same bytes with every
version of zlib. No clock is in it. The last file, SHA256SUMS, has a line per other file, as `sha256sum -c` reads it.
The list of files, which a zip has at its end, is kept on the disk beside the target meanwhile: for a million files it
is some 200 MB.
"""

import hashlib
import io
import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from types import TracebackType
from typing import BinaryIO

SUMS = "SHA256SUMS"
_LOCAL = struct.Struct("<IHHHHHIIIHH")
_CENTRAL = struct.Struct("<IHHHHHHIIIHHHHHII")
_END = struct.Struct("<IHHHHIIH")
_END64 = struct.Struct("<IQHHIIQQQQ")
_LOCATOR = struct.Struct("<IIQI")
_SIZES64 = struct.Struct("<HHQQ")
_UTF8 = 0x800
_UNIX = 3 << 8
_DATE = 33
"""1 January 1980, the first day a zip knows."""
_MODE = 0o100644 << 16
_FULL = 0xFFFFFFFF
_MOST = 0xFFFF
_PLAIN, _LARGE = 20, 45
_BLOCK = 1024**2
_STEP = 8 * _BLOCK


class Tree:
    """A zip under way. It is a zip only once the block is left without an exception."""

    def __init__(self, target: Path) -> None:
        self._files = ExitStack()
        self._out: BinaryIO = self._files.enter_context(target.open("wb", buffering=_BLOCK))
        self._follower = self._files.enter_context(_Follower(target))
        self._list = self._beside(target, "list")
        self._sums = self._beside(target, "sums")
        self._at = 0
        self._count = 0

    def __enter__(self) -> "Tree":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._files:
            if kind is None:
                self._end()
                self._out.flush()
                self._follower.reach(self._out.tell())

    @property
    def sha256(self) -> str:
        """Of the zip; known once the block is left."""
        return self._follower.sha256

    def add(self, name: str, content: bytes) -> None:
        """Put a file in."""
        self.add_many([name], [content], [hashlib.sha256(content).hexdigest()])

    def add_many(self, names: Sequence[str], contents: Sequence[bytes], sha256s: Sequence[str]) -> None:
        """Put many small files in, whose sha256 is known."""
        out: list[bytes] = []
        entries: list[bytes] = []
        for name, content in zip(names, contents, strict=True):
            raw, crc, size = name.encode(), zlib.crc32(content), len(content)
            head = _LOCAL.pack(
                0x04034B50, _PLAIN, _UTF8, 0, 0, _DATE, crc, size, size, len(raw), 0
            )  # fmt: skip
            out += (head, raw, content)
            entries.append(_entry(raw, crc, size, self._at))
            self._at += len(head) + len(raw) + size
        self._out.write(b"".join(out))
        self._list.write(b"".join(entries))
        self._sums.write("".join(map("{}  {}\n".format, sha256s, names)).encode())
        self._count += len(names)
        self._written()

    @contextmanager
    def open(self, name: str) -> Iterator["Member"]:
        """A file to be written piece by piece, of any size. No other may be put in meanwhile."""
        raw = name.encode()
        begun = self._at
        self._out.write(self._large_head(raw, 0, 0))
        member = Member(self._out)
        yield member
        self._at += _LOCAL.size + len(raw) + _SIZES64.size + member.size
        self._out.seek(begun)
        self._out.write(self._large_head(raw, member.crc, member.size))
        self._out.seek(self._at)
        self._list.write(_entry(raw, member.crc, member.size, begun))
        self._sums.write(f"{member.sha256()}  {name}\n".encode())
        self._count += 1
        self._written()

    def _written(self) -> None:
        """What lies before here stays as it is."""
        if self._at - self._follower.end >= _STEP:
            self._out.flush()
            self._follower.reach(self._at)

    def _large_head(self, raw: bytes, crc: int, size: int) -> bytes:
        head = _LOCAL.pack(
            0x04034B50, _LARGE, _UTF8, 0, 0, _DATE, crc, _FULL, _FULL, len(raw), _SIZES64.size
        )  # fmt: skip
        return head + raw + _SIZES64.pack(1, 16, size, size)

    def _beside(self, target: Path, ending: str) -> BinaryIO:
        path = target.with_name(f"{target.name}.{ending}")
        self._files.callback(path.unlink, missing_ok=True)
        return self._files.enter_context(path.open("w+b", buffering=_BLOCK))

    def _end(self) -> None:
        with self.open(SUMS) as member:
            sums, self._sums = self._sums, io.BytesIO()
            sums.seek(0)
            while block := sums.read(_BLOCK):
                member.write(block)
        begun = self._at
        self._list.seek(0)
        while block := self._list.read(_BLOCK):
            self._at += self._out.write(block)
        size = self._at - begun
        if self._count >= _MOST or begun >= _FULL or size >= _FULL:
            self._out.write(
                _END64.pack(
                    0x06064B50, 44, _UNIX | _LARGE, _LARGE, 0, 0, self._count, self._count, size, begun
                )
            )
            self._out.write(_LOCATOR.pack(0x07064B50, 0, self._at, 1))
        few = min(self._count, _MOST)
        self._out.write(_END.pack(0x06054B50, 0, 0, few, few, min(size, _FULL), min(begun, _FULL), 0))


class _Follower:
    """Takes the sha256 of a file while it is written, behind whoever writes: another thread reads it again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ends: SimpleQueue[int | None] = SimpleQueue()
        self._thread = Thread(target=self._follow, name="sha256 of an export", daemon=True)
        self._sha = hashlib.sha256()
        self.end = 0

    def __enter__(self) -> "_Follower":
        self._thread.start()
        return self

    def __exit__(self, *rest: object) -> None:
        self._ends.put(None)
        self._thread.join()

    def reach(self, end: int) -> None:
        """Up to here the file will not change any more."""
        self.end = end
        self._ends.put(end)

    def _follow(self) -> None:
        block = memoryview(bytearray(_BLOCK))
        at = 0
        with self._path.open("rb", buffering=0) as file:
            while (end := self._ends.get()) is not None:
                while at < end and (size := file.readinto(block[: end - at])):
                    self._sha.update(block[:size])
                    at += size

    @property
    def sha256(self) -> str:
        return self._sha.hexdigest()


class Member(io.RawIOBase):
    """A file inside the zip while it is written."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._sha = hashlib.sha256()
        self.crc = 0
        self.size = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.size

    def write(self, data: "bytes | bytearray | memoryview") -> int:  # type: ignore[override]
        self._out.write(data)
        self._sha.update(data)
        self.crc = zlib.crc32(data, self.crc)
        self.size += len(data)
        return len(data)

    def sha256(self) -> str:
        return self._sha.hexdigest()


def _entry(raw: bytes, crc: int, size: int, offset: int) -> bytes:
    """A line of the list at the end. Only what does not fit into 32 bits is in the part for large files."""
    large = [value for value in (size, size, offset) if value >= _FULL]
    extra = struct.pack(f"<HH{len(large)}Q", 1, 8 * len(large), *large) if large else b""
    needs = _LARGE if large else _PLAIN
    shown = min(size, _FULL)
    head = (0x02014B50, _UNIX | needs, needs, _UTF8, 0, 0, _DATE, crc, shown, shown, len(raw), len(extra))
    return _CENTRAL.pack(*head, 0, 0, 0, _MODE, min(offset, _FULL)) + raw + extra


def unpacked(archive: BinaryIO) -> Iterator[tuple[str, int, Iterator[bytes]]]:
    """The files of a zip that a Tree wrote, in order: name, size, content in blocks. Reads it once, from front to end.

    Each content must be read before the next file is asked for; what is left of it is skipped.
    """
    while True:
        head = archive.read(_LOCAL.size)
        if head[:4] != b"PK\x03\x04":
            return
        *_rest, size, _same, name_length, extra_length = _LOCAL.unpack(head)
        name = archive.read(name_length).decode()
        extra = archive.read(extra_length)
        if size == _FULL:
            size = _SIZES64.unpack(extra)[2]
        left = _Left(archive, size)
        yield name, size, iter(left)
        for _block in left:
            pass


class _Left:
    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self._left = file, size

    def __iter__(self) -> Iterator[bytes]:
        while self._left and (block := self._file.read(min(_BLOCK, self._left))):
            self._left -= len(block)
            yield block
