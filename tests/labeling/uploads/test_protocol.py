"""Files come in pieces, as tus 1.0.0 has it: https://tus.io/protocols/resumable-upload."""

import base64
import fcntl
import hashlib
from email.utils import parsedate_to_datetime
from pathlib import Path
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone
from rest_framework.authtoken.models import Token

from labeling.models import Upload
from tests.factories import make_user
from tests.labeling.uploads.sending import PIECE, TUS, URL, announce, ask, encoded, piece, several

pytestmark = pytest.mark.django_db


def kept() -> bytes:
    """The bytes of the one upload, as they lie on the disk."""
    upload = Upload.objects.get()
    return (folder_of(upload) / upload.path).read_bytes()


def folder_of(upload: Upload) -> Path:
    from django.conf import settings

    return settings.UPLOAD_ROOT / str(upload.batch)


def test_a_file_comes_in_pieces(manager: Client) -> None:
    made = announce(manager, "holiday/me & you.jpg", 10)
    url = made["Location"]
    assert (made.status_code, made["Tus-Resumable"], made["Upload-Offset"]) == (201, "1.0.0", "0")
    assert ask(manager, url) == 0
    first = piece(manager, url, 0, b"hello")
    assert (first.status_code, first["Upload-Offset"], ask(manager, url)) == (204, "5", 5)
    second = piece(manager, url, 5, b"world")
    assert (second.status_code, second["Upload-Offset"]) == (204, "10")
    upload = Upload.objects.get()
    assert (upload.path, upload.bytes, upload.received) == ("holiday/me & you.jpg", 10, 10)
    assert kept() == b"helloworld"


def test_head_tells_length_names_and_the_day_it_will_be_forgotten(manager: Client) -> None:
    batch = uuid4()
    answer = manager.head(announce(manager, "d/é.png", 3, batch)["Location"], headers=TUS)
    assert (answer["Upload-Length"], answer["Cache-Control"]) == ("3", "no-store")
    assert answer["Upload-Metadata"] == encoded(relativePath="d/é.png", batch=str(batch))
    left = parsedate_to_datetime(answer["Upload-Expires"]) - timezone.now()
    assert 6.9 < left.total_seconds() / 86400 <= 7.0


def test_options_tell_what_is_spoken(manager: Client, settings) -> None:
    settings.MAX_RESUMABLE_BYTES = 1234
    answer = manager.options(URL)
    assert answer.status_code == 204
    told = {name: answer[name] for name in ("Tus-Version", "Tus-Extension", "Tus-Max-Size")}
    assert told == {
        "Tus-Version": "1.0.0",
        "Tus-Extension": "creation,termination,expiration,checksum",
        "Tus-Max-Size": "1234",
    }


def test_another_version_is_told_ours(manager: Client) -> None:
    url = announce(manager, "a", 1)["Location"]
    for answer in (manager.post(URL), manager.head(url), manager.patch(url), manager.delete(url)):
        assert (answer.status_code, answer["Tus-Version"]) == (412, "1.0.0")


def test_a_piece_from_the_wrong_place_changes_nothing(manager: Client) -> None:
    url = announce(manager, "a", 10)["Location"]
    piece(manager, url, 0, b"hello")
    for offset in (0, 4, 6, 10):
        answer = piece(manager, url, offset, b"x")
        assert (answer.status_code, answer.json()["code"]) == (409, "wrongoffset")
    assert kept() == b"hello"


def test_more_than_was_announced_is_refused_whole(manager: Client) -> None:
    url = announce(manager, "a", 10)["Location"]
    assert piece(manager, url, 0, b"x" * 11).status_code == 413
    assert (ask(manager, url), kept()) == (0, b"")


def test_a_body_of_another_type_is_refused(manager: Client) -> None:
    url = announce(manager, "a", 10)["Location"]
    for kind in ("application/octet-stream", "multipart/form-data; boundary=x", "application/json"):
        answer = manager.patch(url, b"hello", content_type=kind, headers={**TUS, "Upload-Offset": "0"})
        assert answer.status_code == 415
    assert ask(manager, url) == 0


