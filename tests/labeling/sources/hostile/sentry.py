"""What the kernel watches for a cell: no program is started, no socket opened; and whether a bait was touched."""

import ctypes
import os
import platform
import struct
from pathlib import Path

_LIBC = ctypes.CDLL(None, use_errno=True)
_NO_NEW_PRIVILEGES, _SECCOMP, _FILTER = 38, 22, 2
_LOAD, _EQUAL, _HAS, _END = 0x20, 0x15, 0x45, 0x06
_ALLOW, _KILL, _NOT_THERE = 0x7FFF0000, 0x80000000, 0x00050000 | 38
_CLONE_THREAD, _CLONE3 = 0x10000, 435
_CALLS = {
    "x86_64": (0xC000003E, {"clone": 56, "programs": [57, 58, 59, 322], "sockets": [41, 42, 53]}),
    "aarch64": (0xC00000B7, {"clone": 220, "programs": [221, 281], "sockets": [198, 199, 203]}),
}


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_char_p)]


def can_watch() -> bool:
    return platform.system() == "Linux" and platform.machine() in _CALLS


def forbid(*, sockets: bool) -> None:
    """From now on this process is killed (SIGSYS) when it starts another or, with sockets, when it opens one."""
    architecture, calls = _CALLS[platform.machine()]
    forbidden = [*calls["programs"], *(calls["sockets"] if sockets else [])]  # type: ignore[misc]
    code = [_step(_LOAD, 4), _step(_EQUAL, architecture, 1, 0), _step(_END, _KILL), _step(_LOAD, 0)]
    for number in forbidden:
        code += [_step(_EQUAL, number, 0, 1), _step(_END, _KILL)]
    # A thread is a clone too. The flags of the newer call cannot be seen; without it the older one is used.
    code += [_step(_EQUAL, _CLONE3, 0, 1), _step(_END, _NOT_THERE)]
    code += [_step(_EQUAL, calls["clone"], 0, 3), _step(_LOAD, 16)]  # type: ignore[arg-type]
    code += [_step(_HAS, _CLONE_THREAD, 1, 0), _step(_END, _KILL), _step(_END, _ALLOW)]
    program = _Program(len(code), b"".join(code))
    if _LIBC.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) or _LIBC.prctl(_SECCOMP, _FILTER, ctypes.byref(program)):
        raise OSError(ctypes.get_errno(), "the filter was not taken")


def _step(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("=HBBI", code, yes, no, value)


class Watched:
    """A file, and whether anybody opened it since."""

    _OPEN, _NON_BLOCKING = 0x20, 0o4000

    def __init__(self, path: Path) -> None:
        self._events = _LIBC.inotify_init1(self._NON_BLOCKING)
        if self._events < 0 or _LIBC.inotify_add_watch(self._events, os.fsencode(path), self._OPEN) < 0:
            raise OSError(ctypes.get_errno(), "the file cannot be watched")

    def was_opened(self) -> bool:
        try:
            return bool(os.read(self._events, 4096))
        except BlockingIOError:
            return False

    def close(self) -> None:
        os.close(self._events)
