"""The least time an image takes, by hand, and how long kernels ran."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from bench.floor import OPTIMIZER_BYTES, Layer, Machine, busy, judging_floor, layers, learning_floor

ROOT = Path(__file__).resolve().parents[2]


def test_of_each_layer_its_work_and_what_it_moves_are_counted() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.ConvTranspose2d(4, 2, 2, stride=2),
        nn.Flatten(),
        nn.Linear(2 * 10 * 10, 7),
    )
    assert layers(network, torch.zeros(1, 3, 5, 5)) == [
        Layer(multiply_adds=3 * 3 * 3 * 4 * 25, moved=3 * 25 + 4 * 25, weights=3 * 3 * 3 * 4),
        Layer(multiply_adds=2 * 2 * 2 * 4 * 25, moved=4 * 25 + 2 * 100, weights=4 * 2 * 2 * 2),
        Layer(multiply_adds=200 * 7, moved=200 + 7, weights=200 * 7),
    ]


def test_the_slower_of_work_and_memory_counts() -> None:
    machine = Machine(rate=1000, bandwidth=100)
    heavy, wide = Layer(5000, 10, 40), Layer(10, 300, 0)
    assert judging_floor([heavy], 4, machine) == pytest.approx(5)
    assert judging_floor([wide], 4, machine) == pytest.approx(6)
    assert judging_floor([Layer(0, 10, 40)], 4, machine) == pytest.approx(0.4)
    assert judging_floor([heavy, wide], 4, machine) == pytest.approx(11)
    assert learning_floor([heavy], 40, 4, machine) == pytest.approx(3 * 5 + OPTIMIZER_BYTES * 40 / 4 / 100)


@pytest.mark.parametrize(
    ("kernels", "time"),
    [
        ([], 0),
        ([(0, 2), (3, 4)], 3),
        ([(3, 5), (0, 4)], 5),
        ([(0, 10), (2, 3), (9, 11)], 11),
        ([(1, 1), (1, 2)], 1),
    ],
)
def test_kernels_side_by_side_count_once(kernels: list[tuple[float, float]], time: float) -> None:
    assert busy(kernels) == time


@pytest.mark.slow
@pytest.mark.once
def test_it_runs_on_a_processor(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "bench.floor",
            "--smoke",
            "--device",
            "cpu",
            "--json",
            str(tmp_path / "f.json"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert "of the floor's speed" in done.stdout
    assert "A smoke run: these figures say nothing" in done.stdout
    assert json.loads((tmp_path / "f.json").read_text())["smoke"] is True
