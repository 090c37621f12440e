"""Reading a run folder's metrics.jsonl, also while the training is writing it."""

import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Event = dict[str, Any]
FILE = "metrics.jsonl"


_STEP = b'{"event": "step"'


def read(folder: Path) -> list[Event]:
    """All whole events of a run folder so far, oldest first, of the step events only the newest.

    The file is read anew each time: a training that goes on from a checkpoint cuts off what it did not know.
    """
    try:
        lines = (folder / FILE).read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return []
    # With one step event a second they become nearly all of the file, and only the last says anything.
    steps = [number for number, line in enumerate(lines) if line.startswith(_STEP)]
    passed = set(steps[:-1])
    return list(_events(line for number, line in enumerate(lines) if number not in passed))


def _events(lines: Iterable[bytes]) -> Iterator[Event]:
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError:
            # Half a line, of a trainer that was killed while it wrote.
            continue
        if isinstance(event, dict) and "event" in event:
            yield event


def epochs(events: list[Event]) -> list[Event]:
    """The epoch events, one per epoch and in order; of an epoch done twice the later one counts."""
    by_number = {event["epoch"]: event for event in events if event["event"] == "epoch"}
    return [by_number[number] for number in sorted(by_number)]


@dataclass(frozen=True)
class Progress:
    """Where a training is: whole epochs done, and how far into the next one."""

    epoch: int = 0
    epochs: int = 0
    step: int = 0
    steps: int = 0
    best_epoch: int | None = None
    best_accuracy: float | None = None
    """Validation accuracy of the best epoch, 0–1."""
    eta_seconds: float | None = None
    images_per_second: float | None = None

    @property
    def share(self) -> float:
        """How much is done, 0–1; 0 while the number of epochs is unknown."""
        part = self.step / self.steps if self.steps else 0.0
        return min((self.epoch + part) / self.epochs, 1.0) if self.epochs else 0.0


def progress(events: list[Event], *, now: float | None = None) -> Progress:
    """What the events add up to. now: seconds since 1970, to count the ETA down between epochs."""
    done = epochs(events)
    last = done[-1] if done else {}
    best = next((event for event in reversed(done) if event.get("best")), {})
    epoch = int(last.get("epoch", 0))
    step = _open_step(events, epoch)
    return Progress(
        epoch=epoch,
        epochs=int(last.get("epochs") or _announced(events)),
        step=int(step.get("step", 0)),
        steps=int(step.get("steps", 0)),
        best_epoch=best.get("epoch"),
        best_accuracy=best.get("validation_accuracy"),
        eta_seconds=_eta(last, time.time() if now is None else now),
        images_per_second=last.get("images_per_second"),
    )


def _open_step(events: list[Event], epoch: int) -> Event:
    """The newest step event, if it belongs to an epoch that is not finished."""
    last = next((event for event in reversed(events) if event["event"] in ("step", "epoch")), {})
    return last if last.get("event") == "step" and last["epoch"] > epoch else {}


def _announced(events: list[Event]) -> int:
    return max((int(event.get("epochs") or 0) for event in events), default=0)


def _eta(last: Event, now: float) -> float | None:
    if last.get("eta_seconds") is None:
        return None
    return max(0.0, float(last["eta_seconds"]) - max(0.0, now - float(last.get("time", now))))


@dataclass(frozen=True)
class Note:
    """What a training found worth telling, in English as it was written. epoch: None for what it knew beforehand."""

    epoch: int | None
    message: str


def notes(events: list[Event]) -> list[Note]:
    """Every note once, however often the training went on, in order."""
    found = [
        Note(None, str(message))
        for event in events
        if event["event"] == "begin"
        for message in event.get("warnings", [])
    ]
    found += [
        Note(event.get("epoch"), str(event.get("message", "")))
        for event in events
        if event["event"] == "note"
    ]
    return list(dict.fromkeys(found))


def last_error(events: list[Event], *, since: float = 0.0) -> str:
    """What the core said on giving up, if that is its last word and not older than `since`; else empty."""
    last = events[-1] if events else {}
    over = last.get("event") == "error" and float(last.get("time", 0)) >= since
    return str(last.get("message", "")) if over else ""
