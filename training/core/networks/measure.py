"""The size of a network, without making room for its weights."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from training.core.networks import Network


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


def on_paper(network: Network, *, classes: int = 7, image_size: int = 224) -> nn.Module:
    """The network with shapes and no numbers (torch's meta device): to be counted, not run."""
    with torch.device("meta"):
        return network(classes=classes, image_size=image_size)


@dataclass(frozen=True)
class Size:
    """multiply_adds: of one image of image_size × image_size pixels."""

    network: Network
    parameters: int
    multiply_adds: int
    image_size: int


def measured(network: Network, *, image_size: int = 224, classes: int = 7) -> Size:
    """The network's size, for images of this side, or of the next that it takes."""
    side = network.nearest_size(image_size)
    drawn = on_paper(network, classes=classes, image_size=side)
    work = multiply_adds(drawn, torch.zeros(1, 3, side, side, device="meta"))
    return Size(network=network, parameters=parameters(drawn), multiply_adds=work, image_size=side)
