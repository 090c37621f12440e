"""Many files as one zip, written from front to end: memory stays flat however many there are.

Nothing is made smaller: pictures do not compress further, and the same content has the same bytes with every version of
zlib. No clock is in it. The last file, SHA256SUMS, has a line per other file, as `sha256sum -c` reads it.
The list of files, which a zip has at its end, is kept on the disk beside the target meanwhile: for a million files it
is some 200 MB.

A file of which all is known is stored. One that is written piece by piece has its size behind it, and lies in blocks
that tell where they end ("deflate" without compression: APPNOTE.TXT 6.3.10, 4.3.9; RFC 1951, 3.2.4), so that nothing
written is ever changed, and its sha256 can be taken at once. Whoever reads such a zip from front to end takes the size
behind a file for 32 bits unless its head says 64; so it says so only of what may have 4 GiB.
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
_BEHIND, _BEHIND64 = struct.Struct("<IIII"), struct.Struct("<IIQQ")
_HEAD = struct.Struct("<BHH")
_UTF8, _SIZE_BEHIND = 0x800, 0x8
_STORED, _DEFLATED = 0, 8
_UNIX = 3 << 8
_DATE = 33
"""1 January 1980, the first day a zip knows."""
_MODE = 0o100644 << 16
_FULL = 0xFFFFFFFF
_MOST = 0xFFFF
_PLAIN, _LARGE = 20, 45
_BLOCK = 1024**2
_BLOCKS = 8
"""So many are filled, written and hashed by turns: new ones would have to be zeroed each time."""


class Tree:
    """A zip under way. It is a zip only once the block is left without an exception."""

    def __init__(self, target: Path) -> None:
        with ExitStack() as files:
            self._out = files.enter_context(_Out(target))
            self._list = _beside(files, target, "list")
            self._sums = _beside(files, target, "sums")
            self._files = files.pop_all()
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

    @property
    def sha256(self) -> str:
        """Of the zip; known once the block is left."""
        return self._out.sha256

    def add(self, name: str, content: bytes) -> None:
        """Put a file in."""
        self.add_many([name], [content], [hashlib.sha256(content).hexdigest()])

    def add_many(self, names: Sequence[str], contents: Sequence[bytes], sha256s: Sequence[str]) -> None:
        """Put many small files in, whose sha256 is known."""
        out: list[bytes] = []
        entries: list[bytes] = []
        at = self._out.at
        for name, content in zip(names, contents, strict=True):
            raw, crc, size = name.encode(), zlib.crc32(content), len(content)
            head = _LOCAL.pack(
                0x04034B50, _PLAIN, _UTF8, _STORED, 0, _DATE, crc, size, size, len(raw), 0
            )  # fmt: skip
            out += (head, raw, content)
            entries.append(_entry(raw, crc, (size, size), at))
            at += len(head) + len(raw) + size
        self._out.write(b"".join(out))
        self._list.write(b"".join(entries))
        self._sums.write("".join(map("{}  {}\n".format, sha256s, names)).encode())
        self._count += len(names)

    @contextmanager
    def open(self, name: str, most: int = 0) -> Iterator["Member"]:
        """A file to be written piece by piece, of any size. No other may be put in meanwhile.

        most: how many bytes it is reckoned to have at most. If it has 4 GiB although it was not, tools that read the
        list at the zip's end still open it.
        """
        raw = name.encode()
        begun = self._out.at
        large = most >= _FULL - most // _MOST * _HEAD.size
        needs, size, extra = (_LARGE, _FULL, _SIZES64.pack(1, 16, 0, 0)) if large else (_PLAIN, 0, b"")
        head = _LOCAL.pack(
            0x04034B50, needs, _UTF8 | _SIZE_BEHIND, _DEFLATED, 0, _DATE, 0, size, size, len(raw), len(extra)
        )  # fmt: skip
        self._out.write(head + raw + extra)
        member = Member(self._out)
        yield member
        stored = member.end()
        behind = _BEHIND64 if large or stored >= _FULL else _BEHIND
        self._out.write(behind.pack(0x08074B50, member.crc, stored, member.size))
        self._list.write(_entry(raw, member.crc, (member.size, stored), begun, streamed=True, large=large))
        self._sums.write(f"{member.sha256()}  {name}\n".encode())
        self._count += 1

    def _end(self) -> None:
        with self.open(SUMS, self._sums.tell()) as member:
            sums, self._sums = self._sums, io.BytesIO()
            sums.seek(0)
            while block := sums.read(_BLOCK):
                member.write(block)
        begun = self._out.at
        self._list.seek(0)
        while block := self._list.read(_BLOCK):
            self._out.write(block)
        end = self._out.at
        size = end - begun
        if self._count >= _MOST or begun >= _FULL or size >= _FULL:
            self._out.write(
                _END64.pack(
                    0x06064B50, 44, _UNIX | _LARGE, _LARGE, 0, 0, self._count, self._count, size, begun
                )
            )
            self._out.write(_LOCATOR.pack(0x07064B50, 0, end, 1))
        few = min(self._count, _MOST)
        self._out.write(_END.pack(0x06054B50, 0, 0, few, few, min(size, _FULL), min(begun, _FULL), 0))


def _beside(files: ExitStack, target: Path, ending: str) -> BinaryIO:
    path = target.with_name(f"{target.name}.{ending}")
    files.callback(path.unlink, missing_ok=True)
    return files.enter_context(path.open("w+b", buffering=_BLOCK))


class _Out:
    """A file written from front to end, whose sha256 another thread takes meanwhile."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb", buffering=0)
        self._free: SimpleQueue[memoryview] = SimpleQueue()
        for _ in range(_BLOCKS):
            self._free.put(memoryview(bytearray(_BLOCK)))
        self._written: SimpleQueue[tuple[memoryview, int] | None] = SimpleQueue()
        self._thread = Thread(target=self._follow, name="sha256 of an export", daemon=True)
        self._sha = hashlib.sha256()
        self._block = self._free.get()
        self._filled = 0
        self.at = 0

    def __enter__(self) -> "_Out":
        self._thread.start()
        return self

    def __exit__(self, *rest: object) -> None:
        self._written.put(None)
        self._thread.join()
        self._file.close()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        left = memoryview(data)
        self.at += len(left)
        while left:
            part = left[: _BLOCK - self._filled]
            self._block[self._filled : self._filled + len(part)] = part
            self._filled += len(part)
            left = left[len(part) :]
            if self._filled == _BLOCK:
                self.flush()

    def flush(self) -> None:
        left = self._block[: self._filled]
        while left:
            left = left[self._file.write(left) :]
        self._written.put((self._block, self._filled))
        self._block, self._filled = self._free.get(), 0

    def _follow(self) -> None:
        while (written := self._written.get()) is not None:
            block, size = written
            self._sha.update(block[:size])
            self._free.put(block)

    @property
    def sha256(self) -> str:
        return self._sha.hexdigest()


