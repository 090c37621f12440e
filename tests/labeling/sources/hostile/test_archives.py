"""Hostile archives: what is each, and what is said of it. The good pictures lie first and last in each zip."""

import gzip
import stat
from pathlib import Path

import pytest

from tests.labeling.sources.hostile import archives as made
from tests.labeling.sources.hostile.archives import Member, bare, member, written, zeros, zip64_extra, zip_of
from tests.labeling.sources.hostile.images import fixed
from tests.labeling.sources.hostile.rows import TAKEN, Cells, Row, file_row
from tests.labeling.sources.places import png

pytestmark = pytest.mark.once

OUT = "Its name leads out of the zip"
NO_ZIP = "is not a zip that can be read"
NO_PLACE = "is neither a folder nor a zip"
NESTED = "This is an archive (zip) inside the source"
SHARED = "It shares bytes with another member of the zip"
UNREAD = "It cannot be read to its end"
DAMAGED = "This member of the zip is damaged"
DEVICE = "neither a file nor a folder but a pipe, a socket or a device"
LOCKED = "It is encrypted"
METHOD = "which is not read. Pack it anew with Deflate"
NAMED = "a name is shown, and never becomes a file's"
PICTURE = png(5)
GIGABYTE = made.squeezed(1 << 30)[2:-4]
FOLLOWS = len(written([made.first()])) - len(written([])) - 46 - len("a-good.png")
"""Where the second member begins."""


def one(
    what: str, says: str, hostile: Member, *, name: str = "", why: str = "", more: tuple[Member, ...] = ()
) -> Row:
    """A zip with one hostile member; name: what it is called here."""
    return Row(what, zip_of(hostile, *more), {name or hostile.name.decode(): says}, why=why)


def called(what: str, name: str, says: str = OUT, *, shown: str = "", why: str = "") -> Row:
    """A picture of that name."""
    return one(what, says, member(name, PICTURE), name=shown, why=why)


def mode(what: str, kind: int, says: str) -> Row:
    return one(what, says, member("a.png", PICTURE, mode=kind | 0o777))


