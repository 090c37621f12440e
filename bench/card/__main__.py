"""All that is to be done on a machine with a card, by one command, in order of worth.

    python -m bench.card DATA WORK OUT [--minutes 9] [--smoke]

First what only a card can show (`bench.card.checks`: its memory alone, then the others side by side), then how near to
what the card could do a network learns (`bench.floor`), then the claim `strong`, its three networks at once, in all the
time that is left, and `calibrated`, which needs no more. Each part is a process of its own with a share of the time:
one that fails or hangs is written down, and the next goes on. The same command with the same WORK goes on with the
networks, and tries no other part again (remove WORK/card/NAME to have it tried); it ends with 75 while `strong` is not
over, with 1 if something failed.

DATA has fer2013/ and ferplus/, as for `bench.claims`. WORK is best in memory (/dev/shm): checkpoints go there. OUT gets
card.json, written anew whenever something is known, the claims' figures, and logits/: seven files, small enough to take
home. Nothing is needed there but torch, torchvision, numpy, pyarrow, pillow, opencv, safetensors, onnx and onnxruntime.

--smoke executes the same on a processor, with a few faces and steps: it says that the scripts work, nothing else.
"""

import argparse
import json
import os
import platform
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import torch

from bench.beside import DIED, STOPPED, side_by_side
from bench.card.checks import CHECKS
from bench.claims.plans import CLAIMS
from bench.claims.running import ended_after
from training.core.run_folder import read_events, write_json
from training.core.stopping import Stopper

_CHECKING, _FLOOR = 60.0, 75.0
"""Seconds of memory's check and of all others together, and of `bench.floor`, at most."""
_CLAIMS = ("strong", "calibrated")
_CUT = "its share of the time was over"
_ENDING = 15.0
"""Seconds kept for the last checkpoints and files."""


class Share(Stopper):
    """Asks for an end when the whole does, or when a part's share of the time is over."""

    def __init__(self, whole: Stopper, seconds: float) -> None:
        super().__init__()
        self._whole, self._end = whole, time.monotonic() + seconds

    @property
    def asked(self) -> bool:
        return self._whole.asked or time.monotonic() > self._end


