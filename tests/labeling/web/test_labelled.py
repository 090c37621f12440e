"""A manager takes a labelled set in: where it is, what its classes mean, and then it starts."""

import html
import re
import uuid
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from labeling.models import FaceLabel, Source, Upload
from labeling.sources import ingest
from labeling.upload_files import path_of
from tests.factories import make_user
from tests.labeling.sources.places import png, write, zipped

pytestmark = pytest.mark.django_db
NEW = "/sources/new/labelled/"
ASKED = {"origin": "Dr. Lan, 2026", "basis": "licensed"}


@pytest.fixture
def manager(client: Client, settings, tmp_path: Path) -> Client:
    settings.IMPORT_ROOTS = [tmp_path]
    settings.UPLOAD_ROOT = tmp_path / "uploads"
    client.force_login(make_user("manager", name="maria"))
    return client


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    files = {
        "set/happiness/a.png": png(1),
        "set/happiness/b.png": png(2),
        "set/Wut/c.png": png(3),
        "set/odd/d.png": png(4),
    }
    return write(tmp_path / "in", files)


def second(page: str) -> dict[str, str]:
    """The fields of the second page as they stand."""
    token = re.search(r'name="token" value="([^"]+)"', page)
    assert token, page
    fields = {"token": html.unescape(token[1])}
    for select in re.finditer(r'<select name="(class-\d+)".*?</select>', page, re.DOTALL):
        chosen = re.search(r'value="([^"]*)" selected', select[0])
        fields[select[1]] = chosen[1] if chosen else ""
    return fields


def classes(page: str) -> list[str]:
    return re.findall(r'<label for="id_class-\d+"><span class="path">([^<]+)</span>', page)


def test_the_classes_are_shown_as_understood_and_can_be_changed(manager: Client, folder: Path) -> None:
    page = manager.post(NEW, {**ASKED, "location": str(folder), "licence": "CC0"}).content.decode()
    assert classes(page) == ["Wut", "happiness", "odd"]
    fields = second(page)
    assert [fields[f"class-{n}"] for n in range(3)] == ["angry", "happy", ""]
    answer = manager.post(NEW, fields)
    assert answer.status_code == 400
    assert "Say what “odd” means, or leave it out." in answer.content.decode()
    assert not Source.objects.exists()
    answer = manager.post(NEW, {**fields, "class-1": "=keep", "class-2": "=out"})
    source = Source.objects.get()
    assert answer.url == f"/sources/{source.pk}/"
    assert (source.kind, source.location, source.licence) == ("labelled", str(folder), "CC0")
    assert source.options == {**ASKED, "classes": {"Wut": "angry", "happiness": "happiness", "odd": ""}}
    ingest.ingest(source.pk)
    assert sorted(FaceLabel.objects.values_list("label", "by__username")) == [
        ("angry", "maria"), ("happiness", "maria"), ("happiness", "maria"),
    ]  # fmt: skip
    page = " ".join(manager.get(f"/sources/{source.pk}/").content.decode().split())
    assert "Expert labels" in page
    assert f"?source={source.pk}&amp;expert=happiness&amp;left_out=all" in page


def test_numbers_are_chosen_only_if_somebody_says_so(manager: Client, tmp_path: Path) -> None:
    folder = write(tmp_path / "in", {"0/a.png": png(1), "6/b.png": png(2)})
    asked = {**ASKED, "location": str(folder)}
    assert second(manager.post(NEW, asked).content.decode())["class-0"] == ""
    fields = second(manager.post(NEW, {**asked, "numbers": "on"}).content.decode())
    assert (fields["class-0"], fields["class-1"]) == ("angry", "neutral")


def test_a_zip_or_what_was_sent_in_pieces_is_looked_at_and_becomes_the_source(
    manager: Client, tmp_path: Path
) -> None:
    data = zipped(tmp_path / "a.zip", {"happy/a.png": png(1)}).read_bytes()
    page = manager.post(NEW, {**ASKED, "upload": SimpleUploadedFile("a.zip", data)}).content.decode()
    assert manager.post(NEW, second(page)).status_code == 302
    batch, maria = uuid.uuid4(), Source.objects.get().created_by
    assert maria is not None
    for name, body in {"set/labels.csv": b"path,label\na.png,traurig\n", "set/a.png": png(5)}.items():
        path = path_of(batch, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
        Upload.objects.create(batch=batch, path=name, bytes=len(body), received=len(body), by=maria)
    page = manager.post(NEW, {**ASKED, "batch": str(batch)}).content.decode()
    assert classes(page) == ["traurig"]
    assert manager.post(NEW, second(page)).status_code == 302
    source = Source.objects.first()
    assert source is not None
    assert source.options["table"] == "set/labels.csv"
    ingest.ingest(source.pk)
    assert list(source.items.values_list("locator", "state")) == [("set/a.png", "ingested")]
    assert set(Upload.objects.values_list("source", flat=True)) == {source.pk}


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({}, "Name a path or a bucket, or send files: one of these."),
        ({"location": "/etc"}, "outside the folders this site may read"),
        ({"location": "HERE", "origin": ""}, "This field is required."),
        ({"location": "HERE", "basis": ""}, "This field is required."),
        ({"location": "HERE", "table": "no.csv"}, "cannot be read"),
        ({"location": "EMPTY"}, "There is no class in it"),
        ({"location": "s3://some-bucket/x"}, "This site knows no storage to fetch from"),
        ({"batch": str(uuid.uuid4())}, "There is no such upload of yours."),
    ],
)
def test_what_cannot_be_says_why(
    manager: Client, folder: Path, tmp_path: Path, asked: dict[str, str], why: str
) -> None:
    (tmp_path / "empty").mkdir()
    if "location" in asked:
        places = {"HERE": str(folder), "EMPTY": str(tmp_path / "empty")}
        asked = {**asked, "location": places.get(asked["location"], asked["location"])}
    answer = manager.post(NEW, {**ASKED, **asked})
    assert answer.status_code == 400
    assert why in html.unescape(answer.content.decode())


def test_a_column_with_too_many_classes_is_the_wrong_one(manager: Client, tmp_path: Path) -> None:
    rows = "".join(f"{n}.png,{n}\n" for n in range(300))
    folder = write(tmp_path / "in", {"labels.csv": f"path,label\n{rows}"})
    answer = manager.post(NEW, {**ASKED, "location": str(folder)})
    assert "It names 300 different classes." in answer.content.decode()


def test_nobody_goes_on_with_what_another_said_or_made_up(manager: Client, folder: Path) -> None:
    fields = second(manager.post(NEW, {**ASKED, "location": str(folder)}).content.decode())
    manager.force_login(make_user("manager"))
    for token in (fields["token"], "made:up:token"):
        answer = manager.post(NEW, {**fields, "token": token, "class-2": "=out"})
        assert "This page is too old, or not yours." in answer.content.decode()
    assert not Source.objects.exists()


def test_the_api_takes_a_set_and_holds_its_path_to_the_roots(manager: Client, folder: Path) -> None:
    def ask(location: str):
        body = {"kind": "labelled", "location": location, "options": {**ASKED, "classes": {"odd": ""}}}
        return manager.post("/api/v1/sources/", body, content_type="application/json")

    assert ask("/etc").status_code == 409
    assert ask(str(folder)).status_code == 201
