"""A moving average of the weights, which is judged and kept in their place."""

import copy
from typing import Any

import torch
from torch import nn


class Average:
    """After each step: average ← d · average + (1 − d) · weights, with d = min(decay, (1 + n) / (10 + n)) at step n.

    The smaller d of the first steps lets the average forget the random weights that it starts from. Batch norm's
    running statistics are averaged like weights; whole numbers are copied.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = copy.deepcopy(network).requires_grad_(False)
        self.decay = decay
        self.steps = 0

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Take in the weights after a step."""
        kept = min(self.decay, (1 + self.steps) / (10 + self.steps))
        self.steps += 1
        averages, weights = [], []
        new = network.state_dict()
        for name, average in self.network.state_dict().items():
            if average.is_floating_point():
                averages.append(average)
                weights.append(new[name])
            else:
                average.copy_(new[name])
        torch._foreach_lerp_(averages, weights, 1 - kept)

    def state(self) -> dict[str, Any]:
        return {"network": self.network.state_dict(), "steps": self.steps}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a `state`. Raises KeyError or RuntimeError where it does not fit."""
        self.network.load_state_dict(state["network"])
        self.steps = int(state["steps"])
