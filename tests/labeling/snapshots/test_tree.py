"""The zip an export is: what is put in comes out, by other tools too, of any size and number."""

import hashlib
import io
import os
import shutil
import struct
import subprocess
import threading
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labeling.snapshots.exports.tree import SUMS, Tree, unpacked

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\\\n\r\x00"), min_size=1, max_size=20)


@given(
    st.dictionaries(NAMES, st.binary(max_size=3_000), max_size=12),
    st.integers(0, 12),
    st.sampled_from(((1, 1), (999, 1), (3_000, 1), (1_000, 50), (65_535, 50), (70_000, 50))),
)
@settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_a_tree_gives_back_what_was_put_in(
    tmp_path: Path, files: dict[str, bytes], few: int, cut: tuple[int, int]
) -> None:
    piece, times = cut
    files.pop(SUMS, None)
    names = list(files)
    # Those written piece by piece are large enough for several blocks, or small enough for less than one.
    for name in names[few:]:
        files[name] *= times

    def tree_of(target: Path, piece: int) -> bytes:
        with Tree(target) as tree:
            tree.add_many(
                names[:few],
                [files[name] for name in names[:few]],
                [hashlib.sha256(files[name]).hexdigest() for name in names[:few]],
            )
            for name in names[few:]:
                with tree.open(name) as member:
                    for start in range(0, len(files[name]), piece):
                        member.write(files[name][start : start + piece])
        content = target.read_bytes()
        assert tree.sha256 == hashlib.sha256(content).hexdigest()
        return content

    sums = "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in files.items())
    target = tmp_path / "tree.zip"
    content = tree_of(target, piece)
    with zipfile.ZipFile(target) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [*names, SUMS]
        assert {name: archive.read(name) for name in archive.namelist()} == {**files, SUMS: sums.encode()}
    with target.open("rb") as file:
        assert {name: b"".join(blocks) for name, blocks in unpacked(file)} == {
            **files,
            SUMS: sums.encode(),
        }
    assert [path.name for path in tmp_path.iterdir()] == ["tree.zip"]
    assert tree_of(target, 1_000_000) == content


@pytest.mark.parametrize("size", [0, 1, 65_534, 65_535, 65_536, 131_070, 3_000_000])
def test_other_tools_open_a_tree_whatever_the_size_of_what_was_written_in_pieces(
    tmp_path: Path, size: int
) -> None:
    content = bytes(range(251)) * (size // 251 + 1)
    with Tree(tmp_path / "tree.zip") as tree:
        tree.add("before.txt", b"small")
        with tree.open("large.bin") as member:
            member.write(content[:size])
        tree.add("after.txt", b"too")
    if shutil.which("unzip"):
        tested = subprocess.run(
            ["unzip", "-tq", tmp_path / "tree.zip"], capture_output=True, text=True, check=False
        )
        assert tested.returncode == 0, tested.stdout + tested.stderr
    shutil.unpack_archive(tmp_path / "tree.zip", tmp_path / "out", "zip")
    assert (tmp_path / "out" / "large.bin").read_bytes() == content[:size]
    assert (tmp_path / "out" / "after.txt").read_bytes() == b"too"


@pytest.mark.parametrize("most", [0, 2**32], ids=["small", "reckoned to be large"])
def test_a_tree_is_read_from_front_to_end_as_others_do_it(tmp_path: Path, most: int) -> None:
    content = bytes(range(251)) * 800
    with Tree(tmp_path / "tree.zip") as tree:
        with tree.open("pieces", most) as member:
            member.write(content)
        tree.add("whole", b"known")
    found = dict(front_to_end((tmp_path / "tree.zip").read_bytes()))
    assert list(found) == ["pieces", "whole", SUMS]
    assert (found["pieces"], found["whole"]) == (content, b"known")
    with (tmp_path / "tree.zip").open("rb") as file:
        assert {name: b"".join(blocks) for name, blocks in unpacked(file)} == found


def front_to_end(archive: bytes) -> Iterator[tuple[str, bytes]]:
    """As APPNOTE.TXT has it (4.3.9.2): sizes behind a file have 64 bits exactly if its head has a part that says so."""
    at = 0
    while archive[at : at + 4] == b"PK\x03\x04":
        flags, method, _time, _date, crc, stored, size, name, extra = struct.unpack_from(
            "<6xHHHHIIIHH", archive, at
        )
        at += 30
        begun = at + name + extra
        large = archive[at + name : at + name + 2] == b"\x01\x00"
        if method == 8:
            reader = zlib.decompressobj(-15)
            content = reader.decompress(archive[begun:])
            assert reader.eof
            end = len(archive) - len(reader.unused_data)
            assert flags & 8
            sign, crc, stored, size = struct.unpack_from("<IIQQ" if large else "<IIII", archive, end)
            assert (sign, stored) == (0x08074B50, end - begun)
            after = end + (24 if large else 16)
        else:
            content = archive[begun : begun + stored]
            after = begun + stored
        assert (zlib.crc32(content), len(content)) == (crc, size)
        yield archive[at : at + name].decode(), content
        at = after
    assert archive[at : at + 4] == b"PK\x01\x02"


@pytest.mark.parametrize("first", ["list", "sums"])
def test_a_tree_that_cannot_begin_leaves_no_thread_and_no_file_open(tmp_path: Path, first: str) -> None:
    (tmp_path / f"tree.zip.{first}").mkdir()
    threads, files = threading.active_count(), len(os.listdir("/proc/self/fd"))
    with pytest.raises(IsADirectoryError):
        Tree(tmp_path / "tree.zip")
    assert threading.active_count() == threads
    assert len(os.listdir("/proc/self/fd")) == files


def test_a_tree_that_ends_early_is_refused(tmp_path: Path) -> None:
    target = tmp_path / "tree.zip"
    with Tree(target) as tree, tree.open("large") as member:
        member.write(b"l" * 2_000_000)
    content = target.read_bytes()
    for end in (10, 1_000, 1_999_999):
        with pytest.raises(EOFError, match="ends early"):
            list(unpacked(io.BytesIO(content[:end])))


def test_a_tree_of_more_files_than_an_old_zip_counts_opens(tmp_path: Path) -> None:
    target = tmp_path / "tree.zip"
    names = [f"{number}" for number in range(70_000)]
    with Tree(target) as tree:
        tree.add_many(names, [b"x"] * len(names), ["0" * 64] * len(names))
    with zipfile.ZipFile(target) as archive:
        assert archive.namelist() == [*names, SUMS]
        assert archive.read("69999") == b"x"
