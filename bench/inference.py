"""How fast a network judges faces on this CPU: a plain loop of one face at a time in fp32, and ours, side by side.

    python -m bench.inference [--network resmasking] [--image-size 224] [--repeats 5] [--run RUN --snapshot SNAPSHOT]

Each repeat times all ways in turn, so a busy machine slows all of them. Plain is an eager network in torch's own
layout; ours are channels_last, convolutions fused with their batch norms, and bfloat16. With --run also how often
each way's answer on the test faces is the plain loop's.
"""

import argparse
import copy
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from labeling.snapshots import format as snapshots
from training.core.config import resolve
from training.core.pixels import prepare
from training.core.predictor import Predictor
from training.core.run_folder import Made
from training.core.train import build

Way = Callable[[torch.Tensor], torch.Tensor]
BATCH = 16


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--network", default="resmasking")
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--run", type=Path, help="a trained run, instead of --network with weights of a seed")
    parser.add_argument("--snapshot", type=Path, help="its test faces")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    network, images = (
        _trained(asked.run, asked.snapshot) if asked.run else _fresh(asked.network, asked.image_size)
    )
    ways = _ways(network, images[:1])
    load = os.getloadavg()[0]
    print(f"torch {torch.__version__}, {asked.threads} threads, load {load:.1f}, {tuple(images.shape[1:])}")
    _times(ways, images[:BATCH], asked.repeats)
    if asked.run:
        _agreement(ways, images)
    print(f"load at the end {os.getloadavg()[0]:.1f}")


def _fresh(name: str, side: int) -> tuple[nn.Module, torch.Tensor]:
    config = resolve("paper-code", name, {"image_size": side, "device": "cpu"})
    made = Made(config=config, snapshot_digest="0" * 64, classes=tuple("abcdefg"), stored_size=side)
    torch.manual_seed(0)
    return build(made, start=False).eval(), torch.rand(BATCH, config.in_channels, side, side)


def _trained(run: Path, snapshot: Path) -> tuple[nn.Module, torch.Tensor]:
    predictor = Predictor(run, bf16=False)
    faces = snapshots.read_table(snapshot, columns=["image"], split="test")["image"].to_pylist()
    return predictor.network.cpu(), prepare(torch.from_numpy(predictor.pixels(faces)), predictor.config)


def _ways(network: nn.Module, example: torch.Tensor) -> dict[str, Way]:
    fused = _fused(network, example)
    low = copy.deepcopy(fused).to(torch.bfloat16)
    return {
        "plain": network,
        "fused, channels_last": lambda images: fused(images.contiguous(memory_format=torch.channels_last)),
        "fused, channels_last, bf16": lambda images: low(
            images.to(torch.bfloat16).contiguous(memory_format=torch.channels_last)
        ).float(),
    }


@torch.inference_mode()
def _fused(network: nn.Module, example: torch.Tensor) -> nn.Module:
    """A copy in which each batch norm that follows a convolution at once is part of it."""
    fused = copy.deepcopy(network).eval()
    names = {module: name for name, module in fused.named_modules()}
    made: dict[int, tuple[nn.Module, torch.Tensor]] = {}
    pairs: list[tuple[nn.Module, nn.Module]] = []

    def note(module: nn.Module, inputs: tuple[torch.Tensor, ...], out: torch.Tensor) -> None:
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            made[id(out)] = (module, out)  # the tensor is kept, so that no other gets its id
        elif isinstance(module, nn.BatchNorm2d) and id(inputs[0]) in made:
            pairs.append((made[id(inputs[0])][0], module))

    handles = [module.register_forward_hook(note) for module in names if not list(module.children())]
    fused(example)
    for handle in handles:
        handle.remove()
    for convolution, norm in pairs:
        one = fuse_conv_bn_eval(convolution, norm, isinstance(convolution, nn.ConvTranspose2d))
        fused.set_submodule(names[convolution], one)
        fused.set_submodule(names[norm], nn.Identity())
    return fused.to(memory_format=torch.channels_last)


@torch.inference_mode()
def _times(ways: dict[str, Way], images: torch.Tensor, repeats: int) -> None:
    single, batch = {name: [] for name in ways}, {name: [] for name in ways}
    for way in ways.values():
        way(images[:1]), way(images[:1])
    for _ in range(repeats):
        for name, way in ways.items():
            started = time.perf_counter()
            for one in images[:4].split(1):
                way(one)
            single[name].append((time.perf_counter() - started) / 4)
            started = time.perf_counter()
            way(images)
            batch[name].append((time.perf_counter() - started) / len(images))
    base = statistics.median(single["plain"])
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
            [way(some).argmax(dim=1).numpy() for some in images.split(1 if name == "plain" else BATCH)]
        )
        for name, way in ways.items()
    }
    for name, found in answers.items():
        same = float((found == answers["plain"]).mean())
        print(f"{name}: the plain loop's answer on {same:.2%} of {len(found)} test faces")


if __name__ == "__main__":
    main()
