"""Snapshots in an S3 bucket."""

import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from moto import mock_aws
from storages.backends.s3 import S3Storage

from labeling import work
from labeling.snapshots import exporting, freezing
from labeling.snapshots import format as snapshots
from tests.labeling.erasure.erasing import erase
from tests.labeling.snapshots.making import frozen, make_settled

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def bucket(settings, monkeypatch) -> Iterator[None]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    options = {"bucket_name": "vemo", "location": "a/prefix", "region_name": "us-east-1"}
    with mock_aws():
        boto3.client("s3", region_name="us-east-1").create_bucket(Bucket="vemo")
        settings.STORAGES = {
            **settings.STORAGES,
            "default": {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options},
        }
        yield


def stored(folder: str) -> list[str]:
    return sorted(default_storage.listdir(folder)[1])


def test_a_snapshot_is_stored_fetched_once_and_verified_where_it_is_stored(settings) -> None:
    snapshot = frozen(make_settled())
    assert (snapshot.state, snapshot.error) == ("done", "")
    assert stored(snapshot.folder) == ["faces-00000.parquet", "manifest.json"]
    folder = freezing.local_folder(snapshot)
    assert folder == Path(settings.SNAPSHOT_CACHE_ROOT) / snapshot.digest
    assert snapshots.verify(folder) == freezing.verify(snapshot=snapshot) == []
    assert sorted(path.name for path in folder.parent.iterdir()) == [snapshot.digest, "packs"]
    assert stored("snapshots/packs") == snapshot.packs
    assert list(Path(settings.WORK_ROOT).iterdir()) == []
    # What is fetched is not fetched again; what is verified is the bucket, not the copy.
    default_storage.save(f"{snapshot.folder}/manifest.json", ContentFile(b"{}"))
    assert freezing.local_folder(snapshot) == folder
    assert [problem.where for problem in freezing.verify(snapshot=snapshot)] == ["manifest.json"]


def test_a_damaged_snapshot_is_not_fetched_and_freezing_again_mends_it(settings) -> None:
    campaign = make_settled()
    snapshot = frozen(campaign)
    default_storage.delete(f"{snapshot.folder}/faces-00000.parquet")
    with pytest.raises(work.Refused, match="is damaged") as refusal:
        freezing.local_folder(snapshot)
    assert "Put the file back from a backup; or have" in str(refusal.value)
    assert list(Path(settings.SNAPSHOT_CACHE_ROOT).iterdir()) == []
    frozen(campaign)
    assert snapshots.verify(freezing.local_folder(snapshot)) == []


def test_a_snapshot_stored_by_a_killed_attempt_goes_when_another_is_made() -> None:
    campaign = make_settled()
    before, twin = frozen(campaign), freezing.freeze(campaign=campaign, seed=1)
    type(twin).objects.filter(pk=twin.pk).update(folder=before.folder)
    type(before).objects.filter(pk=before.pk).delete()
    freezing.run_freeze(twin.pk)
    twin.refresh_from_db()
    assert stored(before.folder) == []
    assert freezing.verify(snapshot=twin) == []


def test_an_export_is_stored_and_made_again_when_it_is_gone() -> None:
    snapshot = frozen(make_settled(12))
    row = exporting.export(snapshot=snapshot, format="imagefolder")
    exporting.run_export(row.pk)
    row.refresh_from_db()
    default_storage.delete(row.stored_as)
    row = exporting.export(snapshot=snapshot, format="imagefolder")
    assert row.state == "waiting"
    exporting.run_export(row.pk)
    with default_storage.open(row.stored_as) as file, zipfile.ZipFile(file) as archive:
        assert len(archive.namelist()) == 19
        assert archive.testzip() is None


class SlowBucket(S3Storage):
    """While it stores the first file below `folder`, something else happens."""

    folder = ""
    meanwhile: Callable[[], object] | None = None

    def save(self, name, content, max_length=None):
        kept = super().save(name, content, max_length)
        happens = SlowBucket.meanwhile
        if happens is not None and str(name).startswith(SlowBucket.folder):
            SlowBucket.meanwhile = None
            happens()
        return kept


@pytest.fixture
def slow(settings) -> type[SlowBucket]:
    default = {**settings.STORAGES["default"], "BACKEND": f"{__name__}.SlowBucket"}
    settings.STORAGES = {**settings.STORAGES, "default": default}
    return SlowBucket


@pytest.mark.parametrize("folder", ["snapshots/packs", "snapshots/"])
def test_what_is_stored_after_an_erasure_let_go_of_it_does_not_stay(slow, folder: str) -> None:
    campaign = make_settled(12)
    snapshot = freezing.freeze(campaign=campaign, wake=False)
    slow.folder = folder
    slow.meanwhile = lambda: erase("face", [campaign.campaign_faces.first().face_id])
    freezing.run_freeze(snapshot.pk)
    snapshot.refresh_from_db()
    assert (snapshot.state, snapshot.folder, snapshot.packs) == ("waiting", "", [])
    assert stored("snapshots/packs") == []
    freezing.run_freeze(snapshot.pk)
    snapshot.refresh_from_db()
    assert (snapshot.state, snapshot.error) == ("done", "")
    assert stored("snapshots/packs") == snapshot.packs
    assert freezing.verify(snapshot=snapshot) == []


def test_an_export_stored_after_an_erasure_let_go_of_it_does_not_stay(slow) -> None:
    campaign = make_settled(12)
    snapshot = frozen(campaign)
    row = exporting.export(snapshot=snapshot, format="imagefolder", wake=False)
    slow.folder = "exports/"
    slow.meanwhile = lambda: erase("face", [campaign.campaign_faces.first().face_id])
    exporting.run_export(row.pk)
    row.refresh_from_db()
    assert (row.state, row.stored_as, row.sha256) == ("waiting", "", "")
    assert stored(f"exports/{snapshot.digest}") == []
    exporting.run_export(row.pk)
    row.refresh_from_db()
    assert (row.state, [row.stored_as]) == (
        "done",
        [f"exports/{snapshot.digest}/{name}" for name in stored(f"exports/{snapshot.digest}")],
    )
