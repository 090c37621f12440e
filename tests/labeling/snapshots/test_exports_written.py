"""What every export has in it, where else it may go, and what is refused before a disk is full."""

import csv
import hashlib
import io
import json
import os
import shutil
import struct
import subprocess
import threading
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml
from django.core.management import CommandError, call_command
from django.urls import reverse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from labeling.expressions import EIGHT, FERPLUS_ANSWERS, OTHER_ANSWERS, SEVEN
from labeling.fetching import buckets
from labeling.models import Export, Media
from labeling.snapshots import erasing, exporting, freezing
from labeling.snapshots import format as snapshots
from labeling.snapshots.exports import FORMATS, card, ferplus, write
from labeling.snapshots.exports.format import Given
from labeling.snapshots.exports.tree import SUMS, Tree, unpacked
from tests.factories import make_user
from tests.labeling.snapshots.making import frozen, make_settled
from tests.labeling.snapshots.test_exporting import inside, made
from tests.labeling.sources.buckets import BUCKET, Storage, a_storage
from tests.snapshot_folders import make_snapshot_folder

pytestmark = pytest.mark.django_db
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\\\n\r\x00"), min_size=1, max_size=20)


@given(
    st.dictionaries(NAMES, st.binary(max_size=3_000), max_size=12),
    st.integers(0, 12),
    st.sampled_from(((1, 1), (999, 1), (3_000, 1), (1_000, 50), (65_535, 50), (70_000, 50))),
)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_tree_gives_back_what_was_put_in(
    tmp_path: Path, files: dict[str, bytes], few: int, cut: tuple[int, int]
) -> None:
    piece, times = cut
    files.pop(SUMS, None)
    names = list(files)
    # Those written piece by piece are large enough for several blocks, or small enough for less than one.
    for name in names[few:]:
        files[name] *= times

    def tree_of(target: Path, piece: int) -> bytes:
        with Tree(target) as tree:
            tree.add_many(
                names[:few],
                [files[name] for name in names[:few]],
                [hashlib.sha256(files[name]).hexdigest() for name in names[:few]],
            )
            for name in names[few:]:
                with tree.open(name) as member:
                    for start in range(0, len(files[name]), piece):
                        member.write(files[name][start : start + piece])
        content = target.read_bytes()
        assert tree.sha256 == hashlib.sha256(content).hexdigest()
        return content

    sums = "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in files.items())
    target = tmp_path / "tree.zip"
    content = tree_of(target, piece)
    with zipfile.ZipFile(target) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [*names, SUMS]
        assert {name: archive.read(name) for name in archive.namelist()} == {**files, SUMS: sums.encode()}
    with target.open("rb") as file:
        assert {name: b"".join(blocks) for name, blocks in unpacked(file)} == {
            **files,
            SUMS: sums.encode(),
        }
    assert [path.name for path in tmp_path.iterdir()] == ["tree.zip"]
    assert tree_of(target, 1_000_000) == content


