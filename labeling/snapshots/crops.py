"""The bytes of stored crops, many at once.

With every small file that it opens, reads and closes, a thread of Python gives its lock away and waits for it again,
and keeps all others waiting. So where the storage is a folder, processes of their own read
(labeling.snapshots.file_reader), one for each thread that asks.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import IO

import numpy as np
from django.core.files.storage import default_storage

from labeling.snapshots import file_reader
from labeling.snapshots import format as snapshots
from labeling.snapshots.file_reader import ENTRY, NUMBER, FileReader
from labeling.storage_paths import local_path

NOT_THERE = -1
"""The size of a crop that is not in the storage."""
_ENTRY = np.dtype([("size", "<i8"), ("sha256", "V32")])


class Crops:
    """Ask it from several threads. Raises OSError for what is there and cannot be read."""

    def __init__(self) -> None:
        root = local_path("")
        self._root = None if root is None else f"{root}/"
        self._mine = threading.local()
        self._processes: list[subprocess.Popen[bytes]] = []

    def read(self, names: Sequence[str]) -> snapshots.Images:
        """names: in the storage. The size of one that is not there is NOT_THERE; its sha256 says nothing."""
        if self._root is None or not names:
            return _told([_fetched(name) for name in names])
        paths = self._paths(self._root, names)
        try:
            return self._asked(paths, len(names))
        except (EOFError, BrokenPipeError):
            # Somebody killed the process that reads: another begins with the next crops.
            self._mine.process = None
            entries, files = FileReader().answer(paths.split(b"\0"))
            return _found(entries, bytes(files), paths)

    def close(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                with suppress(OSError):
                    _pipe(pipe).close()

    def _paths(self, root: str, names: Sequence[str]) -> bytes:
        """Where they lie, parted by NUL. Names that could lead out of the storage are for it to look at: slower."""
        text = "\0".join(names)
        framed = f"\0{text}\0".replace("\0", "/\0/")
        if "\0//" not in framed and "/../" not in framed and text.count("\0") == len(names) - 1:
            return os.fsencode(root + text.replace("\0", f"\0{root}"))
        paths = [default_storage.path(name) for name in names]
        if any("\0" in path for path in paths):
            raise OSError("The name of a crop holds a NUL.")
        return os.fsencode("\0".join(paths))

    def _asked(self, paths: bytes, count: int) -> snapshots.Images:
        process = getattr(self._mine, "process", None) or self._begun()
        asked, answers = _pipe(process.stdin), _pipe(process.stdout)
        asked.write(NUMBER.pack(len(paths)) + paths)
        asked.flush()
        entries = _read(answers, ENTRY.size * count)
        sizes = np.frombuffer(entries, _ENTRY)["size"]
        return _found(entries, _read(answers, int(sizes[sizes > 0].sum())), paths)

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


def _found(entries: bytes, files: bytes, paths: bytes) -> snapshots.Images:
    """What the reader answered. Raises OSError for the first file that is there and cannot be read."""
    found = np.frombuffer(entries, _ENTRY)
    sizes = found["size"].copy()
    for number in np.flatnonzero(sizes < 0).tolist():
        problem = int(-sizes[number])
        path = os.fsdecode(paths.split(b"\0")[number])
        error = OSError(problem, os.strerror(problem), path)
        if not isinstance(error, FileNotFoundError):
            raise error
        sizes[number] = NOT_THERE
    return snapshots.Images(files, sizes, found["sha256"])


def _read(answers: IO[bytes], size: int) -> bytes:
    found = answers.read(size)
    if len(found) < size:
        raise EOFError
    return found


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None
    return pipe


def _told(files: Sequence[bytes | None]) -> snapshots.Images:
    found = snapshots.Images.of([file or b"" for file in files])
    found.sizes[[file is None for file in files]] = NOT_THERE
    return found


def _fetched(name: str) -> bytes | None:
    try:
        with default_storage.open(name) as file:
            return bytes(file.read())
    except FileNotFoundError:
        return None