class Card:
    """The parts, and what is known of them. work: a folder, where all of it stays; out: what is to be taken home."""

    def __init__(self, data: Path, work: Path, out: Path, *, minutes: float, smoke: bool) -> None:
        self.data, self.out, self.smoke = data, out, smoke
        self.work = work / "smoke" if smoke else work
        self.end = time.monotonic() + 60 * minutes - _ENDING
        self.parts: dict[str, Any] = {}
        self.out.mkdir(parents=True, exist_ok=True)

    def run(self, stopper: Stopper) -> None:
        names = list(CHECKS)
        self._check(names[:1], stopper)
        self._check(names[1:], stopper)
        self._floor(stopper)
        self._claims(stopper)

    def tell(self) -> None:
        """Write down all that is known."""
        told = {"smoke": self.smoke, "machine": machine(), "parts": self.parts}
        write_json(self.out / "card.json", told)

    def _seconds(self, share: float) -> float:
        """What a part may take. A smoke run says nothing of time, and processors are slow."""
        left = max(0.0, self.end - time.monotonic())
        return left if self.smoke else min(share, left)

    def _folder(self, name: str) -> Path:
        return self.work / "card" / name

    def _check(self, names: list[str], stopper: Stopper) -> None:
        smoke = ["--smoke"] if self.smoke else []
        commands = {}
        for name in names:
            if self._known(name):
                continue
            shutil.rmtree(self._folder(name), ignore_errors=True)
            self._folder(name).mkdir(parents=True)
            commands[name] = ["-m", "bench.card.checks", name, str(self._folder(name)), *smoke]
        at_once = 1 if self.smoke else max(1, len(commands))
        self._ran(commands, at_once, Share(stopper, self._seconds(_CHECKING)))

    def _floor(self, stopper: Stopper) -> None:
        if self._known("floor"):
            return
        self._folder("floor").mkdir(parents=True, exist_ok=True)
        command = ["-m", "bench.floor", "--json", str(self._folder("floor") / "found.json")]
        some = ["--smoke", "--device", "cpu"] if self.smoke else []
        self._ran({"floor": [*command, *some]}, 1, Share(stopper, self._seconds(_FLOOR)))

    def _known(self, name: str) -> bool:
        """Whether a part was done, now or by an earlier call."""
        found = self._folder(name) / "found.json"
        if found.exists():
            self.parts[name] = json.loads(found.read_text("utf-8"))
        return found.exists()

    def _ran(self, commands: dict[str, list[str]], at_once: int, share: Share) -> None:
        statuses = side_by_side(commands, at_once, share)
        for name, status in statuses.items():
            self._known(name)
            found = self.parts.setdefault(name, {})
            if status:
                found.setdefault("error", _CUT if status == STOPPED else f"it ended with {status}")
                write_json(self._folder(name) / "found.json", found)
        self.tell()

    def _claims(self, stopper: Stopper) -> None:
        kept = self.work / "claims"
        smoke = ["--smoke"] if self.smoke else []
        for name in _CLAIMS:
            minutes = max(0.0, self.end - time.monotonic()) / 60
            places = [name, str(self.data), str(self.work), "--out", str(kept)]
            limits = ["--minutes", str(minutes), "--at-once", str(len(CLAIMS[name].trainings))]
            command = ["-m", "bench.claims", "run", *places, *limits, *smoke]
            (status,) = side_by_side({name: command}, 1, stopper).values()
            self.parts[name] = {"status": status, "trainings": self._trainings(name)}
            if (kept / f"{name}.json").exists():
                self.parts[name]["holds"] = json.loads((kept / f"{name}.json").read_text("utf-8"))["holds"]
            if kept.exists():
                shutil.copytree(kept, self.out, dirs_exist_ok=True)
            self.tell()
            if status:  # the next one needs the same networks
                return

    def _trainings(self, claim: str) -> dict[str, Any]:
        """How far each has come: also one that does not end has something to say."""
        runs = self.work / ("smoke/runs" if self.smoke else "runs")
        found = {}
        for training in CLAIMS[claim].trainings:
            events = read_events(runs / training.name / "metrics.jsonl")
            epochs = [event for event in events if event["event"] == "epoch"]
            best = max((event["validation_accuracy"] for event in epochs), default=None)
            found[training.name] = {"best validation accuracy": best, "last": epochs[-1] if epochs else None}
        return found

    @property
    def status(self) -> int:
        """75 while `strong` is not over, else 1 if something failed or did not hold, else 0."""
        if self.parts.get("strong", {}).get("status", STOPPED) == STOPPED:
            return STOPPED
        failed = [
            name
            for name, part in self.parts.items()
            if "error" in part or part.get("status") or (name in CHECKS and not all(part["holds"].values()))
        ]
        return DIED if failed else 0


def machine() -> dict[str, Any]:
    there = torch.cuda.is_available()
    return {
        "torch": torch.__version__,
        "python": platform.python_version(),
        "card": torch.cuda.get_device_name() if there else None,
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=9.0, help="end within these; default 9")
    parser.add_argument(
        "--smoke", action="store_true", help="the same lines on a processor, for a check of them"
    )
    asked = parser.parse_args()
    if not (asked.smoke or torch.cuda.is_available()):
        print(
            "error: torch finds no CUDA card here. --smoke executes the same on the processor.",
            file=sys.stderr,
        )
        return 2
    card = Card(asked.data, asked.work, asked.out, minutes=asked.minutes, smoke=asked.smoke)
    with ended_after(asked.minutes) as stopper:
        card.run(stopper)
    print(json.dumps(card.parts, indent=2))
    return card.status


if __name__ == "__main__":
    sys.exit(main())
