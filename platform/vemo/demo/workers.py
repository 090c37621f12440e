"""The worker processes a demo starts and ends."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from django.conf import settings

QUEUES = {"short": "default,erasure", "long": "ingest,vision,export", "train": "gpu"}


@contextmanager
def workers(log: Path) -> Iterator[None]:
    """Workers for short work, for long work and for training, and the clock of the sweeps, for the block."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out:
        processes = [_start(out, *arguments) for arguments in _commands()]
    try:
        yield
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()


def _commands() -> list[tuple[str, ...]]:
    working = [
        (
            "worker",
            "--queues",
            queues,
            "--pool",
            "solo",
            "--hostname",
            f"{name}@localhost",
            "--loglevel",
            "INFO",
        )
        for name, queues in QUEUES.items()
    ]
    return [*working, ("beat", "--schedule", str(settings.VEMO_HOME / "beat"), "--pidfile", "")]


def _start(out: IO[bytes], *arguments: str) -> subprocess.Popen[bytes]:
    root = str(settings.BASE_DIR)
    path = os.pathsep.join([str(settings.BASE_DIR / "platform"), root])
    return subprocess.Popen(
        [sys.executable, "-m", "celery", "-A", "vemo", *arguments],
        cwd=root,
        env={**os.environ, "PYTHONPATH": path},
        stdin=subprocess.DEVNULL,
        stdout=out,
        stderr=subprocess.STDOUT,
        # Ctrl-C is for the demo, which ends its workers in order.
        start_new_session=True,
    )
