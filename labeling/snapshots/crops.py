"""The bytes of stored crops, many at once.

With every small file that it opens, reads and closes, a thread of Python gives its lock away and waits for it again,
and keeps all others waiting. So where the storage is a folder, processes of their own read
(labeling.snapshots.file_reader), one for each thread that asks.
"""

import hashlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import IO, TypeAlias

from django.core.files.storage import default_storage

from labeling.snapshots import file_reader
from labeling.snapshots.file_reader import ENTRY, NUMBER
from labeling.storage_paths import local_path

Read: TypeAlias = tuple[list[bytes | None], list[str]]
"""Crops, None for one that is not there, and of each its sha256 in hex digits."""


class Crops:
    """Ask it from several threads. Raises OSError for what is there and cannot be read."""

    def __init__(self) -> None:
        root = local_path("")
        self._root = None if root is None else f"{root}/"
        self._mine = threading.local()
        self._processes: list[subprocess.Popen[bytes]] = []

    def read(self, names: Sequence[str]) -> Read:
        """names: in the storage."""
        if self._root is None:
            return _told([_fetched(name) for name in names])
        if not names:
            return [], []
        paths = [self._root + name if _is_plain(name) else default_storage.path(name) for name in names]
        try:
            return self._asked(paths)
        except (EOFError, BrokenPipeError):
            # Somebody killed the process that reads: another begins with the next crops.
            self._mine.process = None
            return _told([_here(path) for path in paths])

    def close(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                with suppress(OSError):
                    _pipe(pipe).close()

    def _asked(self, paths: Sequence[str]) -> Read:
        process = getattr(self._mine, "process", None) or self._begun()
        asked, answers = _pipe(process.stdin), _pipe(process.stdout)
        question = b"\0".join(map(os.fsencode, paths))
        asked.write(NUMBER.pack(len(question)) + question)
        asked.flush()
        entries = list(ENTRY.iter_unpack(_read(answers, ENTRY.size * len(paths))))
        data = _read(answers, sum(max(0, size) for size, _sha256 in entries))
        files: list[bytes | None] = []
        at = 0
        for (size, _sha256), path in zip(entries, paths, strict=True):
            files.append(_file(data[at : at + max(0, size)], size, path))
            at += max(0, size)
        return files, [sha256.hex() for _size, sha256 in entries]

    def _begun(self) -> "subprocess.Popen[bytes]":
        program = [sys.executable, "-I", "-S", file_reader.__file__]
        process = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._mine.process = process
        self._processes.append(process)
        return process


@contextmanager
def reading() -> Iterator[Crops]:
    crops = Crops()
    try:
        yield crops
    finally:
        crops.close()


def _is_plain(name: str) -> bool:
    """Whether it cannot lead out of the storage. Others are for the storage to look at, which takes longer."""
    return not name.startswith("/") and "/../" not in f"/{name}/"


def _file(data: bytes, size: int, path: str) -> bytes | None:
    if size >= 0:
        return data
    error = OSError(-size, os.strerror(-size), path)
    if isinstance(error, FileNotFoundError):
        return None
    raise error


def _read(answers: IO[bytes], size: int) -> bytes:
    found = answers.read(size)
    if len(found) < size:
        raise EOFError
    return found


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None
    return pipe


def _told(files: list[bytes | None]) -> Read:
    return files, [hashlib.sha256(file or b"").hexdigest() for file in files]


def _here(path: str) -> bytes | None:
    try:
        return file_reader.whole(path)
    except FileNotFoundError:
        return None


def _fetched(name: str) -> bytes | None:
    try:
        with default_storage.open(name) as file:
            return bytes(file.read())
    except FileNotFoundError:
        return None
