"""How training images are changed: whole batches at once, on the device, each image as seed, epoch and its row say."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from training.core.config import Config
from training.core.draws import Draw, uniforms

_ERASED_AREA = (0.02, 0.2)
"""Share of the image, least and most. Zhong et al. 2017 (arXiv 1708.04896) blank up to 0.4 of larger images."""
_ERASED_SHAPE = (0.3, 1 / 0.3)
"""Height over width, least and most; as there."""


@dataclass(frozen=True)
class Turns:
    """How each image of a batch is changed. All (B, …), on one device; None where no image is.

    mirrored: bool. angles: radians, either way. sides: of the square that is cut out, as a share of the image's.
    shifts: (B, 2), where its centre lies, across and down, in halves of the image's side from the image's centre.
    contrasts: factors. erased: (B, 4), left, top, right, bottom as shares of the side; an empty box erases nothing.
    """

    mirrored: Tensor
    angles: Tensor
    sides: Tensor | None = None
    shifts: Tensor | None = None
    contrasts: Tensor | None = None
    erased: Tensor | None = None

    def of(self, places: Tensor) -> "Turns":
        """The same of the images at these places."""
        taken: dict[str, Any] = {}
        for field in dataclasses.fields(self):
            each: Tensor | None = getattr(self, field.name)
            taken[field.name] = None if each is None else each[places]
        return Turns(**taken)


def draw_turns(config: Config, *, epoch: int, rows: Tensor) -> Turns:
    """The augmentation of the images with these row numbers in this epoch.

    rows: (B,) int64, on the device that shall do the work. A function of (seed, epoch, row) alone: see draws.
    """
    wanted = _wanted(config)
    drawn = dict(zip(wanted, uniforms(config.seed, epoch, rows, wanted).unbind(), strict=True))

    def either_way(draw: Draw) -> Tensor:
        return drawn[draw] * 2 - 1

    sides = 1 - drawn[Draw.SIDE] * config.crop if config.crop else None
    shifts = None
    if sides is not None:
        free = 1 - sides
        shifts = torch.stack([either_way(Draw.ACROSS) * free, either_way(Draw.DOWN) * free], dim=1)
    if config.translate:
        ways = torch.stack([either_way(Draw.SHIFT_ACROSS), either_way(Draw.SHIFT_DOWN)], dim=1)
        moved = ways * (2 * config.translate)
        shifts = moved if shifts is None else shifts + moved
    return Turns(
        mirrored=drawn[Draw.MIRROR] < config.flip,
        angles=torch.deg2rad(either_way(Draw.TURN) * config.rotation),
        sides=sides,
        shifts=shifts,
        contrasts=1 + either_way(Draw.CONTRAST) * config.contrast if config.contrast else None,
        erased=_boxes(config, drawn) if config.erase else None,
    )


_OF_BOXES = (Draw.ERASE, Draw.ERASED_AREA, Draw.ERASED_SHAPE, Draw.ERASED_ACROSS, Draw.ERASED_DOWN)


def _wanted(config: Config) -> tuple[Draw, ...]:
    """What has to be drawn for what the config switches on."""
    return (
        Draw.MIRROR,
        Draw.TURN,
        *((Draw.SIDE, Draw.ACROSS, Draw.DOWN) if config.crop else ()),
        *((Draw.SHIFT_ACROSS, Draw.SHIFT_DOWN) if config.translate else ()),
        *((Draw.CONTRAST,) if config.contrast else ()),
        *(_OF_BOXES if config.erase else ()),
    )


def _boxes(config: Config, drawn: Mapping[Draw, Tensor]) -> Tensor:
    """(B, 4) left, top, right, bottom, whole inside the image: at the extremes 0.2 · 1/0.3 is less than one."""
    chance, area, shape, across, down = (drawn[draw] for draw in _OF_BOXES)
    area = _ERASED_AREA[0] + area * (_ERASED_AREA[1] - _ERASED_AREA[0])
    low, high = (math.log(limit) for limit in _ERASED_SHAPE)
    ratio = torch.exp(low + shape * (high - low))
    some = (chance < config.erase).float()
    width, height = torch.sqrt(area / ratio) * some, torch.sqrt(area * ratio) * some
    left, top = across * (1 - width), down * (1 - height)
    return torch.stack([left, top, left + width, top + height], dim=1)


def turned(pixels: Tensor, turns: Turns) -> Tensor:
    """float (B, C, S, S), mirrored, rotated about the centre, cut and shifted; bilinear, zeros come in from outside."""
    cos, sin = torch.cos(turns.angles), torch.sin(turns.angles)
    sign = 1 - 2 * turns.mirrored.to(cos.dtype)
    # Rows of the matrix from output to input coordinates: undo the rotation, then the mirror.
    matrix = torch.stack([sign * cos, -sign * sin, sin, cos], dim=1).view(-1, 2, 2)
    if turns.sides is not None:
        matrix = matrix * turns.sides[:, None, None]
    grid = _grid(matrix, turns.shifts, pixels.shape[-1])
    return functional.grid_sample(pixels, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def _grid(matrix: Tensor, shifts: Tensor | None, side: int) -> Tensor:
    """(B, side, side, 2), as `functional.affine_grid` makes it of (B, 2, 2) and, as a third column, (B, 2), in a
    fraction of its time: what depends on the column and what depends on the row are worked out once a line, not once a
    pixel.
    """
    lines = matrix[..., None] * _middles(side, matrix.device)
    across, down = lines[:, :, 0], lines[:, :, 1]
    if shifts is not None:
        down = down + shifts[..., None]
    return (across[:, :, None, :] + down[:, :, :, None]).permute(0, 2, 3, 1)


@lru_cache(maxsize=16)
def _middles(side: int, device: torch.device) -> Tensor:
    """(side,): where the middles of a line's pixels lie, from −1 to 1."""
    with torch.inference_mode(False):
        return (torch.arange(side, device=device) * 2 + 1) / side - 1


def contrasted(pixels: Tensor, contrasts: Tensor) -> Tensor:
    """float (B, C, S, S): what each pixel differs from its image's mean by is multiplied by the image's factor."""
    mean = pixels.mean(dim=(1, 2, 3), keepdim=True)
    return mean + (pixels - mean) * contrasts[:, None, None, None]


def erased(pixels: Tensor, boxes: Tensor) -> Tensor:
    """float (B, C, S, S) with zeros in each image's box."""
    side = pixels.shape[-1]
    middles = (torch.arange(side, device=pixels.device) + 0.5) / side
    left, top, right, bottom = boxes[..., None].unbind(dim=1)
    across = (middles >= left) & (middles < right)
    down = (middles >= top) & (middles < bottom)
    return pixels * ~(down[:, :, None] & across[:, None, :])[:, None]
