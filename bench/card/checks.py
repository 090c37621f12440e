"""One check of what only a card can show, in a process of its own.

    python -m bench.card.checks NAME FOLDER [--smoke]

Leaves FOLDER/found.json: `holds`, what was to be seen and whether it was, beside figures; or `error`, a traceback.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch
from torch import nn

from bench.card.ground import (
    LARGE,
    Found,
    Place,
    apart,
    in_32_bits,
    losses,
    noise_snapshot,
    stepper,
    strong,
    weights,
)
from bench.training import noise
from training.core.augmentation import draw_turns
from training.core.draws import uniform
from training.core.onnx_export import export
from training.core.pixels import prepare
from training.core.predictor import Predictor
from training.core.progress import Display
from training.core.refusals import Stopped
from training.core.run_folder import read_events, write_json
from training.core.stepping import Stepper
from training.core.stopping import Stopper
from training.core.train import train

_GIVEN_BACK = {
    "MALLOC_MMAP_THRESHOLD_": "262144",
    "MALLOC_ARENA_MAX": "1",
    "ARROW_DEFAULT_MEMORY_POOL": "system",
}
"""On a processor: addresses are taken for what is used, and given back when it is freed."""
_TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node")


def steps(place: Place) -> Found:
    """Few steps against the processor's, in 32 bits; then as trainings are run, in bfloat16 with channels last."""
    in_32_bits()
    network, batch, few = ("resnet18-small", 32, 5) if place.card else ("resnet18", 4, 2)
    devices = {"there": place.device, "by number": "cuda:0" if place.card else "cpu", "processor": "cpu"}
    ran = {
        name: stepper(strong(network, place, device=device), 4 * batch) for name, device in devices.items()
    }
    fast = stepper(strong(network, place, bf16=True, channels_last=True), 4 * batch)
    said = {name: losses(one, few, batch) for name, one in ran.items()}
    in_bf16 = losses(fast, few, batch)
    moved = {name: weights(one.judged) for name, one in ran.items()}
    images, rows = torch.from_numpy(noise(64).images), torch.arange(64)
    there = rows.to(place.device)
    config = strong(network, place)
    seen = prepare(images.to(place.device), config, draw_turns(config, epoch=1, rows=there)).cpu()
    figures = {
        "losses apart": apart(said["there"], said["processor"]),
        "weights apart": apart(moved["there"], moved["processor"]),
        "losses apart in bfloat16": apart(in_bf16, said["processor"]),
        "images apart": apart(seen, prepare(images, config, draw_turns(config, epoch=1, rows=rows))),
    }
    drawn = torch.equal(uniform(3, 2, there, 1).cpu(), uniform(3, 2, rows, 1))
    holds = {
        "losses as the processor's within 0.1 %": figures["losses apart"] < 1e-3,
        "weights as the processor's within 0.1 %": figures["weights apart"] < 1e-3,
        "cuda:0 is cuda": apart(said["by number"], said["there"]) < 1e-3,
        "bfloat16 within 5 %": figures["losses apart in bfloat16"] < 0.05,
        "chance is the same to the bit": drawn,
        "changed images within 0.1 %": figures["images apart"] < 1e-3,
        "the images lie where the steps are made": ran["there"].images.device.type == place.device,
    }
    return {"holds": holds, **figures, "losses": said, "losses in bfloat16": in_bf16}


def compiled(place: Place) -> Found:
    """A compiled step against a plain one in 32 bits, and how long both take as trainings are run."""
    in_32_bits()
    moved, seconds = {}, {}
    for name, on in (("plain", False), ("compiled", True)):
        began = time.perf_counter()
        one = stepper(strong("resnet18", place, compile=on), 64, network=_small(place))
        losses(one, 3, 16)
        moved[name], seconds[f"{name}, first steps"] = weights(one.judged), time.perf_counter() - began
        quick = stepper(
            strong("resnet18", place, compile=on, bf16=True, channels_last=True), 256, network=_small(place)
        )
        batch = 128 if place.card else 16
        losses(quick, 3, batch)
        seconds[f"{name}, a step in bfloat16"] = statistics.median(_timed(quick, batch) for _ in range(3))
    difference = apart(moved["compiled"], moved["plain"])
    return {
        "holds": {"weights as plain within 0.1 %": difference < 1e-3},
        "apart": difference,
        "seconds": seconds,
    }


def _small(place: Place) -> nn.Module | None:
    """Nothing but the network itself on a card; to compile that takes a processor minutes."""
    torch.manual_seed(0)
    return (
        None
        if place.card
        else nn.Sequential(nn.Conv2d(3, 4, 3, stride=8), nn.ReLU(), nn.Flatten(), nn.Linear(144, 7))
    )


def _timed(one: Stepper, batch: int) -> float:
    began = time.perf_counter()
    losses(one, 10, batch)  # reads the last loss, so it waits for the card
    return (time.perf_counter() - began) / 10


