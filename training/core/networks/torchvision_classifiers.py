"""torchvision's classifiers, with our channels, classes and dropout. Sources: K. Simonyan, A. Zisserman 2015, arXiv
1409.1556 (VGG); C. Szegedy et al. 2015, arXiv 1409.4842 (GoogLeNet) and 2016, arXiv 1512.00567 (Inception v3);
G. Huang et al. 2017, arXiv 1608.06993 (DenseNet); M. Tan, Q. V. Le 2019, arXiv 1905.11946 (EfficientNet).

GoogLeNet and Inception v3 are built without their auxiliary heads: judging never uses them, and training
leaves their losses out. ImageNet weights that have such heads lose them.
"""

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from training.core.refusals import BadConfig
from training.core.torchvision_ops import make_importable

make_importable()

from torchvision import models  # noqa: E402  torchvision cannot be imported earlier

_OPTIONS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {name: {"aux_logits": False, "init_weights": True} for name in ("googlenet", "inception_v3")}
)

_MNASNETS = MappingProxyType({"mnasnet0_5": 0.5, "mnasnet0_75": 0.75, "mnasnet1_0": 1.0, "mnasnet1_3": 1.3})


class MNASNet(models.MNASNet):  # type: ignore[misc]  # torchvision is not typed
    """torchvision's, which refuses weights that do not say of which version they are, as in safetensors."""

    def _load_from_state_dict(
        self, state_dict: dict[str, Tensor], prefix: str, local_metadata: dict[str, Any], *more: Any
    ) -> None:
        super()._load_from_state_dict(state_dict, prefix, {"version": 2, **local_metadata}, *more)


def classifier(
    name: str, *, classes: int, in_channels: int = 3, dropout: float = 0.0, image_size: int = 224
) -> nn.Module:
    """torchvision's network of this name, from (B, in_channels, H, W) to logits (B, classes).

    `dropout` comes directly before the last layer; networks with further dropouts (VGG, AlexNet) keep those
    as published. Transformers with learnt places (ViT) and MaxViT take images of `image_size` only.
    """
    if name in _MNASNETS:
        return _fitted(MNASNet(_MNASNETS[name], num_classes=classes), in_channels, dropout)
    options = dict(_OPTIONS.get(name, {}))
    if name.startswith("vit_"):
        options["image_size"] = image_size
    elif name.startswith("maxvit_"):
        options["input_size"] = (image_size, image_size)
    network: nn.Module = models.get_model_builder(name)(weights=None, num_classes=classes, **options)
    return _fitted(network, in_channels, dropout)


def efficientnet_b2b(*, classes: int, in_channels: int = 3, dropout: float = 0.3) -> nn.Module:
    """EfficientNet-B2 as in TensorFlow: torchvision's, but padded as TensorFlow's "same", and 1e-3 in its
    batch norms. From (B, in_channels, H, W) to logits (B, classes).
    """
    norm = partial(nn.BatchNorm2d, eps=1e-3)
    network: nn.Module = models.efficientnet_b2(weights=None, num_classes=classes, norm_layer=norm)
    network = _fitted(network, in_channels, dropout)
    strided = [
        (path, layer)
        for path, layer in network.named_modules()
        if isinstance(layer, nn.Conv2d) and layer.stride != (1, 1)
    ]
    for path, layer in strided:
        network.set_submodule(path, SameConvolution(layer))
    return network


class SameConvolution(nn.Conv2d):
    """A convolution with TensorFlow's padding "same": ceil(side / stride) pixels come out, and where the
    padding is odd, the larger half is right and below. With stride 1 that is the ordinary padding.
    """

    def __init__(self, layer: nn.Conv2d) -> None:
        """Like `layer`, whose weights it takes over."""
        height, width = layer.kernel_size
        super().__init__(
            layer.in_channels,
            layer.out_channels,
            (height, width),
            stride=(layer.stride[0], layer.stride[1]),
            groups=layer.groups,
            bias=layer.bias is not None,
        )
        self.weight, self.bias = layer.weight, layer.bias

    def forward(self, input: Tensor) -> Tensor:
        pads: list[int] = []
        for axis in (1, 0):
            side, kernel, stride = input.shape[2 + axis], self.kernel_size[axis], self.stride[axis]
            lacking = max(0, (-(-side // stride) - 1) * stride + kernel - side)
            pads += [lacking // 2, lacking - lacking // 2]
        return super().forward(functional.pad(input, pads))


def weights_url(name: str) -> str:
    """Where torchvision's weights of this name are published. Raises BadConfig where it has none."""
    try:
        return str(models.get_weight(name).url)
    except (ValueError, KeyError) as error:  # no such network, no such weights of it
        raise BadConfig(f"starting_weights: torchvision has no weights {name}.") from error


def last_layer(network: nn.Module) -> str:
    """The path of the layer that gives the logits: the last linear one, or the last convolution."""
    paths: list[str] = []
    for kind in (nn.Conv2d, nn.Linear):
        paths += [path for path, layer in network.named_modules() if isinstance(layer, kind)]
    if paths:
        return paths[-1]
    raise ValueError("The network has neither a linear layer nor a convolution.")


def _fitted(network: nn.Module, in_channels: int, dropout: float) -> nn.Module:
    if in_channels != 3:
        path, first = next(
            (path, layer) for path, layer in network.named_modules() if isinstance(layer, nn.Conv2d)
        )
        network.set_submodule(path, _for_channels(first, in_channels))
    _set_dropout(network, dropout)
    return network


def _for_channels(layer: nn.Conv2d, in_channels: int) -> nn.Conv2d:
    """A layer like the given first one, with fresh weights, for another number of channels."""
    fresh = nn.Conv2d(
        in_channels,
        layer.out_channels,
        (layer.kernel_size[0], layer.kernel_size[1]),
        stride=(layer.stride[0], layer.stride[1]),
        padding=layer.padding if isinstance(layer.padding, str) else (layer.padding[0], layer.padding[1]),
        bias=layer.bias is not None,
    )
    nn.init.kaiming_normal_(fresh.weight, mode="fan_out", nonlinearity="relu")
    return fresh


def _set_dropout(network: nn.Module, dropout: float) -> None:
    """Set the dropout directly before the last layer; put one there where the network has none."""
    leaves = [(path, part) for path, part in network.named_modules() if not list(part.children())]
    paths = [path for path, _ in leaves]
    place = paths.index(last_layer(network))
    before, last = leaves[place - 1][1], leaves[place][1]
    if isinstance(before, nn.Dropout):
        before.p = dropout
    else:
        network.set_submodule(paths[place], nn.Sequential(nn.Dropout(dropout), last))
