"""A frozen snapshot in the storage: there whole or not at all, whatever is damaged, killed or stopped."""

import tempfile
from pathlib import Path

import pytest
from django.core.files.storage import default_storage

from labeling import work
from labeling.models import Face, Snapshot
from labeling.snapshots import carried, freezing
from labeling.snapshots import format as snapshots
from tests.factories import make_png, settle
from tests.labeling.snapshots.making import frozen, make_settled

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("damage", ["no manifest", "half a shard", "no shard", "strange file"])
def test_freezing_again_mends_what_is_damaged(damage: str) -> None:
    campaign = make_settled()
    first = frozen(campaign)
    folder = freezing.local_folder(first)
    if damage == "no manifest":
        (folder / snapshots.MANIFEST).unlink()
    if damage == "half a shard":
        (folder / "faces-00000.parquet").write_bytes(b"half")
    if damage == "no shard":
        (folder / "faces-00000.parquet").unlink()
    if damage == "strange file":
        (folder / "notes.txt").write_text("mine")
    assert freezing.verify(snapshot=first) != []
    second = frozen(campaign)
    assert (second.state, second.digest) == ("done", first.digest)
    assert freezing.verify(snapshot=second) == freezing.verify(snapshot=first) == []


def keys_in_test(snapshot: Snapshot) -> set[str]:
    rows = snapshots.read_table(freezing.local_folder(snapshot), ["face_key"], "test")
    return set(rows.column("face_key").to_pylist())


@pytest.mark.parametrize("gone", ["manifest.json", "faces-00000.parquet"])
def test_what_a_damaged_version_tests_on_is_known_or_nothing_is_frozen(gone: str) -> None:
    campaign = make_settled(30)
    first = frozen(campaign, fractions={"train": 0.2, "validation": 0.2, "test": 0.6})
    tested = keys_in_test(first)
    assert len(tested) == 18
    (freezing.local_folder(first) / gone).unlink()
    fractions = {"train": 0.8, "validation": 0.1, "test": 0.1}
    second = frozen(campaign, fractions=fractions)
    assert (second.state, second.counts["certificate"]["earlier"]["learnt_now"]) == ("done", 0)
    assert tested <= keys_in_test(second)
    carried.forget()
    third = frozen(campaign, fractions=fractions)
    assert (third.state, third.error) == (
        "failed",
        f"Of “{first.name}”, a version of before, the rows cannot be read, so nobody can tell which faces it tests on "
        f"and must stay in test. Put the folder {first.folder} back from a backup; or freeze without keeping faces in "
        "test.",
    )
    with pytest.raises(freezing.CannotFreeze, match="back from a backup"):
        freezing.preview(campaign=campaign)
    assert frozen(campaign, fractions=fractions, test_stays=False).state == "done"
    # One that heeds the promise again does not take the one that did not for an answer.
    assert frozen(campaign, fractions=fractions).state == "failed"


def test_a_snapshot_moves_to_another_disk() -> None:
    other = Path("/dev/shm")
    root = Path(default_storage.path(""))
    root.mkdir(parents=True, exist_ok=True)
    if not other.is_dir() or other.stat().st_dev == root.stat().st_dev:
        pytest.skip("There is no second disk.")
    with tempfile.TemporaryDirectory(dir=other) as place:
        (root / "snapshots").symlink_to(place)
        campaign = make_settled(12)
        first = frozen(campaign)
        assert (first.state, first.error) == ("done", "")
        assert freezing.verify(snapshot=first) == []
        # In the place of a damaged one, and beside one whose shards it shares.
        (freezing.local_folder(first) / "faces-00000.parquet").write_bytes(b"half")
        assert freezing.verify(snapshot=frozen(campaign)) == []
        assert freezing.verify(snapshot=frozen(campaign, seed=1)) == []
        assert list(Path(place).rglob("moving-*")) == []
        (root / "snapshots").unlink()


def test_the_stored_folder_of_the_same_content_is_left_alone() -> None:
    campaign = make_settled()
    folder = freezing.local_folder(frozen(campaign))
    before = [(file.stat().st_ino, file.stat().st_mtime_ns) for file in sorted(folder.iterdir())]
    frozen(campaign)
    assert [(file.stat().st_ino, file.stat().st_mtime_ns) for file in sorted(folder.iterdir())] == before


def everything_stored() -> set[str]:
    """Of snapshots and of what is being made."""
    root = Path(default_storage.path(""))
    return {
        str(path.relative_to(root))
        for name in ("snapshots", "making", "exports")
        for path in (root / name).rglob("*")
    }


