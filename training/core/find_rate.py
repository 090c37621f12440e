"""A learning-rate range test: a short training whose step size rises from step to step, to see where it learns best. L.
N. Smith 2017, "Cyclical Learning Rates for Training Neural Networks", arXiv 1506.01186, section 3.3.
"""

import dataclasses
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from training.core import faces as snapshot_faces
from training.core.batches import epoch_batches
from training.core.config import Config
from training.core.device import device_for, explained_memory
from training.core.faces import Faces, Snapshot, Split
from training.core.loop import images_for
from training.core.parallel import ALONE
from training.core.refusals import BadConfig
from training.core.run_folder import Made
from training.core.stepping import Stepper
from training.core.train import build

_KEPT = 0.98
"""Of the smoothed loss, in each step."""
_HOPELESS = 4.0
"""Times the lowest smoothed loss: what lies behind it is known to be too large."""
_UNSETTLED = 10
"""First steps, whose smoothed loss is one of few."""
_LEAST_STEPS, _MOST_STEPS = 20, 10_000
_LOWEST, _HIGHEST = 1e-10, 100.0


def find_rate(snapshot: Path, config: Config, *, steps: int, low: float, high: float) -> dict[str, Any]:
    """Train for `steps` steps of the config's batches, the step size rising from low to high by the same factor each.

    Returns `rates` and, of each, the smoothed loss; `suggested`, the rate at which that fell steepest over the
    logarithm of the rate, None where it never fell; and `ended`, why there are fewer steps than asked for, or None. The
    schedule is not read, all weights learn from the first step on, and nothing is written. Raises BadConfig or
    BadSnapshot.
    """
    if not _LEAST_STEPS <= steps <= _MOST_STEPS:
        raise BadConfig(f"--steps is a number from {_LEAST_STEPS} to {_MOST_STEPS}.")
    if not _LOWEST <= low < high <= _HIGHEST:
        raise BadConfig(
            f"--from and --to are step sizes from {_LOWEST} to {_HIGHEST:.0f}, the first the smaller."
        )
    config = dataclasses.replace(config, frozen_epochs=0, ema=0.0)
    opened = snapshot_faces.open_snapshot(snapshot)
    snapshot_faces.verify(opened)
    snapshot_faces.refuse_too_small(opened)
    with explained_memory(config):
        rates, losses = _rising(_stepper(opened, config, steps), steps, low, high)
    ended = None
    if len(rates) < steps:
        ended = f"The loss was {_HOPELESS:.0f} times its lowest, or no number, after {len(rates)} of {steps} steps."
    return {
        "network": config.network,
        "suggested": suggested(rates, losses),
        "ended": ended,
        "rates": rates,
        "losses": losses,
    }


def _stepper(opened: Snapshot, config: Config, steps: int) -> Stepper:
    device, side = device_for(config), snapshot_faces.stored_size(opened, config)
    faces = _some(opened, config, side, config.batch_size * steps)
    made = Made(config=config, snapshot_digest=opened.digest, classes=opened.classes, stored_size=side)
    layout = torch.channels_last if config.channels_last else torch.contiguous_format
    network = build(made, start=True).to(device=device, memory_format=layout)  # type: ignore[call-overload]
    return Stepper(
        config=config,
        faces=faces,
        images=images_for(device, faces),
        network=network,
        device=device,
        world=ALONE,
        say=lambda text: None,
    )


def _some(opened: Snapshot, config: Config, side: int, most: int) -> Faces:
    """So many training faces at most, by chance, and no others; in memory alone."""
    train = opened.splits["train"]
    chosen = np.sort(np.random.default_rng(config.seed).permutation(len(train))[:most])
    images = snapshot_faces.some(opened, config, side, train.rows[chosen])
    none = np.zeros(0, np.int64)
    learnt = Split(
        np.arange(len(chosen)), train.labels[chosen], (), train.face_ids[chosen], train.shares[chosen]
    )
    empty = Split(none, none, (), none, np.zeros((0, len(opened.classes)), np.float32))
    return Faces(opened.digest, opened.classes, images, {"train": learnt, "validation": empty, "test": empty})


def _rising(one: Stepper, steps: int, low: float, high: float) -> tuple[list[float], list[float]]:
    """The rates that were taken, and the smoothed loss before each was."""
    rates: list[float] = []
    losses: list[float] = []
    smooth = 0.0
    for number, (epoch, step, rows) in zip(range(steps), _batches(one), strict=False):
        if step == 0:
            one.begin_epoch(epoch)
        rate = low * (high / low) ** (number / (steps - 1))
        loss = float(one.step(step, rows, epoch, rate).loss)
        smooth = _KEPT * smooth + (1 - _KEPT) * loss
        mean = smooth / (1 - _KEPT ** (number + 1))
        if not math.isfinite(mean) or (number >= _UNSETTLED and mean > _HOPELESS * min(losses)):
            break
        rates.append(rate)
        losses.append(mean)
    return rates, losses


def _batches(one: Stepper) -> Iterator[tuple[int, int, NDArray[np.int64]]]:
    """Epoch, step and rows, without end."""
    epoch, config = 0, one.config
    rows = np.arange(len(one.images))
    while True:
        for step, batch in enumerate(epoch_batches(rows, config.batch_size, config.seed, epoch, one.parts)):
            yield epoch, step, batch
        epoch += 1


def suggested(rates: list[float], losses: list[float]) -> float | None:
    """Where the smoothed loss falls steepest over the logarithm of the rate; None where it never falls."""
    if len(rates) < _UNSETTLED + 2:
        return None
    slopes = np.gradient(np.array(losses), np.log(rates))[_UNSETTLED:-1]
    steepest = int(slopes.argmin())
    return rates[_UNSETTLED + steepest] if slopes[steepest] < 0 else None
