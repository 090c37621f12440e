"""The run folder: all that is known of one training, readable while it goes on, consistent whenever it is
killed. Its weights are written and read in `training.core.checkpoints`; here nothing needs torch, for the site's pages
read these files too.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from training.core.config import Config
from training.core.refusals import BadConfig, BadRunFolder

FORMAT = "vemo-run/1"
_LONGEST_NAME = 255
"""Bytes that file systems take."""


@dataclass(frozen=True)
class Made:
    """What a run was made of, as config.json has it. stored_size: side in pixels of the kept images."""

    config: Config
    snapshot_digest: str
    classes: tuple[str, ...]
    stored_size: int

    def to_json(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "config": self.config.to_json(),
            "snapshot_digest": self.snapshot_digest,
            "classes": list(self.classes),
            "stored_size": self.stored_size,
        }


class RunFolder:
    """The files of one run. Whoever writes holds `locked()`; anybody may read.

    cache: beside the run, for all runs there: each snapshot's images, decoded. It may be deleted when none trains.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.json"
        self.metrics = path / "metrics.jsonl"
        self.last = path / "last.pt"
        self.best = path / "best.safetensors"
        self.result = path / "result.json"
        self.lock = path / "lock"
        self.tensorboard = path / "tensorboard"
        self.cache = path.absolute().parent / "decoded-images"

    def predictions(self, split: str) -> Path:
        """Where the opinions on a split are kept."""
        return self.path / f"predictions-{split}.parquet"

    def heat_maps(self, split: str) -> Path:
        """Where it is kept what the run looked at in the faces of a split that it was wrong about."""
        return self.path / f"heat-maps-{split}.parquet"

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep every other trainer off. The system lets go when the process dies, however it dies. Raises BadRunFolder
        where another one is at work, or no folder can be made.
        """
        with self._lock_file() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise BadRunFolder(
                    f"Another process is training in {self.path}. Stop it, or name another folder."
                ) from error
            for leftover in self.path.glob(".*.part"):
                leftover.unlink()
            yield

    def _lock_file(self) -> IO[str]:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            return self.lock.open("a")
        except OSError as error:
            raise BadRunFolder(
                f"{self.path} cannot be a run folder: {error.strerror}. Name another."
            ) from error

    def forget_start(self, *, whole: bool) -> None:
        """After a start that was refused: let the folder be begun in otherwise; if `whole`, as if it had never been
        made.
        """
        self.config.unlink(missing_ok=True)
        if whole:
            self.metrics.unlink(missing_ok=True)
            self.lock.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # somebody has put something there meanwhile
                self.path.rmdir()

    def made(self) -> Made | None:
        """What the run was made of; None for a folder in which no training has begun. Raises BadRunFolder."""
        if not self.config.exists():
            return None
        try:
            said = json.loads(self.config.read_text("utf-8"))
            if said["format"] != FORMAT:
                raise BadRunFolder(
                    f"{self.config} is of the format {said['format']}, and this version of the core reads {FORMAT}. "
                    f"Take the version that wrote it, or train into another folder."
                )
            return Made(
                config=Config.from_json(said["config"]),
                snapshot_digest=str(said["snapshot_digest"]),
                classes=tuple(said["classes"]),
                stored_size=int(said["stored_size"]),
            )
        except BadConfig as error:
            raise BadRunFolder(
                f"{self.config} was written by another version of the core: {error} Take the version that wrote it, or "
                f"train into another folder."
            ) from error
        except (ValueError, KeyError, TypeError) as error:
            raise BadRunFolder(f"{self.config} is damaged ({error!r}). Train into another folder.") from error

    def refuse_remains(self) -> None:
        """Raises BadRunFolder where a training left files behind, but not what it was made of: another training would
        go on from them with settings of its own.
        """
        for file in (self.last, self.best, self.result):
            if file.exists():
                raise BadRunFolder(
                    f"{self.path} has {file.name} of a training, but its {self.config.name} is lost. Put that back, or "
                    f"train into another folder."
                )

    def write_made(self, made: Made) -> None:
        write_json(self.config, made.to_json())

    def read_result(self) -> dict[str, Any]:
        """What result.json holds. Raises BadRunFolder where the training is not finished."""
        try:
            result: dict[str, Any] = json.loads(self.result.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise BadRunFolder(f"{self.path} has no readable result.json: {error}") from error
        return result


class Events:
    """metrics.jsonl: one JSON object a line, each flushed, so that a reader sees it at once. Without a file, for
    processes that others speak for, nothing is written.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file
        if file is not None:
            file.touch()
            _cut_half_line(file)

    def write(self, event: str, **facts: object) -> None:
        if self._file is None:
            return
        line = json.dumps({"event": event, "time": round(time.time(), 3), **facts}, allow_nan=False)
        before = self.size()
        try:
            with self._file.open("a", encoding="utf-8") as out:
                out.write(line + "\n")
        except OSError:
            # A full disk takes a part of the line.
            os.truncate(self._file, before)
            raise

    def size(self) -> int:
        """Bytes written so far; a checkpoint keeps it."""
        return 0 if self._file is None else self._file.stat().st_size

    def forget_after(self, size: int) -> None:
        """Cut off what the checkpoint did not know: those epochs are about to happen again."""
        if self._file is not None:
            os.truncate(self._file, min(size, self.size()))


def _cut_half_line(file: Path) -> None:
    """What a process was killed over: the next line shall not be written behind it."""
    whole = file.read_bytes()
    if whole and not whole.endswith(b"\n"):
        os.truncate(file, whole.rfind(b"\n") + 1)


def read_events(file: Path) -> list[dict[str, Any]]:
    """All whole events of a metrics.jsonl, oldest first; a line still being written is left out."""
    if not file.exists():
        return []
    lines = file.read_text("utf-8").split("\n")[:-1]
    return [json.loads(line) for line in lines if line]


def write_json(file: Path, value: object) -> None:
    text = json.dumps(value, indent=2, allow_nan=False) + "\n"
    write_atomically(file, lambda part: part.write_text(text, "utf-8"))


def write_atomically(file: Path, write: Callable[[Path], object]) -> None:
    """Have `write` fill a file beside it, and put that in its place: see `appearing`."""
    with appearing(file) as part:
        write(part)


@contextlib.contextmanager
def appearing(file: Path) -> Iterator[Path]:
    """A file beside it to fill, which is put in its place when the block ends well, and else is gone: whoever reads
    sees the old or the new, whole. A link stays one: what it names is written. Who may read it is as for any file made
    here. An OSError of the file beside names the file itself.
    """
    file = file.resolve()
    part = file.with_name(_part_name(file.name))
    try:
        part.touch()
        usual = part.stat().st_mode
        yield part
        part.chmod(usual)  # safetensors writes for its owner alone, but the site may run as another user
        _sync(part)
        part.replace(file)
    except OSError as error:
        # Of a disk that is full the system does not say which; and nobody knows the file beside.
        if error.filename is None or str(error.filename) == str(part):
            raise OSError(error.errno, error.strerror or str(error), str(file)) from error
        raise
    finally:
        part.unlink(missing_ok=True)
    _sync(file.parent)


def _part_name(name: str) -> str:
    part = f".{name}.{os.getpid()}.part"
    if len(os.fsencode(part)) <= _LONGEST_NAME:
        return part
    return f".{hashlib.sha256(os.fsencode(name)).hexdigest()}.{os.getpid()}.part"


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
