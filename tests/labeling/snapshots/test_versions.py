"""A version that keeps shards of the one before is, row by row, what it would be alone."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from labeling.snapshots import format as snapshots
from labeling.snapshots.format import base, files, order
from labeling.snapshots.format import rows as row_rules
from tests.labeling.snapshots.format.folders import erase, rows_of, write
from tests.snapshot_folders import make_snapshot_folder

FACES = 30
SMALL = {"SHARD_ROWS": 8, "GROUP_ROWS": 4}


@pytest.fixture(autouse=True)
def small_shards(monkeypatch) -> None:
    for name, value in SMALL.items():
        monkeypatch.setattr(files, name, value)


@pytest.fixture(scope="session")
def pool(tmp_path_factory) -> list[dict[str, Any]]:
    """Rows to make versions of."""
    folder = tmp_path_factory.mktemp("pool") / "made"
    make_snapshot_folder(folder, images_per_class=5, size=8)
    return rows_of(folder)[:FACES]


def changed(row: dict[str, Any], round: int, how: str) -> dict[str, Any]:
    if how == "picture":
        image = row_rules.PNG + f"{row['face_key']} {round}".encode()
        return {**row, "image": image, "image_sha256": hashlib.sha256(image).hexdigest()}
    return {**row, "author": f"Author {round}"}


def beside(folder: Path) -> Path:
    """The snapshot with its new packs beside it, as a storage keeps them."""
    shared = folder.parent / "packs"
    shared.mkdir(exist_ok=True)
    if (folder / "packs").exists():
        for file in (folder / "packs").iterdir():
            file.rename(shared / file.name)
        (folder / "packs").rmdir()
    return folder


STEPS = some.dictionaries(
    some.integers(0, FACES - 1), some.sampled_from(["label", "picture", "gone", "there"]), max_size=8
)


@given(some.lists(STEPS, min_size=1, max_size=5))
@settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_versions_upon_versions_are_what_each_would_be_alone(pool, tmp_path_factory, steps) -> None:
    home = tmp_path_factory.mktemp("versions")
    now = {number: row for number, row in enumerate(pool) if number % 3}
    before: Path | None = None
    folders: list[tuple[Path, list[dict[str, Any]]]] = []
    for round, step in enumerate([{}, *steps]):
        for number, how in step.items():
            if how == "gone":
                now.pop(number, None)
            elif how == "there":
                now.setdefault(number, pool[number])
            elif number in now:
                now[number] = changed(now[number], round, how)
        rows = [now[number] for number in sorted(now)]
        made = write(home / f"version{round}", rows, base=before)
        alone = write(home / "alone" / str(round), rows)
        before = beside(home / f"version{round}")
        assert (made.digest, made.rows, made.splits) == (alone.digest, alone.rows, alone.splits)
        folders.append((before, rows))
    for folder, rows in folders:
        assert snapshots.verify(folder) == []
        assert rows_of(folder) == rows
        for split in snapshots.SPLITS:
            wanted = [row["face_key"] for row in rows if row["split"] == split]
            assert snapshots.read_table(folder, ["face_key"], split=split)["face_key"].to_pylist() == wanted
        there = {row["face_key"] for row in rows}
        for shard in snapshots.read_manifest(folder).shards:
            # Nothing lingers of a face that a version does not hold.
            assert set(pq.read_table(folder / shard.name)["face_key"].to_pylist()) <= there


def second(pool: list[dict[str, Any]], home: Path, numbers: tuple[int, ...] = (3,)) -> tuple[Path, Path]:
    """A version, and one in which these rows say something else."""
    write(home / "first", pool)
    first = beside(home / "first")
    rows = [changed(row, 1, "label") if number in numbers else row for number, row in enumerate(pool)]
    write(home / "second", rows, base=first)
    return first, beside(home / "second")


def test_shards_are_shared_and_only_what_changed_is_written(pool, tmp_path: Path) -> None:
    first, later = second(pool, tmp_path)
    manifest = snapshots.read_manifest(later)
    assert [shard.name for shard in manifest.shards] == [f"faces-0000{number}.parquet" for number in range(5)]
    assert [shard.rows for shard in manifest.shards] == [8, 8, 8, 6, 1]
    for shard in manifest.shards[:4]:
        assert (later / shard.name).stat().st_ino == (first / shard.name).stat().st_ino
    assert manifest.order is not None
    assert order.runs_of(later, manifest).tolist() == [
        [0, 0, 3], [4, 0, 1], [0, 4, 4], [1, 0, 8], [2, 0, 8], [3, 0, 6],
    ]  # fmt: skip


def test_where_no_link_can_be_made_shards_are_copied(pool, tmp_path: Path, monkeypatch) -> None:
    def cannot(*names: object) -> None:
        raise OSError("another disk")

    monkeypatch.setattr(files.os, "link", cannot)
    first, later = second(pool, tmp_path)
    assert (later / "faces-00000.parquet").read_bytes() == (first / "faces-00000.parquet").read_bytes()
    assert snapshots.verify(later) == []


def test_a_damaged_shard_is_not_kept(pool, tmp_path: Path) -> None:
    write(tmp_path / "first", pool)
    first = beside(tmp_path / "first")
    shard = first / "faces-00001.parquet"
    whole = bytearray(shard.read_bytes())
    whole[len(whole) // 3] ^= 1
    shard.write_bytes(whole)
    write(tmp_path / "second", [changed(pool[0], 1, "label"), *pool[1:]], base=first)
    later = beside(tmp_path / "second")
    assert snapshots.verify(later) == []
    assert rows_of(later) == [changed(pool[0], 1, "label"), *pool[1:]]


def test_verify_finds_every_flipped_bit_of_the_order(pool, tmp_path: Path) -> None:
    _, later = second(pool, tmp_path, (3, 9, 10))
    file = later / order.NAME
    whole = file.read_bytes()
    for place in range(len(whole)):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert [problem.where for problem in snapshots.verify(later)] == [order.NAME]
    file.unlink()
    assert [problem.what for problem in snapshots.verify(later)] == ["This file is missing."]


@pytest.mark.parametrize(
    "runs",
    [
        [[0, 0, 3], [0, 4, 4], [1, 0, 8], [2, 0, 8], [3, 0, 6]],
        [[0, 0, 8], [1, 0, 8], [2, 0, 8], [3, 0, 6]],
        [[0, 0, 9], [1, 0, 8], [2, 0, 8], [3, 0, 6]],
        [[7, 0, 8]],
        [[0, -1, 3]],
    ],
)
def test_an_order_of_other_rows_is_found(runs: list[list[int]], pool, tmp_path: Path) -> None:

    _, later = second(pool, tmp_path)
    manifest = snapshots.read_manifest(later)
    order.write(later / order.NAME, np.array(runs))
    data = (later / order.NAME).read_bytes()
    shard = snapshots.Shard(order.NAME, len(runs), len(data), hashlib.sha256(data).hexdigest())
    forged = snapshots.Manifest(**{**vars(manifest), "order": shard})
    (later / snapshots.MANIFEST).write_text(forged.to_json())
    assert snapshots.verify(later) != []


@given(some.lists(some.sets(some.integers(0, FACES - 1), max_size=6), min_size=1, max_size=3))
@settings(
    max_examples=15,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_erased_faces_leave_kept_shards_too(pool, tmp_path_factory, rounds: list[set[int]]) -> None:
    home = tmp_path_factory.mktemp("erased")
    numbers = (3, 9, 17)
    write(home / "first", pool)
    rows = [changed(row, 1, "label") if number in numbers else row for number, row in enumerate(pool)]
    digest = write(home / "second", rows, base=home / "first").digest
    (home / "second" / "packs").mkdir()
    (pack,) = (home / "first" / "packs").iterdir()
    (home / "second" / "packs" / pack.name).write_bytes(pack.read_bytes())
    gone: set[int] = set()
    for some_gone in rounds:
        keys = [pool[number]["face_key"] for number in some_gone]
        gone |= some_gone
        erase(home / "second", keys)
        assert snapshots.verify(home / "second") == []
        assert rows_of(home / "second") == [row for number, row in enumerate(rows) if number not in gone]
    manifest = snapshots.read_manifest(home / "second")
    assert (manifest.digest, manifest.erased, manifest.rows) == (digest, len(gone), FACES)
    left = b"".join(path.read_bytes() for path in (home / "second").rglob("*") if path.is_file())
    for number in gone:
        assert pool[number]["media_sha256"].encode() not in left
    assert snapshots.verify(home / "first") == []


def test_a_folder_of_the_format_before_is_read_verified_and_built_upon(pool, tmp_path: Path) -> None:
    write(tmp_path / "first", pool)
    first = beside(tmp_path / "first")
    shards = []
    for shard in snapshots.read_manifest(first).shards:
        rows = pq.read_table(first / shard.name).to_pylist()
        old = [{**row, "row_sha256": ""} for row in rows]
        with files.open_shard(first / shard.name) as file:
            file.write_table(pa.Table.from_pylist(old, schema=snapshots.SCHEMA))
        shards.append(files.shard_of(first / shard.name, shard.rows))
    manifest = snapshots.read_manifest(first)
    old_manifest = snapshots.Manifest(
        **{**vars(manifest), "shards": tuple(shards), "format": "vemo-snapshot/2"}
    )
    (first / snapshots.MANIFEST).write_text(old_manifest.to_json())
    assert '"order"' not in (first / snapshots.MANIFEST).read_text()
    assert snapshots.verify(first) == []
    assert rows_of(first) == pool
    later = write(tmp_path / "second", pool, base=first)
    assert (later.digest, later.format, later.order) == (manifest.digest, "vemo-snapshot/3", None)
    assert later.packs == manifest.packs
    assert snapshots.verify(beside(tmp_path / "second")) == []


def test_keys_are_compared_by_their_first_bits() -> None:
    keys = [hashlib.sha256(bytes([number])).hexdigest() for number in range(5)]
    found = base.leading_bits(base.hex_digits(pa.array(keys)))
    assert found.tolist() == [int(key[:16], 16) for key in keys]
