"""What was sent becomes a source."""

from pathlib import Path
from uuid import uuid4

import pytest
from django.test import Client

from labeling.models import Source, Upload
from labeling.sources import ingest
from tests.factories import make_png, make_user
from tests.labeling.sources.places import states, zipped
from tests.labeling.uploads.sending import URL, announce, piece, several

pytestmark = pytest.mark.django_db
NEW = "/sources/new/"


def test_a_folder_becomes_a_source_of_its_name(manager: Client, folder: Path) -> None:
    batch = uuid4()
    several(manager, batch, {f"holiday/{n}.png": make_png(seed=n) for n in range(3)})
    answer = manager.post(NEW, {"basis": "own", "batch": batch, "licence": "CC0", "detectors": ["haar"]})
    source = Source.objects.get()
    assert answer.url == f"/sources/{source.pk}/"
    assert (source.kind, source.name, source.location) == ("folder", "holiday", str(folder / str(batch)))
    assert (source.licence, source.options, source.state) == (
        "CC0",
        {"basis": "own", "detect": ["haar"]},
        "waiting",
    )
    assert {upload.source for upload in Upload.objects.all()} == {source}
    ingest.ingest(source.pk, wake=False)
    assert states(source) == {f"holiday/{n}.png": "ingested" for n in range(3)}


def test_one_file_is_of_its_own_kind(manager: Client, folder: Path, tmp_path: Path) -> None:
    batch = uuid4()
    content = zipped(tmp_path / "z.zip", {"a.png": make_png()}).read_bytes()
    url = announce(manager, "set/faces.zip", len(content), batch)["Location"]
    piece(manager, url, 0, content)
    manager.post(NEW, {"basis": "own", "batch": batch})
    source = Source.objects.get()
    assert (source.kind, source.name) == ("zip", "faces.zip")
    assert source.location == str(folder / str(batch) / "set/faces.zip")
    assert source.created_by is not None


def test_asked_twice_it_is_one_source(manager: Client) -> None:
    batch = uuid4()
    several(manager, batch, {"a.png": make_png(), "b.png": make_png(seed=1)})
    first, second = (
        manager.post(NEW, {"basis": "own", "batch": batch}),
        manager.post(NEW, {"basis": "own", "batch": batch}),
    )
    assert (first.url, Source.objects.count()) == (second.url, 1)
    assert Source.objects.get().name == "2 files"


def test_files_on_their_way_are_waited_for(manager: Client) -> None:
    batch = uuid4()
    several(manager, batch, {"a.png": make_png()})
    url = announce(manager, "b.png", 10, batch)["Location"]
    piece(manager, url, 0, b"12345")
    answer = manager.post(NEW, {"basis": "own", "batch": batch})
    assert (answer.status_code, Source.objects.count()) == (400, 0)
    page = answer.content.decode()
    assert "1 of these files have not come whole: b.png." in page
    assert f'value="{batch}"' in page


def test_a_file_that_shrank_meanwhile_is_found(manager: Client, folder: Path) -> None:
    batch = uuid4()
    several(manager, batch, {"a.png": make_png(), "b.png": make_png(seed=1)})
    (folder / str(batch) / "a.png").write_bytes(b"")
    assert manager.post(NEW, {"basis": "own", "batch": batch}).status_code == 400


def test_what_no_row_knows_of_does_not_come_along(manager: Client, folder: Path) -> None:
    batch = uuid4()
    several(manager, batch, {"a.png": make_png(), "d/b.png": make_png(seed=1)})
    (folder / str(batch) / "d" / "stray.png").write_bytes(make_png(seed=2))
    manager.post(NEW, {"basis": "own", "batch": batch})
    ingest.ingest(Source.objects.get().pk, wake=False)
    assert states(Source.objects.get()) == {"a.png": "ingested", "d/b.png": "ingested"}


def test_files_of_somebody_else_become_nothing_of_mine(manager: Client) -> None:
    batch = uuid4()
    several(manager, batch, {"a.png": make_png()})
    other = Client()
    other.force_login(make_user("manager", name="mallory"))
    answer = other.post(NEW, {"basis": "own", "batch": batch})
    assert (answer.status_code, Source.objects.count()) == (400, 0)
    assert "There is no such upload of yours." in answer.content.decode()


@pytest.mark.parametrize(
    "more", [{"location": "/etc"}, {"addresses": "https://a.example.com/1.jpg", "basis": "own"}]
)
def test_what_was_sent_is_not_mixed_with_other_places(manager: Client, more: dict[str, str]) -> None:
    batch = uuid4()
    several(manager, batch, {"a.png": make_png()})
    assert manager.post(NEW, {"basis": "own", "batch": batch, **more}).status_code == 400
    assert not Source.objects.exists()


def test_a_program_makes_the_source_too(manager: Client) -> None:
    batch = uuid4()
    several(manager, batch, {"a.png": make_png(), "b.png": make_png(seed=1)})
    wanted = {"name": "mine", "options": {"detect": ["haar"], "basis": "contract"}, "licence": "CC0"}
    address = f"{URL}batches/{batch}/"
    answer = manager.post(address, wanted, content_type="application/json")
    assert (answer.status_code, answer.json()["name"], answer.json()["kind"]) == (201, "mine", "folder")
    assert answer.json()["options"]["basis"] == "contract"
    hostile = manager.post(address, {"options": {"ferplus": "/etc/passwd"}}, content_type="application/json")
    assert hostile.status_code == 409


def test_what_is_on_its_way_is_listed(manager: Client) -> None:
    batch = uuid4()
    several(manager, batch, {"a.png": b"1234"})
    piece(manager, announce(manager, "b.png", 10, batch)["Location"], 0, b"12345")
    (told,) = manager.get(URL).json()["batches"]
    assert {name: told[name] for name in ("batch", "files", "finished", "bytes", "received")} == {
        "batch": str(batch),
        "files": 2,
        "finished": 1,
        "bytes": 14,
        "received": 9,
    }
    files = manager.get(URL, {"batch": batch}).json()["files"]
    assert [(one["path"], one["received"], one["bytes"]) for one in files] == [
        ("a.png", 4, 4),
        ("b.png", 5, 10),
    ]
    assert len(manager.get(URL, {"batch": batch, "after": "a.png"}).json()["files"]) == 1
    assert manager.delete(f"{URL}batches/{batch}/").status_code == 204
    assert manager.get(URL).json() == {"batches": []}
