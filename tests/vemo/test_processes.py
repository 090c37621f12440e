"""The services of docker-compose.yml, started by hand on a real PostgreSQL and a real Redis."""

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
import yaml
from django.db import connection

from labeling.models import Face, Source, WorkState
from labeling.sources import drawn
from tests.worker import ROOT, environment, wait_until

pytestmark = [pytest.mark.worker, pytest.mark.slow, pytest.mark.django_db(transaction=True)]
REDIS = os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:6379/14")
RUNNING = ("web", "worker", "short-worker", "eraser", "cpu-trainer", "beat")


@pytest.fixture
def engines(settings) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("The services of docker-compose.yml run on PostgreSQL.")
    with redis.Redis.from_url(REDIS) as server:
        try:
            server.ping()
        except redis.ConnectionError:
            pytest.skip(f"No Redis answers at {REDIS.rpartition('@')[2]}; name one in TEST_REDIS_URL.")
        server.flushdb()
    settings.CELERY_BROKER_URL = REDIS


def command(service: str, *, port: int, folder: Path) -> list[str]:
    """What the service runs, but for its address and where it keeps its clock."""
    compose: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    own = {"0.0.0.0:8000": f"127.0.0.1:{port}", "/tmp/beat": str(folder / "beat")}
    program, *arguments = compose["services"][service]["command"]
    # The programs of this environment, as an image has only one.
    return [str(Path(sys.executable).with_name(program)), *(own.get(word, word) for word in arguments)]


@contextmanager
def running(service: str, *, port: int, folder: Path) -> Iterator[None]:
    """Ended as an engine ends a container: SIGTERM to its first process, which must leave in order."""
    environ = environment(SWEEP_EVERY_S="1", WORK_ROOT=str(folder / "work"))
    log = folder / f"{service}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            command(service, port=port, folder=folder), cwd=ROOT, env=environ, stdout=out, stderr=out
        )
    try:
        yield
        assert process.poll() is None, log.read_text()
        process.terminate()
        assert process.wait(30) in (0, -signal.SIGTERM), log.read_text()
    finally:
        process.kill()
        process.wait()
        print(f"== {service}\n{log.read_text()}")  # noqa: T201  shown when the test fails


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=10) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_the_services_serve_queue_and_work(engines: None, tmp_path: Path) -> None:
    port = free_port()
    migrate = command("migrate", port=port, folder=tmp_path)
    subprocess.run(migrate, cwd=ROOT, env=environment(), check=True, capture_output=True)
    drawn.draw_collection(tmp_path / "pictures", stills=7)
    with ExitStack() as stack:
        for service in RUNNING:
            stack.enter_context(running(service, port=port, folder=tmp_path))
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/health/"))
        assert answers(f"http://127.0.0.1:{port}/signin/")
        ingest = [sys.executable, "manage.py", "ingest", str(tmp_path / "pictures"), "--detect", "haar"]
        subprocess.run(ingest, cwd=ROOT, env=environment(), check=True, capture_output=True)
        source = Source.objects.get()

        def done() -> bool:
            source.refresh_from_db()
            return source.is_over and [row.state for row in source.detections.all()] == [WorkState.DONE]

        wait_until(done, seconds=90)
    assert (source.state, source.error) == (WorkState.DONE, "")
    assert Face.objects.count() > 0
