"""Where the files of an export went besides: kept, cleared of what was killed, written anew after an erasure."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from labeling import work
from labeling.models import Export, Face, Snapshot
from labeling.snapshots import delivering, exporting
from labeling.snapshots.exports.tree import SUMS
from tests.factories import make_user
from tests.labeling.erasure.erasing import erase
from tests.labeling.erasure.test_snapshots import holding, picture
from tests.labeling.snapshots.making import frozen, make_settled
from tests.labeling.snapshots.test_exporting import made
from tests.labeling.sources.buckets import BUCKET, Storage, a_storage

pytestmark = pytest.mark.django_db


@pytest.fixture
def manager(client: Client) -> Client:
    client.force_login(make_user("manager"))
    return client


@pytest.fixture
def storage(settings) -> Iterator[Storage]:
    with a_storage() as one:
        settings.S3_PROFILES = {"lab": one.profile()}
        settings.S3_FIRST_PAUSE_S = 0.01
        yield one


@pytest.fixture
def snapshot() -> Snapshot:
    return frozen(make_settled(12))


@pytest.fixture
def gone(snapshot: Snapshot) -> Face:
    """A face of the snapshot, to be erased."""
    face: Face = snapshot.campaign.campaign_faces.first().face
    return face


def away(tmp_path: Path) -> str:
    """A place at which nothing can be written."""
    (tmp_path / "file").touch()
    return str(tmp_path / "file" / "below")


def run_again(row: Export) -> Export:
    exporting.run_export(row.pk)
    row.refresh_from_db()
    return row


def test_an_erasure_reaches_a_folder_that_was_not_asked_for_again(
    manager: Client, snapshot: Snapshot, gone: Face, tmp_path: Path
) -> None:
    place = tmp_path / "out"
    row = made(snapshot, "imagefolder", to=str(place))
    content = picture(gone)
    assert holding(content, place)
    address = reverse("api-snapshots-export", args=[snapshot.pk])
    told = manager.post(address, {"format": "imagefolder"}, "application/json").json()
    assert (told["state"], told["to"], told["also_at"]) == ("done", "", [str(place)])
    assert (
        f"also at {place}" in manager.get(reverse("labeling:snapshot", args=[snapshot.pk])).content.decode()
    )
    erase("face", [gone.pk], with_media=True)
    row.refresh_from_db()
    assert (row.state, row.options) == ("waiting", {})
    assert run_again(row).state == "done"
    assert holding(content, place) == []
    (folder,) = place.iterdir()
    assert len(list(folder.rglob("*/*/*.png"))) == 11
    assert row.also_at == [str(place)]


def test_an_erasure_reaches_a_folder_though_the_last_time_another_could_not_be_written(
    snapshot: Snapshot, gone: Face, tmp_path: Path
) -> None:
    place = tmp_path / "out"
    made(snapshot, "imagefolder", to=str(place))
    row = made(snapshot, "imagefolder", to=away(tmp_path))
    assert (row.state, row.also_at) == ("failed", [str(place)])
    content = picture(gone)
    erase("face", [gone.pk], with_media=True)
    row.refresh_from_db()
    assert row.state == "waiting"
    assert run_again(row).error.startswith(f"“{away(tmp_path)}” could not be written")
    assert holding(content, place) == []


def test_an_erasure_reaches_a_bucket_and_leaves_no_picture_of_before(
    storage: Storage, snapshot: Snapshot, gone: Face
) -> None:
    row = made(snapshot, "imagefolder", to=f"s3://{BUCKET}/out")
    exporting.export(snapshot=snapshot, format="imagefolder")
    content = picture(gone)
    assert content in bodies(storage).values()
    before = set(bodies(storage))
    erase("face", [gone.pk], with_media=True)
    assert run_again(row).state == "done"
    after = bodies(storage)
    assert content not in after.values()
    (left,) = before - set(after)
    assert left.endswith(".png")
    assert row.also_at == [f"s3://{BUCKET}/out"]


def test_a_bucket_cut_off_is_written_whole_the_next_time_whatever_is_asked(
    storage: Storage, snapshot: Snapshot, monkeypatch
) -> None:
    row = made(snapshot, "votes", to=f"s3://{BUCKET}/out")
    with monkeypatch.context() as patch:
        patch.setattr(delivering, "_remove_below", fail)
        assert made(snapshot, "votes", to=f"s3://{BUCKET}/out").state == "failed"
    row.refresh_from_db()
    # The sums come last: without them it is not all there.
    assert (row.also_at, [name for name in bodies(storage) if name.endswith(SUMS)]) == ([], [])
    row = made(snapshot, "votes")
    assert (row.state, row.also_at) == ("done", [f"s3://{BUCKET}/out"])
    assert [name for name in bodies(storage) if name.endswith(SUMS)]


def test_what_was_begun_in_a_bucket_and_is_asked_for_no_more_goes(
    storage: Storage, snapshot: Snapshot, monkeypatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(delivering, "_remove_below", fail)
        assert made(snapshot, "votes", to=f"s3://{BUCKET}/out").state == "failed"
    assert bodies(storage)
    row = made(snapshot, "votes")
    assert (row.state, row.written, bodies(storage)) == ("done", [], {})


def fail(*ignored: object) -> None:
    raise work.Refused("cut off")


def bodies(storage: Storage) -> dict[str, bytes]:
    rows = storage.client.list_objects_v2(Bucket=BUCKET, Prefix="out/").get("Contents", ())
    return {
        row["Key"]: storage.client.get_object(Bucket=BUCKET, Key=row["Key"])["Body"].read() for row in rows
    }


class Killed(BaseException):
    """As a process ends that is given no time for anything."""


def die(*ignored: object) -> None:
    raise Killed


@pytest.fixture
def killed(snapshot: Snapshot, tmp_path: Path, monkeypatch) -> Export:
    """An export killed while its files went into a folder, to which nobody asks them to go any more."""
    row = exporting.export(snapshot=snapshot, format="imagefolder", to=str(tmp_path / "out"))
    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", die)
        patch.setattr(delivering.shutil, "rmtree", lambda *ignored, **more: None)
        with pytest.raises(Killed):
            exporting.run_export(row.pk)
    (part,) = (tmp_path / "out").iterdir()
    assert part.name.startswith(".part-")
    return asked_for_no_more(row)


def asked_for_no_more(row: Export) -> Export:
    Export.objects.filter(pk=row.pk).update(state="stopped", worker="", ended_at=row.queued_at, options={})
    row.refresh_from_db()
    return row


def test_an_erasure_reaches_what_was_finished_just_before_the_kill(
    snapshot: Snapshot, gone: Face, tmp_path: Path, monkeypatch
) -> None:
    row = exporting.export(snapshot=snapshot, format="imagefolder", to=str(tmp_path / "out"))
    with monkeypatch.context() as patch:
        patch.setattr(delivering._Book, "is_whole", die)
        with pytest.raises(Killed):
            exporting.run_export(row.pk)
    content = picture(gone)
    assert holding(content, tmp_path / "out")
    asked_for_no_more(row)
    erase("face", [gone.pk], with_media=True)
    assert run_again(row).also_at == [str(tmp_path / "out")]
    assert holding(content, tmp_path / "out") == []


def test_what_was_killed_in_a_folder_goes_when_the_file_is_made_the_next_time(
    killed: Export, tmp_path: Path
) -> None:
    row = made(killed.snapshot, "imagefolder")
    assert (row.state, row.written, list((tmp_path / "out").iterdir())) == ("done", [], [])


def test_what_was_killed_in_a_folder_goes_by_the_sweep(killed: Export, tmp_path: Path, capsys) -> None:
    (part,) = (tmp_path / "out").iterdir()
    call_command("sweep_storage")
    assert f"nobody’s: {part}" in capsys.readouterr().out
    call_command("sweep_storage", "--delete")
    assert f"deleted: {part}" in capsys.readouterr().out
    assert not part.exists()


def test_what_was_killed_in_a_folder_goes_by_an_erasure(killed: Export, gone: Face, tmp_path: Path) -> None:
    content = picture(gone)
    assert holding(content, tmp_path / "out")
    erase("face", [gone.pk], with_media=True)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_file_is_there_while_it_is_made_again_and_after_that_failed(
    manager: Client, snapshot: Snapshot, gone: Face, tmp_path: Path
) -> None:
    page = reverse("labeling:snapshot", args=[snapshot.pk])
    file = reverse("api-snapshots-file", args=[snapshot.pk, "attribution"])
    row = made(snapshot, "attribution")
    content = b"".join(manager.get(file))
    exporting.export(snapshot=snapshot, format="attribution", to=away(tmp_path))
    assert b"".join(manager.get(file)) == content
    assert run_again(row).state == "failed"
    assert b"".join(manager.get(file)) == content
    assert b"".join(manager.get(reverse("labeling:export_download", args=[row.pk]))) == content
    shown = manager.get(page).content.decode()
    assert (">Download<" in shown, ">Make it again<" in shown, "also at" in shown) == (True, True, False)
    work.stop(exporting.export(snapshot=snapshot, format="attribution"))
    assert b"".join(manager.get(file)) == content
    # It is of the snapshot as it was: whose face is erased is in it no more.
    erase("face", [gone.pk])
    assert manager.get(file).status_code == 404
    assert ">Download<" not in manager.get(page).content.decode()
    assert run_again(row).state == "done"
    assert b"".join(manager.get(file)) != content


def test_the_page_asks_again_for_what_was_asked(
    manager: Client, snapshot: Snapshot, settings, tmp_path: Path
) -> None:
    settings.EXPORT_ROOTS = [str(tmp_path)]
    page = reverse("labeling:snapshot", args=[snapshot.pk])
    place = str(tmp_path / "out")
    manager.post(reverse("labeling:snapshot_export", args=[snapshot.pk]), {"format": "votes", "to": place})
    assert f'name="to" value="{place}"' in manager.get(page).content.decode()
    manager.post(reverse("labeling:snapshot_export", args=[snapshot.pk]), {"format": "votes", "to": ""})
    assert 'name="to" value=""' in manager.get(page).content.decode()
