"""Names that would lead elsewhere, files that would fill the disk, people who would take all of it."""

import shutil
from collections import namedtuple
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from labeling import upload_files, uploads
from labeling.models import Source, Upload
from tests.labeling.uploads.sending import URL, announce, piece, several

pytestmark = pytest.mark.django_db
GIB = 1024**3


@pytest.mark.parametrize(
    "path",
    [
        "", ".", "..", "/", "/etc/passwd", "../a", "a/../b", "a/..", "a//b", "./a", "a/./b", "a/", "//a",
        "..\\a", "a\\b", "C:/a", "C:\\a", "a:b", "a\0b", "a\nb", "a\x7f", "a\u2028b", "a\x1b[31m", "~/..", "a ",
        "CON", "con.txt", "a/NUL", "lpt1.png", "COM9.tar.gz", "aux /b",
        "x" * 256, "é" * 128, "/".join("d" * 33), "a/" * 600 + "b",
    ],
)  # fmt: skip
def test_a_name_that_leads_elsewhere_is_refused_and_writes_nothing(
    manager: Client, tmp_path: Path, path: str
) -> None:
    answer = announce(manager, path, 1)
    assert (answer.status_code, answer.json()["code"]) == (400, "badpath")
    refused = several(manager, uuid4(), {path: b"x"}).json()["refused"]
    assert [one["path"] for one in refused] == [path]
    assert not Upload.objects.exists()
    assert [found for found in tmp_path.rglob("*") if found.is_file()] == []


@pytest.mark.parametrize(
    "path",
    [
        "a", "a b.jpg", "Ảnh/Cười.png", "..a", "a..", "...", ".hidden", "console.txt", "日本/写真.jpg", "-rf", "~",
        "Screenshot 2024 at 1.02.03\u202fPM.png", "👩‍👧.png", "%2e%2e%2fa", "é" * 127, "/".join("d" * 32),
    ],
)  # fmt: skip
def test_a_name_that_people_give_is_kept_as_it_is(manager: Client, folder: Path, path: str) -> None:
    batch = uuid4()
    url = announce(manager, path, 3, batch)["Location"]
    piece(manager, url, 0, b"abc")
    assert (folder / str(batch) / path).read_bytes() == b"abc"


def test_a_link_in_the_way_is_not_followed(manager: Client, folder: Path, tmp_path: Path) -> None:
    batch, elsewhere = uuid4(), tmp_path / "elsewhere"
    elsewhere.write_bytes(b"mine")
    (folder / str(batch)).mkdir(parents=True)
    (folder / str(batch) / "a").symlink_to(elsewhere)
    assert announce(manager, "a", 3, batch).status_code == 400
    assert elsewhere.read_bytes() == b"mine"


def test_a_file_and_a_folder_of_one_name_clash(manager: Client) -> None:
    batch = uuid4()
    assert announce(manager, "a", 1, batch).status_code == 201
    assert announce(manager, "a/b", 1, batch).status_code == 400
    assert announce(manager, "c/d", 1, batch).status_code == 201
    assert announce(manager, "c", 1, batch).status_code == 400
    assert sorted(Upload.objects.values_list("path", flat=True)) == ["a", "c/d"]


def test_a_file_larger_than_any_may_be_is_refused(manager: Client, settings) -> None:
    settings.MAX_RESUMABLE_BYTES = 100
    answer = announce(manager, "a", 101)
    assert (answer.status_code, answer.json()["code"]) == (413, "toolong")
    assert announce(manager, "a", 100).status_code == 201


def test_one_person_may_not_have_too_much_lying_about(manager: Client, settings) -> None:
    settings.UPLOAD_QUOTA_BYTES = 100
    assert announce(manager, "a", 60).status_code == 201
    answer = announce(manager, "b", 41)
    assert (answer.status_code, answer.json()["code"]) == (413, "overquota")
    assert several(manager, uuid4(), {"b": b"x" * 41}).status_code == 413
    Upload.objects.update(source=Source.objects.create(name="s", kind="folder", location="/x"))
    assert announce(manager, "b", 41).status_code == 201


def disk(monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(2 * free, free, free))


def test_a_disk_is_never_filled(manager: Client, settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.UPLOAD_KEEP_FREE_BYTES = 2 * GIB
    disk(monkeypatch, 10 * GIB)
    full = announce(manager, "a", 9 * GIB)
    assert (full.status_code, full.json()["code"]) == (507, "noroom")
    assert f"room for {8 * GIB} bytes more" in full.json()["error"]
    first = announce(manager, "a", 5 * GIB)
    assert first.status_code == 201
    # What was announced and has not come yet is spoken for.
    assert announce(manager, "b", 4 * GIB).status_code == 507
    disk(monkeypatch, 2 * GIB + 3)
    assert piece(manager, first["Location"], 0, b"1234").status_code == 507
    assert piece(manager, first["Location"], 0, b"123").status_code == 204


def test_a_file_left_alone_keeps_nobody_out(manager: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    disk(monkeypatch, 10 * GIB)
    announce(manager, "a", 8 * GIB)
    Upload.objects.update(touched_at=timezone.now() - timedelta(hours=2))
    assert announce(manager, "b", 8 * GIB).status_code == 201


def test_a_disk_that_fills_all_the_same_says_so_and_keeps_what_had_room(
    manager: Client, folder: Path
) -> None:
    """A real full disk: the file's own limit of blocks cannot be had without a mount, /dev/full can."""
    batch = uuid4()
    url = announce(manager, "a", 10, batch)["Location"]
    (folder / str(batch) / "a").unlink()
    with pytest.raises(uploads.NoRoom), open("/dev/full", "wb", buffering=0) as device:
        upload_files.write(device, b"x")
    assert piece(manager, url, 0, b"0123456789").status_code == 204


def age(days: float, **which: object) -> None:
    Upload.objects.filter(**which).update(touched_at=timezone.now() - timedelta(days=days))


def test_what_nobody_touches_is_removed_after_a_week(manager: Client, folder: Path) -> None:
    old, new, lively = uuid4(), uuid4(), uuid4()
    for batch in (old, new, lively):
        several(manager, batch, {"a": b"1", "d/b": b"2"})
    age(8, batch=old)
    age(6, batch=new)
    # One file of a batch is still coming: the others of it are not forgotten.
    age(30, batch=lively, path="a")
    assert uploads.remove_forgotten() == 2
    assert {path.name for path in folder.iterdir()} == {str(new), str(lively)}
    assert set(Upload.objects.values_list("batch", flat=True)) == {new, lively}


def test_a_source_keeps_its_files(manager: Client, folder: Path) -> None:
    batch = uuid4()
    several(manager, batch, {"a": b"1"})
    Upload.objects.update(source=Source.objects.create(name="s", kind="folder", location="/x"))
    age(100)
    assert uploads.remove_forgotten() == 0
    assert (folder / str(batch) / "a").read_bytes() == b"1"
    assert manager.delete(f"{URL}batches/{batch}/").status_code == 409
    assert announce(manager, "b", 1, batch).status_code == 409


def test_what_a_kill_left_without_a_row_is_removed_too(folder: Path) -> None:
    import os

    stray, form = folder / str(uuid4()), folder / "0123456789abcdef"
    for made in (stray, form):
        made.mkdir(parents=True)
        (made / "a").write_bytes(b"x")
    uploads.remove_forgotten()
    assert stray.exists()
    for made in (stray, form):
        os.utime(made, (0, 0))
    uploads.remove_forgotten()
    assert (stray.exists(), form.exists()) == (False, True)
