"""A network made ready to answer quickly: batch norms inside the convolutions before them, channels last, bfloat16
where the processor has units for it.
"""

import copy
import dataclasses
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from training.core.config import SET_BY_FAST, Config
from training.core.device import device_for, quick_in_bf16
from training.core.networks.torchvision_classifiers import last_layer
from training.core.run_folder import RunFolder

LEAST_AGREEMENT = 0.995
"""Bfloat16 is chosen unasked only if so large a share of the validation faces got the answer of 32 bits."""
MOST_COMPARED = 512
"""Faces on which the agreement is measured, at most: it takes as long as judging them in 32 bits."""
_CLOSE = 1 / 64
"""Of the largest logit: two likeliest classes that are nearer in bfloat16 may well change places in 32 bits."""
_TOLERANCE = 1e-3
"""Of the largest logit: what fusing may move a logit of noise by. Rounding moves it by about 10⁻⁶."""


class Quick(nn.Module):
    """A copy of a trained network for judging alone. From what the original takes to float32 logits (B, K).

    In bfloat16 the layer that gives the logits stays in 32 bits, for bfloat16 would make ties of near ones; and faces
    whose two likeliest classes are close are judged again by the original, which keeps its weights: whoever explains,
    exports or saves uses that one.
    """

    def __init__(self, network: nn.Module, config: Config, device: torch.device, *, bf16: bool) -> None:
        super().__init__()
        self.dtype = torch.bfloat16 if bf16 else torch.float32
        example = torch.rand(2, config.in_channels, config.image_size, config.image_size, device=device)
        ready = fused(network, example)
        self.network = ready.to(dtype=self.dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
        # In a tuple, so that it is no part of this module and is not moved with it.
        self._original = (network,) if bf16 else ()
        if bf16:
            last = self.network.get_submodule(last_layer(self.network)).float()
            last.register_forward_pre_hook(_in_32_bits)
        self.eval()

    def forward(self, pixels: Tensor) -> Tensor:
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        # The weights are of the right kind already; autocast would look at each of them again.
        with torch.autocast(pixels.device.type, enabled=False):
            logits: Tensor = self.network(pixels.to(self.dtype))
            for original in self._original:
                again = _close(logits)
                if again.any():
                    logits[again] = original(pixels[again].float())
        return logits


def _in_32_bits(_: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return tuple(some.float() for some in inputs)


def _close(logits: Tensor) -> Tensor:
    """(B,) bool: whether the two largest of (B, K) logits are nearer to each other than rounding can be trusted."""
    if logits.shape[1] < 2:
        return torch.zeros(len(logits), dtype=torch.bool, device=logits.device)
    first, second = logits.topk(2, dim=1).values.unbind(dim=1)
    return first - second < _CLOSE * logits.abs().amax(dim=1)


def quick_config(config: Config) -> Config:
    """The config by which images are made ready for a Quick: in 32 bits, which it rounds where it may."""
    return dataclasses.replace(config, bf16=False, channels_last=True)


def quickened(config: Config, run: Path) -> Config:
    """The config with bf16 and channels_last as this machine is quickest with them; a run that has begun keeps its own,
    whatever machine goes on with it.
    """
    begun = RunFolder(run).made()
    if begun is not None:
        return dataclasses.replace(config, **{name: getattr(begun.config, name) for name in SET_BY_FAST})
    fast = quick_in_bf16(device_for(config))
    return dataclasses.replace(config, bf16=fast, channels_last=fast)


@torch.no_grad()
def fused(network: nn.Module, example: Tensor) -> nn.Module:
    """A copy in eval mode in which every batch norm that follows a convolution at once is part of it.

    Who follows whom is seen on `example`, a batch as the network takes it. A network that answers differently then
    (one that uses a convolution's output twice, say) comes back as an unfused copy. Leaves `network` in eval mode.
    """
    ready = copy.deepcopy(network.eval())
    names = {module: name for name, module in ready.named_modules()}
    for convolution, norm in _pairs(ready, example):
        one = fuse_conv_bn_eval(convolution, norm, isinstance(convolution, nn.ConvTranspose2d))
        ready.set_submodule(names[convolution], one)
        ready.set_submodule(names[norm], nn.Identity())
    before, after = network(example), ready(example)
    alike = float((before - after).abs().max()) <= _TOLERANCE * float(before.abs().max())
    return ready if alike else copy.deepcopy(network)


def _pairs(
    network: nn.Module, example: Tensor
) -> list[tuple[nn.Conv2d | nn.ConvTranspose2d, nn.BatchNorm2d]]:
    """Each convolution with the batch norm that takes its output; neither of them used more than once."""
    made: dict[int, tuple[nn.Conv2d | nn.ConvTranspose2d, Tensor]] = {}
    pairs: list[tuple[nn.Conv2d | nn.ConvTranspose2d, nn.BatchNorm2d]] = []
    uses: dict[nn.Module, int] = {}

    def note(module: nn.Module, inputs: tuple[Tensor, ...], out: Tensor) -> None:
        uses[module] = uses.get(module, 0) + 1
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            made[id(out)] = (module, out)  # the tensor is kept, so that no other gets its id
        elif isinstance(module, nn.BatchNorm2d) and id(inputs[0]) in made:
            pairs.append((made[id(inputs[0])][0], module))

    leaves = [
        module
        for module in network.modules()
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.BatchNorm2d)
    ]
    handles = [leaf.register_forward_hook(note) for leaf in leaves]
    network(example)
    for handle in handles:
        handle.remove()
    return [pair for pair in pairs if all(uses[module] == 1 for module in pair)]
