"""ResNet-50 with attention. CBAM: S. Woo, J. Park, J.-Y. Lee, I. S. Kweon, "CBAM: Convolutional Block Attention
Module", ECCV 2018, arXiv 1807.06521. BAM: J. Park, S. Woo, J.-Y. Lee, I. S. Kweon, "BAM: Bottleneck Attention
Module", BMVC 2018, arXiv 1807.06514. The layers of the trunk keep torchvision's names, so that its weights fit.
"""

from typing import Any

import torch
from torch import Tensor, nn

from training.core.networks.resnet import resnet
from training.core.torchvision_ops import make_importable

make_importable()

from torchvision.models.resnet import Bottleneck  # noqa: E402  torchvision cannot be imported earlier

REDUCTION = 16


class Cbam(nn.Module):
    """Weighs channels, then places: (B, channels, H, W) to the same shape. CBAM, formulas 2 and 3.

    One perceptron with biases judges the mean and the maximum of each channel; one 7×7 convolution with batch
    norm judges the mean and the maximum over the channels of each place.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channel = nn.Sequential(
            nn.Linear(channels, channels // REDUCTION),
            nn.ReLU(inplace=True),
            nn.Linear(channels // REDUCTION, channels),
        )
        self.spatial = nn.Sequential(nn.Conv2d(2, 1, 7, padding=3, bias=False), nn.BatchNorm2d(1))

    def forward(self, features: Tensor) -> Tensor:
        judged = self.channel(features.mean(dim=(2, 3))) + self.channel(features.amax(dim=(2, 3)))
        features = features * torch.sigmoid(judged)[:, :, None, None]
        pooled = torch.cat([features.amax(dim=1, keepdim=True), features.mean(dim=1, keepdim=True)], dim=1)
        return features * torch.sigmoid(self.spatial(pooled))


class CbamBottleneck(Bottleneck):  # type: ignore[misc]  # torchvision is not typed
    """A bottleneck that weighs what it adds to its shortcut."""

    def __init__(self, *layout: Any, **more: Any) -> None:
        super().__init__(*layout, **more)
        self.cbam = Cbam(self.conv3.out_channels)

    def forward(self, x: Tensor) -> Tensor:
        features = self.relu(self.bn1(self.conv1(x)))
        features = self.relu(self.bn2(self.conv2(features)))
        features = self.cbam(self.bn3(self.conv3(features)))
        shortcut = x if self.downsample is None else self.downsample(x)
        summed: Tensor = self.relu(features + shortcut)
        return summed


class Bam(nn.Module):
    """Weighs every activation between once and twice: F · (1 + sigmoid(channel · place)), BAM, formulas 1
    and 2. (B, channels, H, W) to the same shape; in training, B ≥ 2.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        narrow = channels // REDUCTION
        self.channel = nn.Sequential(
            nn.Linear(channels, narrow),
            nn.BatchNorm1d(narrow),
            nn.ReLU(inplace=True),
            nn.Linear(narrow, channels),
        )
        self.spatial = nn.Sequential(
            *_normed(nn.Conv2d(channels, narrow, 1)),
            *_normed(nn.Conv2d(narrow, narrow, 3, padding=4, dilation=4)),
            *_normed(nn.Conv2d(narrow, narrow, 3, padding=4, dilation=4)),
            nn.Conv2d(narrow, 1, 1),
        )
        for layer in self.spatial:
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, features: Tensor) -> Tensor:
        channel = self.channel(features.mean(dim=(2, 3)))[:, :, None, None]
        return features * (1 + torch.sigmoid(channel * self.spatial(features)))


def cbam_resnet50(*, classes: int, in_channels: int = 3, dropout: float = 0.0) -> nn.Module:
    """ResNet-50 with a CBAM in each block, from (B, in_channels, H, W) to logits (B, classes). 26,054,967
    parameters with 3 channels and 7 classes.
    """
    built: nn.Module = resnet(
        "resnet50", classes=classes, in_channels=in_channels, dropout=dropout, block=CbamBottleneck
    )
    return built


def bam_resnet50(*, classes: int, in_channels: int = 3, dropout: float = 0.0) -> nn.Module:
    """ResNet-50 with a BAM after each of its first three stages, from (B, in_channels, H, W) to logits (B,
    classes). 23,880,442 parameters with 3 channels and 7 classes.
    """
    network = resnet("resnet50", classes=classes, in_channels=in_channels, dropout=dropout)
    for stage, channels in ((network.layer1, 256), (network.layer2, 512), (network.layer3, 1024)):
        stage.add_module("bam", Bam(channels))
    built: nn.Module = network
    return built


def _normed(layer: nn.Conv2d) -> tuple[nn.Module, nn.Module, nn.Module]:
    return layer, nn.BatchNorm2d(layer.out_channels), nn.ReLU(inplace=True)
