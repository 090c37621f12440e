"""Runs heard as one, members chosen on validation alone."""

import json
import shutil
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from tests.training.core.test_predictions import made_up
from training.core.__main__ import main
from training.core.comparing import NotComparable
from training.core.ensembles import BadEnsemble, average, choose_members, ensemble, subsets_of
from training.core.judgement import judgement
from training.core.metrics import figures
from training.core.predictions import Predictions, read_predictions, write_predictions


def candidates(number: int, images: int = 60, seed: int = 0) -> list[Predictions]:
    """Networks that err independently on the same faces."""
    first = made_up(images, seed)
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet([1, 1, 1], (number, images)) + 0.3 * np.eye(3)[first.labels]
    return [replace(first, probabilities=one / one.sum(axis=1, keepdims=True)) for one in shares]


@pytest.fixture
def runs(tmp_path: Path, finished: Path) -> list[Path]:
    """Four run folders of one snapshot, with made-up opinions."""
    folders = []
    by_split = {"validation": candidates(4, seed=1), "test": candidates(4, seed=2)}
    for number in range(4):
        folder = tmp_path / f"run-{number}"
        folder.mkdir()
        shutil.copy(finished / "config.json", folder)
        for split, said in by_split.items():
            write_predictions(folder / f"predictions-{split}.parquet", said[number])
        folders.append(folder)
    return folders


def test_the_average_is_unweighted() -> None:
    first, second, third = candidates(3)
    mean = average([first, second, third]).probabilities
    assert mean[7] == pytest.approx(
        (first.probabilities[7] + second.probabilities[7] + third.probabilities[7]) / 3
    )
    np.testing.assert_allclose(mean.sum(axis=1), 1)


def test_every_subset_is_tried() -> None:
    said = candidates(6)
    choice = choose_members(said, 3)
    assert choice.how == "every subset"

    def merit(chosen: tuple[int, ...]) -> tuple[float, float]:
        mean = average([said[place] for place in chosen])
        found = figures(mean.labels, mean.probabilities, mean.classes)
        return found["accuracy"], -found["nll"]

    every = [chosen for size in (1, 2, 3) for chosen in combinations(range(6), size)]
    assert merit(choice.members) == max(map(merit, every))


def test_more_runs_are_chosen_greedily_nobody_twice() -> None:
    said = candidates(7)
    choice = choose_members(said, 4, subsets=0)
    assert choice.how == "greedy"
    assert 1 < len(choice.members) <= 4
    assert len(set(choice.members)) == len(choice.members)
    (best,) = choose_members(said, 1).members
    assert best in choice.members


def test_fewer_subsets_may_be_tried() -> None:
    said = candidates(4)
    assert subsets_of(4, 2) == 10
    assert choose_members(said, 2, 10).how == "every subset"
    assert choose_members(said, 2, 9).how == "greedy"


def test_of_equals_the_fewer_and_earlier_are_chosen() -> None:
    one = made_up()
    assert choose_members([one, one, one], 3).members == (0,)


def test_a_choice_keeps_to_its_limit() -> None:
    assert len(choose_members(candidates(5), 1).members) == 1


def test_an_ensemble_is_judged_by_test_images_that_had_no_say(runs: list[Path]) -> None:
    found = ensemble(runs, most=3)
    json.dumps(found, allow_nan=False)
    places = [place for place, row in enumerate(found["candidates"]) if row["member"]]
    assert found["members"] == [str(runs[place]) for place in places]
    assert len(places) > 1
    said = {
        split: average([read_predictions(runs[place], split) for place in places])
        for split in ("validation", "test")
    }
    assert {key: found[key] for key in ("splits", "groups")} == judgement(said)
    assert found["against_best"]["accuracy"][1] == found["splits"]["test"]["accuracy"]
    best = max(found["candidates"], key=lambda row: (row["validation_accuracy"], -row["validation_nll"]))
    assert found["best"] == best["run"]

    # Other opinions on test change the figures, not the members.
    for run in runs:
        other = read_predictions(run, "test")
        write_predictions(
            run / "predictions-test.parquet", replace(other, probabilities=other.probabilities[::-1])
        )
    again = ensemble(runs, most=3)
    assert again["members"] == found["members"]
    assert again["splits"]["test"] != found["splits"]["test"]


def test_each_member_is_judged_alone_beside_them_all(runs: list[Path]) -> None:
    found = ensemble(runs, most=2)
    for run, row in zip(runs, found["candidates"], strict=True):
        heard = row["member"] or row["run"] == found["best"]
        assert (row["alone"] is not None) == heard
        if heard:
            whole = judgement({split: read_predictions(run, split) for split in ("validation", "test")})
            for split, figures in row["alone"].items():
                of_it = whole["splits"][split]
                for name in ("images", "accuracy", "accuracy_interval", "macro_f1", "nll", "ece"):
                    assert figures[name] == of_it[name]
                for name, value in figures["calibrated"].items():
                    assert value == of_it["calibrated"][name]
    assert {row["alone"] is None for row in found["candidates"]} == {True, False}


def test_members_can_be_given(runs: list[Path], tmp_path: Path) -> None:
    file = tmp_path / "ensemble.json"
    assert main(["ensemble", *map(str, runs), "--all", "--out", str(file)]) == 0
    found = json.loads(file.read_text())
    assert found == json.loads(json.dumps(ensemble(runs, choose=False)))
    assert found["members"] == [str(run) for run in runs]
    assert found["chosen"] == {"on": None, "how": "given", "most": None}
    mean = average([read_predictions(run, "test") for run in runs])
    assert (
        found["splits"]["test"]
        == judgement(
            {"validation": average([read_predictions(run, "validation") for run in runs]), "test": mean}
        )["splits"]["test"]
    )


def test_what_cannot_be_one_is_refused(runs: list[Path]) -> None:
    with pytest.raises(BadEnsemble, match="at least two runs"):
        ensemble(runs[:1])
    with pytest.raises(BadEnsemble, match="each named once"):
        ensemble([runs[0], runs[1], runs[0]])
    with pytest.raises(BadEnsemble, match="no members"):
        ensemble(runs, most=0)
    other = read_predictions(runs[1], "validation")
    write_predictions(runs[1] / "predictions-validation.parquet", other.of(np.arange(3)))
    with pytest.raises(NotComparable, match="57 of them"):
        ensemble(runs)
    made = json.loads((runs[2] / "config.json").read_text())
    (runs[2] / "config.json").write_text(json.dumps({**made, "snapshot_digest": "f" * 64}))
    with pytest.raises(BadEnsemble, match="different snapshots"):
        ensemble(runs)
