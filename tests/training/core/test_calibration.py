"""Calibration against direct sums, a fine grid, and networks whose temperature is known."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from training.core.__main__ import main
from training.core.calibration import (
    LEAST_FACES,
    LEAST_TEMPERATURE,
    MOST_TEMPERATURE,
    expected_calibration_error,
    fit_temperature,
    fit_temperature_to,
    heat_for,
    reliability,
    tempered,
    why_unfitted,
)
from training.core.metrics import negative_log_likelihood


def some(seed: int, images: int = 200, classes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, rng.uniform(0.5, 4), (images, classes))
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return rng.integers(0, classes, images), shares


def test_reliability_by_hand() -> None:
    labels = np.array([0, 0, 1, 0])
    shares = np.array([[0.95, 0.05], [0.35, 0.65], [0.4, 0.6], [1.0, 0.0]])
    # Fifths: 0.6 closes the third bin, 0.65 opens the fourth, 0.95 and 1 are in the last.
    rows = reliability(labels, shares, bins=5)
    assert [(row["low"], row["high"], row["images"]) for row in rows] == [
        (0.4, 0.6, 1),
        (0.6, 0.8, 1),
        (0.8, 1, 2),
    ]
    assert [row["confidence"] for row in rows] == pytest.approx([0.6, 0.65, 0.975])
    assert [row["accuracy"] for row in rows] == [1.0, 0.0, 1.0]
    assert expected_calibration_error(labels, shares, bins=5) == pytest.approx((0.4 + 0.65 + 2 * 0.025) / 4)


@given(st.integers(0, 10_000))
def test_the_calibration_error_is_its_formula(seed: int) -> None:
    labels, shares = some(seed)
    total = 0.0
    for b in range(15):
        inside = [i for i, p in enumerate(shares.max(axis=1)) if b / 15 < p <= (b + 1) / 15]
        if inside:
            right = np.mean([shares[i].argmax() == labels[i] for i in inside])
            total += len(inside) / len(labels) * abs(right - np.mean([shares[i].max() for i in inside]))
    assert expected_calibration_error(labels, shares) == pytest.approx(total, abs=1e-12)
    assert sum(row["images"] for row in reliability(labels, shares)) == len(labels)


@given(st.integers(0, 10_000), st.floats(0.1, 10))
def test_temperature_is_a_softmax_of_divided_logits_and_changes_no_answer(
    seed: int, temperature: float
) -> None:
    _, shares = some(seed, images=20)
    logits = np.log(shares) + 3.5
    direct = np.exp(logits / temperature)
    found = tempered(shares, temperature)
    np.testing.assert_allclose(found, direct / direct.sum(axis=1, keepdims=True), rtol=1e-9)
    assert np.array_equal(found.argmax(axis=1), shares.argmax(axis=1))


@given(st.integers(0, 10_000))
def test_no_other_temperature_fits_better(seed: int) -> None:
    labels, shares = some(seed, images=50)
    best = negative_log_likelihood(labels, tempered(shares, fit_temperature(labels, shares)))
    for other in np.geomspace(LEAST_TEMPERATURE, MOST_TEMPERATURE, 40):
        assert best <= negative_log_likelihood(labels, tempered(shares, float(other))) + 1e-9


def test_torn_targets_want_a_torn_network() -> None:
    # Two classes with the odds 9 : 1; people split 3 : 1. 9^(1/T) = 3 for T = 2.
    shares, people = np.array([[0.9, 0.1]]), np.array([[0.75, 0.25]])
    assert fit_temperature_to(people, shares) == pytest.approx(2)
    assert tempered(shares, 2) == pytest.approx(people)


def test_a_network_twice_too_sure_is_found_out() -> None:
    rng = np.random.default_rng(0)
    _, honest = some(3, images=20_000)
    labels = (honest.cumsum(axis=1) > rng.random((len(honest), 1))).argmax(axis=1)
    boastful = tempered(honest, 0.5)
    found = fit_temperature(labels, boastful)
    assert found == pytest.approx(2, rel=0.05)
    before = expected_calibration_error(labels, boastful)
    assert expected_calibration_error(labels, tempered(boastful, found)) < before / 5


def test_beyond_the_bounds_stands_the_bound() -> None:
    shares = np.array([[0.9, 0.1], [0.2, 0.8]])
    assert fit_temperature(np.array([0, 1]), shares) == LEAST_TEMPERATURE
    assert fit_temperature(np.array([1, 0]), shares) == MOST_TEMPERATURE


def test_impossible_classes_stay_finite() -> None:
    shares = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]], np.float32)
    temperature = fit_temperature(np.array([0, 1, 1]), shares)
    assert np.isfinite(tempered(shares, temperature)).all()
    assert 1 < temperature <= MOST_TEMPERATURE


def test_a_bound_or_a_fit_on_few_faces_is_no_temperature() -> None:
    _, shares = some(4)
    labels = (shares.cumsum(axis=1) > np.random.default_rng(0).random((len(shares), 1))).argmax(axis=1)
    targets = np.eye(4)[labels]
    assert heat_for(targets, shares).told() == {"temperature": fit_temperature(labels, shares)}
    for answers, which in ((shares.argmax(axis=1), "lower"), (shares.argmin(axis=1), "higher")):
        heat = heat_for(np.eye(4)[answers], shares)
        assert heat.temperature == 1
        assert f"On 200 validation faces a {which} temperature always fits better" in heat.unfitted
    few = heat_for(targets[: LEAST_FACES - 1], shares[: LEAST_FACES - 1])
    assert few.told() == {
        "temperature": 1,
        "unfitted": "A temperature is fitted on 30 validation faces or more, and here are 29: 1 is used.",
    }
    assert heat_for(targets[:LEAST_FACES], shares[:LEAST_FACES]).unfitted == ""
    assert why_unfitted({"splits": {"validation": {"calibrated": few.told()}}}) == few.unfitted
    assert why_unfitted({"splits": {"validation": {"calibrated": {"temperature": 2}}}}) == ""
    assert why_unfitted({"splits": {}}) == ""


def test_predict_says_that_no_temperature_was_fitted(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = shutil.copytree(finished, tmp_path / "run")
    Image.new("L", (32, 32), 99).save(tmp_path / "face.png")
    asked = ["predict", str(run), str(tmp_path / "face.png"), "--detector", "none"]
    result = json.loads((run / "result.json").read_text())
    validation = result["splits"]["validation"]["calibrated"]
    assert validation["temperature"] == 1
    assert main(asked) == 0
    said = capsys.readouterr()
    assert f"was not adjusted. {validation['unfitted']}" in said.err
    assert len(json.loads(said.out)) == 1
    del validation["unfitted"]
    (run / "result.json").write_text(json.dumps(result))
    assert main(asked) == 0
    assert "not adjusted" not in capsys.readouterr().err


def test_the_largest_of_a_row_stays_the_largest_at_any_temperature() -> None:
    rng = np.random.default_rng(3)
    shares = rng.dirichlet([0.3] * 7, 2_000).astype(np.float32)
    for temperature in (0.05, 0.3, 1.0, 1.7, 20.0):
        scaled = np.log(np.maximum(shares.astype(np.float64), 1e-12)) / temperature
        unscaled = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        assert (tempered(shares, temperature) == unscaled / unscaled.sum(axis=1, keepdims=True)).all()
