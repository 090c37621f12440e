"""Originals: what was uploaded is ours to delete, what lies in folders of the user's own is not."""

import zipfile
from pathlib import Path
from uuid import uuid4

import pytest
from django.conf import settings

from labeling import erasure
from labeling.models import Upload
from tests.factories import make_user
from tests.labeling.erasure.erasing import erase
from tests.labeling.sources.places import again, png, states, taken_in, write, zipped

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def uploads(settings, tmp_path: Path) -> Path:
    settings.UPLOAD_ROOT = tmp_path / "uploads"
    return settings.UPLOAD_ROOT


def test_an_uploaded_file_goes_with_its_media(uploads: Path) -> None:
    batch, by = uuid4(), make_user("manager")
    folder = write(uploads / str(batch), {"a/one.png": png(1), "two.png": png(2)})
    for path in ("a/one.png", "two.png"):
        Upload.objects.create(batch=batch, path=path, bytes=1, received=1, by=by)
    source = taken_in(folder)
    # As a version left it that kept what was taken in.
    write(uploads / str(batch), {"a/one.png": png(1), "two.png": png(2)})
    found = erasure.preview("media", [source.items.get(locator="a/one.png").media_id])
    assert (found.uploaded, found.originals) == (1, [])
    row = erase("media", found.what)
    assert [path.name for path in folder.rglob("*")] == ["two.png"]
    assert list(Upload.objects.values_list("path", flat=True)) == ["two.png"]
    assert (row.touched["uploaded"], row.touched["originals_count"]) == (1, 0)


def test_an_uploaded_zip_loses_the_member(uploads: Path) -> None:
    uploads.mkdir()
    archive = zipped(uploads / "set.zip", {"a/one.png": png(1), "two.png": png(2), "notes.txt": "mine"})
    source = taken_in(archive)
    # As a version left it that kept what was taken in.
    zipped(archive, {"a/one.png": png(1), "two.png": png(2), "notes.txt": "mine"})
    erase("media", [source.items.get(locator="a/one.png").media_id])
    with zipfile.ZipFile(archive) as left:
        assert sorted(left.namelist()) == ["notes.txt", "two.png"]
        assert left.read("two.png") == png(2)
        assert left.getinfo("two.png").compress_type == zipfile.ZIP_DEFLATED
    assert [path.name for path in uploads.iterdir()] == ["set.zip"]
    again(source)
    assert states(source)["two.png"] == "ingested"


def test_of_an_erased_source_nothing_that_was_uploaded_stays(uploads: Path) -> None:
    batch = uuid4()
    folder = write(uploads / str(batch), {"one.png": png(1), "broken.png": "no picture"})
    source = taken_in(folder)
    Upload.objects.create(
        batch=batch, path="one.png", bytes=1, received=1, by=make_user("manager"), source=source
    )
    erase("source", [source.pk])
    assert list(uploads.rglob("*")) == []
    assert not Upload.objects.exists()


def test_a_folder_of_the_users_own_is_left_alone_and_told(tmp_path: Path) -> None:
    folder = write(tmp_path / "own", {"one.png": png(1)})
    source = taken_in(folder)
    row = erase("source", [source.pk])
    assert (folder / "one.png").read_bytes() == png(1)
    assert row.touched["originals"] == [str(folder / "one.png")]
    assert settings.UPLOAD_ROOT.exists() is False


def test_a_link_out_of_the_uploads_is_not_followed(uploads: Path, tmp_path: Path) -> None:
    outside = write(tmp_path / "own", {"one.png": png(1)}) / "one.png"
    folder = uploads / "batch"
    folder.mkdir(parents=True)
    (folder / "link.png").symlink_to(outside)
    (folder / "two.png").write_bytes(png(2))
    source = taken_in(folder)
    erase("source", [source.pk])
    assert outside.exists()
    assert not folder.exists()
