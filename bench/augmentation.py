"""What changing training images costs, in whole batches: python -m bench.augmentation [--quick]

CPU time per image of one thread, from uint8 48×48 to what the network sees, by preset and order, without the network.
The reference is the same work image by image with Pillow, as a loader's workers do it.
"""

import argparse
import json
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from training.core.augmentation import draw_turns
from training.core.config import Config, resolve
from training.core.mixing import draw_mix
from training.core.pixels import prepare

SIDE, BATCH = 48, 128


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="Fewer rounds.")
    parser.add_argument("--json", type=Path, metavar="FILE")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    rounds = 3 if asked.quick else 20
    images = np.random.default_rng(0).integers(0, 256, (BATCH, 1, SIDE, SIDE), np.uint8)
    ways: dict[str, Callable[[], Any]] = {"one by one with Pillow, 224": lambda: _one_by_one(images)}
    for name, config in {
        "paper-code, 224": resolve("paper-code", "resnet18"),
        "the same, rotated first": resolve("paper-code", "resnet18", {"augment_order": "rotate-then-resize"}),
        "quick, 48": resolve("quick", "resnet18"),
        "strong, 48": resolve("strong", "resnet18"),
    }.items():
        ways[name] = _in_batches(torch.from_numpy(images), config)
    found = {}
    for name, way in ways.items():
        milliseconds = _milliseconds(way, rounds)
        found[name] = {"value": milliseconds, "unit": "ms an image", "aim": None, "holds": None}
        print(f"{name:<28} {milliseconds:.3f} ms an image")
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=2) + "\n")


def _in_batches(images: torch.Tensor, config: Config) -> Callable[[], Any]:
    rows = torch.arange(BATCH)

    def work() -> torch.Tensor:
        pixels = prepare(images, config, draw_turns(config, epoch=0, rows=rows))
        if not config.mixup:
            return pixels
        mix = draw_mix(config, epoch=0, rows=rows, among=rows)
        others = prepare(images[mix.partners], config, draw_turns(config, epoch=0, rows=mix.partners))
        return mix.of_images(pixels, others)

    return work


def _one_by_one(images: np.ndarray) -> torch.Tensor:
    """Resized, mirrored and turned as the authors do, one image after the other."""
    seen = []
    for pixels in images[:, 0]:
        image = Image.fromarray(pixels).resize((224, 224), Image.Resampling.BILINEAR).convert("RGB")
        if random.random() < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        image = image.rotate(random.uniform(-30, 30), Image.Resampling.BILINEAR)
        seen.append(torch.from_numpy(np.asarray(image, np.float32).transpose(2, 0, 1) / 255))
    return torch.stack(seen)


def _milliseconds(work: Callable[[], Any], rounds: int) -> float:
    """CPU time, so that other work on the machine counts less. The best round."""
    work()
    best = float("inf")
    for _ in range(rounds):
        began = time.process_time()
        work()
        best = min(best, time.process_time() - began)
    return 1000 * best / BATCH


if __name__ == "__main__":
    main()
