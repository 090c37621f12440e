"""What moves the weights."""

from dataclasses import dataclass

import torch
from torch import nn

from training.core.config import Config
from training.core.networks.torchvision_classifiers import last_layer


@dataclass(frozen=True)
class Group:
    """Weights that are moved alike. rate: by this share of the step size. decay: their weight decay."""

    weights: list[nn.Parameter]
    rate: float
    decay: float


def groups_of(network: nn.Module, config: Config) -> list[Group]:
    """The network's weights by how they are moved, the quickest first; all in one group where the config parts none.

    Biases and the parameters of normalisations have one dimension, and nothing else has. To leave them undecayed: T. He
    et al. 2019, "Bag of Tricks for Image Classification with Convolutional Neural Networks", arXiv 1812.01187, section
    3.1.
    """
    last = ids_of_last(network)
    parted: dict[tuple[float, float], list[nn.Parameter]] = {}
    for weight in network.parameters():
        rate = 1.0 if id(weight) in last else config.body_rate
        decay = config.weight_decay if config.decay_norms_and_biases or weight.ndim > 1 else 0.0
        parted.setdefault((rate, decay), []).append(weight)
    return [Group(weights, *moved) for moved, weights in sorted(parted.items(), reverse=True)]


def ids_of_last(network: nn.Module) -> set[int]:
    """`id` of each weight of the layer that gives the logits."""
    return {id(weight) for weight in network.get_submodule(last_layer(network)).parameters()}


def make_optimizer(groups: list[Group], config: Config) -> torch.optim.Optimizer:
    parted = [{"params": group.weights, "weight_decay": group.decay} for group in groups]
    rate = config.learning_rate
    if config.optimizer == "sgd":
        return torch.optim.SGD(parted, lr=rate, momentum=config.momentum)
    betas = (config.momentum, 0.999)
    if config.optimizer == "adamw":
        return torch.optim.AdamW(parted, lr=rate, betas=betas)
    return torch.optim.RAdam(parted, lr=rate, betas=betas, decoupled_weight_decay=True)
