"""The curves in MLflow: at MLFLOW_TRACKING_URI, or as files in the run folder's `mlflow/`."""

import os
from importlib import import_module
from typing import Any

from training.core.config import Config
from training.core.curves import figures_of
from training.core.run_folder import RunFolder, write_atomically

EXPERIMENT = "vemo"
"""Unless MLFLOW_EXPERIMENT_NAME names another."""


class MLflow:
    """One run there for one run folder, whose settings are its parameters; a training that goes on goes on in it. An
    epoch that was told and then done again, after a kill, is told twice: MLflow shows the later.
    """

    def __init__(self, folder: RunFolder, config: Config) -> None:
        where = os.environ.get("MLFLOW_TRACKING_URI") or _files(folder)
        client: Any = import_module("mlflow").MlflowClient(tracking_uri=where)
        self._client = client
        kept = folder.path / "mlflow-run.txt"
        if kept.exists():
            self._run = kept.read_text("utf-8").strip()
            client.update_run(self._run, status="RUNNING")
            return
        self._run = client.create_run(_experiment(client), run_name=folder.path.name).info.run_id
        for name, value in config.to_json().items():
            client.log_param(self._run, name, value)
        write_atomically(kept, lambda part: part.write_text(self._run, "utf-8"))

    def add(self, epoch: dict[str, Any]) -> None:
        for name, figure in figures_of(epoch).items():
            self._client.log_metric(self._run, name, figure, step=epoch["epoch"])

    def close(self) -> None:
        self._client.update_run(self._run, status="FINISHED")


def _files(folder: RunFolder) -> str:
    # MLflow asks to be told that files are meant: a database is what it now prefers.
    os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
    return (folder.path / "mlflow").resolve().as_uri()


def _experiment(client: Any) -> str:
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME", EXPERIMENT)
    found = client.get_experiment_by_name(name)
    return str(found.experiment_id if found else client.create_experiment(name))
