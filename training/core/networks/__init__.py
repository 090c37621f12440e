"""The networks by name. Looking one up costs nothing; torch is imported when one is built."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

from training.core.networks.torchvision_names import classifiers
from training.core.refusals import BadConfig

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Blueprint:
    """What a builder is told of the network it shall build."""

    name: str
    classes: int
    in_channels: int
    dropout: float
    mask_activation: str
    image_size: int


@dataclass(frozen=True)
class Network:
    """A network that can be trained.

    title: for people. dropout: before the last layer, where the config does not say otherwise.
    smallest_image: side in pixels. Below it, the last feature map would hold less than one whole step of the
    network's strides, or a layer would have nothing left to look at. masked: it has Masking Blocks.
    image_step: the side of its images is a multiple of this many pixels.
    """

    name: str
    title: str
    dropout: float
    smallest_image: int
    builder: Callable[[Blueprint], nn.Module]
    masked: bool = False
    image_step: int = 1

    def __call__(
        self,
        *,
        classes: int,
        in_channels: int = 3,
        dropout: float | None = None,
        mask_activation: str = "softmax",
        image_size: int = 224,
    ) -> nn.Module:
        """A module from float images (B, in_channels, H, W) to logits (B, classes), with random weights.

        image_size: the side of its images, for networks that are built for one.
        """
        return self.builder(
            Blueprint(
                name=self.name,
                classes=classes,
                in_channels=in_channels,
                dropout=self.dropout if dropout is None else dropout,
                mask_activation=mask_activation,
                image_size=image_size,
            )
        )

    def nearest_size(self, side: int) -> int:
        """The smallest side in pixels that this network takes and that is not below `side`."""
        return max(self.smallest_image, -(-side // self.image_step) * self.image_step)


def _resmasking(plan: Blueprint) -> nn.Module:
    from training.core.networks.resmasking import ResMaskingNet

    return ResMaskingNet(
        trunk="resnet34" if plan.name == "resmasking" else plan.name.removesuffix(MASKS),
        classes=plan.classes,
        in_channels=plan.in_channels,
        dropout=plan.dropout,
        mask_activation=plan.mask_activation,
    )


def _resnet(plan: Blueprint) -> nn.Module:
    from training.core.networks.resnet import resnet

    built: nn.Module = resnet(
        plan.name, classes=plan.classes, in_channels=plan.in_channels, dropout=plan.dropout
    )
    return built


def _attended(plan: Blueprint) -> nn.Module:
    from training.core.networks.attention import bam_resnet50, cbam_resnet50

    build = cbam_resnet50 if plan.name == "cbam-resnet50" else bam_resnet50
    return build(classes=plan.classes, in_channels=plan.in_channels, dropout=plan.dropout)


def _resattnet(plan: Blueprint) -> nn.Module:
    from training.core.networks.resattnet import ResAttNet56

    return ResAttNet56(classes=plan.classes, in_channels=plan.in_channels, dropout=plan.dropout)


def _torchvision(plan: Blueprint) -> nn.Module:
    from training.core.networks.torchvision_classifiers import classifier

    return classifier(
        plan.name.removeprefix(TORCHVISION),
        classes=plan.classes,
        in_channels=plan.in_channels,
        dropout=plan.dropout,
        image_size=plan.image_size,
    )


def _efficientnet_b2b(plan: Blueprint) -> nn.Module:
    from training.core.networks.torchvision_classifiers import efficientnet_b2b

    return efficientnet_b2b(classes=plan.classes, in_channels=plan.in_channels, dropout=plan.dropout)


# Before the name of any other classifier of torchvision.
TORCHVISION = "torchvision:"
# After a ResNet's name: with a Masking Block after each of its stages.
MASKS = "+masks"

# The stages of bottlenecks are four times as wide, and their masks with them.
_HUGE = dict.fromkeys(("resnet50", "resnet101", "resnet152"), " (1.9 billion parameters)")
_RESNETS = (
    Network("resnet18", "ResNet-18 (He et al. 2016)", 0.0, 32, _resnet),
    Network("resnet34", "ResNet-34 (He et al. 2016)", 0.0, 32, _resnet),
    Network("resnet50", "ResNet-50 (He et al. 2016)", 0.0, 32, _resnet),
    Network("resnet101", "ResNet-101 (He et al. 2016)", 0.0, 32, _resnet),
    Network("resnet152", "ResNet-152 (He et al. 2016)", 0.0, 32, _resnet),
    Network("resnet18-small", "ResNet-18 with a 3×3 stem for small images", 0.0, 8, _resnet),
)

NETWORKS: dict[str, Network] = {
    network.name: network
    for network in (
        Network(
            "resmasking", "Residual Masking Network (Pham et al. 2020)", 0.4, 32, _resmasking, masked=True
        ),
        *_RESNETS,
        *(
            Network(
                trunk.name + MASKS,
                f"{trunk.title}, with Masking Blocks{_HUGE.get(trunk.name, '')}",
                0.4,
                trunk.smallest_image,
                _resmasking,
                masked=True,
            )
            for trunk in _RESNETS
        ),
        Network("vgg19", "VGG-19 (Simonyan and Zisserman 2015)", 0.5, 32, _torchvision),
        Network("googlenet", "GoogLeNet (Szegedy et al. 2015)", 0.2, 32, _torchvision),
        Network("inception_v3", "Inception v3 (Szegedy et al. 2016)", 0.5, 75, _torchvision),
        Network("densenet121", "DenseNet-121 (Huang et al. 2017)", 0.0, 32, _torchvision),
        Network("efficientnet-b2b", "EfficientNet-B2b (Tan and Le 2019)", 0.3, 32, _efficientnet_b2b),
        Network("cbam-resnet50", "CBAM ResNet-50 (Woo et al. 2018)", 0.0, 32, _attended),
        Network("bam-resnet50", "BAM ResNet-50 (Park et al. 2018)", 0.0, 32, _attended),
        Network("resattnet56", "Residual Attention Network 56 (Wang et al. 2017)", 0.0, 32, _resattnet),
    )
}


OTHERS: dict[str, Network] = {
    f"{TORCHVISION}{name}": Network(
        f"{TORCHVISION}{name}",
        f"torchvision's {name}",
        dropout,
        smallest,
        _torchvision,
        image_step=step,
    )
    for name, dropout, smallest, step in classifiers()
}
"""torchvision's other classifiers. They can be trained like the networks above, but no list shows them."""


def network(name: str) -> Network:
    """Raises BadConfig for a name nobody knows."""
    found = NETWORKS.get(name) or OTHERS.get(name)
    if found is not None:
        return found
    if name.startswith(TORCHVISION):
        bare = name.removeprefix(TORCHVISION)
        known = {key.removeprefix(TORCHVISION): key for key in (*OTHERS, *NETWORKS)}
        close = [known[key] for key in get_close_matches(bare, known, n=1)]
        hint = f" Did you mean {close[0]}?" if close else ""
        raise BadConfig(f"There is no network {name}.{hint}")
    raise BadConfig(
        f"There is no network {name}. Choose one of: {', '.join(NETWORKS)}; or any other classifier of "
        f"torchvision, as {TORCHVISION}vit_b_16."
    )
