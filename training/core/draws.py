"""Chance without a generator: each number is a function of seed, epoch, image and what it is drawn for.

So neither the order of batches, nor their size, nor how many processes share the work changes what is drawn.
"""

from collections.abc import Sequence
from enum import IntEnum
from functools import lru_cache
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

_MASK = 0xFFFFFFFF
Word = TypeVar("Word", int, Tensor)


class Draw(IntEnum):
    """What a number is drawn for. Another number here is another training: append, never renumber."""

    MIRROR = 0
    TURN = 1
    SIDE = 2
    ACROSS = 3
    DOWN = 4
    SHIFT_ACROSS = 5
    SHIFT_DOWN = 6
    CONTRAST = 7
    ERASE = 8
    ERASED_AREA = 9
    ERASED_SHAPE = 10
    ERASED_ACROSS = 11
    ERASED_DOWN = 12
    PARTNER = 13
    PARTNER_SHARE = 14
    LABEL = 15


def uniform(seed: int, epoch: int, rows: Tensor, draw: int) -> Tensor:
    """(B,) float32 in [0, 1), decided by the four numbers. 24 bits of a 32-bit hash: exact in a float32.

    rows: (B,) int64, the images' row numbers, on the device that shall do the work.
    """
    return uniforms(seed, epoch, rows, (draw,))[0]


def uniforms(seed: int, epoch: int, rows: Tensor, draws: Sequence[int]) -> Tensor:
    """(len(draws), B): `uniform` for each of the draws. Together they cost little more than one."""
    state = rows & _MASK
    for part in (seed, epoch):
        state = _mixed(state ^ _word(part))
    state = _mixed(state ^ _words(tuple(draws), rows.device))
    return (state >> 8).float() / 2**24


def _word(part: int) -> int:
    return _mixed((part + 0x9E3779B9) & _MASK)


@lru_cache(maxsize=64)
def _words(draws: tuple[int, ...], device: torch.device) -> Tensor:
    """(len(draws), 1)"""
    with torch.inference_mode(False):
        return torch.tensor([[_word(draw)] for draw in draws], device=device)


def part_seed(seed: int, epoch: int, step: int, part: int) -> int:
    """A seed for torch's own generator, from which dropout draws, before a part of a batch."""
    (word,) = np.random.SeedSequence([seed, epoch, step, part]).generate_state(1, np.uint64)
    return int(word) >> 1


def _mixed(state: Word) -> Word:
    """Chris Wellons' `lowbias32` on 32-bit numbers, a tensor's held in int64 (nullprogram.com/blog/2018/07/31/)."""
    state = ((state ^ (state >> 16)) * 0x7FEB352D) & _MASK
    state = ((state ^ (state >> 15)) * 0x846CA68B) & _MASK
    return state ^ (state >> 16)
