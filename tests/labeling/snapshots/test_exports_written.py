"""What every export has in it, and what is refused before a disk is full."""

import csv
import io
import json
import subprocess
import zipfile
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from django.core.management import CommandError, call_command
from django.urls import reverse
from PIL import Image

from labeling.expressions import EIGHT, FERPLUS_ANSWERS, OTHER_ANSWERS, SEVEN
from labeling.models import Export, Media
from labeling.snapshots import erasing, exporting, freezing
from labeling.snapshots import format as snapshots
from labeling.snapshots.exports import FORMATS, card, ferplus, write
from labeling.snapshots.exports.format import Given
from labeling.snapshots.exports.tree import SUMS
from tests.factories import make_user
from tests.labeling.snapshots.making import frozen, make_settled, whole
from tests.labeling.snapshots.test_exporting import inside, made
from tests.snapshot_folders import make_snapshot_folder

pytestmark = pytest.mark.django_db


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
