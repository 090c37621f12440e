"""What a network makes of images: probabilities."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from training.core.config import Config
from training.core.device import autocast
from training.core.pixels import prepare

Probabilities = NDArray[np.float32]


@torch.inference_mode()
def probabilities(
    network: nn.Module,
    images: Tensor,
    rows: Tensor,
    config: Config,
    device: torch.device,
    between: Callable[[], None] = lambda: None,
) -> Probabilities:
    """(len(rows), classes) probabilities of images[rows], without augmentation; leaves the network in eval
    mode.

    images: uint8 (N, C, S, S), on any device. `between` is called between batches and may raise to stop.
    """
    network.eval()
    if not len(rows):
        return np.zeros((0, 0), np.float32)
    chunks = []
    for some in torch.split(rows, config.evaluation_batch_size):
        between()
        pixels = prepare(images[some.to(images.device)].to(device), config)
        with autocast(device, config):
            logits = network(pixels)
        chunks.append(logits.float().softmax(dim=1))
    found: Probabilities = torch.cat(chunks).cpu().numpy()
    return found
