"""The training core as a child process: started without Django, told to stop, never left behind."""

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

import psutil

import training
from labeling.sayings import gettext_noop
from labeling.work import ClaimLost, Refused, StopAsked

POLL_S = 0.5
STOP_GRACE_S = 120.0
"""How long a child may take over its last checkpoint; 137 million weights with their optimizer are 1.6 GB."""
LOCK_WAIT_S = 180.0
"""How long a child left over from a dead worker may take to end."""
CAN_GO_ON = 75
"""The core's exit code for "stopped with a checkpoint"."""
_HELD = gettext_noop("Another process has been training in {folder} all the while. End it, then resume.")


def start(*arguments: str | Path, log: Path) -> subprocess.Popen[bytes]:
    """Start `python -m training.core ARGUMENTS`, output appended to log.

    Its stdin is a pipe nobody writes to: it closes when this process dies, however it dies, and with
    --stop-with-parent the core then checkpoints and ends.
    """
    root = str(Path(training.__file__).resolve().parents[1])
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH", "")]))
    with log.open("ab") as out:
        return subprocess.Popen(
            [sys.executable, "-m", "training.core", *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd=log.parent,
            env={**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"},
            # A Ctrl-C meant for the worker must not reach the child past us.
            start_new_session=True,
        )


def wait_until_free(lock: Path, beat: Callable[[], None]) -> None:
    """Wait while some process holds a flock on the file, calling beat() meanwhile.

    Raises labeling.work.Refused when nobody lets go within LOCK_WAIT_S.
    """
    deadline = time.monotonic() + LOCK_WAIT_S
    with lock.open("a") as file:
        while not _is_free(file):
            if time.monotonic() > deadline:
                raise Refused(_HELD.format(folder=lock.parent))
            beat()
            time.sleep(POLL_S)


def _is_free(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    fcntl.flock(file, fcntl.LOCK_UN)
    return True


def follow(process: subprocess.Popen[bytes], beat: Callable[[], None]) -> int:
    """Wait for the child, calling beat() meanwhile. Returns its exit code.

    When beat raises StopAsked the child is told to stop, and the exception goes on once it has – unless
    it had just finished: then there is a result to take in, and 0 is returned. ClaimLost goes on as it is.
    """
    try:
        while True:
            with suppress(subprocess.TimeoutExpired):
                return process.wait(timeout=POLL_S)
            beat()
    except StopAsked:
        if end(process, beat) == 0:
            return 0
        raise
    finally:
        # Whatever ended the loop (ClaimLost, a broken database), no child may outlive its follower.
        if process.poll() is None:
            end(process, lambda: None)
        if process.stdin:
            process.stdin.close()


def let_go() -> int:
    """Have every training below this process checkpoint and end, as if the machine went down. Returns how many."""
    count = 0
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if process.cmdline()[1:4] == ["-m", "training.core", "train"]:
                process.terminate()
                count += 1
    return count


def end(process: subprocess.Popen[bytes], beat: Callable[[], None]) -> int:
    """Ask the child to checkpoint and leave, kill it after STOP_GRACE_S. Returns its exit code."""
    process.terminate()
    deadline = time.monotonic() + STOP_GRACE_S
    while process.poll() is None and time.monotonic() < deadline:
        # A heartbeat that stops while the last checkpoint is written would hand the run to somebody else.
        with suppress(StopAsked, ClaimLost):
            beat()
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=POLL_S)
    process.kill()
    return process.wait()
