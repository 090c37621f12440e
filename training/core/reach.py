"""How far a training is."""

from dataclasses import dataclass, field
from typing import Any

from training.core.schedules import Plateau


@dataclass
class Norms:
    """The gradient's norms in the steps of the epoch under way. A checkpoint of an earlier version knew of none."""

    steps: int = 0
    sum: float = 0.0
    largest: float = 0.0

    def note(self, norm: float) -> None:
        self.steps, self.sum, self.largest = self.steps + 1, self.sum + norm, max(self.largest, norm)

    def figures(self) -> dict[str, float]:
        """Nothing where no step is known."""
        if not self.steps:
            return {}
        return {"gradient_norm": self.sum / self.steps, "largest_gradient_norm": self.largest}


@dataclass
class Progress:
    """A checkpoint holds it; with weights, average and optimizer it decides the rest, for all that is drawn is drawn
    from seed, epoch, step and image (see draws).
    """

    epoch: int = 0  # epochs finished
    step: int = 0  # steps done of the epoch under way
    loss_sum: float = 0.0  # of the images seen in the epoch under way
    right: int = 0
    seen: int = 0
    seconds: float = 0.0  # spent on the epoch under way
    seconds_before: float = 0.0  # spent on the finished ones
    best_epoch: int = 0  # counted from one; 0 before the first
    best_accuracy: float = -1.0
    best_loss: float = float("inf")
    plateau: Plateau = field(default_factory=Plateau)
    norms: Norms = field(default_factory=Norms)
    parts: int = 0  # in which a batch fits into memory, if more than the config says

    @classmethod
    def from_plain(cls, values: dict[str, Any]) -> "Progress":
        plateau, norms = Plateau(**values["plateau"]), Norms(**values.get("norms", {}))
        return cls(**{**values, "plateau": plateau, "norms": norms})

    def close_epoch(self) -> None:
        """An epoch is finished; the next begins."""
        self.epoch, self.step = self.epoch + 1, 0
        self.loss_sum, self.right, self.seen, self.norms = 0.0, 0, 0, Norms()
        self.seconds_before, self.seconds = self.seconds_before + self.seconds, 0.0
