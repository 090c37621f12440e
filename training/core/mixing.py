"""Mixup: each training image is mixed with another. Zhang et al. 2018, arXiv 1710.09412.

There one share and one order are drawn for a whole batch. Here each image draws its own partner, from all training
images, and its own share, so that what an image becomes does not depend on who else is in its batch.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.core.augmentation import Turns
from training.core.config import Config
from training.core.draws import Draw, uniforms
from training.core.pixels import prepare

_POINTS = 4096


@dataclass(frozen=True)
class Mix:
    """partners: (B,) int64, row numbers. shares: (B,) float32, what remains of the image itself, 0.5–1."""

    partners: Tensor
    shares: Tensor

    def of(self, places: Tensor) -> "Mix":
        """The same of the images at these places."""
        return Mix(partners=self.partners[places], shares=self.shares[places])

    def of_images(self, pixels: Tensor, others: Tensor) -> Tensor:
        """float (B, C, S, S): the images mixed with their partners."""
        shares = self.shares[:, None, None, None]
        return pixels * shares + others * (1 - shares)

    def of_losses(self, own: Tensor, others: Tensor) -> Tensor:
        """(B,): the loss by the own target mixed with the loss by the partner's."""
        return own * self.shares + others * (1 - self.shares)


def prepared(images: Tensor, config: Config, turns: Turns, mix: Mix | None) -> Tensor:
    """Training images, uint8 (B, C, S, S), as the network takes them: augmented, and where there is a mix, mixed with
    their partners, which are then the second half of `images`. turns: of all `images`.
    """
    pixels = prepare(images, config, turns)
    return pixels if mix is None else mix.of_images(*pixels.chunk(2))


def draw_mix(config: Config, *, epoch: int, rows: Tensor, among: Tensor) -> Mix:
    """Whom the images with these row numbers are mixed with in this epoch, and how far.

    among: (N,) int64, the row numbers of all training images. A function of (seed, epoch, row) alone. Of the two
    shares the larger is the image's own: an unordered pair is as likely, and the image stays itself to the eye.
    """
    partner, share_drawn = uniforms(config.seed, epoch, rows, (Draw.PARTNER, Draw.PARTNER_SHARE))
    place = partner * len(among)
    # A float32 just below one, times N, may round up to N.
    partners = among[place.long().clamp(max=len(among) - 1)]
    levels = torch.from_numpy(beta_quantiles(config.mixup)).to(rows.device)
    where = share_drawn * (len(levels) - 1)
    below = where.long().clamp(max=len(levels) - 2)
    share = torch.lerp(levels[below], levels[below + 1], where - below)
    return Mix(partners=partners, shares=torch.maximum(share, 1 - share))


@lru_cache(maxsize=8)
def beta_quantiles(alpha: float) -> NDArray[np.float32]:
    """The quantiles of Beta(α, α) at equally spaced levels from 0 to 1, ascending; α > 0.

    The density u^(α−1) (1−u)^(α−1) is infinite at 0 for α < 1. In t = u^α it is (1 − t^(1/α))^(α−1) / α, which is
    smooth up to u = 1/2; the other half is its mirror.
    """
    t = np.linspace(0, 0.5**alpha, 8 * _POINTS)
    density = (1 - t ** (1 / alpha)) ** (alpha - 1)
    mass = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2)])
    levels = np.linspace(0, 0.5, _POINTS + 1)
    lower = np.interp(levels, 0.5 * mass / mass[-1], t) ** (1 / alpha)
    quantiles: NDArray[np.float32] = np.concatenate([lower, 1 - lower[-2::-1]]).astype(np.float32)
    return quantiles