def test_nothing_but_the_snapshot_is_left(settings) -> None:
    snapshot = frozen(make_settled())
    digest, (pack,) = snapshot.digest, snapshot.packs
    assert everything_stored() == {
        "snapshots/carried",
        carried.name_of(snapshot.campaign_id),
        "snapshots/packs",
        f"snapshots/packs/{pack}",
        f"snapshots/{digest}",
        f"snapshots/{digest}/manifest.json",
        f"snapshots/{digest}/faces-00000.parquet",
    }
    assert not Path(settings.WORK_ROOT).exists()


def test_what_a_killed_attempt_left_goes_with_the_next() -> None:
    campaign = make_settled()
    snapshot = freezing.freeze(campaign=campaign)
    half = Path(default_storage.path(f"making/snapshot-{snapshot.pk}-abc/made"))
    half.mkdir(parents=True)
    (half / "faces-00000.parquet").write_bytes(b"half")
    other = Path(default_storage.path(f"making/snapshot-{snapshot.pk}7-abc/made"))
    other.mkdir(parents=True)
    freezing.run_freeze(snapshot.pk)
    assert {name for name in everything_stored() if name.startswith("making")} == {
        f"making/snapshot-{snapshot.pk}7-abc",
        f"making/snapshot-{snapshot.pk}7-abc/made",
    }


def test_a_folder_stored_by_a_killed_attempt_goes_when_the_votes_have_changed_since() -> None:
    campaign = make_settled()
    before, twin = frozen(campaign), freezing.freeze(campaign=campaign)
    # Killed after the folder was stored, before the row was done; then somebody votes.
    Snapshot.objects.filter(pk=twin.pk).update(folder=before.folder)
    Snapshot.objects.filter(pk=before.pk).delete()
    settle(campaign.campaign_faces.all()[0], "angry")
    freezing.run_freeze(twin.pk)
    twin.refresh_from_db()
    assert not default_storage.exists(before.folder)
    assert freezing.verify(snapshot=twin) == []


def test_a_folder_another_snapshot_has_stays() -> None:
    campaign = make_settled()
    before, twin = frozen(campaign), freezing.freeze(campaign=campaign)
    Snapshot.objects.filter(pk=twin.pk).update(folder=before.folder)
    settle(campaign.campaign_faces.all()[0], "angry")
    freezing.run_freeze(twin.pk)
    assert freezing.verify(snapshot=before) == []


def test_stop_leaves_nothing_and_go_on_ends_it(monkeypatch) -> None:
    monkeypatch.setattr(snapshots, "GROUP_ROWS", 5)
    monkeypatch.setattr(work.Job, "BEAT_EVERY_S", 0.0)
    snapshot = freezing.freeze(campaign=make_settled())

    def press_stop(done: int, total: int | None, message: str) -> None:
        if done == 5:
            work.stop(snapshot)

    freezing.run_freeze(snapshot.pk, tell=press_stop)
    snapshot.refresh_from_db()
    assert (snapshot.state, snapshot.digest, everything_stored()) == ("stopped", "", set())
    work.restart(snapshot)
    freezing.run_freeze(snapshot.pk)
    snapshot.refresh_from_db()
    assert (snapshot.state, freezing.verify(snapshot=snapshot)) == ("done", [])


def test_a_worker_that_slept_through_its_claim_spoils_nothing(monkeypatch) -> None:
    monkeypatch.setattr(snapshots, "GROUP_ROWS", 5)
    monkeypatch.setattr(work.Job, "BEAT_EVERY_S", 0.0)
    snapshot = freezing.freeze(campaign=make_settled())

    def sleep(done: int, total: int | None, message: str) -> None:
        if done == 5:
            Snapshot.objects.filter(pk=snapshot.pk).update(state="waiting", worker="")
            freezing.run_freeze(snapshot.pk)

    freezing.run_freeze(snapshot.pk, tell=sleep)
    snapshot.refresh_from_db()
    assert (snapshot.state, snapshot.attempt, snapshot.error) == ("done", 2, "")
    assert freezing.verify(snapshot=snapshot) == []


@pytest.mark.parametrize("damage", ["gone", "changed"])
def test_a_picture_that_is_not_the_one_voted_on_is_refused(damage: str) -> None:
    campaign = make_settled(4)
    face = Face.objects.all()[2]
    path = Path(default_storage.path(face.crop))
    path.unlink() if damage == "gone" else path.write_bytes(make_png(seed=99))
    snapshot = frozen(campaign)
    assert (snapshot.state, everything_stored()) == ("failed", set())
    said = "is not in the storage" if damage == "gone" else "is not the one people voted on"
    assert snapshot.error == f"The picture of face {face.pk} ({face.crop}) {said}. Put it back, then go on."
