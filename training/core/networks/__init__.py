"""The networks by name. Looking one up costs nothing; torch is imported when one is built."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from training.core.refusals import BadConfig

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Network:
    """A network that can be trained.

    title: for people. dropout: before the last layer, where the config does not say otherwise.
    smallest_image: side in pixels below which its feature maps would vanish.
    """

    name: str
    title: str
    dropout: float
    smallest_image: int
    builder: Callable[..., nn.Module]

    def __call__(
        self,
        *,
        classes: int,
        in_channels: int = 3,
        dropout: float | None = None,
        mask_activation: str = "softmax",
    ) -> nn.Module:
        """A module from float images (B, in_channels, H, W) to logits (B, classes), with random weights."""
        built: nn.Module = self.builder(
            name=self.name,
            classes=classes,
            in_channels=in_channels,
            dropout=self.dropout if dropout is None else dropout,
            mask_activation=mask_activation,
        )
        return built


def _resmasking(
    *, name: str, classes: int, in_channels: int, dropout: float, mask_activation: str
) -> nn.Module:
    from training.core.networks.resmasking import ResMaskingNet

    return ResMaskingNet(
        classes=classes, in_channels=in_channels, dropout=dropout, mask_activation=mask_activation
    )


def _resnet(*, name: str, classes: int, in_channels: int, dropout: float, mask_activation: str) -> nn.Module:
    from training.core.networks.resnet import resnet

    built: nn.Module = resnet(name, classes=classes, in_channels=in_channels, dropout=dropout)
    return built


NETWORKS: dict[str, Network] = {
    network.name: network
    for network in (
        Network("resmasking", "Residual Masking Network (Pham et al. 2020)", 0.4, 32, _resmasking),
        Network("resnet18", "ResNet-18 (He et al. 2016)", 0.0, 32, _resnet),
        Network("resnet34", "ResNet-34 (He et al. 2016)", 0.0, 32, _resnet),
        Network("resnet18-small", "ResNet-18 with a 3×3 stem for small images", 0.0, 16, _resnet),
    )
}


def network(name: str) -> Network:
    """Raises BadConfig for a name nobody knows."""
    if name not in NETWORKS:
        raise BadConfig(f"There is no network {name}. Choose one of: {', '.join(NETWORKS)}.")
    return NETWORKS[name]
