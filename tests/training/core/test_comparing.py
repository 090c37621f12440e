"""Two runs on the same images, against hand-worked tests and image-by-image bootstraps."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.training.core.test_predictions import made_up
from training.core.__main__ import main
from training.core.comparing import NotComparable, compare, mcnemar
from training.core.predictions import Predictions


def answering(right: list[bool]) -> Predictions:
    """Predictions that are right where it says so."""
    labels = np.zeros(len(right), np.int64)
    said = np.where(right, 0, 1)
    whole = made_up(len(right))
    return replace(whole, labels=labels, probabilities=np.eye(3)[said], facts=None)


def test_the_exact_test_by_hand() -> None:
    # 2 against 8 of 10: 2 · (1 + 10 + 45) / 1024.
    assert mcnemar(2, 8) == {"test": "exact binomial", "pairs": 10, "statistic": None, "p": 112 / 1024}
    assert mcnemar(0, 0)["p"] == 1.0
    assert mcnemar(12, 12)["test"] == "exact binomial"


def test_the_corrected_test_by_hand() -> None:
    # (|59 − 121| − 1)² / 180 = 3721 / 180 = 20.67, p = 5.4e-6.
    found = mcnemar(59, 121)
    assert found["test"] == "chi-squared, continuity corrected"
    assert found["statistic"] == pytest.approx(3721 / 180)
    assert found["p"] == pytest.approx(5.45e-6, rel=0.01)
    # χ² = 3.841 is the 95th percentile.
    assert mcnemar(10, 15)["statistic"] == 16 / 25
    assert mcnemar(13, 13)["p"] == 1.0


@given(st.integers(0, 60), st.integers(0, 60))
def test_neither_run_is_preferred(one: int, other: int) -> None:
    assert mcnemar(one, other) == mcnemar(other, one)
    assert 0 <= mcnemar(one, other)["p"] <= 1


def test_the_comparison_by_hand() -> None:
    first = answering([True, True, True, False, False, False, True, True])
    second = answering([True, True, False, True, True, False, True, True])
    found = compare(first, second)
    assert found["images"] == 8
    assert found["accuracy"] == [5 / 8, 6 / 8]
    assert found["difference"] == 1 / 8
    cells = [found[name] for name in ("both_right", "only_first_right", "only_second_right", "both_wrong")]
    assert cells == [4, 1, 2, 1]
    assert found["mcnemar"]["p"] == 1.0
    assert found == compare(first, second)
    assert found["interval"] != compare(first, second, seed=1, draws=50)["interval"]


def test_the_interval_is_that_of_resampled_images() -> None:
    rng = np.random.default_rng(0)
    right = [(rng.random(300) < share) for share in (0.6, 0.7)]
    found = compare(answering(list(right[0])), answering(list(right[1])))
    chosen = rng.integers(0, 300, (5_000, 300))
    drawn = right[1][chosen].mean(axis=1) - right[0][chosen].mean(axis=1)
    assert found["interval"] == pytest.approx(np.percentile(drawn, [2.5, 97.5]).tolist(), abs=0.008)


def test_the_order_of_the_rows_does_not_matter() -> None:
    first, second = made_up(seed=1), replace(made_up(seed=2), labels=made_up(seed=1).labels)
    shuffled = second.of(np.random.default_rng(0).permutation(len(second)))
    assert compare(first, shuffled) == compare(first, second)


def test_other_images_labels_or_classes_are_refused() -> None:
    first = made_up()
    with pytest.raises(NotComparable, match="2 of them are with one run only"):
        compare(first, replace(first, keys=("other", *first.keys[1:])))
    with pytest.raises(NotComparable, match="1 of them are with one run only"):
        compare(first, first.of(np.arange(1, len(first))))
    labels = first.labels.copy()
    labels[:3] = (labels[:3] + 1) % 3
    with pytest.raises(NotComparable, match="3 images have other labels"):
        compare(first, replace(first, labels=labels))
    with pytest.raises(NotComparable, match="different classes"):
        compare(first, replace(first, classes=("a", "b", "c")))
    with pytest.raises(NotComparable, match="no image"):
        compare(first.of(np.zeros(0, np.int64)), first.of(np.zeros(0, np.int64)))


def test_what_cannot_be_compared_or_written_is_refused_before_the_work(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = tmp_path / "gone"
    for command, said in (
        (["compare", str(finished), str(finished), "--seed", "-1"], "--seed is a whole number from 0 to"),
        (["judge", str(finished), "--seed", "-1"], "--seed is a whole number from 0 to"),
        (["compare", str(finished), str(gone)], f"There is no run folder {gone}."),
        (
            ["ensemble", str(finished), str(gone), "--out", str(gone / "e.json")],
            f"There is no folder {gone}.",
        ),
    ):
        assert main(command) == 2
        assert said in capsys.readouterr().err
