"""Makers of hostile tables: sources.csv beside pictures, lists of addresses, FER2013 and FER+."""

from pathlib import Path

from tests.labeling.sources.hostile.images import fixed
from tests.labeling.sources.hostile.rows import GOOD, Bait, Make
from tests.labeling.sources.places import FERPLUS_HEAD, fer_row, png

HEADING = b"emotion,pixels,Usage\n"
ROWS = [fer_row(n, n).encode() + b"\n" for n in range(2)]
"""The good ones: the first and the last of each table."""


def notes(content: bytes) -> Make:
    """A folder of two good pictures with that sources.csv."""

    def make(root: Path, bait: Bait) -> Path:
        for number, good in enumerate(GOOD):
            (root / good).write_bytes(png(number))
        (root / "sources.csv").write_bytes(content)
        return root

    return make


def listed(*lines: bytes, heading: bytes = b"") -> Make:
    """A list of addresses: the good ones first and last."""

    def make(root: Path, bait: Bait) -> Path:
        first, last = (f"{bait.url}/{good}".encode() for good in GOOD)
        path = root / "list.csv"
        path.write_bytes(b"\n".join([*([heading] if heading else []), first, *lines, last, b""]))
        return path

    return make


def bare_list(content: bytes) -> Make:
    return _file("list.csv", content)


def fer(*lines: bytes, heading: bytes = HEADING) -> Make:
    return _file("fer.csv", heading + ROWS[0] + b"".join(lines) + ROWS[1])


def _file(name: str, content: bytes) -> Make:
    make_bytes = fixed(content)

    def make(root: Path, bait: Bait) -> Path:
        (root / name).write_bytes(make_bytes(bait))
        return root / name

    return make


def pixels(text: bytes) -> bytes:
    """A row whose pixels are these."""
    return b"0," + text + b",Training\n"


def ferplus(content: bytes) -> Make:
    """The good table with that table of votes beside it; the source's options name it."""

    def make(root: Path, bait: Bait) -> Path:
        (root / "ferplus.csv").write_bytes(content)
        return fer()(root, bait)

    return make


VOTES = FERPLUS_HEAD.encode() + b"\n" + b"Training,a,10,0,0,0,0,0,0,0,0,0\n" * 2