ARCHIVES: list[Row] = [
    # bombs
    one("200 MB of zeros in 200 kB", "nothing but zero bytes", zeros("a.png", 200 << 20)),
    one("10 GB, says its Zip64 field", "It would unpack to 10,737,418,240 bytes",
        member("a.png", PICTURE, real=0xFFFFFFFF, extra=zip64_extra(10 << 30))),
    one("18 exabytes, says its Zip64 field", "It would unpack to 18,446,744,073,709,551,615 bytes",
        member("a.png", PICTURE, real=0xFFFFFFFF, extra=zip64_extra(2**64 - 1))),
    one("1 GB that says 1,000 bytes", UNREAD, Member(b"a.png", GIGABYTE, packing=8, real=1000)),
    one("a picture and 1 MB that says 1,000 bytes", UNREAD,
        member("a.png", PICTURE + bytes(1 << 20), deflated=True, real=1000)),
    one("42.zip: zips in zips in zips", NESTED, member("lib.zip", made.nested(5, 16))),
    Row("250 members over one kernel of 100 MB (Fifield)", bare(made.overlapping_zip(250, 100 << 20)),
        {f"{n:04}.png": "" for n in range(250)}, good=()),
    Row("two members of the same bytes", zip_of(member("a.png", PICTURE), member("b.png", PICTURE, at=FOLLOWS)),
        {"a.png": TAKEN, "b.png": SHARED}),
    Row("1,000 empty members in one place", bare(made.many_members(1000)), {f"{n:08}": SHARED if n else DAMAGED for n in range(1000)}, good=()),
    Row("3 million members", bare(made.many_members(3_000_000)), good=(),
        whole="lists its members in 162,000,000 bytes; 67,108,864 are allowed"),
    one("sources.csv of 100 MB", "It is longer than 33,554,432 bytes", zeros("sources.csv", 100 << 20)),
    # names that lead elsewhere (zip slip)
    called("up and out", "../../etc/cron.d/a.png"),
    called("down, up and out", "a/b/../../../a.png"),
    called("up and out, in Windows' way", "..\\..\\a.png"),
    called("from the root", "/etc/a.png"),
    called("from a drive", "C:\\Windows\\a.png"),
    called("from another machine", "\\\\server\\share\\a.png"),
    called("a stream of another file", "a.png:hidden", TAKEN, why=NAMED),
    called("a device of Windows", "aux.png", TAKEN, why=NAMED),
    called("written from right to left", "photo\u202egnp.exe", TAKEN, why=NAMED),
    called("letters that look like others", "раураl.png", TAKEN, why=NAMED),
    called("HTML", "<img src=x onerror=alert(1)>.png", TAKEN, why="pages escape it"),
    called("a line feed and a terminal's escape", "a\n\x1b[2J.png", TAKEN, why=NAMED),
    called("a zero in its middle", "a.png\x00.exe", TAKEN, shown="a.png", why="the name ends there, as for who wrote it"),
    called("2,000 letters", "a" * 2000 + ".png", "Its path has 2,004 characters", shown="a" * 999 + "…"),
    called("500 folders deep", "a/" * 499 + "b", TAKEN, why=NAMED),
    Row("no UTF-8, though it says so", zip_of(Member(b"\xff\xfe.png", PICTURE)), whole=NO_ZIP),
    Row("the same name twice", zip_of(member("a.png", PICTURE), member("a.png", png(6))), {"a.png": TAKEN, "a.png #2": TAKEN},
        why="two items"),
    one("another name within than without", DAMAGED, member("a.png", PICTURE, local_name=b"b.exe")),
    # what is no file
    mode("a link", stat.S_IFLNK, "This is a link, not a file."),
    mode("a device", stat.S_IFCHR, DEVICE),
    mode("a disk", stat.S_IFBLK, DEVICE),
    mode("a pipe", stat.S_IFIFO, DEVICE),
    one("a file that runs as root", TAKEN, member("a.png", PICTURE, mode=stat.S_IFREG | 0o6777), why="its mode is not kept"),
    # damage and lies
    one("a wrong checksum", UNREAD, member("a.png", PICTURE, crc=1)),
    one("no deflate where deflate is said", UNREAD, Member(b"a.png", b"\xff" * 500, packing=8, real=500)),
    one("a place behind the end", DAMAGED, member("a.png", PICTURE, at=2**31)),
    Row("a place where no member is", zip_of(member("a.png", b"", real=9, at=1), before=bytes(50)), {"a.png": DAMAGED}),
    one("more bytes than the zip has", SHARED, member("z.png", PICTURE, packed=2**31, real=2**31)),
    one("encrypted", LOCKED, member("a.png", PICTURE, flags=1)),
    one("encrypted strongly", LOCKED, member("a.png", PICTURE, flags=0x41)),
    one("encrypted by AES", LOCKED, member("a.png", PICTURE, flags=1, packing=99)),
    one("packed by LZMA with 4 GB of dictionary", METHOD, Member(b"a.png", b"\x09\x14\x05\x00\x5d\xff\xff\xff\xff" + bytes(90), packing=14, real=2**31)),
    one("packed by a method nobody knows", METHOD, Member(b"a.png", PICTURE, packing=0xFFFE)),
    Row("a Zip64 field cut short", zip_of(member("a.png", PICTURE, real=0xFFFFFFFF, extra=b"\x01\x00\x08\x00abcd")), whole=NO_ZIP),
    Row("a directory of 4 GB, it says", zip_of(size=0xFFFF_FF00), whole="lists its members in 4,294,967,040 bytes"),
    Row("65,000 members, it says", zip_of(count=65_000), why="what is there is believed, not what is said"),
    Row("no member, it says", zip_of(count=0), why="what is there is believed, not what is said"),
    Row("another, empty zip for a comment", zip_of(comment=written([])), good=(), why="read as the empty zip as which it ends"),
    Row("a program in front", zip_of(before=b"MZ" + bytes(5000)), why="read from its end, as self-extracting zips are"),
    Row("cut in its directory", bare(written([made.first(), made.last()])[:-40]), whole=NO_PLACE),
    Row("cut in its directory, said to be a zip", bare(written([made.first(), made.last()])[:-40]), whole=NO_ZIP, kind="zip"),
    # other archives
    file_row("gzip of 1 GB", "a.jpg", fixed(gzip.compress(bytes(1 << 20)) * 1000), "This is an archive (gz) inside the source"),
    file_row("7z", "a.jpg", fixed(b"7z\xbc\xaf\x27\x1c" + bytes(99)), "This is an archive (7z) inside the source"),
    file_row("RAR with a name that leads out (CVE-2018-20250)", "a.jpg", fixed(b"Rar!\x1a\x07\x00" + bytes(99)),
             "This is an archive (rar) inside the source"),
    Row("RAR as a source", bare(b"Rar!\x1a\x07\x00" + bytes(99)), whole=NO_PLACE),
]  # fmt: skip


@pytest.mark.parametrize("row", ARCHIVES, ids=lambda row: row.what)
def test_hostile_archive(row: Row, cells: Cells, tmp_path: Path) -> None:
    cells.hold(row, tmp_path)
