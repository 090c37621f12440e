"""A finished run's model card."""

import json
import shutil
from pathlib import Path

import pytest

from labeling.snapshots import format as snapshots
from tests.training.core.conftest import CLASSES, run_training, small
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
    assert "here are 15: 1 is used." in text


def test_every_run_ends_with_its_card(finished: Path) -> None:
    assert (finished / "MODEL_CARD.md").read_text("utf-8") == card(finished)


def test_without_its_predictions_the_card_says_what_is_not_known(finished: Path, tmp_path: Path) -> None:
    shutil.copy(finished / "config.json", tmp_path)
    result = json.loads((finished / "result.json").read_text())
    del result["data"]
    text = card(tmp_path, result)
    assert "| test | not known | not known | not known |" in text
    assert "How many voted is not known here." in text


def test_an_unfinished_run_has_no_card(finished: Path, tmp_path: Path) -> None:
    shutil.copy(finished / "config.json", tmp_path)
    with pytest.raises(BadRunFolder, match=r"no readable result\.json"):
        card(tmp_path)


def test_the_card_names_what_was_learnt_from_first_and_whose_word_the_labels_are(
    snapshot: Path, tmp_path: Path
) -> None:
    rows = snapshots.read_table(snapshot).to_pylist()
    for number, row in enumerate(rows):
        if row["split"] == "train":
            row["licence"] = "CC-BY-NC-4.0" if number % 2 else f"ours {number}"
            row["label_origin"] = "expert"
        if row["split"] == "validation":
            row["label_origin"] = "adjudicated"
    snapshots.write(tmp_path / "mixed", rows, classes=CLASSES, rule={})
    run_training(tmp_path / "mixed", tmp_path / "run", small(epochs=1))
    text = (tmp_path / "run" / "MODEL_CARD.md").read_text("utf-8")
    learnt = next(line for line in text.splitlines() if line.startswith("| train | 45 | CC-BY-NC-4.0 ("))
    for row in rows:
        if row["split"] == "train":
            assert row["licence"] in learnt
    assert text.index("| train |") < text.index("| test | 15 | CC0-1.0 (15) |")
    assert "- expert, 60.0%: labels of that name, by somebody other than voters" in text
    assert "- adjudicated, 20.0%: what a manager decided" in text
    assert "- votes, 20.0%: what those who voted on the face agree on" in text


def test_the_card_of_an_older_run_says_that_its_training_faces_are_not_known(
    finished: Path, tmp_path: Path
) -> None:
    run = shutil.copytree(finished, tmp_path / "run")
    result = json.loads((run / "result.json").read_text())
    del result["data"]
    (run / "result.json").write_text(json.dumps(result))
    text = card(run)
    assert "| train | not known | not known | not known |" in text
    assert "| test | 15 | CC0-1.0 (15) | made (15) |" in text
    assert "Whose word the labels are is not known here" in text
