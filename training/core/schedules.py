"""The step size over time. What a schedule must remember between epochs lies in Progress, so a checkpoint
holds it.
"""

import math
from dataclasses import dataclass

from training.core.config import Config


@dataclass
class Plateau:
    """How validation accuracy has been going. `since` counts epochs since the best, `borne` those since the
    last fall.
    """

    accuracy: float = -1.0
    since: int = 0
    borne: int = 0
    falls: int = 0

    def note(self, accuracy: float, config: Config) -> None:
        """Take in an epoch's validation accuracy, 0–1. Only a strictly better one counts as progress."""
        if accuracy > self.accuracy:
            self.accuracy, self.since, self.borne = accuracy, 0, 0
            return
        self.since, self.borne = self.since + 1, self.borne + 1
        if self.borne > config.plateau_patience:
            self.borne, self.falls = 0, self.falls + 1

    def exhausted(self, config: Config) -> bool:
        """True once there has been no progress for more than `early_stopping` epochs."""
        return bool(config.early_stopping) and self.since > config.early_stopping


def learning_rate(config: Config, plateau: Plateau, step: int, steps: int) -> float:
    """The step size of step `step` of `steps` in all, both counted over the whole training."""
    if config.schedule == "plateau":
        return max(config.learning_rate * config.plateau_factor**plateau.falls, config.lowest_learning_rate)
    if config.schedule == "one-cycle":
        return config.learning_rate * _one_cycle((step + 0.5) / steps, config.warm_up)
    if config.schedule == "cosine":
        return _cosine(config, (step + 0.5) / steps)
    return config.learning_rate


def _cosine(config: Config, done: float) -> float:
    """In a straight line up during `warm_up`, then along half a cosine down to the lowest. Loshchilov & Hutter,
    arXiv 1608.03983, formula 5, without restarts.
    """
    if done < config.warm_up:
        return config.learning_rate * done / config.warm_up
    down = (done - config.warm_up) / (1 - config.warm_up)
    low, high = config.lowest_learning_rate, config.learning_rate
    return low + (high - low) * (0.5 + 0.5 * math.cos(math.pi * down))


def _one_cycle(done: float, warm_up: float) -> float:
    """Up along half a cosine during `warm_up`, then down along another to zero. Smith & Topin, arXiv
    1708.07120.
    """
    if done < warm_up:
        return 0.5 - 0.5 * math.cos(math.pi * done / warm_up)
    return 0.5 + 0.5 * math.cos(math.pi * (done - warm_up) / (1 - warm_up))
