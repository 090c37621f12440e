"""The snapshot folder: what is written is read, and what has changed is found."""

import hashlib
import json
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from labeling.expressions import SEVEN
from labeling.snapshots import format as snapshots
from labeling.snapshots.format import files
from labeling.snapshots.format import packs as packing
from labeling.snapshots.format import rows as row_rules
from tests.snapshot_folders import make_snapshot_folder

OUTSIDE = {"face_id", "image_bytes", "pack", "offset", "erased", "row_sha256"}
ROOT = Path(__file__).resolve().parents[3]
SHARD = "faces-00000.parquet"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_snapshot_folder(tmp_path / "made", images_per_class=5, size=16)
    return tmp_path / "made"


def rows_of(folder: Path) -> list[dict]:
    return snapshots.read_table(folder).to_pylist()


def write(folder: Path, rows: list[dict], **more: object) -> snapshots.Manifest:
    return snapshots.write(folder, rows, classes=SEVEN, rule={"seed": 0, "splits": "made"}, **more)


def alone(row: dict) -> dict:
    return {name: [value] for name, value in row.items()}


def canonical(row: dict) -> bytes:
    return next(row_rules.canonical(alone(row)))


def text_of(folder: Path) -> str:
    return (folder / snapshots.MANIFEST).read_text()


def test_what_is_written_is_read_again(folder: Path, tmp_path: Path) -> None:
    rows = rows_of(folder)
    again = write(tmp_path / "again", rows)
    assert rows_of(tmp_path / "again") == rows
    assert again == snapshots.read_manifest(tmp_path / "again") == snapshots.read_manifest(folder)
    assert tuple(rows[0]) == snapshots.COLUMNS
    assert [row["face_key"] for row in rows] == sorted(row["face_key"] for row in rows)


