"""What moves the weights."""

import torch
from torch import nn

from training.core.config import Config


def make_optimizer(network: nn.Module, config: Config) -> torch.optim.Optimizer:
    weights, rate, decay = network.parameters(), config.learning_rate, config.weight_decay
    if config.optimizer == "sgd":
        return torch.optim.SGD(weights, lr=rate, momentum=config.momentum, weight_decay=decay)
    betas = (config.momentum, 0.999)
    if config.optimizer == "adamw":
        return torch.optim.AdamW(weights, lr=rate, betas=betas, weight_decay=decay)
    return torch.optim.RAdam(weights, lr=rate, betas=betas, weight_decay=decay, decoupled_weight_decay=True)
