"""What moves the weights."""

from typing import Any

import torch
from torch import nn

from training.core.config import Config


def make_optimizer(network: nn.Module, config: Config) -> torch.optim.Optimizer:
    weights, rate, decay = _groups(network, config), config.learning_rate, config.weight_decay
    if config.optimizer == "sgd":
        return torch.optim.SGD(weights, lr=rate, momentum=config.momentum, weight_decay=decay)
    betas = (config.momentum, 0.999)
    if config.optimizer == "adamw":
        return torch.optim.AdamW(weights, lr=rate, betas=betas, weight_decay=decay)
    return torch.optim.RAdam(weights, lr=rate, betas=betas, weight_decay=decay, decoupled_weight_decay=True)


def _groups(network: nn.Module, config: Config) -> list[dict[str, Any]]:
    """The weights, apart where they are moved in different ways.

    Biases and the parameters of normalisations have one dimension, and nothing else has. To leave them undecayed: T. He
    et al. 2019, "Bag of Tricks for Image Classification with Convolutional Neural Networks", arXiv 1812.01187, section
    3.1.
    """
    weights = list(network.parameters())
    if config.decay_norms_and_biases:
        return [{"params": weights}]
    return [
        {"params": [weight for weight in weights if weight.ndim > 1]},
        {"params": [weight for weight in weights if weight.ndim <= 1], "weight_decay": 0.0},
    ]
