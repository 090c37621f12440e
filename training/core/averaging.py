"""A moving average of the weights, which is judged and kept in their place."""

import copy
from typing import Any

import torch
from torch import Tensor, nn


class Average:
    """After each step: average ← d · average + (1 − d) · weights, with d = min(decay, (1 + n) / (10 + n)) at step n.

    The smaller d of the first steps lets the average forget the random weights that it starts from. Batch norm's
    running statistics are averaged like weights; whole numbers are copied.

    network: lies where it stays. Its weights are looked up once: to find them anew after each step took longer than to
    average them.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = copy.deepcopy(network).requires_grad_(False)
        self.decay = decay
        self.steps = 0
        there = network.state_dict()
        pairs = [(own, there[name]) for name, own in self.network.state_dict().items()]
        self._weights = [pair for pair in pairs if pair[0].is_floating_point()]
        self._counts = [pair for pair in pairs if not pair[0].is_floating_point()]

    @torch.no_grad()
    def update(self) -> None:
        """Take in the weights after a step."""
        kept = min(self.decay, (1 + self.steps) / (10 + self.steps))
        self.steps += 1
        averages, weights = _apart(self._weights)
        torch._foreach_lerp_(averages, weights, 1 - kept)
        if self._counts:
            torch._foreach_copy_(*_apart(self._counts))

    def state(self) -> dict[str, Any]:
        return {"network": self.network.state_dict(), "steps": self.steps}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a `state`. Raises KeyError or RuntimeError where it does not fit."""
        self.network.load_state_dict(state["network"])
        self.steps = int(state["steps"])


def _apart(pairs: list[tuple[Tensor, Tensor]]) -> tuple[list[Tensor], list[Tensor]]:
    return [own for own, _ in pairs], [theirs for _, theirs in pairs]
