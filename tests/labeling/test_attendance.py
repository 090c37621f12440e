"""Who is there to work, while what takes hours keeps workers busy: told from nobody being there at all."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from labeling import attendance, erasure, work
from labeling.models import Pulse, Source
from labeling.sources import ingest
from labeling.web import jobs
from tests.factories import make_faces, make_png, make_user
from tests.worker import ROOT, environment, wait_until
from vemo import doctor

pytestmark = pytest.mark.django_db


def grow_old(*names: str) -> None:
    pulses = Pulse.objects.filter(name__in=names) if names else Pulse.objects.all()
    pulses.update(at=timezone.now() - timedelta(hours=1))


def examined() -> doctor.Finding:
    (found,) = doctor.examine(["worker"])
    return found


def test_nobody_is_there_until_a_worker_says_so() -> None:
    assert attendance.is_silent()
    assert attendance.unserved() == attendance.all_queues()
    attendance.be_there(["default", "ingest"])
    assert not attendance.is_silent()
    assert not {"default", "ingest"} & set(attendance.unserved())
    grow_old()
    assert attendance.is_silent()


@pytest.mark.parametrize("off", [-timedelta(hours=1), timedelta(hours=1)])
def test_who_asks_by_a_wrong_clock_is_told_the_same(off: timedelta, monkeypatch: pytest.MonkeyPatch) -> None:
    right = timezone.now
    attendance.be_there(attendance.all_queues())
    work.sweep()
    monkeypatch.setattr(timezone, "now", lambda: right() + off)
    assert (attendance.is_silent(), attendance.unserved(), attendance.is_swept()) == (False, [], True)
    attendance.be_there(attendance.all_queues())
    work.sweep()
    monkeypatch.setattr(timezone, "now", right)
    assert abs(attendance.seen_at() - right()) < timedelta(minutes=1)
    grow_old()
    monkeypatch.setattr(timezone, "now", lambda: right() + off)
    assert (attendance.is_silent(), attendance.is_swept()) == (True, False)


def test_a_sweep_is_a_sign_of_life_too() -> None:
    work.sweep()
    assert not attendance.is_silent()


def test_what_waits_says_for_what() -> None:
    waiting = Source.objects.create(name="new", kind="folder", location="/x")
    assert jobs.waits_for([waiting]) == "worker"
    attendance.be_there(["default"])
    assert jobs.waits_for([waiting]) == "worker"
    attendance.be_there(["ingest"])
    assert jobs.waits_for([waiting]) == ""
    work.claim(Source, Source.objects.create(name="long", kind="folder", location="/y").pk)
    assert jobs.waits_for([waiting]) == "turn"


def test_a_page_tells_busy_workers_from_none() -> None:
    client = Client()
    client.force_login(make_user("manager"))
    address = reverse(
        "labeling:source", args=[Source.objects.create(name="new", kind="folder", location="/x").pk]
    )
    work.claim(Source, Source.objects.create(name="long", kind="folder", location="/y").pk)
    attendance.be_there(attendance.all_queues())
    page = client.get(address).content.decode()
    assert "waits for its turn" in page
    assert "no worker is running" not in page


def test_the_doctor_tells_the_absent_from_the_busy() -> None:
    assert examined().ok is False
    attendance.be_there(attendance.all_queues())
    assert (examined().ok, "Nothing was swept yet" in examined().what) == (None, True)
    work.sweep()
    assert (examined().ok, examined().cure) == (True, "")
    grow_old("worker of gpu")
    assert (examined().ok, "gpu" in examined().what) == (None, True)
    grow_old("worker of default")
    assert examined().ok is False
    attendance.be_there(attendance.all_queues())
    grow_old("sweeper")
    assert (examined().ok, "The last sweep was" in examined().what) == (None, True)
    grow_old()
    assert examined().ok is False


@pytest.fixture
def slow_pictures() -> Iterator[str]:
    """The address of a server whose pictures come slower than anybody waits, until the test is over."""
    over = threading.Event()

    class Slowly(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "image/png")
            self.send_header("Content-Length", "100000000")
            self.end_headers()
            with suppress(OSError):
                while not over.wait(0.2):
                    self.wfile.write(make_png().ljust(4000, b"\0"))

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Slowly)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    over.set()
    server.shutdown()
    server.server_close()


@contextmanager
def all_workers(folder: Path) -> Iterator[Path]:
    """What `make worker` starts, for the block."""
    log = folder / "workers.log"
    environ = environment(SWEEP_EVERY_S="1", FETCH_ALLOW_ADDRESSES="127.0.0.1/32")
    with log.open("wb") as out:
        process = subprocess.Popen(
            ["bash", "platform/worker.sh", str(Path(sys.executable).parent)],
            cwd=ROOT,
            env=environ,
            stdout=out,
            stderr=out,
        )
    try:
        yield log
    finally:
        family = psutil.Process(process.pid).children(recursive=True)
        for child in [*family, process]:
            with suppress(psutil.NoSuchProcess):
                child.kill()
        process.wait()


@pytest.mark.worker
@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_long_ingests_keep_neither_sweeps_nor_erasures_waiting(
    slow_pictures: str, tmp_path: Path, settings
) -> None:
    settings.CELERY_BROKER_URL = "embedded://"
    settings.SWEEP_EVERY_S = 1
    face = make_faces(1)[0]
    with all_workers(tmp_path) as log:
        for name in ("a", "b", "c"):
            listed = tmp_path / f"{name}.txt"
            listed.write_text(f"{slow_pictures}/{name}.png\n")
            ingest.add(kind="web", location=listed, options={"basis": "own"})

        def running() -> int:
            return Source.objects.filter(state="running").count()

        wait_until(lambda: running() == 2, log=log)
        asked = erasure.demand("media", [face.media_id], reason="Asked to")

        def erased() -> bool:
            asked.refresh_from_db()
            return bool(asked.state == "done")

        wait_until(erased, log=log)
        # Longer than it takes until those who say nothing are thought absent.
        time.sleep(5)
        assert sorted(source.state for source in Source.objects.all()) == ["running", "running", "waiting"]
        waiting = Source.objects.get(state="waiting")
        assert attendance.is_swept()
        assert attendance.unserved() == []
        assert jobs.waits_for([waiting]) == "turn"
        assert examined().ok is True