def memory(place: Place) -> Found:
    """A batch that does not fit into what is left: told how many images fit, and halved where that is allowed."""
    batch, _ = LARGE[place.device]
    faces = noise_snapshot(place.folder / "noise", batch)
    ended = {}
    for name, more in (("fails", []), ("halves", ["halve"])):
        command = ["-m", "bench.card.lack", place.device, str(faces), str(place.folder / name), *more]
        done = subprocess.run(
            [sys.executable, *command], env={**os.environ, **_GIVEN_BACK}, stderr=subprocess.PIPE
        )
        ended[name] = (done.returncode, done.stderr.decode()[-2000:])
    told = {name: read_events(place.folder / name / "metrics.jsonl") for name in ended}
    fitting = [event.get("fitting", 0) for event in told["fails"] if event["event"] == "error"]
    notes = [event["message"] for event in told["halves"] if event["event"] == "note"]
    holds = {
        "it fails": ended["fails"][0] == 1,
        "it says how many images fit": [2 <= number < batch for number in fitting] == [True],
        "where it may it goes on with so many": [note.partition(":")[0] for note in notes]
        == ["Out of memory"],
        "and ends": ended["halves"][0] == 0,
    }
    return {"holds": holds, "ended": ended, "notes": notes}


def resume(place: Place) -> Found:
    """A training that was stopped goes on as if it had not been."""
    in_32_bits()
    faces, settings = (
        noise_snapshot(place.folder / "noise", 96),
        {"batch_size": 32, "epochs": 3, "mixup": 0.0},
    )
    _trained(place, faces, "whole", **settings)
    stopper = Stopper()
    stopped = False
    try:
        _trained(place, faces, "parts", display=_StopAfterEpoch(stopper), stopper=stopper, **settings)
    except Stopped:
        stopped = True
    _trained(place, faces, "parts", **settings)
    whole, parts = (read_events(place.folder / name / "metrics.jsonl") for name in ("whole", "parts"))
    begun = [event for event in parts if event["event"] == "begin"]
    said = [[event["train_loss"] for event in told if event["event"] == "epoch"] for told in (whole, parts)]
    holds = {
        "it stopped, and was resumed": stopped and [event["resumed"] for event in begun] == [False, True],
        "on the device": all(str(event["device"]).startswith(place.device) for event in begun),
        "losses as undisturbed within 1 %": len(said[0]) == len(said[1]) and apart(*said) < 0.01,
    }
    return {"holds": holds, "losses": said}


class _StopAfterEpoch(Display):
    def __init__(self, stopper: Stopper) -> None:
        super().__init__()
        self._stopper = stopper

    def say(self, text: str) -> None:
        super().say(text)
        if text.startswith("Epoch 1/"):
            self._stopper.ask("an epoch is over")


def judging(place: Place) -> Found:
    """A trained network answers in bfloat16 there what it answers in 32 bits on the processor; its ONNX file too."""
    faces = noise_snapshot(place.folder / "noise", 96)
    _trained(
        place,
        faces,
        "run",
        batch_size=32,
        epochs=4,
        mixup=0.0,
        erase=0.0,
        bf16=place.card,
        channels_last=True,
    )
    run, pixels = place.folder / "run", noise(256).images
    exact = Predictor(run, bf16=False, device="cpu").judge(pixels)
    fast = Predictor(run, bf16=True, device=place.device).judge(pixels)
    exported = export(run, place.folder / "network.onnx")
    figures = {
        "answered alike": float((exact.argmax(axis=1) == fast.argmax(axis=1)).mean()),
        "probabilities apart": float(np.abs(exact - fast).max()),
        "ONNX apart": exported.difference,
    }
    holds = {
        "98 % answered alike in bfloat16": figures["answered alike"] >= 0.98,
        "ONNX within 0.1 %": exported.difference <= 1e-3,
    }
    return {"holds": holds, **figures}


def processes(place: Place) -> Found:
    """torchrun: one process by NCCL, and two that share the card by gloo, for NCCL wants a card for each."""
    holds: dict[str, bool] = {}
    figures: Found = {}
    for size, backend in ((1, "nccl" if place.card else "gloo"), (2, "gloo")):
        file = place.folder / f"{size}.json"
        command = [*_TORCHRUN, str(size), "-m", "bench.card.processes", place.device, backend, str(file)]
        done = subprocess.run([sys.executable, *command], capture_output=True, text=True)
        holds[f"{size} by {backend} ended with 0"] = done.returncode == 0
        if done.returncode:
            figures[f"{size} by {backend}"] = done.stderr[-3000:]
            continue
        said = json.loads(file.read_text())
        holds |= said.pop("holds")
        figures |= said
    return {"holds": holds, **figures}


def _trained(
    place: Place,
    snapshot: Path,
    name: str,
    *,
    display: Display | None = None,
    stopper: Stopper | None = None,
    **settings: object,
) -> None:
    config = strong("resnet18", place, **settings)
    train(
        snapshot=snapshot,
        run=place.folder / name,
        choose=lambda: config,
        stopper=stopper or Stopper(),
        display=display or Display(),
    )


CHECKS: Mapping[str, Callable[[Place], Found]] = MappingProxyType(
    {check.__name__: check for check in (memory, steps, resume, judging, processes, compiled)}
)
"""In order of worth. Memory comes first, and alone: nothing else may need the card's then."""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", choices=[*CHECKS])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--smoke", action="store_true", help="on the processor")
    asked = parser.parse_args()
    began = time.monotonic()
    try:
        found = CHECKS[asked.name](Place("cpu" if asked.smoke else "cuda", asked.folder))
    except Exception:  # noqa: BLE001 – written down, so that it can be mended without a card
        found = {"error": traceback.format_exc()[-6000:]}
    write_json(asked.folder / "found.json", {**found, "took": round(time.monotonic() - began, 1)})
    return 1 if "error" in found else 0


if __name__ == "__main__":
    sys.exit(main())
