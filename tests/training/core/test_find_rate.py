"""Where a network learns quickest, found by steps that grow."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from tests.training.core.conftest import small
from training.core.__main__ import main
from training.core.find_rate import find_rate, suggested


def test_the_rate_is_where_the_loss_falls_steepest() -> None:
    rates = [10 ** (power / 10) for power in range(-60, 1)]
    losses = [2 - math.tanh(2 * (math.log10(rate) + 3)) for rate in rates]
    assert suggested(rates, losses) == pytest.approx(1e-3)
    assert suggested(rates, [-loss for loss in losses]) is None
    assert suggested(rates[:5], losses[:5]) is None


def test_the_rate_rises_by_the_same_factor_and_the_loss_falls(snapshot: Path) -> None:
    choose = small(optimizer="adamw")
    found = find_rate(snapshot, choose(), steps=40, low=1e-6, high=1e-2)
    rates, losses = np.array(found["rates"]), found["losses"]
    assert (rates[0], rates[-1], len(rates), len(losses)) == (1e-6, pytest.approx(1e-2), 40, 40)
    np.testing.assert_allclose(rates[1:] / rates[:-1], 1e4 ** (1 / 39))
    assert losses[-1] < 0.9 * losses[5]
    assert 1e-5 < found["suggested"] < 1e-2
    assert found["ended"] is None
    assert find_rate(snapshot, choose(), steps=40, low=1e-6, high=1e-2) == found


def test_it_ends_where_the_loss_runs_away(snapshot: Path) -> None:
    found = find_rate(snapshot, small(optimizer="sgd")(), steps=60, low=1e-3, high=100.0)
    assert len(found["rates"]) == len(found["losses"]) < 60
    assert found["ended"].startswith("The loss was 4 times its lowest, or no number, after ")
    assert all(map(math.isfinite, found["losses"]))


def test_all_weights_learn_and_nothing_is_left(
    snapshot: Path,
    finished: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(snapshot.parent.rglob("*"))
    words = ["--network", "resnet18", "--preset", "quick", "--set", "image_size=32", "--set", "batch_size=8"]
    words += ["--set", f"starting_weights={finished}", "--set", "frozen_epochs=3", "--steps", "20"]
    assert main(["find-rate", str(snapshot), *words]) == 0
    assert len(json.loads(capsys.readouterr().out)["losses"]) == 20
    assert list(tmp_path.iterdir()) == []
    assert sorted(snapshot.parent.rglob("*")) == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--steps", "5"], "--steps is a number from 20 to 10000."),
        (["--from", "0"], "--from and --to are step sizes from 1e-10 to 100, the first the smaller."),
        (["--from", "0.1", "--to", "0.01"], "the first the smaller."),
        (["--to", "nan"], "--from and --to are step sizes"),
        (["--set", "epoch=3"], "Did you mean epochs?"),
    ],
)
def test_what_cannot_be_tried_is_refused(
    snapshot: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert main(["find-rate", str(snapshot), "--preset", "quick", "--network", "resnet18", *words]) == 2
    assert said in capsys.readouterr().err
