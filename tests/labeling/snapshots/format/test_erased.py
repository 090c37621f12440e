"""Faces taken out of a snapshot folder: what is left is proved still."""

import hashlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from labeling.snapshots import format as snapshots
from labeling.snapshots.format import files
from tests.labeling.snapshots.format.folders import SHARD, erase, forge, rows_of, write
from tests.snapshot_folders import make_snapshot_folder


@settings(max_examples=25)
@given(some.lists(some.lists(some.integers(0, 34), max_size=20), min_size=1, max_size=3))
def test_what_is_left_after_erasures_is_proved_still(tmp_path_factory, rounds: list[list[int]]) -> None:
    folder = tmp_path_factory.mktemp("erased") / "made"
    before = make_snapshot_folder(folder, images_per_class=5, size=16)
    rows = rows_of(folder)
    gone: set[int] = set()
    for wanted in rounds:
        keys = [rows[number]["face_key"] for number in wanted]
        assert snapshots.find(folder, keys).count == len(set(wanted) - gone)
        gone |= set(wanted)
        erase(folder, keys)
        assert snapshots.find(folder, keys).count == 0
        assert snapshots.verify(folder) == []
    assert rows_of(folder) == [row for number, row in enumerate(rows) if number not in gone]
    manifest = snapshots.read_manifest(folder)
    assert (manifest.digest, manifest.rows, manifest.erased) == (before.digest, 35, len(gone))
    bytes_left = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    for number in gone:
        assert rows[number]["image"] not in bytes_left
        assert rows[number]["media_sha256"].encode() not in bytes_left


def test_only_the_shards_with_erased_faces_are_written_anew(
    folder: Path, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(files, "SHARD_ROWS", 10)
    write(tmp_path / "many", rows_of(folder))
    erase(tmp_path / "many", [rows_of(folder)[11]["face_key"]])
    assert [shard.name for shard in snapshots.read_manifest(tmp_path / "many").shards] == [
        SHARD, "faces-00001.1.parquet", "faces-00002.parquet", "faces-00003.parquet",
    ]  # fmt: skip


@pytest.mark.parametrize("told", [True, False])
def test_faces_are_found_in_whichever_group_of_rows_they_are(
    told: bool, folder: Path, tmp_path: Path, monkeypatch
) -> None:
    """told: whether the shard says from which key to which its groups go."""
    monkeypatch.setattr(files, "GROUP_ROWS", 4)
    write(tmp_path / "many", rows_of(folder))
    shard = tmp_path / "many" / SHARD
    table = pq.read_table(shard)
    pq.write_table(table, shard, row_group_size=4, write_statistics=told)
    assert pq.read_metadata(shard).num_row_groups == 9
    keys = [row["face_key"] for row in rows_of(folder)]
    for wanted in (keys[:1], keys[3:5], keys[-1:], keys[::7], keys):
        found = snapshots.find(tmp_path / "many", [*wanted, "0" * 64, "f" * 64])
        assert found.count == len(wanted)
        (places,) = found.places().values()
        here = [number for number, key in enumerate(keys) if key in wanted]
        assert [offset for offset, _length in places] == table.take(here)["offset"].to_pylist()
    assert snapshots.find(tmp_path / "many", ["0" * 64, f"{keys[0]}0", "f" * 64]).places() == {}


def test_verify_finds_an_erasure_that_stopped_half_way(folder: Path, tmp_path: Path) -> None:
    (name,) = snapshots.read_manifest(folder).packs
    whole, row = (folder / "packs" / name).read_bytes(), rows_of(folder)[20]
    erase(folder, [row["face_key"]])
    (folder / "packs" / name).write_bytes(whole)
    assert snapshots.verify(folder) == [
        snapshots.Problem(
            f"packs/{name}",
            f"It still holds images of erased faces (row 20 of faces-00000.1.parquet, face {row['face_key'][:12]}…). "
            "Go on with their erasure.",
        )
    ]


def test_a_pack_whose_images_are_all_erased_need_not_be_there(folder: Path) -> None:
    erase(folder, [row["face_key"] for row in rows_of(folder)])
    assert not list((folder / "packs").iterdir())
    assert snapshots.verify(folder) == []
    assert rows_of(folder) == []


def test_an_erased_row_that_says_more_than_its_key_is_found(folder: Path) -> None:
    erase(folder, [rows_of(folder)[0]["face_key"]])
    shard = folder / "faces-00000.1.parquet"
    rows = pq.read_table(shard).to_pylist()
    rows[0]["author"] = "Zoë"
    pq.write_table(pa.Table.from_pylist(rows, schema=snapshots.SCHEMA), shard)
    data = shard.read_bytes()
    changed = snapshots.Shard(shard.name, 35, len(data), hashlib.sha256(data).hexdigest())
    forge(folder, shards=(changed,))
    (problem,) = snapshots.verify(folder)
    assert problem.what.startswith("Row 0, column erased: a face is gone")
