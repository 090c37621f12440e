"""What a tree of sources.csv says, however many there are of them."""

import io
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from labeling.sources import notes
from labeling.sources.base import Note, Reader, Unusable


def test_no_more_notes_are_held_than_allowed_and_all_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notes, "_MOST_ROWS", 4)
    opened: Counter[str] = Counter()

    @contextmanager
    def open_file(name: str) -> Iterator[Reader]:
        opened[name] += 1
        folder = name.removesuffix("sources.csv").rstrip("/")
        if folder and folder not in "abc":
            raise Unusable("There is none.")
        author = folder or "top"
        yield Reader(io.BytesIO(f"file,author\n1.png,{author}\n2.png,{author}\n".encode()), broken=(OSError,))

    tree = notes.Notes(open_file)
    asked = ["a/1.png", "a/2.png", "b/1.png", "1.png", "c/2.png", "a/1.png"]
    assert [tree.of(name).author for name in asked] == ["a", "a", "b", "top", "c", "a"]
    assert opened == {"a/sources.csv": 2, "b/sources.csv": 1, "sources.csv": 1, "c/sources.csv": 1}


@pytest.mark.parametrize("between", [",", ";", "\t"])
def test_commas_semicolons_and_tabs_are_read_alike(between: str) -> None:
    rows = [["License", "file", "author"], ["CC BY 4.0", "a.png", '"Ann, Bob; and others"']]
    data = "\ufeff" + "\r\n".join(between.join(row) for row in rows)
    told = notes.parse(Reader(io.BytesIO(data.encode()), broken=(OSError,)))
    assert told == {"a.png": Note(licence="CC BY 4.0", author="Ann, Bob; and others")}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"file\n" + b"a.png\n" * 500_001, "more than 500,000 lines"),
        (b"file" + b"," * 1000, "names 1,001 columns; 1,000 are allowed"),
    ],
)
def test_notes_that_are_too_long_are_refused(content: bytes, said: str) -> None:
    with pytest.raises(notes.BadNotes, match=said):
        notes.parse(Reader(io.BytesIO(content), broken=(OSError,)))
