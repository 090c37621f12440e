"""Hostile tables: what is each, and what is said of it. What can be read of them is."""

from pathlib import Path
from typing import Any

import pytest

from tests.labeling.sources.hostile.rows import GOOD, Cells, Row
from tests.labeling.sources.hostile.tables import VOTES, bare_list, fer, ferplus, listed, notes, pixels
from tests.labeling.sources.places import fer_row

pytestmark = pytest.mark.once

NOT_CSV = "It is not a CSV file in UTF-8"
NO_TABLE = "neither a folder nor a zip, an image, a video, a FER2013 CSV or a list of web addresses"
NO_FER = "This is no FER2013 table"
WHOLE = "The column pixels must hold whole numbers from 0 to 255"
HEADING = b"file,licence,author\n"
FORMULA = b"=cmd|'/C calc'!A0"
NUMBERS = fer_row(0, 7).split(",")[1].encode()
NO_VOTES = "The FER+ row holds something that is no number of votes"
MIDDLE = "row 2"


def beside(what: str, content: bytes, says: str = "", why: str = "") -> Row:
    """A sources.csv beside the good pictures; they come in whatever it says."""
    return Row(what, notes(content), {"sources.csv": says} if says else {}, why=why)


def web(what: str, make: Any, says: dict[str, str] | None = None, why: str = "", whole: str = "") -> Row:
    options = {"basis": "own"}
    fetched = {} if whole else {f"/{good}": 1 for good in GOOD}
    return Row(what, make, says or {}, whole, why, "web", options, network=True, fetched=fetched)


def faces(what: str, make: Any, says: dict[str, str] | None = None, why: str = "", whole: str = "") -> Row:
    """A FER2013 table of two good rows, with a hostile one between them if `says` names it."""
    good = ("row 1", "row 3") if says else ("row 1", "row 2")
    return Row(what, make, says or {}, whole, why, "fer2013", good=good)


def votes(what: str, content: bytes, says: str = "", why: str = "", whole: str = "") -> Row:
    """A good FER2013 table with that table of votes; says: of its first row."""
    good = ("row 2",) if says else ("row 1", "row 2")
    told = {"row 1": says} if says else {}
    return Row(what, ferplus(content), told, whole, why, "fer2013", {"ferplus": "ferplus.csv"}, good=good)


