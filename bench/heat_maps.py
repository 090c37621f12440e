"""What it costs to keep where a network looked for its wrong answers: Grad-CAM of a face beside a training step of one.

    python -m bench.heat_maps [--network resnet18] [--size 48] [--batch 48] [--faces 96] [--repeats 5]

In CPU time of one thread, in 32 bits, in turn: a step of `batch` images as a training makes it, and the maps of `faces`
mistakes as they are made at its end, the search for the feature map included. Medians.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import cast

import numpy as np
import torch

from bench.training import CLASSES, CPU, made_network, noise, ours
from training.core.config import resolve
from training.core.explaining import Seer, heat_of_mistakes
from training.core.predictions import Predictions


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--network", default="resnet18")
    parser.add_argument("--size", type=int, default=48)
    parser.add_argument("--batch", type=int, default=48)
    parser.add_argument("--faces", type=int, default=96)
    parser.add_argument("--repeats", type=int, default=5)
    asked = parser.parse_args()
    print(f"torch {torch.__version__}, one thread, load {os.getloadavg()[0]:.1f}")
    torch.set_num_threads(1)
    step, heat = _step(asked.network, asked.size, asked.batch), _heat(asked.network, asked.size, asked.faces)
    step()
    steps, maps = [], []
    for _ in range(asked.repeats):
        steps.append(_ms(step) / asked.batch)
        maps.append(_ms(heat) / asked.faces)
    one, other = statistics.median(steps), statistics.median(maps)
    print(
        f"{asked.network} at {asked.size} px: a step {one:.1f} ms of CPU time an image, a map {other:.1f} ms a face"
    )
    print(f"a map costs {other / one:.2f} of a step; load at the end {os.getloadavg()[0]:.1f}")


def _step(network: str, size: int, batch: int) -> Callable[[], None]:
    settings = {"image_size": size, "augment_order": "rotate-then-resize"}
    return ours(network, noise(batch), batch, CPU, settings)


def _heat(name: str, size: int, number: int) -> Callable[[], object]:
    config = resolve("paper-code", name, {"image_size": size, "device": "cpu"})
    seer = cast(Seer, SimpleNamespace(network=made_network(config, CPU).eval(), config=config))
    images = torch.from_numpy(noise(number).images)
    all_wrong = Predictions(
        classes=CLASSES,
        keys=tuple(map(str, range(number))),
        face_ids=np.arange(number),
        labels=np.zeros(number, np.int64),
        probabilities=np.tile(np.eye(len(CLASSES))[1], (number, 1)),
    )
    return lambda: heat_of_mistakes(seer, images, np.arange(number), all_wrong)


def _ms(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return 1000 * (time.process_time() - began)


if __name__ == "__main__":
    main()
