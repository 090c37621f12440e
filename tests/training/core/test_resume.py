"""A training that is killed, stopped or orphaned goes on as if nothing had happened, to the bit."""

import json
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.snapshot_folders import make_snapshot_folder
from training.core.run_folder import read_events

ROOT = Path(__file__).parents[3]
SETTINGS = {
    "image_size": 32,
    "batch_size": 4,
    "epochs": 3,
    "threads": 1,
    "device": "cpu",
    "dropout": 0.3,
    "checkpoint_minutes": 0.005,
}


EVERYTHING = {
    "target": "draw",
    "least_share": 0.15,
    "class_weights": "square-root",
    "mixup": 0.3,
    "crop": 0.2,
    "translate": 0.1,
    "contrast": 0.3,
    "erase": 0.3,
    "ema": 0.95,
    "accumulation": 2,
    "clip_gradient": 1.0,
    "weight_decay": 0.1,
    "decay_norms_and_biases": False,
    "body_rate": 0.3,
    "frozen_epochs": 1,
    "epochs": 3,
    "test_views": "flip",
}
"""What else can be switched on and has, or could have, something to remember; beside one-cycle, dropout and turns."""


def switched_on(settings: dict[str, Any]) -> list[str]:
    return [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("snapshots") / "faces"
    make_snapshot_folder(folder, images_per_class=45, size=32, classes=("happy", "sad"))
    return folder


def start(snapshot: Path, run: Path, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "training.core", "train", str(snapshot), str(run)]
    command += ["--network", "resnet18", "--preset", "quick", *switched_on(SETTINGS), *more]
    return subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def wait_for(run: Path, event: str, process: subprocess.Popen[str], count: int = 1) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end and process.poll() is None:
        seen = [told for told in read_events(run / "metrics.jsonl") if told["event"] == event]
        if len(seen) >= count:
            return
        time.sleep(0.02)
    pytest.fail(f"no {event} event, process: {process.poll()}")


def finish(process: subprocess.Popen[str]) -> None:
    said, _ = process.communicate(timeout=240)
    assert process.returncode == 0, said


def told(run: Path) -> list[dict[str, Any]]:
    """The epochs' events without what a clock says."""
    clock = {"time", "seconds", "eta_seconds", "images_per_second"}
    epochs = [event for event in read_events(run / "metrics.jsonl") if event["event"] == "epoch"]
    return [{key: value for key, value in event.items() if key not in clock} for event in epochs]


@pytest.fixture(scope="module")
def undisturbed(faces: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "undisturbed"
    finish(start(faces, run))
    return run


def assert_same(run: Path, other: Path) -> None:
    assert told(run) == told(other)
    for name in ("best.safetensors", "predictions-test.parquet", "result.json"):
        assert (run / name).read_bytes() == (other / name).read_bytes(), name


@pytest.mark.slow
def test_a_training_killed_at_any_moment_ends_as_if_it_had_not_been(
    faces: Path, undisturbed: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    for kill in range(2):
        victim = start(faces, run)
        wait_for(run, "begin", victim, count=1)
        wait_for(run, "step", victim, count=1)
        time.sleep(random.uniform(0.2, 2.0))
        victim.kill()
        victim.communicate(timeout=30)
        assert victim.returncode in (-9, 0), kill
    saved = (run / "last.pt").exists()  # on a slow machine both kills may come before the first checkpoint
    finish(start(faces, run))
    assert_same(run, undisturbed)
    resumed = [event["resumed"] for event in read_events(run / "metrics.jsonl") if event["event"] == "begin"]
    assert resumed[-1] == saved


@pytest.mark.slow
def test_nothing_that_can_be_switched_on_is_forgotten_by_a_kill(
    faces: Path, undisturbed: Path, tmp_path: Path
) -> None:
    whole, run = tmp_path / "whole", tmp_path / "run"
    everything = switched_on({**EVERYTHING, "starting_weights": str(undisturbed)})
    finish(start(faces, whole, *everything))
    victim = start(faces, run, *everything)
    wait_for(run, "step", victim, count=2)
    time.sleep(random.uniform(0.0, 1.5))
    victim.kill()
    victim.communicate(timeout=30)
    assert victim.returncode in (-9, 0)
    finish(start(faces, run, *everything))
    assert_same(run, whole)


@pytest.mark.slow
def test_a_terminated_and_an_orphaned_training_can_go_on(
    faces: Path, undisturbed: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    terminated = start(faces, run)
    wait_for(run, "step", terminated)
    terminated.terminate()
    said, _ = terminated.communicate(timeout=240)
    assert terminated.returncode == 75, said
    assert "SIGTERM received. The same command goes on from here." in said
    assert read_events(run / "metrics.jsonl")[-1]["event"] == "stop"

    orphan = start(faces, run, "--stop-with-parent")
    wait_for(run, "begin", orphan, count=2)
    assert orphan.stdin is not None
    orphan.stdin.close()
    assert orphan.wait(timeout=120) == 75
    stop = read_events(run / "metrics.jsonl")[-1]
    assert (stop["event"], stop["reason"]) == ("stop", "the parent process is gone")
    assert orphan.stdout is not None
    orphan.stdout.close()

    finish(start(faces, run))
    assert_same(run, undisturbed)


def test_refusals_exit_with_2_and_say_what_to_do(faces: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    refused = start(faces, tmp_path / "run", "--set", "epoch=3")
    said, _ = refused.communicate(timeout=240)
    assert refused.returncode == 2
    assert said == "error: config has a setting nobody reads: epoch. Did you mean epochs?\n"
    (event,) = read_events(tmp_path / "run" / "metrics.jsonl")
    assert event["event"] == "error"
    assert json.dumps(event["message"]) in (tmp_path / "run" / "metrics.jsonl").read_text()
