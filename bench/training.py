"""How fast a network learns on this CPU: plain PyTorch written the obvious way, and ours, side by side.

    python -m bench.training [--network resmasking] [--batch 16] [--repeats 5] [--quick] [--json FILE]

Obvious: 32 bits, torch's own layout, and a DataLoader that resizes, mirrors and turns one image after the other with
Pillow. Ours: the very steps of a training, once with 32 bits and once with bf16 and channels_last. Each repeat makes
one step in every way in turn, so a busy machine slows all of them; a step begins with stored faces and ends with moved
weights. The data path alone is measured in CPU time of one thread, without the network, in batches of 48.
"""

import argparse
import json
import os
import random
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from training.core.augmentation import draw_turns
from training.core.config import Config, resolve
from training.core.faces import Faces, Split
from training.core.optimizers import groups_of, make_optimizer
from training.core.parallel import ALONE
from training.core.pixels import prepare
from training.core.run_folder import Made
from training.core.stepping import Stepper
from training.core.train import build

CLASSES = tuple("abcdefg")
STORED, SEEN = 48, 224
AUTHORS_BATCH = 48
CPU = torch.device("cpu")
AIMS = {"step": 1.8, "data": 15.0}
Step = Callable[[], None]
_OURS = {"augment_order": "rotate-then-resize"}
FAST = {**_OURS, "bf16": True, "channels_last": True}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--network", default="resmasking")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument(
        "--cpu-time", action="store_true", help="one thread, and its CPU time: for a machine that is busy"
    )
    parser.add_argument("--data", action="store_true", help="the data path alone")
    parser.add_argument("--quick", action="store_true", help="a small network, two repeats")
    parser.add_argument("--json", type=Path, metavar="FILE")
    asked = parser.parse_args()
    network, repeats = ("resnet18", 2) if asked.quick else (asked.network, asked.repeats)
    faces, threads = noise(asked.batch * 4), 1 if asked.cpu_time else asked.threads
    print(f"torch {torch.__version__}, {threads} threads, load {os.getloadavg()[0]:.1f}")
    torch.set_num_threads(1)
    data = _data_path(3 if asked.quick else 20)
    torch.set_num_threads(threads)
    clock = time.process_time if asked.cpu_time else time.perf_counter
    steps = {} if asked.data else _steps(network, faces, asked.batch, repeats, clock)
    print(f"load at the end {os.getloadavg()[0]:.1f}")
    if asked.json:
        asked.json.write_text(json.dumps({**data, **steps}, indent=2) + "\n")


def noise(number: int) -> Faces:
    """Noise of FER2013's size: what is in an image costs nothing."""
    dice = np.random.default_rng(0)
    split = Split(
        rows=np.arange(number),
        labels=dice.integers(0, len(CLASSES), number),
        keys=tuple(map(str, range(number))),
        face_ids=np.arange(number),
        shares=np.full((number, len(CLASSES)), 1 / len(CLASSES), np.float32),
    )
    images = dice.integers(0, 256, (number, 1, STORED, STORED), np.uint8)
    return Faces("0" * 64, CLASSES, images, dict.fromkeys(("train", "validation", "test"), split))


class OneByOne(Dataset[tuple[Tensor, int]]):
    """As the authors' loader does it: resized, made RGB, mirrored, turned, made a tensor."""

    def __init__(self, faces: Faces, side: int = SEEN) -> None:
        self.faces, self.side = faces, side

    def __len__(self) -> int:
        return len(self.faces.images)

    def __getitem__(self, place: int) -> tuple[Tensor, int]:
        image = Image.fromarray(self.faces.images[place, 0])
        image = image.resize((self.side, self.side), Image.Resampling.BILINEAR).convert("RGB")
        if random.random() < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        image = image.rotate(random.uniform(-30, 30), Image.Resampling.BILINEAR)
        pixels = torch.from_numpy(np.asarray(image, np.float32).transpose(2, 0, 1) / 255)
        return pixels, int(self.faces.splits["train"].labels[place])


