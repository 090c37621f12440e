"""Where an export is written to besides: folders and buckets, those that are allowed, without what was erased."""

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from labeling.fetching import buckets
from labeling.models import Export
from labeling.snapshots import erasing, exporting, freezing
from labeling.snapshots import format as snapshots
from labeling.snapshots.exports.tree import SUMS
from tests.labeling.snapshots.making import frozen, make_settled, whole
from tests.labeling.snapshots.test_exporting import made
from tests.labeling.sources.buckets import BUCKET, Storage, a_storage

pytestmark = pytest.mark.django_db


def test_the_files_are_written_into_a_folder_and_replaced_whole(tmp_path: Path) -> None:
    snapshot = frozen(make_settled(6))
    row = made(snapshot, "imagefolder", to=str(tmp_path / "out"))
    (folder,) = (tmp_path / "out").iterdir()
    assert folder.name == f"{snapshot.digest[:12]}-imagefolder"
    with zipfile.ZipFile(io.BytesIO(whole(row))) as archive:
        wanted = {name: archive.read(name) for name in archive.namelist()}
    assert {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    } == (wanted)
    (folder / "old").write_text("left over")
    made(snapshot, "imagefolder", to=str(tmp_path / "out"))
    assert [path.name for path in (tmp_path / "out").iterdir()] == [folder.name]
    assert not (folder / "old").exists()


def test_from_outside_only_allowed_places_are_written_to(settings, tmp_path: Path) -> None:
    snapshot = frozen(make_settled(6))
    settings.EXPORT_ROOTS = [str(tmp_path / "allowed"), f"s3://{BUCKET}/out"]
    ask = {"snapshot": snapshot, "format": "votes", "from_outside": True}
    for place in (str(tmp_path), str(tmp_path / "allowed" / ".." / "x"), "/a\0b", f"/{'x' * 5_000}"):
        with pytest.raises(exporting.CannotExport, match="outside the places this site may write to"):
            exporting.export(**ask, to=place)
    with pytest.raises(exporting.CannotExport, match="not a whole path"):
        exporting.export(**ask, to="allowed")
    with pytest.raises(exporting.CannotExport, match="knows no storage"):
        exporting.export(**ask, to=f"s3://{BUCKET}/out/a")
    assert not Export.objects.exists()
    assert exporting.export(**ask, to=str(tmp_path / "allowed" / "a")).state == "waiting"


@pytest.fixture
def storage(settings) -> Iterator[Storage]:
    with a_storage() as one:
        settings.S3_PROFILES = {"lab": one.profile()}
        settings.S3_FIRST_PAUSE_S = 0.01
        settings.EXPORT_ROOTS = [f"s3://{BUCKET}/out"]
        yield one


def test_the_files_are_written_into_a_bucket_the_sums_last(storage: Storage) -> None:
    snapshot = frozen(make_settled(6))
    with pytest.raises(exporting.CannotExport, match="outside the places"):
        exporting.export(snapshot=snapshot, format="votes", to=f"s3://{BUCKET}/other", from_outside=True)
    row = made(snapshot, "votes", to=f"s3://{BUCKET}/out/a", from_outside=True)
    assert (row.state, row.error) == ("done", "")
    prefix = f"out/a/{snapshot.digest[:12]}-votes/"
    stored = storage.client.list_objects_v2(Bucket=BUCKET, Prefix=prefix)["Contents"]
    with zipfile.ZipFile(io.BytesIO(whole(row))) as archive:
        wanted = {prefix + name: archive.read(name) for name in archive.namelist()}
    assert {
        one["Key"]: storage.client.get_object(Bucket=BUCKET, Key=one["Key"])["Body"].read() for one in stored
    } == wanted
    newest = max(stored, key=lambda one: (one["LastModified"], one["Key"] == prefix + SUMS))
    assert newest["Key"] == prefix + SUMS


def test_what_was_erased_leaves_the_bucket_and_what_lies_beside_the_export_stays(
    storage: Storage, monkeypatch
) -> None:
    client = buckets._client

    def with_short_pages(profile: buckets.Profile) -> Any:
        far = client(profile)
        whole = far.list_objects_v2
        monkeypatch.setattr(far, "list_objects_v2", lambda **asked: whole(**asked, MaxKeys=2))
        return far

    monkeypatch.setattr(buckets, "_client", with_short_pages)
    snapshot = frozen(make_settled(12))
    made(snapshot, "imagefolder", to=f"s3://{BUCKET}/out/a", from_outside=True)
    folder = f"out/a/{snapshot.digest[:12]}-imagefolder"
    beside = {f"{folder}-mine/notes.txt": b"mine", f"{folder}.txt": b"mine", "out/a/notes.txt": b"mine"}
    storage.put({**beside, **{f"{folder}/zzz/{number}.png": b"left" for number in range(5)}})
    gone = snapshots.read_table(freezing.local_folder(snapshot)).to_pylist()[3]
    erasing.erase([gone["face_key"]])
    row = made(snapshot, "imagefolder", to=f"s3://{BUCKET}/out/a", from_outside=True)
    assert (row.state, row.error) == ("done", "")
    with zipfile.ZipFile(io.BytesIO(whole(row))) as archive:
        wanted = {f"{folder}/{name}": archive.read(name) for name in archive.namelist()}
    stored = storage.client.list_objects_v2(Bucket=BUCKET)["Contents"]
    found = {
        one["Key"]: storage.client.get_object(Bucket=BUCKET, Key=one["Key"])["Body"].read() for one in stored
    }
    assert found == {**wanted, **beside}
    assert gone["image"] not in found.values()