class Member(io.RawIOBase):
    """A file inside the zip while it is written. Its blocks are the same however it is cut into pieces."""

    def __init__(self, out: _Out) -> None:
        self._out = out
        self._begun = out.at
        self._sha = hashlib.sha256()
        self._rest = bytearray()
        self.crc = 0
        self.size = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.size

    def write(self, data: "bytes | bytearray | memoryview") -> int:  # type: ignore[override]
        left = memoryview(data).cast("B")
        self._sha.update(left)
        self.crc = zlib.crc32(left, self.crc)
        self.size += (size := len(left))
        if self._rest:
            more = left[: _MOST - len(self._rest)]
            self._rest += more
            left = left[len(more) :]
            if len(self._rest) == _MOST:
                self._put(self._rest)
                self._rest.clear()
        while len(left) >= _MOST:
            self._put(left[:_MOST])
            left = left[_MOST:]
        self._rest += left
        return size

    def _put(self, block: bytearray | memoryview, *, last: bool = False) -> None:
        self._out.write(_HEAD.pack(last, len(block), len(block) ^ _MOST))
        self._out.write(block)

    def end(self) -> int:
        """Put the last block; returns how many bytes all of them take in the zip."""
        self._put(self._rest, last=True)
        return self._out.at - self._begun

    def sha256(self) -> str:
        return self._sha.hexdigest()


def _entry(
    raw: bytes,
    crc: int,
    sizes: tuple[int, int],
    offset: int,
    *,
    streamed: bool = False,
    large: bool = False,
) -> bytes:
    """A line of the list at the end, sizes being the file's and what it takes.

    Only what does not fit into 32 bits is in the part for large files.
    """
    over = [value for value in (*sizes, offset) if value >= _FULL]
    extra = struct.pack(f"<HH{len(over)}Q", 1, 8 * len(over), *over) if over else b""
    needs = _LARGE if over or large else _PLAIN
    flags, method = (_UTF8 | _SIZE_BEHIND, _DEFLATED) if streamed else (_UTF8, _STORED)
    size, stored = (min(one, _FULL) for one in sizes)
    head = (
        0x02014B50,
        _UNIX | needs,
        needs,
        flags,
        method,
        0,
        _DATE,
        crc,
        stored,
        size,
        len(raw),
        len(extra),
    )
    return _CENTRAL.pack(*head, 0, 0, 0, _MODE, min(offset, _FULL)) + raw + extra


def unpacked(archive: BinaryIO) -> Iterator[tuple[str, Iterator[bytes]]]:
    """The files of a zip that a Tree wrote, in order: name, content in blocks. Reads it once, from front to end.

    Each content must be read before the next file is asked for; what is left of it is skipped. A zip that ends early
    raises EOFError.
    """
    while (head := _exactly(archive, _LOCAL.size))[:4] == b"PK\x03\x04":
        _sign, _needs, flags, *_rest, size, _same, name_length, extra_length = _LOCAL.unpack(head)
        name = _exactly(archive, name_length).decode()
        _exactly(archive, extra_length)
        content = _in_blocks(archive, large=size == _FULL) if flags & _SIZE_BEHIND else _stored(archive, size)
        yield name, content
        for _block in content:
            pass


def _stored(archive: BinaryIO, left: int) -> Iterator[bytes]:
    while left:
        block = _exactly(archive, min(_BLOCK, left))
        left -= len(block)
        yield block


def _in_blocks(archive: BinaryIO, *, large: bool) -> Iterator[bytes]:
    last = False
    stored = 0
    while not last:
        last, size, _other = _HEAD.unpack(_exactly(archive, _HEAD.size))
        stored += _HEAD.size + size
        yield _exactly(archive, size)
    _exactly(archive, (_BEHIND64 if large or stored >= _FULL else _BEHIND).size)


def _exactly(archive: BinaryIO, size: int) -> bytes:
    if len(found := archive.read(size)) < size:
        raise EOFError(f"The zip ends early, at {archive.tell()} bytes.")
    return found
