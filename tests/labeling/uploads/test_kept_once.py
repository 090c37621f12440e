"""What was uploaded and taken in lies in the storage alone; what was refused waits where it is."""

import os
import signal
import subprocess
import sys
import time
import zipfile
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from django.core.files.storage import default_storage
from django.test import Client
from django.utils import timezone

from labeling import work
from labeling.models import Media, Source, Upload
from labeling.sources import ingest
from labeling.tasks import remove_forgotten_uploads
from tests.factories import make_png, make_user
from tests.labeling.erasure.erasing import erase
from tests.labeling.sources.places import again, fer_csv, fer_row, kept, states, taken_in, write, zipped
from tests.labeling.uploads.sending import several
from tests.worker import environment

pytestmark = pytest.mark.django_db

# Ingests a source, and is killed where it would remove the next of its files.
KILLED_WHILE_REMOVING = """
import os, signal, sys, django
from pathlib import Path
django.setup()
from django.conf import settings
from labeling.sources import ingest
source, left, unlink = int(sys.argv[1]), int(sys.argv[2]), Path.unlink
def dying(path, missing_ok=False):
    global left
    if path.is_relative_to(settings.UPLOAD_ROOT):
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
    unlink(path, missing_ok=missing_ok)
Path.unlink = dying
ingest.ingest(source)
"""


@pytest.fixture(autouse=True)
def uploads(folder: Path) -> Path:
    folder.mkdir()
    return folder


