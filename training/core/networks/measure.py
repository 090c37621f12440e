"""The size of a network, without making room for its weights."""

import torch
from torch import Tensor, nn

from training.core.networks import NETWORKS, Network


def parameters(network: nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())


def multiply_adds(network: nn.Module, image: Tensor) -> int:
    """Multiply-adds of convolutions and linear layers for one pass of `image`, (1, C, H, W); norms count
    nothing.
    """
    total = 0

    def count(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        if isinstance(layer, nn.ConvTranspose2d):
            total += layer.weight[0].numel() * inputs[0].numel()
        elif isinstance(layer, nn.Conv2d | nn.Linear):
            total += layer.weight[0].numel() * output.numel()

    hooks = [module.register_forward_hook(count) for module in network.modules()]
    network.eval()(image)
    for hook in hooks:
        hook.remove()
    return total


def on_paper(network: Network, *, classes: int = 7) -> nn.Module:
    """The network with shapes and no numbers (torch's meta device): to be counted, not run."""
    with torch.device("meta"):
        return network(classes=classes)


def table(image_size: int = 224, classes: int = 7) -> list[tuple[str, str, int, float]]:
    """(name, title, parameters, GMACs of one image) of every network."""
    rows = []
    for network in NETWORKS.values():
        drawn = on_paper(network, classes=classes)
        image = torch.zeros(1, 3, image_size, image_size, device="meta")
        rows.append((network.name, network.title, parameters(drawn), multiply_adds(drawn, image) / 1e9))
    return rows
