"""Scans are counted by the markers of the picture alone."""

import io
from pathlib import Path

import pytest

from labeling.vision import images, scans
from tests.labeling.sources.hostile.images import many_scans, saved


def test_a_progressive_picture_has_some_scans_and_a_plain_one_has_one(tmp_path: Path) -> None:
    plain, progressive = saved("JPEG"), saved("JPEG", progressive=True)
    assert not scans.more_than(1, io.BytesIO(plain))
    assert scans.more_than(1, io.BytesIO(progressive))
    assert not scans.more_than(20, io.BytesIO(progressive))
    (tmp_path / "a.jpg").write_bytes(progressive)
    with (tmp_path / "a.jpg").open("rb") as file:
        assert scans.more_than(1, file)
        assert file.tell() == 0


def test_what_lies_behind_the_picture_or_in_its_segments_does_not_count() -> None:
    plain, marks = saved("JPEG"), b"\xff\xda\x00\x02" * 300
    comment = b"\xff\xfe" + (len(marks) + 2).to_bytes(2, "big") + marks
    assert not scans.more_than(1, io.BytesIO(plain + marks))
    assert not scans.more_than(1, io.BytesIO(plain[:2] + comment + plain[2:]))


@pytest.mark.parametrize("junk", [b"", b"\xff", b"\xff\xd8", b"\xff\xd8\xff\xda", b"\xff" * 5000])
def test_what_is_cut_has_the_scans_that_are_there(junk: bytes) -> None:
    assert not scans.more_than(1, io.BytesIO(junk))


def test_a_hundred_scans_are_read_and_more_are_refused() -> None:
    assert images.open_image(many_scans(50, 64)).shape == (64, 64, 3)
    with pytest.raises(images.BadImage, match="more than 100 scans"):
        images.open_image(many_scans(101, 64))
