"""How near to what a machine could do at best a network learns and judges on it: `python -m bench.floor`.

    python -m bench.floor [--networks resmasking resnet34 resnet18] [--batch 96] [--image-size 224] [--json FILE]
    python -m bench.floor --smoke

Takes a CUDA card where there is one, else the processor, and first measures its rate of bfloat16 products (one large
matrix product) and its bandwidth (one large copy). From them comes the floor, the time an image takes at the very
least: of every convolution and linear layer the slower of its multiply-adds at that rate and its input, output and
weights at that bandwidth, in bfloat16; all else counts nothing, as if it were done on the way. Learning is three such
passes and the optimizer's reading and writing of weights, gradient and two states in 32 bits.

Beside it, in turns: the steps of a training with bf16 and channels_last, its faces on the device; and plain PyTorch in
32 bits with a DataLoader that changes one image after the other. Judging: a `Quick` by batches, and one face at a time
in 32 bits. On a card also how much of the steps' time no kernel ran. Aims, on a card: half the floor's speed for
ResMaskingNet learning at 224 pixels, and five times the plain loop's. --smoke runs all of it in a minute or two, with
one network on small images: it says that the script works, nothing else.
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bench.training import CLASSES, FAST, STORED, noise, obvious, ours
from training.core.config import resolve
from training.core.networks import network as named
from training.core.networks.measure import on_paper, parameters
from training.core.quick import Quick
from training.core.run_folder import Made
from training.core.train import build

OPTIMIZER_BYTES = 4 * (4 + 3)
"""Per weight, with RAdam: weight, gradient and two states are read, all but the gradient written."""
_SIDES = {"cuda": 8192, "cpu": 2048}
_COPIED = {"cuda": 2**30, "cpu": 2**28}
_SMALL = (128, 2**20)
"""For a smoke run: without units for bfloat16 a processor is slow in it."""


@dataclass(frozen=True)
class Machine:
    """rate: multiply-adds of bfloat16 a second. bandwidth: bytes read and written a second."""

    rate: float
    bandwidth: float


@dataclass(frozen=True)
class Layer:
    """Of one image: multiply-adds, and numbers read and written beside the weights."""

    multiply_adds: int
    moved: int
    weights: int


def layers(network: nn.Module, image: Tensor) -> list[Layer]:
    """The convolutions and linear layers that one image, (1, C, H, W), goes through, in order."""
    found: list[Layer] = []

    def note(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if isinstance(layer, nn.ConvTranspose2d):
            work = layer.weight[0].numel() * inputs[0].numel()
        elif isinstance(layer, nn.Conv2d | nn.Linear):
            work = layer.weight[0].numel() * output.numel()
        else:
            return
        found.append(Layer(work, inputs[0].numel() + output.numel(), layer.weight.numel()))

    hooks = [module.register_forward_hook(note) for module in network.modules()]
    network.eval()(image)
    for hook in hooks:
        hook.remove()
    return found


def judging_floor(passed: Iterable[Layer], batch: int, machine: Machine) -> float:
    """Seconds an image, at the very least."""
    return sum(
        max(one.multiply_adds / machine.rate, 2 * (one.moved + one.weights / batch) / machine.bandwidth)
        for one in passed
    )


def learning_floor(passed: Iterable[Layer], weights: int, batch: int, machine: Machine) -> float:
    """Seconds an image, at the very least: forwards, and the gradients of inputs and of weights."""
    return 3 * judging_floor(passed, batch, machine) + OPTIMIZER_BYTES * weights / batch / machine.bandwidth


def busy(kernels: Iterable[tuple[float, float]]) -> float:
    """How long at least one of them ran. kernels: begin and end of each."""
    total, until = 0.0, float("-inf")
    for begin, end in sorted(kernels):
        total += max(0.0, end - max(begin, until))
        until = max(until, end)
    return total


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--networks", nargs="+", default=["resmasking", "resnet34", "resnet18"])
    parser.add_argument("--device", choices=("cuda", "cpu"))
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--batch", type=int, default=96)
    parser.add_argument("--steps", type=int, default=10, help="timed at once, in each of three turns")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--smoke", action="store_true", help="a small network, small images, one step a turn")
    asked = parser.parse_args()
    if asked.smoke:
        asked.networks, asked.image_size, asked.batch, asked.steps = ["resnet18"], 64, 4, 1
    device = torch.device(asked.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    card = torch.cuda.get_device_name() if device.type == "cuda" else f"{torch.get_num_threads()} threads"
    print(f"torch {torch.__version__}, {device.type}: {card}, load {os.getloadavg()[0]:.1f}")
    machine = measure(device, *(_SMALL if asked.smoke else (_SIDES[device.type], _COPIED[device.type])))
    print(f"{2 * machine.rate / 1e12:.2f} TFLOP/s in bfloat16, {machine.bandwidth / 1e9:.0f} GB/s")
    figures: dict[str, Any] = {"rate": machine.rate, "bandwidth": machine.bandwidth, "device": card}
    if asked.smoke:
        # What a smoke run finds must never be taken for a result.
        print("A smoke run: these figures say nothing of the machine.")
        figures["smoke"] = True
    for name in asked.networks:
        figures[name] = _network(name, device, machine, asked.image_size, asked.batch, asked.steps)
        if asked.json:  # each as it is known: time may be short
            asked.json.write_text(json.dumps(figures, indent=2) + "\n")
    print(f"load at the end {os.getloadavg()[0]:.1f}")


def measure(device: torch.device, side: int, copied: int) -> Machine:
    """By a product of two matrices of that side, and a copy of so many bytes."""
    one = torch.randn(side, side, device=device).to(torch.bfloat16)
    there = torch.ones(copied, dtype=torch.uint8, device=device)
    back = torch.empty_like(there)
    product = statistics.median(_seconds(lambda: one @ one, device, 3) for _ in range(5))
    copying = statistics.median(_seconds(lambda: back.copy_(there), device, 3) for _ in range(5))
    return Machine(rate=side**3 / product, bandwidth=2 * copied / copying)


def _seconds(do: Callable[[], Any], device: torch.device, times: int) -> float:
    """Of one call, after one that does not count."""
    do()
    _wait(device)
    began = time.perf_counter()
    for _ in range(times):
        do()
    _wait(device)
    return (time.perf_counter() - began) / times


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def _network(
    name: str, device: torch.device, machine: Machine, side: int, batch: int, steps: int
) -> dict[str, Any]:
    drawn = on_paper(named(name), image_size=side)
    passed = layers(drawn, torch.zeros(1, 3, side, side, device="meta"))
    floors = {
        "learning": learning_floor(passed, parameters(drawn), batch, machine),
        "judging": judging_floor(passed, batch, machine),
    }
    faces = noise(batch)
    settings = {**FAST, "image_size": side}
    step = ours(name, faces, batch, device, settings)
    workers = (os.cpu_count() or 1) if device.type == "cuda" else 0
    plain = obvious(name, faces, batch, device, side=side, workers=workers)
    few = 1 if device.type == "cpu" else steps
    learning = [(_seconds(step, device, steps), _seconds(plain, device, few)) for _ in range(3)]
    idle = _idle(step, steps) if device.type == "cuda" else None
    judging = _judging(name, device, side, batch, steps)
    found: dict[str, Any] = {"batch": batch, "image_size": side, "idle": idle}
    for what, times in (("learning", learning), ("judging", judging)):
        own, base = (statistics.median(each) / batch for each in zip(*times, strict=True))
        figure = {
            "images a second": 1 / own,
            "floor, images a second": 1 / floors[what],
            "of the floor's speed": floors[what] / own,
            "times the plain loop": base / own,
        }
        found[what] = figure
        print(f"{name:<12}{what:<10}" + "".join(f"{value:>12.2f} {key}" for key, value in figure.items()))
    if idle is not None:
        print(f"{name:<12}learning  {idle:>12.1%} of the time no kernel ran")
    return found


@torch.inference_mode()
def _judging(name: str, device: torch.device, side: int, batch: int, steps: int) -> list[tuple[float, float]]:
    """Seconds for a batch: of a Quick, and of a loop of one face at a time in 32 bits, of which a few are timed."""
    config = resolve("paper-code", name, {"image_size": side, "device": device.type})
    made = Made(config=config, snapshot_digest="0" * 64, classes=CLASSES, stored_size=STORED)
    network = build(made, start=False).eval().to(device)
    quick = Quick(network, config, device, bf16=True)
    images = torch.rand(batch, config.in_channels, side, side, device=device)
    one = images[:1]
    return [
        (
            _seconds(lambda: quick(images), device, steps),
            batch * _seconds(lambda: network(one), device, steps),
        )
        for _ in range(3)
    ]


def _idle(step: Callable[[], None], steps: int) -> float:
    """The share of the time between a first and a last kernel in which none ran, as torch's profiler saw it."""
    step()
    torch.cuda.synchronize()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        for _ in range(steps):
            step()
        torch.cuda.synchronize()
    kernels = [
        (event.time_range.start, event.time_range.end)
        for event in profile.events() or []
        if event.device_type == torch.autograd.DeviceType.CUDA
    ]
    whole = max(end for _, end in kernels) - min(begin for begin, _ in kernels)
    return 1 - busy(kernels) / whole


if __name__ == "__main__":
    main()