@pytest.mark.parametrize(
    "headers",
    [
        {"Upload-Length": ""},
        {"Upload-Length": "-1"},
        {"Upload-Length": "1e3"},
        {"Upload-Length": "9" * 30},
        {"Upload-Length": "1", "Upload-Metadata": "filename !!!"},
        {"Upload-Length": "1", "Upload-Metadata": "filename " + base64.b64encode(b"\xff\xfe").decode()},
    ],
)
def test_what_cannot_be_read_is_refused(manager: Client, headers: dict[str, str]) -> None:
    assert manager.post(URL, headers={**TUS, **headers}).status_code == 400
    assert not Upload.objects.exists()


def test_a_file_of_nothing_is_there_at_once(manager: Client) -> None:
    assert announce(manager, "empty.txt", 0)["Upload-Offset"] == "0"
    assert kept() == b""


def test_announced_twice_it_is_the_same_file(manager: Client) -> None:
    batch = uuid4()
    first = announce(manager, "a", 10, batch)
    piece(manager, first["Location"], 0, b"hello")
    again = announce(manager, "a", 10, batch)
    assert (again.status_code, again["Location"], again["Upload-Offset"]) == (201, first["Location"], "5")
    other = announce(manager, "a", 11, batch)
    assert (other.status_code, other.json()["code"]) == (409, "clash")


def test_a_file_is_taken_back_with_its_bytes(manager: Client, folder: Path) -> None:
    url = announce(manager, "deep/er/a", 10)["Location"]
    piece(manager, url, 0, b"hello")
    assert manager.delete(url, headers=TUS).status_code == 204
    assert (Upload.objects.count(), list(folder.iterdir())) == (0, [])
    assert (ask(manager, url), piece(manager, url, 5, b"x").status_code) == (None, 404)
    assert list(folder.iterdir()) == []


def test_methods_may_be_named_in_a_header(manager: Client) -> None:
    url = announce(manager, "a", 5)["Location"]
    headers = {**TUS, "Upload-Offset": "0", "X-HTTP-Method-Override": "PATCH"}
    assert manager.post(url, b"hello", content_type=PIECE, headers=headers).status_code == 204
    assert manager.post(url, headers={**TUS, "X-HTTP-Method-Override": "DELETE"}).status_code == 204
    assert not Upload.objects.exists()


@pytest.mark.parametrize("name", ["sha1", "sha256", "md5"])
def test_a_piece_that_came_mangled_is_dropped(manager: Client, name: str) -> None:
    url = announce(manager, "a", 10)["Location"]
    piece(manager, url, 0, b"hello")
    good = f"{name} {base64.b64encode(hashlib.new(name, b'world').digest()).decode()}"
    bad = piece(manager, url, 5, b"worlt", **{"Upload-Checksum": good})
    assert (bad.status_code, ask(manager, url), kept()) == (460, 5, b"hello")
    assert piece(manager, url, 5, b"world", **{"Upload-Checksum": good}).status_code == 204
    assert kept() == b"helloworld"
    other = announce(manager, "b", 1)["Location"]
    assert piece(manager, other, 0, b"x", **{"Upload-Checksum": "crc99 AAAA"}).status_code == 400


def test_of_two_at_once_one_is_told_to_wait(manager: Client, folder: Path) -> None:
    url = announce(manager, "a", 10)["Location"]
    upload = Upload.objects.get()
    with (folder_of(upload) / "a").open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        answer = piece(manager, url, 0, b"hello")
        assert (answer.status_code, answer.json()["code"]) == (423, "busy")
        assert manager.delete(url, headers=TUS).status_code == 423
    assert piece(manager, url, 0, b"hello").status_code == 204


def test_the_file_is_believed_and_not_the_row(manager: Client, folder: Path) -> None:
    """As after a kill between the bytes and the row, and as after somebody emptied the disk."""
    url = announce(manager, "a", 10)["Location"]
    path = folder_of(Upload.objects.get()) / "a"
    path.write_bytes(b"hello wo")
    assert (ask(manager, url), Upload.objects.get().received) == (8, 8)
    path.write_bytes(b"hel")
    assert (ask(manager, url), Upload.objects.get().received) == (3, 3)
    assert piece(manager, url, 8, b"rl").status_code == 409
    path.unlink()
    assert ask(manager, url) == 0
    assert piece(manager, url, 0, b"helloworld").status_code == 204
    assert kept() == b"helloworld"


