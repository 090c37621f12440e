"""A finished run's model card."""

import json
import shutil
from pathlib import Path

import pytest

from labeling.snapshots import format as snapshots
from training.core.__main__ import main
from training.core.model_card import card
from training.core.refusals import BadRunFolder


def test_the_card_tells_data_figures_limits_and_use(finished: Path, snapshot: Path, tmp_path: Path) -> None:
    run = shutil.copytree(finished, tmp_path / "run")
    assert main(["card", str(run)]) == 0
    text = (run / "MODEL_CARD.md").read_text("utf-8")
    test = json.loads((run / "result.json").read_text())["splits"]["test"]
    low, high = test["accuracy_interval"]
    assert f"{test['accuracy']:.1%} | {low:.1%}–{high:.1%}" in text
    assert snapshots.read_manifest(snapshot).digest in text
    assert "| test | 15 | CC0-1.0 (15) | made (15) |" in text
    assert "10.0 votes" in text
    assert "Fewer than 30 test faces, so figures that say little: happy, sad, surprise" in text
    assert "Article 5(1)(f)" in text


def test_every_run_ends_with_its_card(finished: Path) -> None:
    assert (finished / "MODEL_CARD.md").read_text("utf-8") == card(finished)


def test_without_its_predictions_the_card_says_what_is_not_known(finished: Path, tmp_path: Path) -> None:
    for name in ("config.json", "result.json"):
        shutil.copy(finished / name, tmp_path)
    text = card(tmp_path)
    assert "| test | not known | not known | not known |" in text
    assert "How many voted is not known here." in text


def test_an_unfinished_run_has_no_card(finished: Path, tmp_path: Path) -> None:
    shutil.copy(finished / "config.json", tmp_path)
    with pytest.raises(BadRunFolder, match=r"no readable result\.json"):
        card(tmp_path)
