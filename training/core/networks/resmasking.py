"""The Residual Masking Network: L. Pham, T. H. Vu, T. A. Tran, "Facial Expression Recognition Using Residual
Masking Network", ICPR 2020. Layers as in its Table I; what the paper leaves open follows the authors'
published code.
"""

from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from training.core.networks.resnet import resnet

WIDTHS = (64, 128, 256, 512)
DEPTHS = (4, 3, 2, 1)
MaskActivation = Literal["softmax", "sigmoid"]


class MaskBlock(nn.Module):
    """A mask's residual basic block: (B, inputs, H, W) to (B, outputs, H, W), its shortcut projected."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs))
        self.relu = nn.ReLU(inplace=True)

    def forward(self, features: Tensor) -> Tensor:
        refined = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(features)))))
        summed: Tensor = self.relu(refined + self.shortcut(features))
        return summed


class Up(nn.Module):
    """Twice the side, half the channels: 2×2 transposed convolution, batch norm, ReLU."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.conv = nn.ConvTranspose2d(inputs, inputs // 2, 2, stride=2)
        self.bn = nn.BatchNorm2d(inputs // 2)

    def forward(self, features: Tensor, size: tuple[int, int]) -> Tensor:
        # `output_size` matters only where a pool has dropped an odd row: images whose side is no multiple of
        # 32.
        grown: Tensor = self.bn(self.conv(features, output_size=size))
        return torch.relu_(grown)


class MaskingBlock(nn.Module):
    """A small U-Net that scores every activation of a feature map: F_M = M(F_R), in [0, 1].

    features: (B, channels, H, W) with H, W ≥ 2 ** (depth − 1). Returns the same shape. `depth` levels, the
    first at full resolution and twice as wide as the input; Pham et al. 2020, section III-B and Figure 2b.
    The paper asks only for values in [0, 1]; the authors' code takes a softmax over the channels, so the
    scores of a pixel add up to one and average 1 / channels, a weak gate. That is the default, for their
    checkpoints need it; "sigmoid" scores each activation on its own.
    """

    def __init__(self, channels: int, depth: int, activation: MaskActivation = "softmax") -> None:
        super().__init__()
        widths = [channels * 2**level for level in range(depth + 1)]
        self.activation = activation
        self.down = nn.ModuleList(MaskBlock(a, b) for a, b in pairwise(widths))
        self.pool = nn.MaxPool2d(2)
        self.up = nn.ModuleList(Up(width) for width in widths[:1:-1])
        self.join = nn.ModuleList(MaskBlock(width, width // 2) for width in widths[:1:-1])
        self.last = MaskBlock(channels * 2, channels)
        self.apply(_initialise)

    def forward(self, features: Tensor) -> Tensor:
        skips = [self.down[0](features)]
        for block in self.down[1:]:
            skips.append(block(self.pool(skips[-1])))
        scores = skips.pop()
        for up, join in zip(self.up, self.join, strict=True):
            skip = skips.pop()
            scores = join(torch.cat([up(scores, (skip.shape[2], skip.shape[3])), skip], dim=1))
        scores = self.last(scores)
        return torch.softmax(scores, dim=1) if self.activation == "softmax" else torch.sigmoid(scores)


class ResMaskingNet(nn.Module):
    """A ResNet with a Masking Block after each stage: F_N = F_R · (1 + F_M), formula 1 of the paper.

    images: float (B, in_channels, H, W), H and W at least 32 pixels (8 on resnet18-small); 224 in the paper.
    Returns logits (B, classes). The paper's own stands on resnet34: 137,796,423 parameters with 3 channels
    and 7 classes. On trunks of bottlenecks, whose stages are four times as wide, the masks grow sixteenfold,
    as in the authors' own code. Masks start kaiming-normal (fan-out), the second batch norm of their blocks
    at zero; the trunk starts as torchvision's ResNet.
    """

    def __init__(
        self,
        *,
        classes: int,
        in_channels: int = 3,
        dropout: float = 0.4,
        mask_activation: str = "softmax",
        trunk: str = "resnet34",
    ) -> None:
        super().__init__()
        if mask_activation not in ("softmax", "sigmoid"):
            raise ValueError(f"A mask's activation is softmax or sigmoid, not {mask_activation}.")
        activation: MaskActivation = "softmax" if mask_activation == "softmax" else "sigmoid"
        bare = resnet(trunk, classes=classes, in_channels=in_channels, dropout=dropout)
        self.smallest_image = 8 if isinstance(bare.maxpool, nn.Identity) else 32
        self.conv1, self.bn1, self.relu, self.maxpool = bare.conv1, bare.bn1, bare.relu, bare.maxpool
        self.layer1, self.layer2, self.layer3, self.layer4 = (
            bare.layer1,
            bare.layer2,
            bare.layer3,
            bare.layer4,
        )
        expansion = bare.layer1[0].expansion
        self.mask1, self.mask2, self.mask3, self.mask4 = (
            MaskingBlock(width * expansion, depth, activation)
            for width, depth in zip(WIDTHS, DEPTHS, strict=True)
        )
        self.avgpool, self.fc = bare.avgpool, bare.fc

    def forward(self, images: Tensor) -> Tensor:
        if min(images.shape[-2:]) < self.smallest_image:
            height, width = images.shape[-2:]
            raise ValueError(
                f"ResMaskingNet shrinks an image {self.smallest_image} times: {height}×{width} pixels are too "
                f"few, give it at least {self.smallest_image}×{self.smallest_image}."
            )
        features = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        for stage, mask in self._stages():
            features = stage(features)
            features = features * (1 + mask(features))
        logits: Tensor = self.fc(torch.flatten(self.avgpool(features), 1))
        return logits

    def _stages(self) -> list[tuple[nn.Module, nn.Module]]:
        return [
            (self.layer1, self.mask1),
            (self.layer2, self.mask2),
            (self.layer3, self.mask3),
            (self.layer4, self.mask4),
        ]


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    elif isinstance(module, MaskBlock):
        # apply() visits children first, so this comes after the norms were made with gamma one.
        nn.init.zeros_(module.bn2.weight)
