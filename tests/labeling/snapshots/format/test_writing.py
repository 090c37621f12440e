"""The snapshot folder: what is written is read again, and its digest is of what it says."""

import hashlib
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as some

from labeling.snapshots import format as snapshots
from labeling.snapshots.format import files
from labeling.snapshots.format import packs as packing
from labeling.snapshots.format import rows as row_rules
from tests.labeling.snapshots.format.folders import SHARD, alone, canonical, rows_of, write

OUTSIDE = {"face_id", "image_bytes", "pack", "offset", "erased", "row_sha256"}
ROOT = Path(__file__).resolve().parents[4]


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