def test_equal_rows_make_equal_files(folder: Path, tmp_path: Path) -> None:
    write(tmp_path / "again", rows_of(folder))
    (pack,) = snapshots.read_manifest(folder).packs
    names = [SHARD, snapshots.MANIFEST, f"packs/{pack}"]
    assert [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*.*"))] == names
    assert [(folder / name).read_bytes() for name in names] == [
        (tmp_path / "again" / name).read_bytes() for name in names
    ]


def test_a_known_row_has_this_digest_today_and_for_ever() -> None:
    row = {
        "face_key": "0" * 64, "face_id": 1, "image_sha256": "e" * 64, "label": "happy", "label_index": 1,
        "label_origin": "votes", "other_labels": "{}", "fold": -1, "group": "f" * 16, "track": 0,
        "votes": [1, 9, 0, 0], "soft_label": [0.1, 0.9], "split": "train", "agreement": 0.9,
        "media_sha256": "f" * 64, "media_kind": "image", "time_ms": 40, "x": -1, "y": 2, "width": 3, "height": 4,
        "detector": "haar", "licence": "CC0-1.0", "author": "Zoë", "page_url": "", "source": "s", "given_split": "",
    }  # fmt: skip
    digest = snapshots.Digest(["sad", "happy"], {"seed": 0})
    digest.add(alone(row))
    expected = "428b1175245ad9bc5b4966eceb9822d799b72f52ead73d8e240c903d9063907b"
    assert digest.hex() == expected
    elsewhere = snapshots.Digest(["sad", "happy"], {"seed": 0})
    elsewhere.add(alone({**row, "face_id": 77, "pack": 3, "offset": 7, "image_bytes": 9}))
    assert elsewhere.hex() == expected


@pytest.mark.parametrize("name", [name for name in snapshots.SCHEMA.names if name not in OUTSIDE])
def test_the_digest_knows_every_column(name: str, folder: Path) -> None:
    row = rows_of(folder)[0]
    other = {str: "other", list: [5], int: 7, float: 0.25}[type(row[name])]
    assert canonical(row) != canonical({**row, name: other})


@given(
    some.lists(some.text(max_size=3), min_size=2, max_size=2), some.lists(some.text(max_size=3), min_size=2)
)
def test_texts_cannot_flow_from_one_column_into_the_next(one: list[str], two: list[str]) -> None:
    base = dict.fromkeys(snapshots.SCHEMA.names, 0)
    base |= {field.name: "" for field in snapshots.SCHEMA if pa.types.is_string(field.type)}
    base |= {"votes": [], "soft_label": []}
    rows = [{**base, "licence": licence, "author": author} for licence, author, *_ in (one, two)]
    assert (canonical(rows[0]) == canonical(rows[1])) == (one == two[:2])


def test_shards_end_where_the_rows_say(folder: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(files, "GROUP_ROWS", 4)
    monkeypatch.setattr(files, "SHARD_ROWS", 10)
    many = write(tmp_path / "many", rows_of(folder))
    assert [shard.name for shard in many.shards] == [f"faces-0000{number}.parquet" for number in range(4)]
    assert [shard.rows for shard in many.shards] == [10, 10, 10, 5]
    assert pq.ParquetFile(tmp_path / "many" / SHARD).num_row_groups == 3
    assert many.digest == snapshots.read_manifest(folder).digest
    assert rows_of(tmp_path / "many") == rows_of(folder)
    assert snapshots.verify(tmp_path / "many") == []


def test_packs_end_where_they_are_full(folder: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(packing, "PACK_BYTES", 1)
    assert len(write(tmp_path / "large", rows_of(folder)).packs) == 35
    assert rows_of(tmp_path / "large") == rows_of(folder)
    assert snapshots.verify(tmp_path / "large") == []


def test_full_shards_leave_no_empty_one_behind(folder: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(files, "SHARD_ROWS", 5)
    assert [shard.rows for shard in write(tmp_path / "full", rows_of(folder)).shards] == [5] * 7


def test_no_row_at_all_is_a_snapshot_still(tmp_path: Path) -> None:
    manifest = write(tmp_path / "empty", [])
    assert (manifest.rows, [shard.rows for shard in manifest.shards]) == (0, [0])
    assert snapshots.verify(tmp_path / "empty") == []
    assert rows_of(tmp_path / "empty") == []


def test_batches_of_a_split_are_full_however_few_rows_of_the_others_lie_between(folder: Path) -> None:
    every = snapshots.read_table(folder)
    for split in snapshots.SPLITS:
        wanted = every.filter(pc.equal(every.column("split"), split))
        for rows in (1, 3, 1_000):
            batches = list(snapshots.iter_batches(folder, split=split, rows=rows, checked=True))
            assert {batch.num_rows for batch in batches[:-1]} <= {rows}
            assert pa.Table.from_batches(batches).equals(wanted)


def test_a_split_and_columns_are_read_alone(folder: Path) -> None:
    table = snapshots.read_table(folder, ["face_key", "label_index"], split="test")
    assert table.column_names == ["face_key", "label_index"]
    wanted = [row for row in rows_of(folder) if row["split"] == "test"]
    assert table["face_key"].to_pylist() == [row["face_key"] for row in wanted]
    batches = list(snapshots.iter_batches(folder, ["split"], split="train", rows=4))
    assert {value for batch in batches for value in batch["split"].to_pylist()} == {"train"}
    assert max(batch.num_rows for batch in batches) <= 4


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"label": "bored"}, "column label: 'bored'"),
        ({"label_index": -1}, "column label"),
        ({"split": "exam"}, "column split: there is no split 'exam'"),
        ({"votes": [10]}, "column votes"),
        ({"votes": [-1] * 9}, "column votes"),
        ({"soft_label": [1.0] * 7}, "column soft_label"),
        ({"soft_label": [float("nan")] * 7}, "column soft_label"),
        ({"agreement": 1.5}, "column agreement"),
        ({"agreement": None}, "column agreement has no value"),
        ({"author": None}, "column author has no value"),
        (
            {"image": b"GIF89a", "image_sha256": hashlib.sha256(b"GIF89a").hexdigest()},
            "column image: not a PNG",
        ),
        ({"image": None}, "column image has no value"),
        ({"image": row_rules.PNG}, "column image_sha256: not that of the image"),
        ({"group": ""}, "column group: no name"),
    ],
)
def test_a_row_that_is_none_is_not_written(change: dict, said: str, folder: Path, tmp_path: Path) -> None:
    rows = rows_of(folder)
    with pytest.raises(snapshots.BadRow, match=said):
        write(tmp_path / "bad", [{**rows[0], **change}])
    assert not (tmp_path / "bad" / snapshots.MANIFEST).exists()


def test_rows_out_of_order_or_there_twice_are_not_written(folder: Path, tmp_path: Path) -> None:
    rows = rows_of(folder)
    for name, wrong in (("order", [rows[1], rows[0]]), ("twice", [rows[0], rows[0]])):
        with pytest.raises(snapshots.BadRow, match="out of order or there twice"):
            write(tmp_path / name, wrong)


