"""The curves as TensorBoard's event files."""

from importlib import import_module
from pathlib import Path
from typing import Any

from training.core.curves import figures_of


class TensorBoard:
    """Event files in `folder`, one point of each curve per epoch."""

    def __init__(self, folder: Path, *, epoch: int) -> None:
        """epoch: the one under way, from one. What an earlier process wrote of it and later ones is disowned."""
        # Whether torch's module has types depends on what is installed.
        writers: Any = import_module("torch.utils.tensorboard")
        self._writer: Any = writers.SummaryWriter(str(folder), purge_step=epoch)

    def add(self, epoch: dict[str, Any]) -> None:
        for name, figure in figures_of(epoch).items():
            self._writer.add_scalar(name, figure, epoch["epoch"])
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()
