"""Tools beside metrics.jsonl: refused where they are not installed, told every epoch where they are."""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.training.core.conftest import StopAfter, run_training, small
from training.core.curves import FIGURES, TOOLS
from training.core.refusals import BadConfig, Stopped
from training.core.run_folder import read_events
from training.core.stopping import Stopper
from training.core.train import train

HERE = {setting: find_spec(tool.package) is not None for setting, tool in TOOLS.items()}


@pytest.mark.parametrize("setting", TOOLS)
def test_without_the_package_it_is_refused_before_anything_runs(
    setting: str, snapshot: Path, tmp_path: Path
) -> None:
    if HERE[setting]:
        pytest.skip(f"the package {TOOLS[setting].package} is installed")
    with pytest.raises(BadConfig, match=f"pip install {TOOLS[setting].install}"):
        run_training(snapshot, tmp_path / "run", small(**{setting: True}))
    assert not (tmp_path / "run" / "config.json").exists()


def stopped_and_gone_on(snapshot: Path, run: Path, **settings: object) -> list[dict[str, Any]]:
    """Three epochs, with a stop after the first. The epochs' events."""
    stopper = Stopper()
    choose = small(epochs=3, **settings)
    with pytest.raises(Stopped):
        train(snapshot=snapshot, run=run, choose=choose, stopper=stopper, display=StopAfter(stopper, 2))
    run_training(snapshot, run, None)
    return [event for event in read_events(run / "metrics.jsonl") if event["event"] == "epoch"]


@pytest.mark.skipif(not HERE["mlflow"], reason="the package mlflow-skinny is not installed; it is optional")
@pytest.mark.filterwarnings("default")
def test_mlflow_has_every_epoch_and_setting_in_one_run(
    snapshot: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    told = stopped_and_gone_on(snapshot, tmp_path / "run", mlflow=True)
    client = MlflowClient(tracking_uri=(tmp_path / "run" / "mlflow").as_uri())
    (found,) = client.search_runs([client.get_experiment_by_name("vemo").experiment_id])
    assert found.info.status == "FINISHED"
    assert found.data.params["network"] == "resnet18"
    for name in FIGURES:
        points = client.get_metric_history(found.info.run_id, name)
        assert [point.step for point in points] == [1, 2, 3]
        assert [point.value for point in points] == pytest.approx([event[name] for event in told])


@pytest.mark.skipif(not HERE["wandb"], reason="the package wandb is not installed; it is optional")
@pytest.mark.filterwarnings("default")
def test_wandb_keeps_its_files_here_without_a_key(
    snapshot: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    stopped_and_gone_on(snapshot, tmp_path / "run", wandb=True)
    name = (tmp_path / "run" / "wandb-run.txt").read_text()
    files = sorted((tmp_path / "run" / "wandb").glob(f"offline-run-*/run-{name}.wandb"))
    assert len(files) == 2  # one of each process, to be sent as one run
    kept = b"".join(file.read_bytes() for file in files)
    for figure in FIGURES:
        assert figure.encode() in kept
    assert b"face-" not in kept


def test_the_last_words_are_in_metrics_jsonl_whatever_is_told(snapshot: Path, tmp_path: Path) -> None:
    told = stopped_and_gone_on(snapshot, tmp_path / "run")
    assert [event["epoch"] for event in told] == [1, 2, 3]
    assert json.loads((tmp_path / "run" / "result.json").read_text())["best_epoch"] in (1, 2, 3)
