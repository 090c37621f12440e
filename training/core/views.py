"""Several views of one image, which are judged together."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

from torch import Tensor
from torch.nn import functional

from training.core.augmentation import draw_turns
from training.core.config import Config
from training.core.judging import Views
from training.core.pixels import prepare

COPIES = 10
_AUTHORS: dict[str, Any] = {
    "flip": 0.5,
    "rotation": 30.0,
    "crop": 0.0,
    "translate": 0.0,
    "contrast": 0.0,
    "erase": 0.0,
}
CROP = 7 / 8
"""Side of a crop as a share of the image's: 196 of 224 pixels, 42 of 48."""


def flip(images: Tensor, rows: Tensor, config: Config) -> Iterator[Tensor]:
    """Two views: the image and its mirror."""
    pixels = prepare(images, config)
    yield pixels
    yield pixels.flip(-1)


def ten_crop(images: Tensor, rows: Tensor, config: Config) -> Iterator[Tensor]:
    """Ten views: the four corners and the centre, CROP of the side, grown to the full size again; and their mirrors.

    Krizhevsky et al. 2012, section 4.1. What normalises an image sees it whole, as in training.
    """
    pixels = prepare(images, config)
    side = pixels.shape[-1]
    crop = round(side * CROP)
    rest = side - crop
    for top, left in ((0, 0), (0, rest), (rest, 0), (rest, rest), (rest // 2, rest // 2)):
        part = pixels[..., top : top + crop, left : left + crop]
        view = functional.interpolate(part, size=(side, side), mode="bilinear", align_corners=False)
        yield view
        yield view.flip(-1)


def ten_copies(seed: int = 0) -> Views:
    """Ten views as the authors of ResMaskingNet draw them: each copy mirrored with chance ½ and turned by up to 30°
    either way, whatever the run was trained with. Their published figures have this in them, unseeded.

    A copy is decided by seed, its number and the image's row alone.
    """

    def views(images: Tensor, rows: Tensor, config: Config) -> Iterator[Tensor]:
        authors = dataclasses.replace(config, **_AUTHORS, seed=seed)
        for copy in range(COPIES):
            yield prepare(images, config, draw_turns(authors, epoch=copy, rows=rows))

    return views


WAYS: dict[str, Callable[[int], Views]] = {
    "flip": lambda seed: flip,
    "ten-crop": lambda seed: ten_crop,
    "ten-copies": ten_copies,
}
"""Name → seed → views. Only ten-copies draws anything."""
