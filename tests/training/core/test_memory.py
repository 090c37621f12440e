"""A training for which memory does not suffice, in a process that may really have no more than so much."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.snapshot_folders import make_snapshot_folder
from training.core.run_folder import read_events

ROOT = Path(__file__).parents[3]
MEBIBYTES = 450
"""More than the core has when it is loaded: enough for a part of a batch, not for all of it."""

PROGRAM = """
import resource
import sys

import torch
from training.core import train
from training.core.__main__ import main

torch.nn.functional.conv2d(torch.zeros(1, 1, 8, 8), torch.zeros(1, 1, 3, 3)).sum()
with open("/proc/self/statm") as file:
    now = int(file.read().split()[0]) * resource.getpagesize()
limit = now + int(sys.argv[1]) * 2**20
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
sys.exit(main(sys.argv[2:]))
"""


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("snapshots") / "faces"
    make_snapshot_folder(folder, images_per_class=54, size=32, classes=("happy", "sad"))
    return folder


def train(snapshot: Path, run: Path, **changes: object) -> subprocess.CompletedProcess[str]:
    settings: dict[str, Any] = {
        "image_size": 128,
        "batch_size": 64,
        "epochs": 1,
        "device": "cpu",
        "threads": 1,
    }
    settings |= {"evaluation_batch_size": 8, "optimizer": "sgd", **changes}
    words = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    command = [sys.executable, "-c", PROGRAM, str(MEBIBYTES), "train", str(snapshot), str(run)]
    return subprocess.run(
        [*command, "--network", "resnet18", "--preset", "quick", *words],
        cwd=ROOT,
        # Addresses are to be taken for what is used, and given back when it is freed.
        env={
            **os.environ,
            "MALLOC_MMAP_THRESHOLD_": "262144",
            "MALLOC_ARENA_MAX": "1",
            "ARROW_DEFAULT_MEMORY_POOL": "system",
            "OMP_NUM_THREADS": "1",
        },
        capture_output=True,
        text=True,
        timeout=240,
    )


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits its memory as Linux does")
def test_out_of_memory_says_what_fits_and_that_then_fits(faces: Path, tmp_path: Path) -> None:
    done = train(faces, tmp_path / "run")
    assert done.returncode == 1, done.stderr
    assert "Out of memory with 64 images at once (batch_size 64) at image_size 128." in done.stderr
    (error,) = [
        event for event in read_events(tmp_path / "run" / "metrics.jsonl") if event["event"] == "error"
    ]
    assert 2 <= error["fitting"] < 64
    parts = 64 // error["fitting"]
    assert f"set accumulation to {parts}, which leaves the steps as they are" in error["message"]
    again = train(faces, tmp_path / "again", accumulation=parts)
    assert again.returncode == 0, again.stderr


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits its memory as Linux does")
def test_a_training_halves_by_itself_where_it_may(faces: Path, tmp_path: Path) -> None:
    done = train(faces, tmp_path / "run", halve_when_out_of_memory="true")
    assert done.returncode == 0, done.stderr
    told = read_events(tmp_path / "run" / "metrics.jsonl")
    (note,) = [event for event in told if event["event"] == "note"]
    assert note["message"].startswith("Out of memory: going on with accumulation ")
    assert (note["epoch"], note["step"]) == (1, 1)
    assert note["message"] in done.stdout
    assert told[-1]["event"] == "end"
