"""Names of unfinished files that tell whose they are, so that those of the dead can be cleared away at once.

`HERE-PID-STARTED-RANDOM`. HERE is this machine since it was booted, and this container: of processes elsewhere nobody
here can say whether they live.
"""

import hashlib
import os
import secrets
import socket
from functools import cache
from pathlib import Path

import psutil

_SAME_S = 5
"""Clocks are set meanwhile. A process with a dead one's number that began so soon after it is taken for it."""


def new_name() -> str:
    return f"{_here()}-{os.getpid()}-{_started(os.getpid())}-{secrets.token_hex(16)}"


def is_of_the_dead(name: str) -> bool:
    """True where the process that made the name ran here and does not any more."""
    here, _, rest = name.partition("-")
    pid, _, rest = rest.partition("-")
    started = rest.partition("-")[0]
    if here != _here() or not (pid.isdigit() and started.isdigit()):
        return False
    try:
        return bool(abs(psutil.Process(int(pid)).create_time() - int(started)) > _SAME_S)
    except psutil.NoSuchProcess:
        return True


@cache
def _started(pid: int) -> int:
    return int(psutil.Process(pid).create_time())


@cache
def _here() -> str:
    told = [socket.gethostname(), _said("/proc/sys/kernel/random/boot_id"), str(_inode("/proc/self/ns/pid"))]
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:16]


def _said(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def _inode(path: str) -> int:
    try:
        return os.stat(path).st_ino
    except OSError:
        return 0
