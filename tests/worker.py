"""A real Celery worker process beside a test, on the test's own database, broker and folders."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
from django.conf import settings
from django.db import connection

ROOT = Path(__file__).resolve().parents[1]


def environment(**more: str) -> dict[str, str]:
    """What makes another process see what this test sees. Needs a database that is not in memory."""
    storage: dict[str, Any] = settings.STORAGES["default"]["OPTIONS"]
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "vemo.settings",
        "PYTHONPATH": os.pathsep.join([str(ROOT / "platform"), str(ROOT)]),
        "DATABASE_URL": _database_url(),
        "VEMO_HOME": str(Path(settings.EMBEDDED_BROKER_ROOT).parent),
        "CELERY_BROKER_URL": settings.CELERY_BROKER_URL,
        "STORAGE_URL": f"file://{storage['location']}",
        "RUNS_ROOT": str(settings.RUNS_ROOT),
        "SNAPSHOT_CACHE_ROOT": str(settings.SNAPSHOT_CACHE_ROOT),
        "OMP_NUM_THREADS": "1",
        **more,
    }


def _database_url() -> str:
    database = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{database['NAME']}"
    login = quote(database["USER"])
    if database["PASSWORD"]:
        login += f":{quote(database['PASSWORD'])}"
    host, port = database["HOST"], database["PORT"]
    address = quote(host, safe="") + (f":{port}" if port else "")
    return f"postgres://{login}@{address}/{database['NAME']}"


@contextmanager
def worker(log: Path, *options: str, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
    """`celery worker OPTIONS` for the block; its output goes to log. Ended after it, with its children."""
    with log.open("ab") as out:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "celery",
                "-A",
                "vemo",
                "worker",
                "--loglevel=info",
                "--pool=solo",
                *options,
            ],
            env=environment(**variables),
            cwd=log.parent,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    family = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    process.terminate()
    try:
        process.wait(timeout=15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for child in family:
        with suppress(psutil.NoSuchProcess):
            child.kill()
    # Beat (-B) is a child of the worker that outlives a test's kill of it.
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def wait_until(holds: Callable[[], object], *, seconds: float = 60, log: Path | None = None) -> None:
    """Look every 0.1 s; fails the test, with the log's end, when it does not hold in time."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            end = log.read_text(errors="replace")[-3000:] if log and log.exists() else ""
            raise AssertionError(f"Not within {seconds} s.\n{end}")
        time.sleep(0.1)
