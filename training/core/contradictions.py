"""Settings that contradict each other."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from training.core.networks import network

if TYPE_CHECKING:
    from training.core.config import Config

LEAST_PART = 2
"""Images at once, at least: batch norm cannot take a lone image where feature maps have shrunk to one pixel."""


def contradictions(config: Config) -> Iterator[str]:
    """What is wrong and what to do, one sentence or two each; nothing for a config that fits together."""
    yield from _of_images(config)
    yield from _of_starting_weights(config)
    yield from _of_the_step_size(config)
    yield from _of_targets(config)
    yield from _of_parts(config)


_OF_SCHEDULES = {
    "plateau_patience": ("plateau",),
    "plateau_factor": ("plateau",),
    "lowest_learning_rate": ("plateau", "cosine"),
    "warm_up": ("one-cycle", "cosine"),
}


def idle(config: Config, given: Collection[str]) -> Iterator[str]:
    """The same of settings given by hand that the schedule does not read. A preset's or a saved config's stay silent:
    another schedule may have been set beside them.
    """
    for name, schedules in _OF_SCHEDULES.items():
        if name in given and config.schedule not in schedules:
            yield (
                f"{name} is a setting of {' and '.join(schedules)}, but schedule is {config.schedule}. Leave it out, "
                f"or set schedule."
            )


def _of_images(config: Config) -> Iterator[str]:
    chosen = network(config.network)
    if config.image_size % chosen.image_step:
        yield (
            f"image_size is {config.image_size}, but {config.network} needs a multiple of {chosen.image_step}: "
            f"set it to {chosen.nearest_size(config.image_size)}."
        )
    if config.image_size < chosen.smallest_image:
        yield (
            f"image_size is {config.image_size}, but {config.network} needs at least {chosen.smallest_image}: "
            f"its feature maps would vanish. Raise image_size to {chosen.smallest_image} or more."
        )
    if config.colour == "rgb" and config.in_channels == 1:
        yield "colour is rgb, but in_channels is 1. Set in_channels to 3, or colour to grey."
    if config.mask_activation != "softmax" and not chosen.masked:
        yield f"mask_activation is a setting of Masking Blocks; {config.network} has no masks."


def _of_starting_weights(config: Config) -> Iterator[str]:
    if config.body_rate != 1 and not config.starting_weights:
        yield (
            f"body_rate is {config.body_rate}, but starting_weights is empty: nothing is there yet that should change "
            f"little. Name starting_weights, or set body_rate to 1."
        )
    if config.frozen_epochs and not config.starting_weights:
        yield (
            f"frozen_epochs is {config.frozen_epochs}, but starting_weights is empty: random weights would be kept. "
            f"Name starting_weights, or set frozen_epochs to 0."
        )
    if config.frozen_epochs >= config.epochs:
        yield (
            f"frozen_epochs is {config.frozen_epochs}, but epochs is {config.epochs}: all but the last layer would "
            f"never learn. Lower frozen_epochs, or raise epochs."
        )


def _of_the_step_size(config: Config) -> Iterator[str]:
    falling = config.schedule in ("plateau", "cosine")
    if falling and config.lowest_learning_rate > config.learning_rate:
        yield (
            f"lowest_learning_rate is {config.lowest_learning_rate}, above learning_rate, "
            f"{config.learning_rate}. Lower it."
        )


def _of_targets(config: Config) -> Iterator[str]:
    if config.target == "multi-label" and config.label_smoothing:
        yield (
            "label_smoothing spreads a target over all classes, but multi-label accepts several whole ones. "
            "Set label_smoothing to 0, or target to label or distribution."
        )
    if config.class_weights != "none" and config.logit_adjustment:
        yield (
            "class_weights and logit_adjustment both make up for rare classes. Set class_weights to none, or "
            "logit_adjustment to 0."
        )
    if config.target != "multi-label" and config.accepted_share != 0.3:
        yield "accepted_share is a setting of multi-label, but target is another. Leave it out, or set target."
    if config.target == "label" and config.least_share:
        yield "least_share is about votes, but target is label. Set least_share to 0, or target to distribution."


def _of_parts(config: Config) -> Iterator[str]:
    least = LEAST_PART * config.accumulation
    if config.batch_size < least:
        yield (
            f"batch_size is {config.batch_size}, but accumulation is {config.accumulation}, and a part needs "
            f"{LEAST_PART} images. Raise batch_size to {least}, or lower accumulation."
        )
    if config.sync_batch_norm and config.device == "cpu":
        yield "sync_batch_norm needs CUDA cards, but device is cpu. Set sync_batch_norm to false."