def _data_path(rounds: int) -> dict[str, Any]:
    faces = noise(AUTHORS_BATCH)
    one_by_one = OneByOne(faces)
    stored, rows = torch.from_numpy(faces.images), torch.arange(AUTHORS_BATCH)

    def whole(config: Config) -> Tensor:
        return prepare(stored, config, draw_turns(config, epoch=0, rows=rows))

    exact, fast = (resolve("paper-code", "resnet18", some) for some in (_OURS, FAST))
    ways: dict[str, Callable[[], Any]] = {
        "obvious": lambda: torch.stack([one_by_one[place][0] for place in range(AUTHORS_BATCH)]),
        "ours, 32 bits": lambda: whole(exact),
        "ours, bfloat16": lambda: whole(fast),
    }
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            began = time.process_time()
            way()
            found[name].append(1000 * (time.process_time() - began) / AUTHORS_BATCH)
    return _told("data", found, "ms of CPU time an image", AIMS["data"])


def _steps(
    network: str, faces: Faces, batch: int, repeats: int, clock: Callable[[], float]
) -> dict[str, Any]:
    ways = {
        "obvious": obvious(network, faces, batch, CPU),
        "ours, 32 bits": ours(network, faces, batch, CPU, _OURS),
        "ours, bfloat16": ours(network, faces, batch, CPU, FAST),
    }
    found: dict[str, list[float]] = {name: [] for name in ways}
    for step in ways.values():
        step()
    for _ in range(repeats):
        for name, step in ways.items():
            began = clock()
            step()
            found[name].append((clock() - began) / batch)
    return _told(
        "step",
        {name: [1000 * each for each in all_] for name, all_ in found.items()},
        "ms an image",
        AIMS["step"],
    )


def obvious(
    name: str, faces: Faces, batch: int, device: torch.device, *, side: int = SEEN, workers: int = 0
) -> Step:
    """Plain PyTorch on the device; `workers` processes make its images ready on the CPU."""
    config = resolve("paper-code", name, {"device": device.type, "image_size": side})
    network = made_network(config, device)
    optimizer = make_optimizer(groups_of(network, config), config)
    loader = DataLoader(
        OneByOne(faces, side), batch_size=batch, shuffle=True, drop_last=True, num_workers=workers,
        persistent_workers=workers > 0, pin_memory=device.type == "cuda",
    )  # fmt: skip

    def forever() -> Iterator[tuple[Tensor, Tensor]]:
        while True:
            yield from loader

    batches = forever()

    def step() -> None:
        pixels, labels = (each.to(device, non_blocking=True) for each in next(batches))
        optimizer.zero_grad()
        functional.cross_entropy(network(pixels), labels).backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return step


def ours(name: str, faces: Faces, batch: int, device: torch.device, settings: dict[str, Any]) -> Step:
    """The step of a training on the device, the faces lying there."""
    config = resolve("paper-code", name, {**settings, "device": device.type})
    stepper = Stepper(
        config=config,
        faces=faces,
        images=torch.from_numpy(faces.images).to(device),
        network=made_network(config, device),
        device=device,
        world=ALONE,
        say=print,
    )
    rows = np.arange(batch)

    def step() -> None:
        stepper.step(0, rows, 0, config.learning_rate)

    return step


def made_network(config: Config, device: torch.device) -> torch.nn.Module:
    made = Made(config=config, snapshot_digest="0" * 64, classes=CLASSES, stored_size=STORED)
    layout = torch.channels_last if config.channels_last else torch.contiguous_format
    return build(made, start=False).to(device=device, memory_format=layout).train()  # type: ignore[call-overload, no-any-return]


def _told(what: str, found: dict[str, list[float]], unit: str, aim: float) -> dict[str, Any]:
    """Medians beside the obvious way's, printed, and as figures for a file."""
    base = statistics.median(found["obvious"])
    figures = {}
    for name, each in found.items():
        median = statistics.median(each)
        print(f"{what:<6}{name:<18}{median:>10.3f} {unit:<26}{base / median:>7.2f} times as fast")
        held = None if name == "obvious" else base / median >= aim
        figures[f"{what}, {name}"] = {"value": median, "unit": unit, "aim": aim, "holds": held}
    return figures


if __name__ == "__main__":
    main()
