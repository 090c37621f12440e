"""Faces brought to one place, size and uprightness."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeling.vision.alignment import SIDE, TEMPLATE, align, similarity, upright


def placed(turn: float, scale: float, shift: tuple[float, float]) -> np.ndarray:
    """The template's points elsewhere. turn: degrees."""
    angle = np.radians(turn)
    matrix = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return TEMPLATE @ matrix.T + shift


@settings(max_examples=100)
@given(
    st.floats(-180, 180),
    st.floats(0.05, 20),
    st.tuples(st.floats(-2000, 2000), st.floats(-2000, 2000)),
)
def test_what_was_turned_scaled_and_moved_comes_back(
    turn: float, scale: float, shift: tuple[float, float]
) -> None:
    there = similarity([tuple(point) for point in placed(turn, scale, shift)], TEMPLATE)
    back = placed(turn, scale, shift) @ there[:, :2].T + there[:, 2]
    assert np.abs(back - TEMPLATE).max() < 1e-6


def test_no_other_turn_scale_or_shift_comes_nearer() -> None:
    shuffled = np.random.default_rng(0)
    points = placed(20, 2, (300, 100)) + shuffled.normal(0, 4, (5, 2))
    best = similarity([tuple(point) for point in points], TEMPLATE)

    def missed_by(there: np.ndarray) -> float:
        return float(((points @ there[:, :2].T + there[:, 2] - TEMPLATE) ** 2).sum())

    for _ in range(200):
        turn, scale = shuffled.normal(0, 0.05), 1 + shuffled.normal(0, 0.05)
        more = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        other = np.column_stack((more @ best[:, :2], more @ best[:, 2] + shuffled.normal(0, 1, 2)))
        assert missed_by(other) >= missed_by(best)


@pytest.mark.parametrize(("turn", "scale"), [(0, 1), (35, 3), (-120, 0.7), (10, 8)])
def test_marks_on_a_turned_face_land_on_the_template(turn: float, scale: float) -> None:
    points = placed(turn, scale, (0, 0))
    points += 60 * scale - points.min(axis=0)
    pixels = np.zeros((*np.ceil(points.max(axis=0) + 60 * scale).astype(int)[::-1], 3), np.uint8)
    for point in points:
        cv2.circle(pixels, np.rint(point).astype(int).tolist(), max(1, round(4 * scale)), (255, 255, 255), -1)
    for side in (SIDE, 224):
        face = align(pixels, [tuple(point) for point in points], side=side)
        assert face.shape == (side, side, 3)
        for x, y in np.rint(TEMPLATE * side / SIDE).astype(int):
            assert face[y, x, 0] > 128
        assert (face > 128).mean() < 0.05


def test_beyond_the_picture_its_edge_goes_on() -> None:
    face = align(np.full((40, 40, 3), 200, np.uint8), [tuple(point) for point in placed(0, 1, (-20, -20))])
    assert face.min() == 200


def test_landmarks_in_one_point_are_refused() -> None:
    with pytest.raises(ValueError, match="no face"):
        align(np.zeros((40, 40, 3), np.uint8), [(10.0, 10.0)] * 5)


@pytest.mark.parametrize("turn", [0, 35, -80])
def test_upright_turns_a_face_and_leaves_its_size(turn: float) -> None:
    points = placed(turn, 2, (300, 260))
    pixels = np.full((900, 900, 3), 100, np.uint8)
    for point in points:
        cv2.circle(pixels, np.rint(point).astype(int).tolist(), 6, (255, 255, 255), -1)
    face = upright(pixels, [tuple(point) for point in points], margin=0.25)
    assert face.shape == (336, 336, 3)
    wanted = np.rint((TEMPLATE + 0.25 * SIDE) * 2).astype(int)
    assert all(face[y, x].min() > 200 for x, y in wanted)
    assert (face > 200).all(axis=2).sum() == pytest.approx(5 * np.pi * 36, rel=0.2)


def test_points_that_are_no_faces_ask_for_no_giant_crop() -> None:
    points = [(0.0, 0.0), (1e6, 0.0), (5e5, 5e5), (0.0, 1e6), (1e6, 1e6)]
    assert max(upright(np.zeros((40, 60, 3), np.uint8), points).shape) == 120
