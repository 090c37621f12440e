"""ResNets (He et al. 2016, arXiv 1512.03385): torchvision's, with our stem and head."""

from torch import nn

from training.core.torchvision_ops import make_importable

make_importable()

from torchvision.models import ResNet  # noqa: E402  torchvision cannot be imported earlier
from torchvision.models.resnet import BasicBlock, Bottleneck  # noqa: E402

_STAGES: dict[str, tuple[type[BasicBlock | Bottleneck], tuple[int, int, int, int]]] = {
    "resnet18": (BasicBlock, (2, 2, 2, 2)),
    "resnet34": (BasicBlock, (3, 4, 6, 3)),
    "resnet50": (Bottleneck, (3, 4, 6, 3)),
    "resnet101": (Bottleneck, (3, 4, 23, 3)),
    "resnet152": (Bottleneck, (3, 8, 36, 3)),
    "resnet18-small": (BasicBlock, (2, 2, 2, 2)),
}


def resnet(
    name: str,
    *,
    classes: int,
    in_channels: int = 3,
    dropout: float = 0.0,
    block: type[BasicBlock | Bottleneck] | None = None,
) -> ResNet:
    """A ResNet from (B, in_channels, H, W) to logits (B, classes), initialised as torchvision does.

    18 and 34 are of basic blocks, 50, 101 and 152 of bottlenecks. `resnet18-small` looks through a 3×3 stem
    of stride 1 without max-pool, as is usual for images of 32 to 64 pixels: sixteen times the work per pixel,
    and a last feature map of an eighth of the image's side instead of a 32nd. `block` takes
    the place of the network's own.
    """
    own_block, stages = _STAGES[name]
    network = ResNet(block or own_block, list(stages), num_classes=classes)
    if name == "resnet18-small":
        network.conv1 = _convolution(in_channels, kernel=3, stride=1)
        network.maxpool = nn.Identity()
    elif in_channels != 3:
        network.conv1 = _convolution(in_channels, kernel=7, stride=2)
    network.fc = nn.Sequential(nn.Dropout(dropout), network.fc)
    return network


def _convolution(in_channels: int, *, kernel: int, stride: int) -> nn.Conv2d:
    layer = nn.Conv2d(in_channels, 64, kernel, stride=stride, padding=kernel // 2, bias=False)
    nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    return layer
