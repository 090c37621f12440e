"""Lists of web addresses: plain ones, tables, and what only looks like one."""

import pytest

from labeling.sources.base import Note
from labeling.sources.weblist import BadList, Entry, looks_like_one, parse

pytestmark = pytest.mark.once


def test_an_address_a_line_with_remarks_and_empty_lines() -> None:
    text = "\ufeff# from the museum\n\nhttps://a.example.com/1.jpg\r\n  https://a.example.com/2.jpg  \n"
    assert parse(text.encode()) == [
        Entry("https://a.example.com/1.jpg", Note()),
        Entry("https://a.example.com/2.jpg", Note()),
    ]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_table_says_whose_each_is(delimiter: str) -> None:
    rows = [
        ["Title", "URL", "License", "Artist", "Page", "ignored"],
        ["Mona Lisa", "https://a.example.com/1.jpg", "CC0", "Leonardo", "https://a.example.com/1", "x"],
        ["", "https://a.example.com/2.jpg", "", "", "", ""],
    ]
    text = "# remark\n\n" + "\n".join(delimiter.join(row) for row in rows)
    note = Note(licence="CC0", author="Leonardo", page_url="https://a.example.com/1", title="Mona Lisa")
    assert parse(text.encode()) == [
        Entry("https://a.example.com/1.jpg", note),
        Entry("https://a.example.com/2.jpg", Note()),
    ]


def test_a_cell_may_hold_the_delimiter_and_a_line_break() -> None:
    text = 'url,author\nhttps://a.example.com/1.jpg,"Doe, Jane\nand others"\n'
    assert parse(text.encode()) == [
        Entry("https://a.example.com/1.jpg", Note(author="Doe, Jane\nand others"))
    ]


def test_an_address_twice_is_one_and_its_first_line_counts() -> None:
    text = "url,author\nhttps://a.example.com/1.jpg,Ada\nhttps://a.example.com/1.jpg,Bob\n"
    assert [entry.note.author for entry in parse(text.encode())] == ["Ada"]


def test_what_can_never_be_fetched_is_said_at_once() -> None:
    long = "https://a.example.com/" + "x" * 1000
    text = f"url,author\nfile:///etc/passwd,\nhttp://2130706433/,\n,Ada\n{long},\n"
    names = [(entry.name[:20], entry.reason[:32]) for entry in parse(text.encode())]
    assert names == [
        ("file:///etc/passwd", "The address begins with neither "),
        ("http://2130706433/", "The host “2130706433” is a numbe"),
        ("line 4", "This line has no address in its "),
        ("https://a.example.co", "The address has 1,022 characters"),
    ]


@pytest.mark.parametrize("data", [b"words", b"name,age\nAda,36\n", b"\xff\xfe\x00", b"", b"# only a remark"])
def test_what_is_no_list_is_said(data: bytes) -> None:
    assert not looks_like_one(data)
    with pytest.raises(BadList):
        parse(data)


def test_a_list_is_known_by_its_first_line() -> None:
    assert looks_like_one(b"\n# remark\nhttps://a.example.com/1.jpg")
    assert looks_like_one(b"licence;url\n")
    assert not looks_like_one(b"emotion,pixels,Usage\n")
    assert not looks_like_one(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR")
