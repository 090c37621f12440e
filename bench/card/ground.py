"""What the checks stand on: noise to learn from, and the steps of a training."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bench import fer2013
from bench.training import STORED, made_network, noise
from labeling.snapshots import format as snapshots
from training.core.config import Config, resolve
from training.core.device import device_for
from training.core.loop import images_for
from training.core.parallel import ALONE, World
from training.core.stepping import Stepper

Found = dict[str, Any]
"""`holds`: what was to be seen → whether it was; beside it figures."""
RATE = 0.01
LARGE = {"cuda": (256, 224), "cpu": (64, 128)}
"""A batch, and the side of its images, that do not fit into what the check of memory leaves."""
_PER_SPLIT = 14


@dataclass(frozen=True)
class Place:
    """device: "cuda", or "cpu" where a smoke run executes the same lines. folder: of a check's own, empty."""

    device: str
    folder: Path

    @property
    def card(self) -> bool:
        return self.device == "cuda"


def in_32_bits() -> None:
    """A card multiplies 32-bit numbers as TF32 where it may, of 10 bits: too few to compare."""
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False


def strong(network: str, place: Place, **changes: object) -> Config:
    """The recipe with all that changes images, mixes, clips and averages, for a few steps."""
    return resolve("strong", network, {"device": place.device, "test_views": "plain", **changes})


def stepper(config: Config, faces: int, *, network: nn.Module | None = None, world: World = ALONE) -> Stepper:
    """On noise of so many faces. network: instead of the config's, with the weights its seed gives."""
    device, learnt = device_for(config), noise(faces)
    layout = torch.channels_last if config.channels_last else torch.contiguous_format
    chosen = made_network(config, device) if network is None else network
    return Stepper(
        config=config,
        faces=learnt,
        images=images_for(device, learnt),
        network=chosen.to(device=device, memory_format=layout).train(),  # type: ignore[call-overload]
        device=device,
        world=world,
        say=print,
    )


def losses(one: Stepper, steps: int, batch: int) -> list[float]:
    """Of so many steps, each with other faces."""
    dice = np.random.default_rng(0)
    batches = [dice.permutation(len(one.images))[:batch] for _ in range(steps)]
    pending = [one.step(step, rows, 0, RATE) for step, rows in enumerate(batches)]
    return [float(step.loss) for step in pending]


def weights(network: nn.Module) -> Tensor:
    """All of them in one line."""
    return torch.cat([each.detach().cpu().flatten() for each in network.parameters()])


def apart(ones: Any, others: Any) -> float:
    """The largest difference as a share of the largest number."""
    one, other = (torch.as_tensor(each, dtype=torch.float64) for each in (ones, others))
    return float((one - other).abs().max() / other.abs().max())


def noise_snapshot(folder: Path, train: int) -> Path:
    """A snapshot of noise with so many faces to learn from, and a few of each other split."""
    snapshots.write(folder, _rows(train), classes=fer2013.SEVEN, rule={"label": "noise"})
    return folder


def _rows(train: int) -> Iterator[dict[str, Any]]:
    splits = ["train"] * train + ["validation"] * _PER_SPLIT + ["test"] * _PER_SPLIT
    pixels = np.random.default_rng(0).integers(0, 256, (len(splits), STORED, STORED), np.uint8)
    rows = [
        fer2013.row(pixels[number], number, fer2013.SEVEN, number % 7, _votes(number % 7), split)
        for number, split in enumerate(splits)
    ]
    yield from sorted(rows, key=lambda row: str(row["face_key"]))


def _votes(label: int) -> list[int]:
    return [10 * (place == label) for place in range(len(fer2013.SEVEN))] + [0, 0]
