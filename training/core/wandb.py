"""The curves in Weights & Biases: sent as its own environment says, and kept in the run folder's `wandb/` alone with
WANDB_MODE=offline, which is the default here without a key.
"""

import os
import secrets
from importlib import import_module
from typing import Any

from training.core.config import Config
from training.core.curves import figures_of
from training.core.run_folder import RunFolder, write_atomically

PROJECT = "vemo"
"""Unless WANDB_PROJECT names another."""


class WeightsAndBiases:
    """One run there for one run folder; a training that goes on goes on in it."""

    def __init__(self, folder: RunFolder, config: Config) -> None:
        package: Any = import_module("wandb")
        known = folder.path / "wandb-run.txt"
        if not known.exists():
            name = secrets.token_hex(8)
            write_atomically(known, lambda part: part.write_text(name, "utf-8"))
        self._run: Any = package.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            name=folder.path.name,
            id=known.read_text("utf-8").strip(),
            resume="allow",
            dir=str(folder.path),
            config=config.to_json(),
            mode=os.environ.get("WANDB_MODE") or ("online" if os.environ.get("WANDB_API_KEY") else "offline"),
            # The figures alone: no copy of the terminal, of code, or of what the machine is and does.
            settings=package.Settings(
                silent=True,
                console="off",
                disable_git=True,
                save_code=False,
                x_disable_meta=True,
                x_disable_stats=True,
            ),
        )
        self._run.define_metric("epoch")
        self._run.define_metric("*", step_metric="epoch")

    def add(self, epoch: dict[str, Any]) -> None:
        self._run.log({"epoch": epoch["epoch"], **figures_of(epoch)})

    def close(self) -> None:
        self._run.finish()
