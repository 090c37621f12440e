"""How far a training is."""

from dataclasses import dataclass, field
from typing import Any

from training.core.schedules import Plateau


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
    parts: int = 0  # in which a batch fits into memory, if more than the config says

    @classmethod
    def from_plain(cls, values: dict[str, Any]) -> "Progress":
        return cls(**{**values, "plateau": Plateau(**values["plateau"])})

    def close_epoch(self) -> None:
        """An epoch is finished; the next begins."""
        self.epoch, self.step = self.epoch + 1, 0
        self.loss_sum, self.right, self.seen = 0.0, 0, 0
        self.seconds_before, self.seconds = self.seconds_before + self.seconds, 0.0
