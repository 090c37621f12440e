"""Makers of hostile zips. Written byte by byte where no writer would do it (PKWARE, APPNOTE 6.3)."""

import stat
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.labeling.sources.hostile.images import squeezed
from tests.labeling.sources.hostile.rows import GOOD, Bait, Make
from tests.labeling.sources.places import png


@dataclass
class Member:
    """One member; what is None is told as it is."""

    name: bytes
    data: bytes = b""
    """As stored."""
    packing: int = 0
    real: int | None = None
    """Bytes unpacked."""
    packed: int | None = None
    crc: int = 0
    flags: int = 0x800
    mode: int = stat.S_IFREG | 0o644
    local_name: bytes | None = None
    extra: bytes = b""
    at: int | None = None
    """Where its local header is; None: its own, here."""


def member(name: str, data: bytes, *, deflated: bool = False, **more: object) -> Member:
    packer = zlib.compressobj(9, wbits=-15)
    stored = packer.compress(data) + packer.flush() if deflated else data
    fields = {"real": len(data), "crc": zlib.crc32(data), "packing": 8 if deflated else 0, **more}
    return Member(name.encode(), stored, **fields)  # type: ignore[arg-type]


def written(
    members: Sequence[Member], *, before: bytes = b"", comment: bytes = b"", count: int | None = None,
    start: int | None = None, size: int | None = None,
) -> bytes:  # fmt: skip
    """A zip of these members. count, start, size: what its end says of the directory instead of the truth."""
    body, directory = before, b""
    for one in members:
        at = len(body) if one.at is None else one.at
        common = _common(one)
        local_name = one.name if one.local_name is None else one.local_name
        if one.at is None:
            body += b"PK\x03\x04" + common + struct.pack("<HH", len(local_name), 0) + local_name + one.data
        directory += b"PK\x01\x02" + struct.pack("<H", 0x031E) + common
        directory += struct.pack("<HHHHHII", len(one.name), len(one.extra), 0, 0, 0, one.mode << 16, at)
        directory += one.name + one.extra
    number = (len(members) if count is None else count) & 0xFFFF
    told = (len(directory) if size is None else size, len(body) if start is None else start)
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, number, number, *told, len(comment)) + comment
    return body + directory + end


def _common(one: Member) -> bytes:
    real = len(one.data) if one.real is None else one.real
    packed = len(one.data) if one.packed is None else one.packed
    return struct.pack("<HHHHHIII", 20, one.flags, one.packing, 0, 0x21, one.crc, packed, real)


def zip_of(*members: Member, **more: object) -> Make:
    """A zip of these, between two good pictures."""

    def make(root: Path, bait: Bait) -> Path:
        return put(root, written([first(), *members, last()], **more))  # type: ignore[arg-type]

    return make


def first() -> Member:
    return member(GOOD[0], png(0))


def last() -> Member:
    return member(GOOD[1], png(1))


def put(root: Path, data: bytes) -> Path:
    path = root / "in.zip"
    path.write_bytes(data)
    return path


def bare(data: bytes) -> Make:
    return lambda root, bait: put(root, data)


def zeros(name: str, size: int) -> Member:
    packed = squeezed(size)[2:-4]  # deflate without zlib's head and sum
    crc, block = 0, bytes(1 << 20)
    for _ in range(size >> 20):
        crc = zlib.crc32(block, crc)
    return Member(name.encode(), packed, packing=8, real=size, crc=zlib.crc32(bytes(size & 0xFFFFF), crc))


def overlapping(count: int, size: int) -> list[Member]:
    """Members that share one kernel: each quotes the local headers of all behind it (Fifield 2019, section 3)."""
    kernel = zeros("kernel", size).data
    told: list[tuple[int, int]] = []
    data, real = kernel, size
    for n in reversed(range(count)):
        told.append((len(data), real))
        head = _local(b"%04d.png" % n, len(data), real)
        if n:
            # A block of deflate that is not the last, and not packed: the next header, word for word.
            data = struct.pack("<BHH", 0, len(head), len(head) ^ 0xFFFF) + head + data
            real += len(head)
        else:
            data = head + data
    members, at = [], 0
    for n, (packed, length) in enumerate(reversed(told)):
        members.append(
            Member(b"%04d.png" % n, data if not n else b"", packing=8, real=length, packed=packed, at=at)
        )
        at += 38 + 5
    return members


def _local(name: bytes, packed: int, real: int) -> bytes:
    sizes = struct.pack("<III", 0, packed, real)
    return (
        b"PK\x03\x04"
        + struct.pack("<HHHHH", 20, 0x800, 8, 0, 0x21)
        + sizes
        + struct.pack("<HH", len(name), 0)
        + name
    )


def overlapping_zip(count: int, size: int) -> bytes:
    members = overlapping(count, size)
    return written(members, before=members[0].data)


def many_members(count: int) -> bytes:
    """Empty members without names or bytes of their own, each a line of the directory."""
    line = b"PK\x01\x02" + struct.pack(
        "<HHHHHHIIIHHHHHII", 0x031E, 20, 0, 0, 0, 0x21, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0
    )
    directory = b"".join(line + b"%08d" % n for n in range(count))
    zip64 = b"PK\x06\x06" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, count, count, len(directory), 0)
    locator = b"PK\x06\x07" + struct.pack("<IQI", 0, len(directory), 1)
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return directory + zip64 + locator + end


def zip64_extra(*values: int) -> bytes:
    body = b"".join(struct.pack("<Q", value) for value in values)
    return struct.pack("<HH", 1, len(body)) + body


def nested(depth: int, width: int) -> bytes:
    """Zips in zips, as 42.zip: at the bottom 4 GB of zeros, says the directory."""
    inner = written([member("0.dll", bytes(1000), deflated=True, real=2**32 - 2)])
    for _ in range(depth):
        one = member("0.zip", inner, deflated=True)
        inner = written(
            [Member(b"%x.zip" % n, one.data, packing=8, real=one.real, crc=one.crc) for n in range(width)]
        )
    return inner
