"""Tables of labels: how they are written, where they lie, what is wrong in them."""

import io
from pathlib import Path

import pytest

from labeling.models import FaceLabel
from labeling.sources import ingest
from labeling.sources.base import Reader
from labeling.sources.labelled import table as tables
from tests.labeling.sources.labelled_sets import OPTIONS, labelled, said, splits
from tests.labeling.sources.places import (
    png,
    reasons,
    states,
    write,
    zipped,
)

pytestmark = pytest.mark.django_db


TABLE = "﻿Path;Label;Usage;Origin\r\na.png;Happiness;Training;Ada\r\n.\\deep\\b.png;sad;PrivateTest;\r\n"


def test_a_table_with_byte_order_mark_semicolons_and_backslashes(tmp_path: Path) -> None:
    folder = write(
        tmp_path / "in", {"labels.csv": TABLE, "a.png": png(1), "deep/b.png": png(2), "not.png": png(3)}
    )
    source = labelled(folder)
    assert states(source) == {"a.png": "ingested", "deep/b.png": "ingested"}
    assert said() == {"a.png": "happy", "b.png": "sad"}
    assert splits() == {"a.png": "train", "b.png": "test"}
    origins = FaceLabel.objects.values_list("face__media__original_name", "origin")
    assert dict(origins) == {"a.png": "Ada", "b.png": "Dr. Lan, 2026"}


def test_the_table_itself_can_be_named_and_lies_beside_its_pictures(tmp_path: Path) -> None:
    folder = write(tmp_path / "in", {"mine.tsv": "image\temotion\na.png\t3\n", "a.png": png(1)})
    labelled(folder / "mine.tsv", numbers=True)
    assert said() == {"a.png": "happy"}


NESTED: dict[str, bytes | str] = {
    "myset/labels.csv": "path,label\nimg/a.png,happy\n./img/b.png,sad\nimg/b.png,fear\n../c.png,sad\n",
    "myset/img/a.png": png(1),
    "myset/img/b.png": png(2),
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("options", [{}, {"table": "myset/labels.csv"}])
def test_in_a_folder_with_its_set_a_table_is_found_and_its_paths_begin_there(
    tmp_path: Path, packed: bool, options: dict[str, str]
) -> None:
    place = zipped(tmp_path / "a.zip", NESTED) if packed else write(tmp_path / "in", NESTED)
    source = labelled(place, **options)
    assert said() == {"a.png": "happy", "b.png": "sad"}
    assert states(source) == {
        "myset/img/a.png": "ingested", "myset/img/b.png": "ingested", "myset/img/b.png (line 4)": "refused",
        "myset/../c.png": "refused",
    }  # fmt: skip
    ingest.retry_refused(source=source)
    ingest.ingest(source.pk)
    assert reasons(source)["myset/../c.png"] == "Its path leads out of the set."


def test_paths_may_begin_at_the_set_though_the_table_lies_deeper(tmp_path: Path) -> None:
    files: dict[str, bytes | str] = {"tables/l.csv": "path,label\nimg/a.png,happy\n", "img/a.png": png(1)}
    source = labelled(write(tmp_path / "in", files), table="tables/l.csv")
    assert states(source) == {"img/a.png": "ingested"}


def test_beside_other_folders_a_folder_with_a_table_is_a_class(tmp_path: Path) -> None:
    files = {name.replace("myset", "happy"): content for name, content in NESTED.items()}
    source = labelled(write(tmp_path / "in", {**files, "sad/c.png": png(3)}))
    assert said() == {"a.png": "happy", "b.png": "happy", "c.png": "sad"}
    assert set(reasons(source)) == {"happy/labels.csv"}


def test_every_bad_line_of_a_table_says_why(tmp_path: Path) -> None:
    rows = [
        "path,label,split",
        "a.png,happy,train",
        "a.png,happy,train",
        "a.png,sad,train",
        '"two\nlines.png",happy,',
        "gone.png,happy,",
        "../out.png,happy,",
        "/etc/passwd,happy,",
        ",happy,",
        "b.png,wistful,",
        "c.png,happy,third",
        "",
    ]
    files = {
        "labels.csv": "\n".join(rows),
        "a.png": png(1),
        "two\nlines.png": png(2),
        "b.png": png(3),
        "c.png": png(4),
    }
    source = labelled(write(tmp_path / "in", files))
    assert said() == {"a.png": "happy", "two\nlines.png": "happy"}
    told = reasons(source)
    assert told["a.png (line 4)"] == (
        "Line 4 calls this file sad (train), an earlier line happy. The earlier one counts; mend the table."
    )
    assert told["gone.png"] == "The file cannot be opened (No such file or directory)."
    assert told["../out.png"] == told["/etc/passwd"] == "Its path leads out of the set."
    assert told["line 10"] == "This line of the table names no file."
    assert "The class “wistful”" in told["b.png"]
    assert "The split “third”" in told["c.png"]
    assert len(told) == 7


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"one,two\n", "does not name its columns"),
        (b"", "does not name its columns"),
        (b"path,label\n\xff\xfe.png,happy\n", "not text in UTF-8"),
        (b'path,label\n"never ended,happy\n' + b"x.png,happy\n" * 20_000, "cannot be read from line"),
        (b"path,label\n" + b"x" * 3_000_000, "has more than 1,048,576 characters"),
    ],
)
def test_a_table_that_cannot_be_read_ends_the_look(tmp_path: Path, text: bytes, why: str) -> None:
    folder = write(tmp_path / "in", {"labels.csv": text})
    source = ingest.add(kind="labelled", location=folder, options=OPTIONS)
    ingest.ingest(source.pk)
    source.refresh_from_db()
    assert source.state == "failed"
    assert why in source.error


def test_a_table_in_utf_16_as_spreadsheets_save_it(tmp_path: Path) -> None:
    folder = write(
        tmp_path / "in",
        {"labels.csv": "path\tlabel\na.png\tÜberraschung\n".encode("utf-16"), "a.png": png(1)},
    )
    labelled(folder)
    assert said() == {"a.png": "surprise"}


class _Endless(io.RawIOBase):
    """A table of so many bytes that nobody has on a disk."""

    def __init__(self, most: int) -> None:
        self._left, self._row = most, 0

    def read(self, size: int = -1) -> bytes:
        if self._left <= 0:
            return b""
        first, self._row = self._row, self._row + 10_000
        rows = b"".join(b"pictures/%08d.png,happy,train,some origin\n" % n for n in range(first, self._row))
        rows = (b"path,label,split,origin\n" if first == 0 else b"") + rows
        self._left -= len(rows)
        return rows


@pytest.mark.once
def test_a_table_is_read_a_piece_at_a_time() -> None:
    import tracemalloc

    tracemalloc.start()
    count = sum(1 for _ in tables.parsed(Reader(_Endless(20_000_000), broken=()), lambda: None))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count > 400_000
    assert peak < 8_000_000
