"""What a network makes of images: probabilities."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor, nn

from training.core.config import Config
from training.core.device import autocast
from training.core.metrics import Probabilities
from training.core.pixels import prepare

Views = Callable[[Tensor, Tensor, Config], Iterator[Tensor]]
"""From uint8 (B, C, S, S), the (B,) row numbers of these images, and the config to what the network sees of them, each
(B, in_channels, image_size, image_size)."""


def plain(images: Tensor, rows: Tensor, config: Config) -> Iterator[Tensor]:
    """The one view of an image as it is."""
    yield prepare(images, config)


@torch.inference_mode()
def probabilities(
    network: nn.Module,
    images: Tensor,
    rows: Tensor,
    config: Config,
    device: torch.device,
    between: Callable[[], None] = lambda: None,
    views: Views = plain,
) -> Probabilities:
    """(len(rows), classes) probabilities of images[rows], the mean over the views; leaves the network in eval
    mode.

    images: uint8 (N, C, S, S), on any device. `between` is called between batches and may raise to stop.
    """
    network.eval()
    if not len(rows):
        return np.zeros((0, 0), np.float32)
    chunks = []
    for some in torch.split(rows, config.evaluation_batch_size):
        between()
        here = images[some.to(images.device)].to(device)
        opinions = []
        for pixels in views(here, some.to(device), config):
            with autocast(device, config):
                logits = network(pixels)
            opinions.append(logits.float().softmax(dim=1))
        chunks.append(torch.stack(opinions).mean(dim=0))
    found: Probabilities = torch.cat(chunks).cpu().numpy()
    return found
