"""Several processes, as torchrun starts them, against one that takes the same parts of each batch in turn."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.snapshot_folders import make_snapshot_folder
from training.core.networks import network
from training.core.run_folder import read_events

ROOT = Path(__file__).parents[3]
SETTINGS = {
    "image_size": 32,
    "batch_size": 8,
    "epochs": 2,
    "threads": 1,
    "device": "cpu",
    "dropout": 0.2,
    "target": "draw",
    "mixup": 0.2,
    "crop": 0.2,
    "erase": 0.3,
    "ema": 0.9,
    "clip_gradient": 100.0,  # seldom, or it would hide a gradient of the wrong length
    # Adam divides tiny gradients by tiny gradients, which makes rounding large.
    "optimizer": "sgd",
    "learning_rate": 0.02,
}


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("snapshots") / "faces"
    make_snapshot_folder(folder, images_per_class=24, size=32, classes=("happy", "sad"))
    return folder


def start(snapshot: Path, run: Path, *, processes: int, **changes: object) -> subprocess.Popen[str]:
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    settings = [f"--set={name}={value}" for name, value in {**SETTINGS, **changes}.items()]
    command = [sys.executable, *(launcher if processes > 1 else []), "-m", "training.core", "train"]
    return subprocess.Popen(
        [*command, str(snapshot), str(run), "--network", "resnet18", "--preset", "quick", *settings],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> str:
    said, _ = process.communicate(timeout=240)
    assert process.returncode == 0, said
    return said


def wait_until(there: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end and process.poll() is None:
        if there():
            return
        time.sleep(0.05)
    pytest.fail(f"it did not come; process: {process.poll()}")


def epochs(run: Path) -> list[dict[str, float]]:
    return [event for event in read_events(run / "metrics.jsonl") if event["event"] == "epoch"]


def assert_alike(run: Path, other: Path) -> None:
    """Equal within rounding: the sums of a step are taken in another order."""
    for one, two in zip(epochs(run), epochs(other), strict=True):
        for figure in ("train_loss", "validation_loss", "train_accuracy", "validation_accuracy"):
            assert one[figure] == pytest.approx(two[figure], rel=1e-4), figure
        for figure in ("gradient_norm", "largest_gradient_norm"):
            assert one[figure] == pytest.approx(two[figure], rel=1e-3), figure
    weights, others = (load_file(path / "best.safetensors") for path in (run, other))
    for name, weight in weights.items():
        torch.testing.assert_close(weight, others[name], atol=1e-4, rtol=1e-3)


@pytest.mark.slow
def test_two_processes_train_what_one_trains_that_takes_two_parts(faces: Path, tmp_path: Path) -> None:
    two, one = tmp_path / "two", tmp_path / "one"
    said = finish(start(faces, two, processes=2))
    finish(start(faces, one, processes=1, accumulation=2))
    assert_alike(two, one)
    # One process speaks and writes for all.
    assert said.count("Epoch 1/2") == 1
    (begin,) = [event for event in read_events(two / "metrics.jsonl") if event["event"] == "begin"]
    assert begin["processes"] == 2
    assert {path.name for path in two.iterdir()} == {path.name for path in one.iterdir()}
    result = json.loads((two / "result.json").read_text())
    assert result["splits"]["test"]["images"] == 8


@pytest.mark.slow
def test_two_processes_first_leave_all_but_the_last_layer_alone_as_one_does(
    faces: Path, tmp_path: Path
) -> None:
    torch.manual_seed(3)
    body = {
        name: weight
        for name, weight in network("resnet18")(classes=2).state_dict().items()
        if "fc" not in name
    }
    save_file(body, tmp_path / "body.safetensors")
    changes = {
        "starting_weights": tmp_path / "body.safetensors",
        "frozen_epochs": 1,
        "body_rate": 0.5,
        "epochs": 3,
    }
    two, one = tmp_path / "two", tmp_path / "one"
    finish(start(faces, two, processes=2, **changes))
    finish(start(faces, one, processes=1, accumulation=2, **changes))
    assert_alike(two, one)


@pytest.mark.slow
def test_two_processes_stop_together_and_either_number_goes_on(faces: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    stopped = start(faces, run, processes=2, epochs=12)
    wait_until(lambda: len(epochs(run)) >= 1, stopped)
    stopped.send_signal(signal.SIGTERM)
    said, _ = stopped.communicate(timeout=120)
    assert stopped.returncode != 0
    last = read_events(run / "metrics.jsonl")[-1]
    assert last["event"] == "stop", said
    assert last["reason"] in ("SIGTERM received", "another process of this training was asked to stop")
    assert torch.load(run / "last.pt", weights_only=True)["progress"]["step"] == last["step"]
    finish(start(faces, run, processes=1, epochs=12))
    assert [event["epoch"] for event in epochs(run)] == list(range(1, 13))


@pytest.mark.slow
def test_a_refusal_is_everybodys(faces: Path, tmp_path: Path) -> None:
    refused = start(faces, tmp_path / "run", processes=2, batch_size=8, accumulation=4)
    said, _ = refused.communicate(timeout=120)
    assert refused.returncode != 0
    assert "makes 8 parts of a batch, which need 2 images each" in said
    assert not (tmp_path / "run" / "result.json").exists()
