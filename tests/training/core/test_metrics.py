"""Figures against numbers computed by hand."""

import numpy as np
import pytest

from training.core.metrics import class_figures, confusion, figures, negative_log_likelihood, top_accuracy

# Six faces; rows of PROBABILITIES pick, in turn: a a b | b b | a. Class c has no face and is never said.
LABELS = np.array([0, 0, 0, 1, 1, 1])
PROBABILITIES = np.array(
    [[0.8, 0.2, 0], [0.5, 0.4, 0.1], [0.25, 0.75, 0], [0.1, 0.8, 0.1], [0.2, 0.5, 0.3], [0.75, 0.25, 0]]
)


def test_the_confusion_matrix_has_true_classes_in_rows() -> None:
    matrix = confusion(np.array([0, 0, 0, 2]), np.array([1, 1, 0, 2]), 3)
    assert matrix.tolist() == [[1, 2, 0], [0, 0, 0], [0, 0, 1]]


def test_class_figures_are_those_of_the_matrix() -> None:
    # class x: 3 right of 4 true, 5 said; class y: 4 right of 6 true, 5 said.
    rows = class_figures(np.array([[3, 1], [2, 4]]), ["x", "y"])
    assert rows == [
        {"label": "x", "precision": 3 / 5, "recall": 3 / 4, "f1": 6 / 9, "images": 4},
        {"label": "y", "precision": 4 / 5, "recall": 4 / 6, "f1": 8 / 11, "images": 6},
    ]


def test_the_figures_of_a_split() -> None:
    found = figures(LABELS, PROBABILITIES, ["a", "b", "c"])
    assert found["images"] == 6
    assert found["accuracy"] == 4 / 6
    assert found["confusion"] == [[2, 1, 0], [1, 2, 0], [0, 0, 0]]
    assert found["macro_f1"] == pytest.approx(2 / 3)
    assert found["mean_recall"] == pytest.approx(2 / 3)
    likelihood = 0.8 * 0.5 * 0.25 * 0.8 * 0.5 * 0.25
    assert found["nll"] == pytest.approx(-np.log(likelihood) / 6)


def test_a_class_without_faces_does_not_pull_the_means_down() -> None:
    found = figures(LABELS, PROBABILITIES, ["a", "b", "c"])
    assert found["per_class"][2] == {"label": "c", "precision": 0.0, "recall": 0.0, "f1": 0.0, "images": 0}
    assert found["macro_f1"] == np.mean([row["f1"] for row in found["per_class"][:2]])


def test_macro_f1_and_mean_recall_weigh_classes_alike() -> None:
    # nine of class a all right; the only b taken for an a.
    labels, said = np.array([0] * 9 + [1]), np.eye(2)[[0] * 10]
    found = figures(labels, said, ["a", "b"])
    assert found["accuracy"] == 0.9
    assert found["mean_recall"] == 0.5
    assert found["macro_f1"] == pytest.approx((18 / 19) / 2)


def test_an_impossible_truth_costs_much_but_not_infinitely() -> None:
    assert negative_log_likelihood(np.array([1]), np.array([[1.0, 0.0]])) == pytest.approx(-np.log(1e-12))


def test_no_image_is_no_figure() -> None:
    with pytest.raises(ValueError, match="no image"):
        figures(np.array([], int), np.zeros((0, 2)), ["a", "b"])


def test_top_two_counts_the_second_answer() -> None:
    # The right class comes 1st, 1st, 2nd, 1st, 1st, 2nd.
    assert top_accuracy(LABELS, PROBABILITIES, 1) == 4 / 6
    assert top_accuracy(LABELS, PROBABILITIES, 2) == 1.0
    assert top_accuracy(np.array([2]), np.array([[0.4, 0.3, 0.3]]), 2) == 0.0
    assert figures(LABELS, PROBABILITIES, ["a", "b", "c"])["top2_accuracy"] == 1.0


def test_the_figures_of_a_split_tell_how_sure_the_network_was() -> None:
    # Sure of 0.8, 0.8, 0.75, 0.75, 0.5, 0.5; right, right, wrong, wrong, right, right.
    found = figures(LABELS, PROBABILITIES, ["a", "b", "c"])
    assert [row["images"] for row in found["reliability"]] == [2, 4]
    assert found["ece"] == pytest.approx((2 * 0.5 + 4 * abs(0.775 - 0.5)) / 6)
