"""From an encoded image to what a network sees. Training, judging and predicting all go through these
functions.
"""

import contextlib
import io
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional

from training.core.config import Config
from training.core.refusals import BadImages

_MASK = 0xFFFFFFFF


def decode(data: bytes, *, name: str, side: int, colour: str) -> NDArray[np.uint8]:
    """An encoded image as (C, side, side), C being 1 for "grey" and 3 for "rgb".

    Squeezed to a square bilinearly where it is none. Raises BadImages, with the name, for bytes that are no
    image.
    """
    with _readable(name), Image.open(io.BytesIO(data)) as image:
        plain = image.convert("L" if colour == "grey" else "RGB")
    if plain.size != (side, side):
        plain = plain.resize((side, side), Image.Resampling.BILINEAR)
    pixels = np.asarray(plain, dtype=np.uint8)
    return pixels[None] if pixels.ndim == 2 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def decode_many(
    images: Sequence[bytes], names: Sequence[str], *, side: int, colour: str, pool: ThreadPoolExecutor
) -> NDArray[np.uint8]:
    """(N, C, side, side): `decode` of each, N ≥ 1. Threads help, for Pillow decodes outside the interpreter's
    lock.
    """
    one = partial(decode, side=side, colour=colour)
    return np.stack(list(pool.map(lambda data, name: one(data, name=name), images, names)))


def size_of(data: bytes, name: str) -> tuple[int, int]:
    """Width and height in pixels, from the header alone. Raises BadImages as `decode` does."""
    with _readable(name), Image.open(io.BytesIO(data)) as image:
        return image.size


@contextlib.contextmanager
def _readable(name: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise BadImages(f"{name} is not an image that can be read: {error}") from error


@dataclass(frozen=True)
class Turns:
    """How each image of a batch is augmented. mirrored: (B,) bool. angles: (B,) radians, either way."""

    mirrored: Tensor
    angles: Tensor


def draw_turns(config: Config, *, epoch: int, rows: Tensor) -> Turns:
    """The augmentation of the images with these row numbers in this epoch.

    rows: (B,) int64, on the device that shall do the work. A function of (seed, epoch, row) alone, so neither
    the order of batches, nor their size, nor who computes them changes what an image looks like.
    """
    chance, turn = (_uniform(config.seed, epoch, rows, draw) for draw in (0, 1))
    return Turns(mirrored=chance < config.flip, angles=torch.deg2rad((turn * 2 - 1) * config.rotation))


def prepare(images: Tensor, config: Config, turns: Turns | None = None) -> Tensor:
    """uint8 (B, C, S, S) with S ≤ image_size to the network's float32 (B, in_channels, image_size,
    image_size).

    Values are in 0–1, or of mean 0 and deviation 1 per image, as the config's normalisation says. `turns` is
    for training only.
    """
    pixels = images.float() / 255
    if config.normalisation == "image":
        pixels = _standardised(pixels)
    if turns is not None and config.augment_order == "rotate-then-resize":
        pixels = turned(pixels, turns)
    if pixels.shape[-1] != config.image_size:
        size = (config.image_size, config.image_size)
        pixels = functional.interpolate(pixels, size=size, mode="bilinear", align_corners=False)
    if turns is not None and config.augment_order == "resize-then-rotate":
        pixels = turned(pixels, turns)
    pixels = pixels.expand(-1, config.in_channels, -1, -1)
    layout = torch.channels_last if config.channels_last else torch.contiguous_format
    return pixels.contiguous(memory_format=layout)


def turned(pixels: Tensor, turns: Turns) -> Tensor:
    """float (B, C, S, S), mirrored and rotated about the centre; bilinear, zeros come in from outside."""
    cos, sin = torch.cos(turns.angles), torch.sin(turns.angles)
    sign = 1 - 2 * turns.mirrored.to(cos.dtype)
    zero = torch.zeros_like(cos)
    # Rows of the matrix from output to input coordinates: undo the rotation, then the mirror.
    matrix = torch.stack([sign * cos, -sign * sin, zero, sin, cos, zero], dim=1).view(-1, 2, 3)
    grid = functional.affine_grid(matrix, list(pixels.shape), align_corners=False)
    return functional.grid_sample(pixels, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def _standardised(pixels: Tensor) -> Tensor:
    mean = pixels.mean(dim=(1, 2, 3), keepdim=True)
    deviation = pixels.std(dim=(1, 2, 3), keepdim=True, correction=0)
    # A uniformly grey image has deviation 0; a floor of one grey level keeps it finite.
    return (pixels - mean) / deviation.clamp(min=1 / 255)


def _uniform(seed: int, epoch: int, rows: Tensor, draw: int) -> Tensor:
    """(B,) float32 in [0, 1), decided by the four numbers. 24 bits of a 32-bit hash: exact in a float32."""
    state = rows & _MASK
    for part in (seed, epoch, draw):
        state = _mixed(state ^ _mixed(torch.full_like(rows, (part + 0x9E3779B9) & _MASK)))
    return (state >> 8).float() / 2**24


def _mixed(state: Tensor) -> Tensor:
    """Chris Wellons' `lowbias32` on 32-bit numbers held in int64 (nullprogram.com/blog/2018/07/31/)."""
    state = ((state ^ (state >> 16)) * 0x7FEB352D) & _MASK
    state = ((state ^ (state >> 15)) * 0x846CA68B) & _MASK
    return state ^ (state >> 16)