def below(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def waiting(client: Client, files: dict[str, bytes]) -> Source:
    """Files as a browser sends them, yet to be taken in."""
    client.force_login(make_user("manager"))
    batch = uuid4()
    several(client, batch, files)
    client.post("/sources/new/", {"batch": batch, "basis": "own"})
    return Source.objects.get()


def sent(client: Client, files: dict[str, bytes]) -> Source:
    """The same, taken in."""
    source = waiting(client, files)
    ingest.ingest(source.pk)
    source.refresh_from_db()
    return source


def aged(*paths: Path) -> None:
    Source.objects.update(ended_at=timezone.now() - timedelta(days=8))
    for path in paths:
        os.utime(path, (time.time() - 8 * 86400,) * 2)


def test_what_was_taken_in_is_kept_once(client: Client, uploads: Path) -> None:
    files = {
        "in/a.png": make_png(),
        "in/b/c.png": make_png(seed=1),
        "in/sources.csv": b"file,author\na.png,Ada\n",
    }
    source = sent(client, files)
    assert below(uploads) == []
    assert list(uploads.iterdir()) == []
    stored = {kept(media.stored_as) for media in Media.objects.all()}
    assert stored == {make_png(), make_png(seed=1)}
    assert Media.objects.filter(author="Ada").count() == 1
    ingest.refresh(source=source)
    ingest.ingest(source.pk)
    source.refresh_from_db()
    assert (source.state, source.message) == ("done", "2 items in")
    assert set(states(source).values()) == {"ingested"}


def test_what_was_refused_stays_and_goes_once_it_is_in(client: Client, uploads: Path) -> None:
    source = sent(
        client, {"in/a.png": make_png(), "in/b.png": make_png(seed=1)[:200], "in/sources.csv": b"file\n"}
    )
    folder = Path(source.location)
    assert below(folder) == ["in/b.png", "in/sources.csv"]
    again(source)
    assert states(source) == {"in/a.png": "ingested", "in/b.png": "refused"}
    (folder / "in/b.png").write_bytes(make_png(seed=1))
    ingest.retry_refused(source=source)
    ingest.ingest(source.pk)
    assert states(source) == {"in/a.png": "ingested", "in/b.png": "ingested"}
    assert list(uploads.iterdir()) == []


def test_a_zip_keeps_the_members_that_were_refused(uploads: Path) -> None:
    archive = zipped(
        uploads / "set.zip", {"a.png": make_png(), "notes.txt": "mine", "b.png": make_png(seed=1)}
    )
    source = taken_in(archive)
    with zipfile.ZipFile(archive) as left:
        assert left.namelist() == ["notes.txt"]
    before = archive.stat().st_mtime_ns
    again(source)
    assert states(source) == {"a.png": "ingested", "b.png": "ingested", "notes.txt": "refused"}
    assert archive.stat().st_mtime_ns == before
    whole = zipped(uploads / "whole.zip", {"a.png": make_png()})
    taken_in(whole)
    assert not whole.exists()


def test_a_table_goes_when_all_its_rows_are_in(uploads: Path) -> None:
    good = fer_csv(uploads / "good.csv", [fer_row(n, n) for n in range(3)])
    bad = fer_csv(uploads / "bad.csv", [fer_row(5, 5), "bad,row,x"])
    source = taken_in(good)
    taken_in(bad)
    assert (good.exists(), bad.exists()) == (False, True)
    again(source)
    assert set(states(source).values()) == {"ingested"}


def test_folders_of_the_users_own_and_lists_of_addresses_stay(uploads: Path, tmp_path: Path) -> None:
    own = write(tmp_path / "own", {"a.png": make_png()})
    taken_in(own)
    assert below(own) == ["a.png"]
    listed = uploads / "addresses.txt"
    listed.write_text("http://127.0.0.1:1/a.png\n")
    taken_in(listed, kind="web", options={"basis": "own"})
    assert listed.exists()


def test_a_watched_folder_loses_only_what_is_in(uploads: Path) -> None:
    folder = write(uploads / "batch", {"a.png": make_png(), "sources.csv": "file\n"})
    aged(folder / "a.png", folder / "sources.csv")
    source = taken_in(folder, watch_minutes=60)
    assert below(folder) == ["sources.csv"]
    write(folder, {"b.png": make_png(seed=1)})
    aged(folder / "b.png")
    again(source)
    assert states(source) == {"a.png": "ingested", "b.png": "ingested"}


def test_what_the_storage_lost_is_not_removed(client: Client) -> None:
    source = sent(client, {"a.png": make_png(), "b.png": make_png(seed=1)})
    write(Path(source.location), {"a.png": make_png(), "b.png": make_png(seed=1)})
    lost = source.items.get(locator="a.png").media
    assert lost is not None
    default_storage.delete(lost.stored_as)
    again(source)
    assert below(Path(source.location)) == ["a.png"]


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("removed", [0, 3, 5])
def test_killed_half_way_the_next_attempt_removes_the_rest(
    client: Client, uploads: Path, removed: int
) -> None:
    files = {f"{n}.png": make_png(seed=n) for n in range(6)}
    source = waiting(client, files)
    asked = [sys.executable, "-c", KILLED_WHILE_REMOVING, str(source.pk), str(removed)]
    child = subprocess.run(asked, env=environment(UPLOAD_ROOT=str(uploads)), timeout=120)
    assert child.returncode == -signal.SIGKILL
    source.refresh_from_db()
    assert (source.state, len(below(uploads))) == ("running", 6 - removed)
    Source.objects.update(heartbeat_at=timezone.now() - timedelta(hours=1))
    work.sweep()
    ingest.ingest(source.pk)
    source.refresh_from_db()
    assert (source.state, list(uploads.iterdir())) == ("done", [])
    assert set(states(source).values()) == {"ingested"}
    assert {kept(media.stored_as) for media in Media.objects.all()} == set(files.values())


def test_old_leftovers_are_swept_and_young_ones_are_not(client: Client, uploads: Path) -> None:
    source = sent(client, {"a.png": make_png(), "b.png": make_png(seed=1)})
    # As a version left it that kept what was taken in; and what a form brought that was then refused.
    folder = write(Path(source.location), {"a.png": make_png(), "b.png": make_png(seed=1)})
    stray, used = uploads / "0123456789abcdef", uploads / "fedcba9876543210"
    write(stray, {"x.zip": "x"})
    write(used, {"y.png": make_png()[:90]})
    taken_in(used / "y.png", kind="file")
    assert remove_forgotten_uploads() == 0
    aged(stray, used)
    assert remove_forgotten_uploads() == 1
    source.refresh_from_db()
    assert source.state == "waiting"
    ingest.ingest(source.pk)
    assert (folder.exists(), stray.exists(), below(used)) == (False, False, ["y.png"])
    aged()
    assert remove_forgotten_uploads() == 0


def test_an_erasure_reaches_what_is_kept(client: Client, uploads: Path) -> None:
    source = sent(client, {"a.png": make_png(), "b.png": make_png(seed=1)[:200]})
    assert below(uploads) != []
    erase("source", [source.pk])
    assert list(uploads.iterdir()) == []
    assert not Upload.objects.exists()


def test_what_was_erased_since_does_not_keep_the_rest(client: Client, uploads: Path) -> None:
    source = sent(client, {"a.png": make_png(), "b.png": make_png(seed=1)})
    erase("media", [source.items.get(locator="a.png").media_id])
    again(source)
    assert states(source) == {"a.png": "refused", "b.png": "ingested"}
    source.refresh_from_db()
    assert (source.state, list(uploads.iterdir())) == ("done", [])
