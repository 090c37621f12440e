"""The few faces of a track that are kept."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeling.sources import drawn
from labeling.vision.picks import look, pick


def test_the_sharpest_comes_first_then_what_differs_most() -> None:
    looks = np.array([[0.0], [0.1], [5.0], [2.0], [9.0]])
    assert pick(np.array([5.0, 9.0, 8.0, 7.0, 1.0]), looks, 3) == [1, 2, 3]


def test_what_is_like_any_of_those_before_is_not_picked() -> None:
    looks = np.array([[0.0], [10.0], [0.5], [5.0], *[[20.0]] * 4])
    assert pick(np.array([9.0, 8.0, 7.0, 6.0, 1.0, 1.0, 1.0, 1.0]), looks, 3) == [0, 1, 3]


def test_a_blurred_face_is_not_picked_because_it_is_different() -> None:
    looks = np.array([[0.0], [0.1], [0.2], [100.0]])
    assert 3 not in pick(np.array([4.0, 3.0, 2.0, 0.1]), looks, 2)


def test_of_equal_faces_the_sharper_are_picked() -> None:
    assert pick(np.array([1.0, 3.0, 2.0]), np.zeros((3, 4)), 2) == [1, 2]


@settings(max_examples=100)
@given(st.lists(st.floats(0, 100), max_size=12), st.integers(0, 15), st.randoms(use_true_random=False))
def test_as_many_as_asked_are_picked_and_each_once(sharpness: list[float], count: int, shuffled) -> None:
    looks = np.array([[shuffled.random(), shuffled.random()] for _ in sharpness]).reshape(-1, 2)
    picked = pick(np.array(sharpness), looks, count)
    assert len(picked) == len(set(picked)) == min(count, len(sharpness))
    if picked:
        assert sharpness[picked[0]] == max(sharpness)


def test_fewer_are_the_first_of_more() -> None:
    shuffled = np.random.default_rng(0)
    sharpness, looks = shuffled.random(20), shuffled.random((20, 5))
    assert [pick(sharpness, looks, count) for count in range(1, 11)] == [
        pick(sharpness, looks, 10)[:count] for count in range(1, 11)
    ]


def test_each_face_needs_both() -> None:
    with pytest.raises(ValueError, match="2 sharpnesses, but 1 looks"):
        pick(np.ones(2), np.ones((1, 3)), 1)


def test_light_does_not_change_a_look_another_face_does() -> None:
    one, other = drawn.draw_still(0), drawn.draw_still(1)
    darker = cv2.convertScaleAbs(one, alpha=0.5, beta=20)
    assert np.linalg.norm(look(one) - look(darker)) < 0.1
    assert np.linalg.norm(look(one) - look(other)) > 0.3
    assert not look(np.full((50, 40, 3), 90, np.uint8)).any()
