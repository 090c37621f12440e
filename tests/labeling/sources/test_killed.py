"""An ingest that was killed goes on where it was: nothing lost, nothing doubled, nothing half."""

import hashlib
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from django.core.files.storage import default_storage
from django.db import models

from labeling.models import Face, Item, Media, Source
from labeling.sources import ingest, leftovers, store
from tests.labeling.sources.places import fer_csv, fer_row, kept, png, states, write

ROOT = Path(__file__).resolve().parents[3]


class Killed(BaseException):
    """Stands in for the end of the process: nothing catches it."""


@pytest.mark.django_db
@pytest.mark.parametrize("at", range(1, 13))
@pytest.mark.parametrize("kind", ["folder", "fer2013"])
def test_whatever_write_it_is_killed_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, at: int
) -> None:
    """The n-th write (to the storage, or of rows) does not happen, nor anything after it."""
    if kind == "folder":
        location = write(tmp_path / "in", {f"{n}.png": png(n % 3) for n in range(4)} | {"bad.jpg": b""})
    else:
        location = fer_csv(tmp_path / "f.csv", [*(fer_row(n, n % 3) for n in range(4)), "bad,row,x"])
    source = ingest.add(location=location)
    _kill_at_write(monkeypatch, at)
    try:
        ingest.ingest(source.pk)
    except Killed:
        _assert_nothing_half()
    monkeypatch.undo()
    Source.objects.filter(state="running").update(state="waiting", worker="")
    if Source.objects.get().state == "waiting":
        ingest.ingest(source.pk)
    _assert_nothing_half()
    assert Source.objects.get().state == "done"
    assert sorted(states(source).values()) == ["ingested"] * 3 + ["known", "refused"]
    assert (Media.objects.count(), Face.objects.count()) == (3, 4 if kind == "fer2013" else 0)


def _kill_at_write(monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    writes = iter(range(1, 10_000))

    def dying(original):
        def call(*args, **kwargs):
            if next(writes) == at:
                raise Killed
            return original(*args, **kwargs)

        return call

    monkeypatch.setattr(store, "_move", dying(store._move))
    monkeypatch.setattr(models.QuerySet, "update", dying(models.QuerySet.update))
    monkeypatch.setattr(models.QuerySet, "bulk_create", dying(models.QuerySet.bulk_create))
    monkeypatch.setattr(models.QuerySet, "get_or_create", dying(models.QuerySet.get_or_create))


def _assert_nothing_half() -> None:
    for media in Media.objects.all():
        assert hashlib.sha256(kept(media.stored_as)).hexdigest() == media.sha256
    assert not Item.objects.filter(state__in=("ingested", "known"), media=None).exists()
    if default_storage.exists("parts"):
        assert default_storage.listdir("parts")[1] == []


@pytest.mark.once
@pytest.mark.slow
def test_a_process_killed_for_good_is_succeeded_by_another(tmp_path: Path) -> None:
    folder = write(tmp_path / "in", {f"{n:03}.png": png(n % 50, (640, 480)) for n in range(60)})
    environment = {
        **{name: value for name, value in os.environ.items() if name != "DATABASE_URL"},
        "VEMO_HOME": str(tmp_path / "home"),
        "HEARTBEAT_TIMEOUT_S": "1",
    }
    command = [sys.executable, "manage.py", "ingest", str(folder), "--in-process"]
    subprocess.run(
        [sys.executable, "manage.py", "migrate", "-v0"], cwd=ROOT, env=environment, check=True, timeout=120
    )
    parts = tmp_path / "home" / "storage" / "parts"
    for wanted in (5, 30):
        child = subprocess.Popen(command, cwd=ROOT, env=environment)
        _wait_for_items(tmp_path / "home" / "vemo.sqlite3", wanted)
        child.send_signal(signal.SIGKILL)
        assert child.wait(30) == -signal.SIGKILL
    # As of a process killed while it wrote; and of one elsewhere, which may live.
    (parts / leftovers.new_name().replace(f"-{os.getpid()}-", f"-{child.pid}-")).write_bytes(b"half")
    (parts / f"0123456789abcdef-{child.pid}-1-00").write_bytes(b"elsewhere")
    last = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert last.returncode == 0, last.stderr
    assert "50 media, 0 faces; 10 items were known already, 0 refused." in last.stdout
    assert len(list((tmp_path / "home" / "storage" / "media").rglob("*.png"))) == 50
    assert [part.read_bytes() for part in parts.iterdir()] == [b"elsewhere"]


def _wait_for_items(database: Path, count: int) -> None:
    deadline = time.monotonic() + 60
    with closing(sqlite3.connect(database, timeout=30)) as connection:
        query = "SELECT count(*) FROM labeling_item WHERE state IN ('ingested', 'known')"
        while connection.execute(query).fetchone()[0] < count:
            assert time.monotonic() < deadline
            time.sleep(0.005)


@pytest.mark.django_db
@pytest.mark.parametrize(("files", "attempt"), [(500, 5), (501, 1)])
def test_attempts_are_counted_anew_once_a_batch_is_dealt_with(
    tmp_path: Path, files: int, attempt: int
) -> None:
    source = ingest.add(location=write(tmp_path / "in", {f"{n}.jpg": "words" for n in range(files)}))
    Source.objects.update(attempt=4)
    ingest.ingest(source.pk)
    source.refresh_from_db()
    assert (source.state, source.attempt) == ("done", attempt)
