"""A training in a process for which memory does not suffice: `python -m bench.card.lack DEVICE SNAPSHOT RUN [halve]`.

Ends as `python -m training.core` would: with 1 and a sentence on standard error, or with 0.
"""

import resource
import sys
from pathlib import Path

import torch
from torch.nn import functional

from bench.card.ground import LARGE, Place, strong
from training.core.progress import Display
from training.core.refusals import TrainingFailed
from training.core.stopping import Stopper
from training.core.train import train

_LEFT = {"cuda": 3 * 2**30, "cpu": 450 * 2**20}
"""Bytes that the training gets: enough for a part of a batch, not for all of it."""


def main() -> int:
    device, snapshot, run, *halve = sys.argv[1:]
    place = Place(device, Path(run).parent)
    batch, side = LARGE[device]
    config = strong(
        "resnet18",
        place,
        image_size=side,
        batch_size=batch,
        epochs=1,
        evaluation_batch_size=8,
        threads=0 if place.card else 1,
        halve_when_out_of_memory=bool(halve),
    )
    taken = _take_all_but(device)
    try:
        train(
            snapshot=Path(snapshot),
            run=Path(run),
            choose=lambda: config,
            stopper=Stopper(),
            display=Display(),
        )
    except TrainingFailed as failure:
        print(failure, file=sys.stderr)
        return 1
    del taken  # until here nobody else had it
    return 0


def _take_all_but(device: str) -> object:
    if device == "cuda":
        free, _ = torch.cuda.mem_get_info()
        return torch.empty(free - _LEFT[device], dtype=torch.uint8, device=device)
    # What the libraries need is taken when they are first used.
    functional.conv2d(torch.zeros(1, 1, 8, 8), torch.zeros(1, 1, 3, 3)).sum()
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    limit = now + _LEFT[device]
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    return limit


if __name__ == "__main__":
    sys.exit(main())
