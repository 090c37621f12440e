"""The one command for a machine with a card, as far as a processor can tell."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from bench.beside import STOPPED
from bench.card.__main__ import Card, Share
from bench.card.checks import CHECKS
from training.core.stopping import Stopper

ROOT = Path(__file__).resolve().parents[2]


def card(folder: Path, minutes: float = 5.0) -> Card:
    return Card(folder / "data", folder / "work", folder / "out", minutes=minutes, smoke=True)


@pytest.mark.once
@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a card here")
def test_without_a_card_it_says_so(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "bench.card",
        *(str(tmp_path / name) for name in ("data", "work", "out")),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert done.stderr.startswith("error: torch finds no CUDA card here.")
    assert not (tmp_path / "work").exists()


def test_a_part_that_fails_is_written_down_and_the_next_goes_on(tmp_path: Path) -> None:
    one = card(tmp_path)
    for name in ("memory", "steps"):
        one._folder(name).mkdir(parents=True)
    said = "import sys; open(sys.argv[1], 'w').write('{\"holds\": {}}')"
    commands = {
        "memory": ["-c", "import os; os.kill(os.getpid(), 9)"],
        "steps": ["-c", said, str(one._folder("steps") / "found.json")],
    }
    one._ran(commands, 1, Share(Stopper(), 60))
    told = json.loads((tmp_path / "out" / "card.json").read_text())
    assert told["parts"] == {"memory": {"error": "it ended with -9"}, "steps": {"holds": {}}}
    assert told["smoke"] is True
    # The same command goes on with what was not tried.
    again = card(tmp_path)
    assert again._known("memory")
    assert not again._known("resume")
    assert again.parts == {"memory": {"error": "it ended with -9"}}


def test_a_part_ends_with_its_share_of_the_time(tmp_path: Path) -> None:
    one = card(tmp_path)
    one._folder("floor").mkdir(parents=True)
    one._ran({"floor": ["-c", "import time; time.sleep(600)"]}, 1, Share(Stopper(), 0.5))
    assert one.parts == {"floor": {"error": "its share of the time was over"}}
    assert one.status == STOPPED  # nothing of `strong` is known


def test_a_share_ends_with_the_whole() -> None:
    whole = Stopper()
    share = Share(whole, 3600)
    assert not share.asked
    whole.ask("SIGTERM received")
    assert share.asked
    assert Share(Stopper(), -1).asked


@pytest.mark.slow
@pytest.mark.once
@pytest.mark.parametrize("name", ["steps", "judging", "processes"])
def test_a_check_is_executed_on_a_processor_and_holds(name: str, tmp_path: Path) -> None:
    """`compiled` and `memory` take minutes there, and are tests of the core."""
    command = [sys.executable, "-m", "bench.card.checks", name, str(tmp_path), "--smoke"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["holds"]
    assert all(found["holds"].values()), found


def test_memory_is_checked_first_and_alone() -> None:
    assert next(iter(CHECKS)) == "memory"
