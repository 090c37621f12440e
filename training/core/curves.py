"""The curves once more for who looks at many trainings with a tool of their own: which tools, and are they here?"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from types import MappingProxyType
from typing import Any, Protocol

from training.core.config import Config
from training.core.refusals import BadConfig
from training.core.run_folder import RunFolder

FIGURES = (
    "train_loss",
    "train_accuracy",
    "validation_loss",
    "validation_accuracy",
    "learning_rate",
    "gradient_norm",
    "largest_gradient_norm",
)
"""Of each epoch event; all that any tool is told, beside the settings. Nothing of a face leaves the run folder."""


def figures_of(epoch: Mapping[str, Any]) -> dict[str, Any]:
    """Those of an epoch event. An epoch whose steps an earlier version made has no norms."""
    return {name: epoch[name] for name in FIGURES if name in epoch}


class Curves(Protocol):
    """Where the figures of epochs go."""

    def add(self, epoch: dict[str, Any]) -> None:
        """An epoch event of metrics.jsonl, there to be read at once."""

    def close(self) -> None:
        """Nothing more is told by this process; a later one may go on."""


@dataclass(frozen=True)
class Tool:
    """package: what is imported. install: what pip is told to install. begin: folder, config, and the epoch under way,
    from one, to the place where figures go.
    """

    package: str
    install: str
    begin: Callable[[RunFolder, Config, int], Curves]


def _tensorboard(folder: RunFolder, config: Config, epoch: int) -> Curves:
    from training.core.tensorboard import TensorBoard

    return TensorBoard(folder.tensorboard, epoch=epoch)


def _mlflow(folder: RunFolder, config: Config, epoch: int) -> Curves:
    from training.core.mlflow import MLflow

    return MLflow(folder, config)


def _wandb(folder: RunFolder, config: Config, epoch: int) -> Curves:
    from training.core.wandb import WeightsAndBiases

    return WeightsAndBiases(folder, config)


TOOLS: Mapping[str, Tool] = MappingProxyType(
    {
        "tensorboard": Tool("tensorboard", "tensorboard", _tensorboard),
        "mlflow": Tool("mlflow", "mlflow-skinny", _mlflow),
        "wandb": Tool("wandb", "wandb", _wandb),
    }
)
"""By the setting that asks for the tool."""


def asked_for(config: Config) -> list[str]:
    return [setting for setting in TOOLS if getattr(config, setting)]


def refuse_absence(config: Config) -> None:
    """Raises BadConfig where a package that the config asks for is not installed."""
    for setting in asked_for(config):
        if find_spec(TOOLS[setting].package) is None:
            raise BadConfig(
                f"{setting} is true, but the package is not installed. Install it (pip install "
                f"{TOOLS[setting].install}), or set {setting} to false."
            )


def begin(folder: RunFolder, config: Config, epoch: int) -> list[Curves]:
    """All that the config asks for."""
    return [TOOLS[setting].begin(folder, config, epoch) for setting in asked_for(config)]
