"""Batch norm's running statistics where a batch goes through the network in parts."""

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from training.core.parallel import World


class RunningStatistics:
    """Each part of a batch moves the statistics from where the step found them, and the step ends at their mean.

    Else the parts would move them one after the other in one process but side by side in several, and the same
    training would differ by how many processes it has. Weights are not touched, nor what norms in eval mode go by.
    """

    def __init__(self, network: nn.Module) -> None:
        norms = [part for part in network.modules() if isinstance(part, _BatchNorm) and part.training]
        self._tensors: list[Tensor] = [
            tensor for norm in norms for tensor in (norm.running_mean, norm.running_var) if tensor is not None
        ]
        counts = [norm.num_batches_tracked for norm in norms]
        self._counts: list[Tensor] = [count for count in counts if count is not None]
        self._counts_before: list[Tensor] = []
        self._before: list[Tensor] = []
        self._sum: list[Tensor] = []

    @torch.no_grad()
    def begin(self) -> None:
        """Before a step, or before trying it once more."""
        self._before = [tensor.clone() for tensor in self._tensors]
        self._counts_before = [count.clone() for count in self._counts]
        self._sum = [torch.zeros_like(tensor) for tensor in self._tensors]

    @torch.no_grad()
    def rewind(self) -> None:
        """Put them back to where the last `begin` found them."""
        for tensor, before in zip(self._tensors, self._before, strict=False):
            tensor.copy_(before)
        for count, before in zip(self._counts, self._counts_before, strict=False):
            count.copy_(before)

    @torch.no_grad()
    def part_done(self) -> None:
        """After the forward pass of a part."""
        if self._tensors:
            torch._foreach_add_(self._sum, self._tensors)
            self.rewind()

    @torch.no_grad()
    def end(self, parts: int, world: World) -> None:
        """After the last part. parts: how many this process had; the same in every process."""
        for tensor, mean in zip(self._tensors, world.means(self._sum, parts * world.size), strict=True):
            tensor.copy_(mean)
        for count, before in zip(self._counts, self._counts_before, strict=True):
            count.copy_(before + 1)
