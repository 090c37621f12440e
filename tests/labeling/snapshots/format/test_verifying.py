"""Whatever has changed in a snapshot folder is found."""

import hashlib
import json
import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from labeling.expressions import SEVEN
from labeling.snapshots import format as snapshots
from tests.labeling.snapshots.format.folders import SHARD, canonical, forge, rows_of, text_of, write


def test_verify_finds_every_flipped_bit_of_the_manifest(folder: Path) -> None:
    file = folder / snapshots.MANIFEST
    whole = file.read_bytes()
    for place in range(len(whole)):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert snapshots.verify(folder) != [], (place, whole[place - 20 : place + 20])
    file.write_bytes(whole)
    assert snapshots.verify(folder) == []


def test_verify_finds_a_flipped_bit_anywhere_in_a_shard(folder: Path) -> None:
    file, draw = folder / SHARD, random.Random(0)
    whole = file.read_bytes()
    for place in draw.sample(range(len(whole)), 150):
        file.write_bytes(
            whole[:place] + bytes([whole[place] ^ (1 << draw.randrange(8))]) + whole[place + 1 :]
        )
        assert [problem.where for problem in snapshots.verify(folder)] == [SHARD]


def test_verify_names_the_picture_that_changed(folder: Path) -> None:
    row, (name,) = rows_of(folder)[11], snapshots.read_manifest(folder).packs
    file = folder / "packs" / name
    whole = bytearray(file.read_bytes())
    whole[whole.index(row["image"]) + len(row["image"]) // 2] ^= 1
    file.write_bytes(whole)
    (problem,) = snapshots.verify(folder)
    assert problem == snapshots.Problem(
        f"packs/{name}",
        f"Images in it have changed (row 11 of {SHARD}, face {row['face_key'][:12]}…): their sha256 is not that "
        "of their rows.",
    )


def test_verify_finds_a_flipped_bit_anywhere_in_a_pack(folder: Path) -> None:
    (name,) = snapshots.read_manifest(folder).packs
    file, draw = folder / "packs" / name, random.Random(1)
    whole = file.read_bytes()
    for place in draw.sample(range(len(whole)), 40):
        file.write_bytes(
            whole[:place] + bytes([whole[place] ^ (1 << draw.randrange(8))]) + whole[place + 1 :]
        )
        assert [problem.where for problem in snapshots.verify(folder)] == [f"packs/{name}"]


def test_verify_finds_a_pack_that_is_missing_or_cut(folder: Path) -> None:
    (name,) = snapshots.read_manifest(folder).packs
    file = folder / "packs" / name
    file.write_bytes(file.read_bytes()[:-1])
    (problem,) = snapshots.verify(folder)
    assert problem.what.startswith(f"Images in it have changed (row 34 of {SHARD}, face")
    (folder / "packs" / "other.pack").write_bytes(b"")
    assert snapshots.verify(folder) == [
        snapshots.Problem("packs/other.pack", "This file is not part of the snapshot.")
    ]
    (folder / "packs" / "other.pack").unlink()
    file.unlink()
    assert snapshots.verify(folder) == [snapshots.Problem(f"packs/{name}", "This file is missing.")]


def test_verify_names_the_column_that_changed(folder: Path) -> None:
    file = folder / SHARD
    column = (
        pq.ParquetFile(file).metadata.row_group(0).column(snapshots.SCHEMA.get_field_index("label_index"))
    )
    whole = bytearray(file.read_bytes())
    whole[(column.dictionary_page_offset or column.data_page_offset) + column.total_compressed_size - 1] ^= 1
    file.write_bytes(whole)
    (problem,) = snapshots.verify(folder)
    assert problem.what.startswith("Its bytes have changed (rows 0 to 34, column label_index)")


def test_verify_finds_missing_cut_and_strange_files(folder: Path) -> None:
    (folder / "notes.txt").write_text("mine")
    shard = folder / SHARD
    size = shard.stat().st_size
    shard.write_bytes(shard.read_bytes()[:-1])
    assert snapshots.verify(folder) == [
        snapshots.Problem(SHARD, f"It has {size - 1} bytes instead of {size}."),
        snapshots.Problem("notes.txt", "This file is not part of the snapshot."),
    ]
    shard.unlink()
    assert snapshots.verify(folder)[0] == snapshots.Problem(SHARD, "This file is missing.")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"digest": "0" * 64}, "The digest is not that of"),
        ({"rule": {"seed": 1}}, "The digest is not that of"),
        ({"rows": 36}, "The counts are not those"),
        ({"splits": {"train": {}, "validation": {}, "test": {}}}, "The counts are not those"),
        ({"classes": (*SEVEN[1:], SEVEN[0])}, "Row 0, column label"),
        ({"erased": 1}, "The counts are not those"),
        ({"packs": ()}, "This file is not part"),
    ],
)
def test_verify_finds_a_manifest_that_tells_of_other_rows(fields: dict, said: str, folder: Path) -> None:
    forge(folder, **fields)
    (problem,) = snapshots.verify(folder)
    assert problem.what.startswith(said)