@pytest.mark.parametrize("size", [0, 1, 65_534, 65_535, 65_536, 131_070, 3_000_000])
def test_other_tools_open_a_tree_whatever_the_size_of_what_was_written_in_pieces(
    tmp_path: Path, size: int
) -> None:
    content = bytes(range(251)) * (size // 251 + 1)
    with Tree(tmp_path / "tree.zip") as tree:
        tree.add("before.txt", b"small")
        with tree.open("large.bin") as member:
            member.write(content[:size])
        tree.add("after.txt", b"too")
    if shutil.which("unzip"):
        tested = subprocess.run(
            ["unzip", "-tq", tmp_path / "tree.zip"], capture_output=True, text=True, check=False
        )
        assert tested.returncode == 0, tested.stdout + tested.stderr
    shutil.unpack_archive(tmp_path / "tree.zip", tmp_path / "out", "zip")
    assert (tmp_path / "out" / "large.bin").read_bytes() == content[:size]
    assert (tmp_path / "out" / "after.txt").read_bytes() == b"too"


@pytest.mark.parametrize("most", [0, 2**32], ids=["small", "reckoned to be large"])
def test_a_tree_is_read_from_front_to_end_as_others_do_it(tmp_path: Path, most: int) -> None:
    content = bytes(range(251)) * 800
    with Tree(tmp_path / "tree.zip") as tree:
        with tree.open("pieces", most) as member:
            member.write(content)
        tree.add("whole", b"known")
    found = dict(front_to_end((tmp_path / "tree.zip").read_bytes()))
    assert list(found) == ["pieces", "whole", SUMS]
    assert (found["pieces"], found["whole"]) == (content, b"known")
    with (tmp_path / "tree.zip").open("rb") as file:
        assert {name: b"".join(blocks) for name, blocks in unpacked(file)} == found


def front_to_end(archive: bytes) -> Iterator[tuple[str, bytes]]:
    """As APPNOTE.TXT has it (4.3.9.2): sizes behind a file have 64 bits exactly if its head has a part that says so."""
    at = 0
    while archive[at : at + 4] == b"PK\x03\x04":
        flags, method, _time, _date, crc, stored, size, name, extra = struct.unpack_from(
            "<6xHHHHIIIHH", archive, at
        )
        at += 30
        begun = at + name + extra
        large = archive[at + name : at + name + 2] == b"\x01\x00"
        if method == 8:
            reader = zlib.decompressobj(-15)
            content = reader.decompress(archive[begun:])
            assert reader.eof
            end = len(archive) - len(reader.unused_data)
            assert flags & 8
            sign, crc, stored, size = struct.unpack_from("<IIQQ" if large else "<IIII", archive, end)
            assert (sign, stored) == (0x08074B50, end - begun)
            after = end + (24 if large else 16)
        else:
            content = archive[begun : begun + stored]
            after = begun + stored
        assert (zlib.crc32(content), len(content)) == (crc, size)
        yield archive[at : at + name].decode(), content
        at = after
    assert archive[at : at + 4] == b"PK\x01\x02"


@pytest.mark.parametrize("first", ["list", "sums"])
def test_a_tree_that_cannot_begin_leaves_no_thread_and_no_file_open(tmp_path: Path, first: str) -> None:
    (tmp_path / f"tree.zip.{first}").mkdir()
    threads, files = threading.active_count(), len(os.listdir("/proc/self/fd"))
    with pytest.raises(IsADirectoryError):
        Tree(tmp_path / "tree.zip")
    assert threading.active_count() == threads
    assert len(os.listdir("/proc/self/fd")) == files


def test_a_tree_that_ends_early_is_refused(tmp_path: Path) -> None:
    target = tmp_path / "tree.zip"
    with Tree(target) as tree, tree.open("large") as member:
        member.write(b"l" * 2_000_000)
    content = target.read_bytes()
    for end in (10, 1_000, 1_999_999):
        with pytest.raises(EOFError, match="ends early"):
            list(unpacked(io.BytesIO(content[:end])))


def test_a_tree_of_more_files_than_an_old_zip_counts_opens(tmp_path: Path) -> None:
    target = tmp_path / "tree.zip"
    names = [f"{number}" for number in range(70_000)]
    with Tree(target) as tree:
        tree.add_many(names, [b"x"] * len(names), ["0" * 64] * len(names))
    with zipfile.ZipFile(target) as archive:
        assert archive.namelist() == [*names, SUMS]
        assert archive.read("69999") == b"x"


@pytest.mark.parametrize("name", list(FORMATS))
def test_every_export_has_sums_a_card_and_whose_the_media_are(name: str, tmp_path: Path) -> None:
    make_snapshot_folder(tmp_path / "s", images_per_class=5)
    words = {"limits": "# Few\n<b>faces</b>", "uses": ""}
    write(
        FORMATS[name], Given(tmp_path / "s", name="A|B", frozen_on="2026-03-04", words=words), tmp_path / "x"
    )
    with zipfile.ZipFile(tmp_path / "x") as archive:
        archive.extractall(tmp_path / "out")
        assert archive.namelist()[-1] == SUMS
    checked = subprocess.run(
        ["sha256sum", "--strict", "-c", SUMS], cwd=tmp_path / "out", capture_output=True, check=False
    )
    assert checked.returncode == 0
    files = {
        path.relative_to(tmp_path / "out").as_posix()
        for path in (tmp_path / "out").rglob("*")
        if path.is_file()
    }
    assert len(checked.stdout.splitlines()) == len(files) - 1
    assert {"README.md", "media.csv", card.BALANCE, card.AGREEMENT} <= files
    text = (tmp_path / "out" / "README.md").read_text()
    assert text.startswith("---\n")
    for line in (
        "# A\\|B",
        "| happy | 3 | 1 | 1 | 5 |",
        "No face was erased since it was frozen.",
        "\\# Few\n&lt;b>faces&lt;/b>",
    ):
        assert line in text
    assert card.QUESTIONS["uses"] not in text
    for picture in (card.BALANCE, card.AGREEMENT):
        with Image.open(tmp_path / "out" / picture) as image:
            assert image.size[0] == 720


def test_fer_plus_has_every_vote_in_its_column_and_pictures_as_its_code_reads_them(tmp_path: Path) -> None:
    make_snapshot_folder(tmp_path / "s", images_per_class=5, classes=EIGHT)
    with zipfile.ZipFile(packed("ferplus", tmp_path)) as archive:
        table = list(csv.reader(io.StringIO(archive.read("fer2013new.csv").decode())))
        assert ",".join(table[0]) == (
            "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"
        )
        labels = {
            folder: list(csv.reader(io.StringIO(archive.read(f"{folder}/label.csv").decode())))
            for folder in ferplus.FOLDERS.values()
        }
        pictures = {name: archive.read(name) for name in archive.namelist() if "/fer" in name}
    assert [row[1] for row in table[1:]] == [f"fer{number:07d}.png" for number in range(40)]
    assert Counter(row[0] for row in table[1:]) == {"Training": 24, "PublicTest": 8, "PrivateTest": 8}
    rows = iter(table[1:])
    answers = (*EIGHT, *OTHER_ANSWERS)
    for split, folder in ferplus.FOLDERS.items():
        faces = snapshots.read_table(tmp_path / "s", split=split).to_pylist()
        for line, face in zip(labels[folder], faces, strict=True):
            row = next(rows)
            assert (line[0], line[1], line[2:]) == (row[1], "(0, 0, 48, 48)", row[2:])
            assert pictures[f"{folder}/{line[0]}"] == face["image"]
            said = dict(zip(FERPLUS_ANSWERS.values(), map(int, line[2:]), strict=True))
            assert [said[answer] for answer in answers] == face["votes"]


def packed(name: str, tmp_path: Path) -> Path:
    write(FORMATS[name], Given(tmp_path / "s"), tmp_path / f"{name}.zip")
    return tmp_path / f"{name}.zip"


def test_fer_plus_of_other_expressions_is_refused_when_it_is_asked_for() -> None:
    snapshot = frozen(make_settled(6, expressions=["happy", "smug"], labels=("happy", "smug")))
    with pytest.raises(exporting.CannotExport, match="no column for smug"):
        exporting.export(snapshot=snapshot, format="ferplus")


def test_coco_says_where_each_face_is_and_how_large_its_picture() -> None:
    snapshot = frozen(make_settled(8, per_media=2))
    row = made(snapshot, "coco")
    assert row.message == ""
    found = [
        json.loads(inside(row, f"annotations/instances_{split}.json"))
        for split in snapshots.SPLITS
        if any(snapshot.counts["splits"][split].values())
    ]
    assert sum(len(one["annotations"]) for one in found) == 8
    images = [image for one in found for image in one["images"]]
    assert Counter(image["media_sha256"] for image in images) == dict.fromkeys(
        Media.objects.values_list("sha256", flat=True), 1
    )
    for image in images:
        media = Media.objects.get(sha256=image["media_sha256"])
        assert (image["width"], image["height"]) == (media.width, media.height)


def test_the_parquet_has_all_that_the_snapshot_has(tmp_path: Path) -> None:
    make_snapshot_folder(tmp_path / "s", images_per_class=5)
    faces = {face["face_key"]: face for face in snapshots.read_table(tmp_path / "s").to_pylist()}
    with zipfile.ZipFile(packed("parquet", tmp_path)) as archive:
        rows = [
            {**row, "split": name.split("/")[1].split("-")[0]}
            for name in archive.namelist()
            if name.endswith(".parquet")
            for row in pq.read_table(io.BytesIO(archive.read(name))).to_pylist()
        ]
    assert len(rows) == len(faces)
    for row in rows:
        face = dict(faces[row["face_key"]])
        row["label_index"], row["label"] = row["label"], SEVEN[row["label"]]
        row["image"] = row["image"]["bytes"]
        del face["face_id"]
        assert row == face


@pytest.mark.parametrize("name", list(FORMATS))
def test_an_erased_face_is_in_no_export_and_the_card_counts_it(name: str) -> None:
    snapshot = frozen(make_settled(12))
    gone = snapshots.read_table(freezing.local_folder(snapshot)).to_pylist()[3]
    erasing.erase([gone["face_key"]])
    snapshot.refresh_from_db()
    row = made(snapshot, name)
    with zipfile.ZipFile(io.BytesIO(whole(row))) as archive:
        files = {each: archive.read(each) for each in archive.namelist()}
    assert "1 faces were erased" in files["README.md"].decode()
    assert not any(gone["face_key"] in each for each in files)
    manifest = files.pop("manifest.json", b"")
    assert gone["face_key"].encode() not in manifest
    for content in files.values():
        assert gone["face_key"].encode() not in content
        assert gone["image"] not in content


def whole(row: Export) -> bytes:
    from django.core.files.storage import default_storage

    with default_storage.open(row.stored_as) as file:
        content: bytes = file.read()
    return content


def test_other_words_make_another_file_and_the_same_words_none() -> None:
    snapshot = frozen(make_settled(6))
    first = made(snapshot, "votes", words={"contact": "faces@example.org"})
    assert b"faces@example.org" in inside(first, "README.md")
    assert exporting.export(snapshot=snapshot, format="votes").state == "done"
    assert exporting.export(snapshot=snapshot, format="votes", words=first.options["words"]).state == "done"
    second = made(snapshot, "votes", words={"contact": ""})
    assert (second.options, second.sha256 == first.sha256) == ({}, False)
    with pytest.raises(exporting.CannotExport, match="at most 5000 characters"):
        exporting.export(snapshot=snapshot, format="votes", words={"limits": "x" * 5_001})


def test_what_would_fill_the_disk_is_refused_before_it_begins(settings) -> None:
    settings.EXPORT_KEEP_FREE_BYTES = 2**60
    row = made(frozen(make_settled(6)), "imagefolder")
    assert (row.state, row.stored_as) == ("failed", "")
    assert row.error.startswith(
        "The file takes some 5 MB, and on the disk where it is made 0 MB may be used."
    )
    settings.EXPORT_KEEP_FREE_BYTES = 0
    assert exporting.export(snapshot=row.snapshot, format="imagefolder").state == "waiting"


@pytest.mark.parametrize("name", list(FORMATS))
def test_the_room_asked_for_is_enough(name: str, tmp_path: Path) -> None:
    make_snapshot_folder(tmp_path / "s", images_per_class=60)
    assert packed(name, tmp_path).stat().st_size <= exporting.room_for(FORMATS[name], tmp_path / "s")


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


def test_by_command_with_words_and_a_folder(tmp_path: Path) -> None:
    snapshot = frozen(make_settled(6))
    words = tmp_path / "words.json"
    words.write_text(json.dumps({"uses": "For teaching."}))
    out = io.StringIO()
    place = str(tmp_path / "o")
    wanted = ["coco", "--in-process", "--words", str(words), "--into", place]
    call_command("export_snapshot", str(snapshot.pk), *wanted, stdout=out)
    assert f"and unpacked in {tmp_path / 'o'}" in out.getvalue()
    (folder,) = (tmp_path / "o").iterdir()
    assert "For teaching." in (folder / "README.md").read_text()
    words.write_text(json.dumps({"weather": "fine"}))
    with pytest.raises(CommandError, match="not weather"):
        call_command("export_snapshot", str(snapshot.pk), "coco", "--words", str(words))


def test_by_api_it_is_asked_for_and_fetched_in_parts(client) -> None:
    manager = make_user("manager")
    client.force_login(manager)
    snapshot = frozen(make_settled(6))
    url = reverse("api-snapshots-export", args=[snapshot.pk])
    asked = {"format": "votes", "words": {"contact": "me"}}
    row = Export.objects.get(pk=client.post(url, asked, "application/json").json()["id"])
    file = reverse("api-snapshots-file", args=[snapshot.pk, "votes"])
    assert client.get(file).status_code == 404
    exporting.run_export(row.pk)
    row.refresh_from_db()
    content = whole(row)
    answer = client.get(file)
    assert (b"".join(answer), answer["Content-Type"]) == (content, "application/zip")
    part = client.get(file, headers={"Range": "bytes=10-19", "If-Range": f'"{row.sha256}"'})
    assert (part.status_code, b"".join(part)) == (206, content[10:20])
    assert part["Content-Range"] == f"bytes 10-19/{len(content)}"
    head = client.head(file)
    assert b"".join(head) == b""
    assert (head["Content-Length"], head["ETag"], head["Accept-Ranges"]) == (
        str(len(content)),
        f'"{row.sha256}"',
        "bytes",
    )
    told = client.get(reverse("api-snapshots-detail", args=[snapshot.pk])).json()
    assert (told["erased"], told["exports"][0]["words"], told["exports"][0]["to"]) == (
        0,
        {"contact": "me"},
        "",
    )
    unknown = client.post(url, {"format": "votes", "words": {"bogus": "x"}}, "application/json")
    assert (unknown.status_code, "; not bogus." in unknown.json()["error"]) == (409, True)
    short = client.post(url, {"format": "votes", "to": "s3://b/x"}, "application/json")
    assert (short.status_code, "“b” is no bucket's name" in short.json()["error"]) == (409, True)
    refused = client.post(url, {"format": "votes", "to": "/etc"}, "application/json")
    assert (refused.status_code, "outside the places" in refused.content.decode()) == (409, True)


@pytest.mark.parametrize("name", ["a\x7fb", 'a\x01\x85\u2028\ufeff: “b” \\"#', "Gesichter 😀 một"])
def test_what_hubs_read_of_the_card_survives_any_name(name: str, tmp_path: Path) -> None:
    make_snapshot_folder(tmp_path / "s", images_per_class=5)
    write(FORMATS["parquet"], Given(tmp_path / "s", name=name), tmp_path / "x")
    with zipfile.ZipFile(tmp_path / "x") as archive:
        head = archive.read("README.md").decode().split("---\n")[1]
    assert yaml.safe_load(head)["pretty_name"] == name