def test_an_upload_is_its_makers(manager: Client) -> None:
    batch = uuid4()
    url = announce(manager, "a", 10, batch)["Location"]
    other = Client()
    other.force_login(make_user("manager", name="mallory"))
    assert ask(other, url) is None
    assert piece(other, url, 0, b"x").status_code == 404
    assert other.delete(url, headers=TUS).status_code == 404
    assert announce(other, "b", 1, batch).status_code == 404
    assert several(other, batch, {"b": b"x"}).status_code == 404
    assert other.delete(f"{URL}batches/{batch}/").status_code == 404
    assert other.get(URL).json() == {"batches": []}
    assert other.get(URL, {"batch": batch}).json() == {"files": []}
    assert (ask(manager, url), Upload.objects.count()) == (0, 1)


def test_a_session_needs_its_token_against_forgery_and_a_program_its_own() -> None:
    user = make_user("manager")
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(user)
    assert announce(browser, "a", 5).status_code == 403
    program = Client(
        enforce_csrf_checks=True, headers={"authorization": f"Token {Token.objects.create(user=user)}"}
    )
    url = announce(program, "a", 5)["Location"]
    assert piece(program, url, 0, b"hello").status_code == 204
    for answer in (piece(browser, url, 5, b""), browser.delete(url, headers=TUS)):
        assert answer.status_code == 403
    # An override is held to the method it names.
    forged = browser.post(url, headers={**TUS, "X-HTTP-Method-Override": "DELETE"})
    assert (forged.status_code, Upload.objects.count()) == (403, 1)
    browser.get("/sources/new/")
    token = browser.cookies["csrftoken"].value
    assert announce(browser, "b", 5, **{"X-CSRFToken": token}).status_code == 201


def test_small_files_come_many_at_once(manager: Client) -> None:
    batch = uuid4()
    files = {f"small/{n}.txt": b"%d" % n * n for n in range(50)}
    answer = several(manager, batch, files)
    assert (answer.status_code, answer.json()) == (200, {"refused": []})
    rows = {upload.path: upload for upload in Upload.objects.all()}
    assert set(rows) == set(files)
    for path, content in files.items():
        assert rows[path].received == rows[path].bytes == len(content)
        assert (folder_of(rows[path]) / path).read_bytes() == content


def test_small_files_cut_off_are_those_that_are_whole_and_may_be_sent_again(manager: Client) -> None:
    batch = uuid4()
    files = {"a": b"aaaa", "b": b"bbbb", "c": b"cccc"}
    several(manager, batch, files, cut=5)
    assert sorted(Upload.objects.values_list("path", flat=True)) == ["a"]
    several(manager, batch, files)
    assert sorted(Upload.objects.values_list("path", "received")) == [("a", 4), ("b", 4), ("c", 4)]


def test_of_small_files_the_good_ones_are_taken(manager: Client) -> None:
    batch = uuid4()
    announce(manager, "known", 9, batch)
    answer = several(manager, batch, {"ok": b"1", "../up": b"22", "known": b"333", "also ok": b"4444"})
    assert [one["path"] for one in answer.json()["refused"]] == ["../up", "known"]
    assert (folder_of(Upload.objects.first()) / "also ok").read_bytes() == b"4444"
    assert sorted(Upload.objects.values_list("path", "received")) == [("also ok", 4), ("known", 0), ("ok", 1)]


@pytest.mark.parametrize(
    "line", [b"", b"{}", b"[[1,2]]", b'[["a"]]', b'[["a","1"]]', b"[" * 5000, b'[["a",1e3]]', b"5"]
)
def test_an_index_that_is_none_is_refused(manager: Client, line: bytes) -> None:
    headers = {"Upload-Metadata": encoded(batch=str(uuid4()))}
    answer = manager.post(
        f"{URL}several/", line + b"\nabc", content_type="application/vnd.vemo.files", headers=headers
    )
    assert (answer.status_code, Upload.objects.count()) == (400, 0)
