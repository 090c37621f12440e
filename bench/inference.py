"""How fast a network judges faces on this CPU: a plain loop of one face at a time in fp32, and ours, side by side.

    python -m bench.inference [--network resmasking] [--image-size 224] [--repeats 5] [--run RUN --snapshot SNAPSHOT]

Each repeat times all ways in turn, so a busy machine slows all of them. Plain is an eager network in torch's own
layout; ours are what a Predictor judges with (`training.core.quick`). With --run also how often each way's answer on
the test faces is the plain loop's.
"""

import argparse
import dataclasses
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn

from labeling.snapshots import format as snapshots
from training.core.config import Config, resolve
from training.core.pixels import prepare
from training.core.predictor import Predictor
from training.core.quick import Quick
from training.core.run_folder import Made
from training.core.train import build

Way = Callable[[torch.Tensor], torch.Tensor]
Subject = tuple[nn.Module, torch.Tensor, Config]
PLAIN = "plain, one at a time"
BATCH = 16


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--network", default="resmasking")
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument(
        "--cpu-time", action="store_true", help="one thread, and its CPU time: for a machine that is busy"
    )
    parser.add_argument("--run", type=Path, help="a trained run, instead of --network with weights of a seed")
    parser.add_argument("--snapshot", type=Path, help="its test faces")
    asked = parser.parse_args()
    threads = 1 if asked.cpu_time else asked.threads
    torch.set_num_threads(threads)
    network, images, config = (
        _trained(asked.run, asked.snapshot) if asked.run else _fresh(asked.network, asked.image_size)
    )
    ways = _ways(network, config)
    load = os.getloadavg()[0]
    print(f"torch {torch.__version__}, {threads} threads, load {load:.1f}, {tuple(images.shape[1:])}")
    _times(ways, images[:BATCH], asked.repeats, time.process_time if asked.cpu_time else time.perf_counter)
    if asked.run:
        _agreement(ways, images)
    print(f"load at the end {os.getloadavg()[0]:.1f}")


def _fresh(name: str, side: int) -> Subject:
    config = resolve("paper-code", name, {"image_size": side, "device": "cpu"})
    made = Made(config=config, snapshot_digest="0" * 64, classes=tuple("abcdefg"), stored_size=side)
    torch.manual_seed(0)
    return build(made, start=False).eval(), torch.rand(BATCH, config.in_channels, side, side), config


def _trained(run: Path, snapshot: Path) -> Subject:
    predictor = Predictor(run, bf16=False)
    config = dataclasses.replace(predictor.config, channels_last=False)
    faces = snapshots.read_table(snapshot, columns=["image"], split="test")["image"].to_pylist()
    network = predictor.network.to(device="cpu", memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    return network, prepare(torch.from_numpy(predictor.pixels(faces)), config), config


def _ways(network: nn.Module, config: Config) -> dict[str, Way]:
    cpu = torch.device("cpu")
    return {
        PLAIN: network,
        "quick, 32 bits": Quick(network, config, cpu, bf16=False),
        "quick, bfloat16": Quick(network, config, cpu, bf16=True),
    }


@torch.inference_mode()
def _times(ways: dict[str, Way], images: torch.Tensor, repeats: int, clock: Callable[[], float]) -> None:
    single, batch = {name: [] for name in ways}, {name: [] for name in ways}
    for way in ways.values():
        way(images[:1]), way(images[:1])
    for _ in range(repeats):
        for name, way in ways.items():
            started = clock()
            for one in images[:4].split(1):
                way(one)
            single[name].append((clock() - started) / 4)
            started = clock()
            way(images)
            batch[name].append((clock() - started) / len(images))
    base = statistics.median(single[PLAIN])
    print(f"{'way':<30}{'alone ms':>10}{'times':>7}{'batch of 16, ms a face':>25}{'times':>7}")
    for name in ways:
        alone, together = statistics.median(single[name]), statistics.median(batch[name])
        print(
            f"{name:<30}{alone * 1000:>10.1f}{base / alone:>7.2f}{together * 1000:>25.1f}{base / together:>7.2f}"
        )


@torch.inference_mode()
def _agreement(ways: dict[str, Way], images: torch.Tensor) -> None:
    answers = {
        name: np.concatenate(
            [way(some).argmax(dim=1).numpy() for some in images.split(1 if name == PLAIN else BATCH)]
        )
        for name, way in ways.items()
    }
    for name, found in answers.items():
        same = float((found == answers[PLAIN]).mean())
        print(f"{name}: the plain loop's answer on {same:.2%} of {len(found)} test faces")


if __name__ == "__main__":
    main()
