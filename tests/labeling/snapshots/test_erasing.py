"""Erased faces leave every stored snapshot, and nothing else does."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.files.storage import default_storage

from labeling.models import Pulse, Snapshot
from labeling.snapshots import erasing, freezing, stored
from labeling.snapshots import format as snapshots
from labeling.snapshots.erasing import Held
from tests.labeling.snapshots.making import frozen, make_settled, settle

pytestmark = pytest.mark.django_db(transaction=True)


def rows_of(snapshot: Snapshot) -> list[dict]:
    return snapshots.read_table(freezing.local_folder(snapshot)).to_pylist()


def bytes_below(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()
    }


@pytest.fixture
def versions() -> list[Snapshot]:
    """Three versions that share packs, and one without the first face of them."""
    campaign = make_settled(20)
    first = frozen(campaign)
    settle(campaign.campaign_faces.all()[3], "angry")
    second = frozen(campaign)
    settle(campaign.campaign_faces.all()[4], "angry")
    third = frozen(campaign)
    row = campaign.campaign_faces.get(face=rows_of(third)[0]["face_id"])
    row.delete()
    return [first, second, third, frozen(campaign)]


def test_erased_faces_leave_every_version_that_held_them(versions: list[Snapshot]) -> None:
    rows = rows_of(versions[0])
    key, image = rows[0]["face_key"], rows[0]["image"]
    root = Path(default_storage.path(""))
    untouched = bytes_below(root / versions[3].folder)
    assert erasing.touched([key]) == Held({one.pk: 1 for one in versions[:3]})
    assert erasing.erase([key]) == Held({one.pk: 1 for one in versions[:3]})
    assert erasing.touched([key]) == erasing.erase([key]) == Held()
    for one in versions:
        one.refresh_from_db()
        assert freezing.verify(snapshot=one) == []
        assert key not in [row["face_key"] for row in rows_of(one)]
    assert [one.erased for one in versions] == [1, 1, 1, 0]
    assert sum(sum(labels.values()) for labels in versions[0].counts["splits"].values()) == 19
    assert bytes_below(root / versions[3].folder) == untouched
    assert not any(image in content for content in bytes_below(root / "snapshots").values())
    assert rows_of(versions[0]) == rows[1:]


def test_freezing_after_an_erasure_takes_what_is_left() -> None:
    campaign = make_settled(20)
    first = frozen(campaign, test_stays=False)
    key = rows_of(first)[5]["face_key"]
    erasing.erase([key])
    again = frozen(campaign, test_stays=False)
    # The face itself is there still, which is not for this module to remove; but the same content stays erased.
    assert (again.digest, again.erased) == (first.digest, 1)
    assert freezing.verify(snapshot=again) == []
    settle(campaign.campaign_faces.all()[0], "angry")
    other = frozen(campaign)
    assert erasing.touched([key]) == Held({other.pk: 1})
    assert freezing.verify(snapshot=other) == []


def cut_off(keys: list[str], calls: int) -> None:
    """An erasure whose caller gives up after so many signs of life."""
    left = calls

    def alive() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        erasing.erase(keys, alive)


def assert_whole(versions: list[Snapshot], erased: int) -> None:
    for one in versions:
        one.refresh_from_db()
        assert freezing.verify(snapshot=one) == []
        assert one.erased == erased
        assert len(rows_of(one)) == sum(sum(labels.values()) for labels in one.counts["splits"].values())


@pytest.mark.parametrize("cut", range(1, 18))
def test_an_erasure_cut_off_anywhere_goes_on(cut: int, versions: list[Snapshot], monkeypatch) -> None:
    keys = [row["face_key"] for row in rows_of(versions[1])[2:9]]
    # One after another, so that each step comes to its sign of life.
    monkeypatch.setattr(erasing, "AT_ONCE", 1)
    cut_off(keys, cut)
    erasing.erase(keys)
    assert_whole(versions, 7)


@pytest.mark.parametrize("cut", range(1, 8))
def test_one_cut_off_while_many_are_rewritten_goes_on(
    cut: int, versions: list[Snapshot], monkeypatch
) -> None:
    keys = [row["face_key"] for row in rows_of(versions[1])[2:9]]
    monkeypatch.setattr(erasing, "AT_ONCE", 4)
    cut_off(keys, cut)
    erasing.erase(keys)
    assert_whole(versions, 7)


def gone_folder(folder: Path) -> None:
    folder.rename(folder.with_name("aside"))


def half_a_manifest(folder: Path) -> None:
    (folder / snapshots.MANIFEST).write_bytes(b"{")


def shard_gone(folder: Path) -> None:
    (folder / snapshots.read_manifest(folder).shards[0].name).unlink()


def shard_of_other_bytes(folder: Path) -> None:
    shard = folder / snapshots.read_manifest(folder).shards[0].name
    content = shard.read_bytes()
    # Not in place: versions share shards by links.
    shard.unlink()
    shard.write_bytes(content[: len(content) // 2])


@pytest.mark.parametrize("damage", [gone_folder, half_a_manifest, shard_gone, shard_of_other_bytes])
def test_one_that_cannot_be_opened_is_told_and_erased_from_once_it_is_back(
    damage: Callable[[Path], None], versions: list[Snapshot], tmp_path: Path
) -> None:
    root = Path(default_storage.path(""))
    row = rows_of(versions[0])[4]
    folder = root / versions[2].folder
    shutil.copytree(folder, tmp_path / "backup")
    damage(folder)
    before = erasing.touched([row["face_key"]])
    assert before.rows.keys() == {versions[0].pk, versions[1].pk, versions[3].pk}
    assert before.unopened.keys() == {versions[2].pk}
    assert versions[2].folder in before.unopened[versions[2].pk]
    held = erasing.erase([row["face_key"]])
    assert (held.rows.keys(), held.unopened) == (before.rows.keys(), before.unopened)
    assert not any(row["image"] in content for content in bytes_below(root / "snapshots" / "packs").values())
    assert_whole([versions[0], versions[1], versions[3]], 1)
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(tmp_path / "backup", folder)
    assert erasing.erase([row["face_key"]]) == Held({versions[2].pk: 1})
    assert_whole(versions, 1)


def test_a_disk_that_fails_is_no_damage(versions: list[Snapshot]) -> None:
    folder = Path(default_storage.path("")) / versions[2].folder
    manifest = folder / snapshots.MANIFEST
    manifest.unlink()
    manifest.mkdir()  # EISDIR stands for whatever the system says of a disk
    with pytest.raises(IsADirectoryError):
        erasing.erase([rows_of(versions[0])[4]["face_key"]])


def test_a_dead_workers_turn_ends(versions: list[Snapshot], settings) -> None:
    settings.HEARTBEAT_TIMEOUT_S = 0.3
    erasing.erase([])
    Pulse.objects.filter(name="erasing from snapshots").update(at="2999-01-01T00:00Z")
    waited = 0

    def alive() -> None:
        nonlocal waited
        waited += 1
        if waited == 3:
            Pulse.objects.filter(name="erasing from snapshots").update(at="2020-01-01T00:00Z")

    assert erasing.erase([], alive) == Held()
    assert waited >= 3


def test_snapshots_of_one_digest_are_all_told(versions: list[Snapshot]) -> None:
    twin = frozen(versions[3].campaign)
    assert twin.digest == versions[3].digest
    key = rows_of(twin)[0]["face_key"]
    everyone = Held(dict.fromkeys([twin.pk, *(one.pk for one in versions)], 1))
    assert erasing.touched([key]) == everyone
    assert erasing.erase([key]) == everyone
    assert set(Snapshot.objects.filter(digest=twin.digest).values_list("erased", flat=True)) == {1}
    assert stored.manifest_of(twin.digest).erased == 1