def test_a_folder_that_holds_something_is_not_written_to(folder: Path) -> None:
    with pytest.raises(FileExistsError, match="needs a folder of its own"):
        write(folder, [])
    assert snapshots.verify(folder) == []


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


def forge(folder: Path, shard: Path | None = None, **fields: object) -> None:
    """A manifest with other fields, whose own checksum fits, as no accident makes it."""
    manifest = snapshots.read_manifest(folder)
    if shard is not None:
        data = shard.read_bytes()
        sha256 = hashlib.sha256(data).hexdigest()
        rows = pq.ParquetFile(shard).metadata.num_rows
        fields["shards"] = (snapshots.Shard(SHARD, rows, len(data), sha256),)
    forged = snapshots.Manifest(**{**vars(manifest), **fields})
    (folder / snapshots.MANIFEST).write_text(forged.to_json())


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


def test_a_face_is_named_by_its_content_alone() -> None:
    named = snapshots.face_key(media_sha256="ab", detector="haar", time_ms=40, row=0, box=(1, 2, 3, 4))
    assert named == hashlib.sha256(b"ab/haar/40/0/1/2/3/4").hexdigest()


def test_the_format_needs_neither_django_nor_torch() -> None:
    code = (
        "import sys; sys.modules['django'] = sys.modules['torch'] = None\n"
        "from labeling.snapshots import format, split\n"
        "print(format.FORMAT)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "vemo-snapshot/3\n"


def test_faces_of_one_group_in_two_splits_are_found(folder: Path, tmp_path: Path) -> None:
    write(tmp_path / "odd", [{**row, "group": "all"} for row in rows_of(folder)])
    assert [problem.what for problem in snapshots.verify(tmp_path / "odd")] == [
        "Faces of one group stand in several splits."
    ]


# ---- versions that share their images


def beside(folder: Path) -> Path:
    """The snapshot with its packs beside it, as a storage keeps them."""
    shared = folder.parent / "packs"
    shared.mkdir(exist_ok=True)
    for file in (folder / "packs").iterdir():
        file.rename(shared / file.name)
    (folder / "packs").rmdir()
    return folder


def test_a_later_version_writes_only_the_images_that_are_new(folder: Path, tmp_path: Path) -> None:
    first = beside(folder)
    rows = rows_of(first)
    kept, added = rows[:12] + rows[13:30], {**rows[12], "face_key": "f" * 64}
    second = write(tmp_path / "second", [*map(unread, kept), added], base=first)
    (new,) = (tmp_path / "second" / "packs").iterdir()
    assert second.packs == (*snapshots.read_manifest(first).packs, new.name)
    assert new.read_bytes() == added["image"]
    assert rows_of(beside(tmp_path / "second")) == [*kept, added]
    assert snapshots.verify(tmp_path / "second") == snapshots.verify(first) == []
    alone = write(tmp_path / "alone" / "second", [*kept, added])
    assert alone.digest == second.digest


def unread(row: dict) -> dict:
    def must_not() -> bytes:
        raise AssertionError("An image that is there was read again.")

    return {**row, "image": must_not}


def test_an_image_that_changed_is_written_again(folder: Path, tmp_path: Path) -> None:
    first = beside(folder)
    rows = rows_of(first)
    other = row_rules.PNG + b"other"
    rows[5] |= {"image": other, "image_sha256": hashlib.sha256(other).hexdigest()}
    write(tmp_path / "second", rows, base=first)
    (new,) = (tmp_path / "second" / "packs").iterdir()
    assert new.read_bytes() == other


# ---- erased faces


def erase(folder: Path, keys: list[str]) -> None:
    """As the site does it, on a folder whose packs lie inside."""
    made = folder.parent / "made anew"
    manifest = snapshots.rewritten(folder, keys, made)
    if manifest is None:
        return
    for file in made.iterdir():
        file.rename(folder / file.name)
    before = {shard.name for shard in snapshots.read_manifest(folder).shards}
    (folder / snapshots.MANIFEST).write_text(manifest.to_json())
    for name in before - {shard.name for shard in manifest.shards}:
        (folder / name).unlink()
    for name, places in snapshots.find(folder, keys).places().items():
        pack = folder / "packs" / name
        if snapshots.without(pack, places, folder.parent / "pack"):
            (folder.parent / "pack").replace(pack)
        else:
            pack.unlink()


@settings(max_examples=25, deadline=None)
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