TABLES: list[Row] = [
    # sources.csv
    beside("bytes that are no text", b"\xff\xfe\x00\x01" * 100, NOT_CSV),
    beside("UTF-16", "file,licence\na-good.png,CC0\n".encode("utf-16"), NOT_CSV),
    beside("zeros", bytes(10_000), "It has no column “file”"),
    beside("zeros among the letters", HEADING + b"a-good.png,C\x00C0,A\x00da\n", why="they are left out"),
    beside("a quote that never ends", HEADING + b'a-good.png,"' + b"x" * 2_000_000, NOT_CSV),
    beside("one line of 30 MB", b"file" * 7_500_000, NOT_CSV),
    beside("10 million columns", b"file" + b"," * 10_000_000, "Its first line names 10,000,001 columns"),
    beside("10 million cells in a line", HEADING + b"a-good.png" + b"," * 10_000_000, why="those without a column are passed over"),
    beside("a million lines", HEADING + b"".join(b"%d.png\n" % n for n in range(1_000_000)), "It has more than 500,000 lines"),
    beside("40 MB", HEADING + b"x" * 40_000_000, "It is longer than 33,554,432 bytes"),
    beside("the same column twice", b"file,licence,licence\na-good.png,CC0,CC BY\n", why="the last says"),
    beside("no heading", b"a-good.png,CC0\n", "It has no column “file”"),
    beside("nothing", b"", "It has no column “file”"),
    beside("files elsewhere", HEADING + b"../../etc/passwd,CC0,Eve\n/etc/passwd,CC0,Eve\n", why="a name only finds what is beside it"),
    beside("formulas", HEADING + b"a-good.png," + FORMULA + b"," + FORMULA + b"\n", why="kept as they are; exports put a ' before"),
    # lists of addresses
    web("a scheme that is no web's", listed(b"file:///etc/passwd", b"gopher://127.0.0.1:70/_x"),
        {"file:///etc/passwd": "begins with neither http:// nor https://", "gopher://127.0.0.1:70/_x": "begins with neither"}),
    web("a private network", listed(b"http://169.254.169.254/latest/"), {"http://169.254.169.254/latest/": "only machines of one network see"}),
    web("an address of 5,000 letters", listed(b"http://example.com/" + b"a" * 5000), {"http://example.com/" + "a" * 980 + "…": "The address has 5,019 characters"}),
    web("a zero in an address", listed(b"http://example.com/a\x00b"), {"http://example.com/a␀b": "a space, a control character"}),
    web("the same address 100,000 times", listed(*[b"file:///a"] * 100_000), {"file:///a": "begins with neither"}, why="each address once"),
    web("no address in a line", listed(b",CC0", heading=b"url,licence"), {"line 3": "This line has no address in its column “url”"}),
    web("the same column twice", listed(b"file:///a,file:///b", heading=b"url,url"), {"file:///a": "begins with neither"}, why="the first that says something"),
    web("bytes that are no text", bare_list(b"http://example.com/\xff\n"), whole="The list is not text in UTF-8"),
    web("UTF-16", bare_list("http://example.com/\n".encode("utf-16")), whole="The list is not text in UTF-8"),
    web("40 MB", bare_list(b"http://example.com/\n" * 2_000_000), whole="The list is longer than 33,554,432 bytes"),
    web("a million addresses", bare_list(b"".join(b"http://a/%d\n" % n for n in range(1_000_000))), whole="The list has more than 500,000 lines"),
    web("10 million columns", bare_list(b"url" + b"," * 10_000_000 + b"\nhttp://a/\n"), whole="Its first line names 10,000,001 columns"),
    web("a quote that never ends", bare_list(b'url\n"' + b"x" * 2_000_000), whole="The list is not text in UTF-8 (field larger than field limit"),
    web("zeros", bare_list(bytes(100_000)), whole="This is no list of web addresses"),
    # FER2013
    faces("too few pixels", fer(pixels(NUMBERS[:-4])), {MIDDLE: "numbers; 48 × 48 are 2,304"}),
    faces("too many pixels", fer(pixels(NUMBERS + b" 1")), {MIDDLE: "holds 2,305 numbers"}),
    faces("a pixel of 1e308", fer(pixels(NUMBERS + b" 1e308")), {MIDDLE: WHOLE}),
    faces("a pixel of -1", fer(pixels(b"-1 " + NUMBERS)), {MIDDLE: WHOLE}),
    faces("a pixel of 256", fer(pixels(b"256 " + NUMBERS)), {MIDDLE: WHOLE}),
    faces("a pixel of 5,000 digits", fer(pixels(b"9" * 5000)), {MIDDLE: WHOLE}),
    faces("a line of 20 MB", fer(pixels(b"1 " * 10_000_000)), {MIDDLE: "columns where the heading names 3"}),
    faces("a million columns", fer(b"," * 1_000_000 + b"\n"), {MIDDLE: "columns where the heading names 3"}),
    faces("a quote that never ends", fer(b'0,"1 2 3\n'), {MIDDLE: "It has 2 columns where the heading names 3"}),
    faces("an emotion of -1", fer(b"-1," + NUMBERS + b",Training\n"), {MIDDLE: "The column emotion says “-1”"}),
    faces("an emotion that is a formula", fer(FORMULA + b"," + NUMBERS + b",Training\n"), {MIDDLE: "The column emotion says “=cmd|"}),
    faces("an emotion in other digits", fer("٣,".encode() + NUMBERS + b",Training\n"), {MIDDLE: "it must be a number from 0 to 6"}),
    faces("zeros among the pixels", fer(pixels(b"1 \x00 2")), {MIDDLE: WHOLE}),
    faces("bytes that are no text", fer(b"\xff\xfe" * 50 + b"\n"), {MIDDLE: "It has 1 columns"}),
    faces("a set nobody knows", fer(b"0," + NUMBERS + b",Secret\n"), {MIDDLE: "The column Usage says “Secret”"}),
    faces("UTF-16", fer(heading="emotion,pixels,Usage\n".encode("utf-16")), whole=NO_FER),
    faces("with a mark of byte order", fer(heading=b"\xef\xbb\xbfemotion,pixels,Usage\n"), why="it is passed over"),
    faces("its heading twice", fer(b"emotion,pixels,Usage\n"), {MIDDLE: "The column emotion says “emotion”"}),
    faces("no heading", fer(heading=b""), whole=NO_FER),
    Row("a table that is none", bare_list(b"a,b,c\n1,2,3\n"), whole=NO_TABLE),
    # FER+
    votes("votes of 5,000 digits", VOTES.replace(b",10,", b"," + b"9" * 5000 + b",", 1), NO_VOTES),
    votes("negative votes", VOTES.replace(b",10,", b",-10,", 1), NO_VOTES),
    votes("no table of votes", b"a,b\n", whole="is no FER+ table: it lacks"),
    votes("a line of 20 MB", VOTES + b"x" * 20_000_000, why="it is a row that nobody asks for"),
    votes("300,000 rows", VOTES + b"a\n" * 300_000, whole="has more than 200,000 rows"),
    votes("UTF-16", VOTES.decode().encode("utf-16"), whole="is no FER+ table"),
]  # fmt: skip


@pytest.mark.parametrize("row", TABLES, ids=lambda row: row.what)
def test_hostile_table(row: Row, cells: Cells, tmp_path: Path) -> None:
    cells.hold(row, tmp_path)
