"""The curves once more as TensorBoard's event files, for who looks at many trainings with it."""

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from training.core.refusals import BadConfig

_CURVES = ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy", "learning_rate")


def refuse_absence() -> None:
    """Raises BadConfig where the package that writes these files is not installed."""
    if find_spec("tensorboard") is None:
        raise BadConfig(
            "tensorboard is true, but the package is not installed. Install it (pip install tensorboard), or set "
            "tensorboard to false."
        )


class Curves:
    """Event files in `folder`, one point of each curve per epoch."""

    def __init__(self, folder: Path, *, epoch: int) -> None:
        """epoch: the one under way, from one. What an earlier process wrote of it and later ones is disowned."""
        # Whether torch's module has types depends on what is installed.
        writers: Any = import_module("torch.utils.tensorboard")
        self._writer: Any = writers.SummaryWriter(str(folder), purge_step=epoch)

    def add(self, epoch: dict[str, Any]) -> None:
        """An epoch event of metrics.jsonl, there to be read at once."""
        for name in _CURVES:
            self._writer.add_scalar(name, epoch[name], epoch["epoch"])
        self._writer.flush()
