"""Several of our commands at once, each in a process of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

import torch

from training.core.progress import Display
from training.core.stopping import Stopper

STOPPED = 75
DIED, REFUSED = 1, 2
_LOOK = 0.1
"""Seconds between two looks at the processes."""
_PATIENCE = 40.0
"""Seconds for a process that was asked to stop; to write a checkpoint takes one or two."""


class Named(Display):
    """Lines that begin with a name, so that those of several processes can be told apart."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name, self._live = name, False

    def say(self, text: str) -> None:
        super().say(f"{self._name}: {text}")


def side_by_side(commands: Mapping[str, Sequence[str]], at_once: int, stopper: Stopper) -> dict[str, int]:
    """Run these arguments of Python, so many at a time, until all have ended or the stopper asks; then they are sent
    SIGTERM. One that fails does not stop the others. Returns name → exit status, STOPPED for what was not begun.

    Each process has its share of the processor's threads, and a standard input that ends when this process does,
    however it dies.
    """
    waiting, running, statuses = list(commands), dict[str, subprocess.Popen[bytes]](), dict[str, int]()
    try:
        while running or (waiting and not stopper.asked):
            while waiting and len(running) < at_once and not stopper.asked:
                name = waiting.pop(0)
                running[name] = _started(commands[name], at_once)
            if stopper.asked:
                _stop(running)
            for name, process in list(running.items()):
                if process.poll() is not None:
                    statuses[name] = _status(running.pop(name), stopper)
            time.sleep(_LOOK if running else 0)
    finally:
        _stop(running)
    return statuses | dict.fromkeys(waiting, STOPPED)


def weightiest(statuses: Mapping[str, int]) -> int:
    """The exit status for all of them: that of a failure before a refusal before a stop."""
    found = set(statuses.values())
    if found - {0, REFUSED, STOPPED}:
        return DIED
    return next((status for status in (REFUSED, STOPPED) if status in found), 0)


def _started(arguments: Sequence[str], at_once: int) -> subprocess.Popen[bytes]:
    threads = str(max(1, torch.get_num_threads() // at_once))
    surroundings = {**os.environ, "OMP_NUM_THREADS": threads, "OMP_WAIT_POLICY": "PASSIVE"}
    # In a session of its own, so that processes it starts are reached with it.
    return subprocess.Popen(
        [sys.executable, *arguments], stdin=subprocess.PIPE, env=surroundings, start_new_session=True
    )


def _status(process: subprocess.Popen[bytes], stopper: Stopper) -> int:
    assert process.stdin is not None
    process.stdin.close()
    # One that has not got as far as minding the signal dies of it.
    early = stopper.asked and process.returncode == -signal.SIGTERM
    return STOPPED if early else process.returncode


def _stop(running: Mapping[str, subprocess.Popen[bytes]]) -> None:
    """Ask all to end, and see that they do."""
    for process in running.values():
        _signal(process, signal.SIGTERM)
    end = time.monotonic() + _PATIENCE
    for process in running.values():
        try:
            process.wait(max(0.0, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            _signal(process, signal.SIGKILL)
            process.wait()


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """To it and to what it has started; nothing where it has ended."""
    if process.poll() is None:
        os.killpg(process.pid, number)