def test_verify_finds_a_row_that_was_edited_with_its_manifest(folder: Path) -> None:
    rows = pq.read_table(folder / SHARD).to_pylist()
    rows[3]["split"] = "test" if rows[3]["split"] == "train" else "train"
    pq.write_table(pa.Table.from_pylist(rows, schema=snapshots.SCHEMA), folder / SHARD)
    forge(folder, folder / SHARD)
    assert [problem.what for problem in snapshots.verify(folder)] == [
        "Row 3, column row_sha256: not that of the row."
    ]
    rows[3]["row_sha256"] = hashlib.sha256(canonical(rows[3])).hexdigest()
    pq.write_table(pa.Table.from_pylist(rows, schema=snapshots.SCHEMA), folder / SHARD)
    forge(folder, folder / SHARD)
    assert [problem.what for problem in snapshots.verify(folder)] == [
        "The digest is not that of the rows, classes and rule."
    ]
    rows[3]["split"] = "exam"
    pq.write_table(pa.Table.from_pylist(rows, schema=snapshots.SCHEMA), folder / SHARD)
    forge(folder, folder / SHARD)
    assert snapshots.verify(folder) == [
        snapshots.Problem(SHARD, "Row 3, column split: there is no split 'exam'.")
    ]


def test_verify_finds_a_shard_of_something_else(folder: Path) -> None:
    pq.write_table(pa.table({"a": np.arange(3)}), folder / SHARD)
    forge(folder, folder / SHARD)
    assert snapshots.verify(folder) == [
        snapshots.Problem(SHARD, "It holds no rows of a snapshot: its columns are a.")
    ]


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/b", "", ".hidden", "manifest.json"])
def test_a_manifest_cannot_name_a_file_elsewhere(name: str, folder: Path) -> None:
    body = json.loads(text_of(folder))
    body["shards"][0]["name"] = name
    (folder / snapshots.MANIFEST).write_text(json.dumps(body))
    with pytest.raises(snapshots.NotASnapshot, match="lacks or misspells a field"):
        snapshots.read_manifest(folder)


@settings(max_examples=200)
@given(
    some.binary(max_size=60)
    | some.recursive(some.none() | some.integers() | some.text(), some.lists).map(repr)
)
def test_no_manifest_breaks_the_reader(tmp_path_factory, content: bytes | str) -> None:
    folder = tmp_path_factory.mktemp("any")
    (folder / snapshots.MANIFEST).write_bytes(content if isinstance(content, bytes) else content.encode())
    assert [problem.where for problem in snapshots.verify(folder)] == [snapshots.MANIFEST]


def test_fields_of_other_kinds_are_no_manifest(folder: Path) -> None:
    good = json.loads(text_of(folder))
    for name in good:
        for other in (None, 3.5, "x", [1], {"a": "b"}):
            (folder / snapshots.MANIFEST).write_text(json.dumps({**good, name: other}))
            assert snapshots.verify(folder) != [], (name, other)


def test_a_folder_without_a_manifest_is_no_snapshot(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(snapshots.NotASnapshot, match=r"has no manifest\.json"):
            snapshots.read_manifest(folder)


def test_faces_of_one_group_in_two_splits_are_found(folder: Path, tmp_path: Path) -> None:
    write(tmp_path / "odd", [{**row, "group": "all"} for row in rows_of(folder)])
    assert [problem.what for problem in snapshots.verify(tmp_path / "odd")] == [
        "Faces of one group stand in several splits."
    ]
