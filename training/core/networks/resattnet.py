"""Attention-56: F. Wang et al., "Residual Attention Network for Image Classification", CVPR 2017, arXiv
1704.06904. Layers as in its Table 2, p = 1, t = 2, r = 1; how the soft mask joins its scales follows the
network its authors published.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

WIDTHS = (256, 512, 1024, 2048)
DEPTHS = (3, 2, 1)


class Unit(nn.Module):
    """A residual bottleneck that normalises first (He et al. 2016, arXiv 1603.05027): (B, inputs, H, W) to
    (B, outputs, H / stride, W / stride).
    """

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        narrow = outputs // 4
        self.before = nn.Sequential(nn.BatchNorm2d(inputs), nn.ReLU(inplace=True))
        self.body = nn.Sequential(
            nn.Conv2d(inputs, narrow, 1, bias=False),
            *_after_norm(nn.Conv2d(narrow, narrow, 3, stride=stride, padding=1, bias=False)),
            *_after_norm(nn.Conv2d(narrow, outputs, 1, bias=False)),
        )
        self.shortcut = (
            None
            if stride == 1 and inputs == outputs
            else nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False)
        )

    def forward(self, features: Tensor) -> Tensor:
        ready = self.before(features)
        refined: Tensor = self.body(ready)
        return refined + (features if self.shortcut is None else self.shortcut(ready))


class Attention(nn.Module):
    """H(x) = (1 + M(x)) · T(x), formula 3: a trunk T of two units and a soft mask M in (0, 1).

    features: (B, channels, H, W); returns the same shape. The mask halves the map `depth` times, a unit at
    each scale, and grows back bilinearly; on its way up it takes in the map of each scale, that map's unit,
    and at full size the trunk.
    """

    def __init__(self, channels: int, depth: int) -> None:
        super().__init__()

        def units(count: int) -> nn.ModuleList:
            return nn.ModuleList(Unit(channels, channels) for _ in range(count))

        self.first = Unit(channels, channels)
        self.trunk = nn.Sequential(*units(2))
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        self.down, self.up, self.skip = units(depth), units(depth), units(depth - 1)
        self.gate = nn.Sequential(
            *_after_norm(nn.Conv2d(channels, channels, 1, bias=False)),
            *_after_norm(nn.Conv2d(channels, channels, 1, bias=False)),
            nn.Sigmoid(),
        )
        self.last = Unit(channels, channels)

    def forward(self, features: Tensor) -> Tensor:
        features = self.first(features)
        trunk = self.trunk(features)
        joined = [trunk]
        mask = features
        for level, down in enumerate(self.down):
            mask = down(self.pool(mask))
            if level < len(self.skip):
                joined.append(mask + self.skip[level](mask))
        for up in self.up:
            other = joined.pop()
            mask = other + functional.interpolate(
                up(mask), size=other.shape[-2:], mode="bilinear", align_corners=True
            )
        attended: Tensor = self.last((1 + self.gate(mask)) * trunk)
        return attended


class ResAttNet56(nn.Module):
    """Three stages of a residual unit and an Attention each, then three units, pooling and the head.

    images: float (B, in_channels, H, W), H and W at least 32 pixels; 224 in the paper. Returns logits (B,
    classes). 29,776,071 parameters with 3 channels and 7 classes.
    """

    def __init__(self, *, classes: int, in_channels: int = 3, dropout: float = 0.0) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(in_channels, 64, 7, stride=2, padding=3, bias=False),
            nn.BatchNorm2d(64),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2, padding=1),
        )
        stages: list[nn.Module] = []
        inputs = 64
        for width, depth in zip(WIDTHS, DEPTHS, strict=False):
            stages += [Unit(inputs, width, stride=1 if inputs == 64 else 2), Attention(width, depth)]
            inputs = width
        stages += [Unit(inputs, WIDTHS[-1], stride=2), *(Unit(WIDTHS[-1], WIDTHS[-1]) for _ in range(2))]
        self.stages = nn.Sequential(*stages)
        self.after = nn.Sequential(nn.BatchNorm2d(WIDTHS[-1]), nn.ReLU(inplace=True))
        self.fc = nn.Sequential(nn.Dropout(dropout), nn.Linear(WIDTHS[-1], classes))
        self.apply(_initialise)

    def forward(self, images: Tensor) -> Tensor:
        features = self.after(self.stages(self.stem(images)))
        logits: Tensor = self.fc(torch.flatten(functional.adaptive_avg_pool2d(features, 1), 1))
        return logits


def _after_norm(layer: nn.Conv2d) -> tuple[nn.Module, nn.Module, nn.Module]:
    return nn.BatchNorm2d(layer.in_channels), nn.ReLU(inplace=True), layer


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
