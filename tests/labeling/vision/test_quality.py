"""How well a face can be seen."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeling.sources import drawn
from labeling.vision.detectors import Found
from labeling.vision.quality import HEAD_MM, Limits, Quality, measure, pose, reasons, sharpness

GOOD = Quality(120, 0.45, 0.5, 0.2, 0.0, 0.0, 0.0, 0.0)
ANGLES = st.floats(-60, 60)


def turned(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """Rotation of a head that looks so far to the right and up of the picture and leans so far clockwise."""
    y, p, r = np.radians((yaw, pitch, roll))
    about_down = np.array([[np.cos(y), 0, -np.sin(y)], [0, 1, 0], [np.sin(y), 0, np.cos(y)]])
    about_right = np.array([[1, 0, 0], [0, np.cos(p), np.sin(p)], [0, -np.sin(p), np.cos(p)]])
    about_view = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    return about_view @ about_down @ about_right


def seen(rotation: np.ndarray, scale: float = 2.0, at: tuple[float, float] = (400, 300)):
    """Where the five points of the average head are seen from far away."""
    return [tuple(point) for point in (HEAD_MM @ rotation.T)[:, :2] * scale + at]


@settings(max_examples=60)
@given(ANGLES)
def test_a_head_that_turns_is_seen_to_turn(angle: float) -> None:
    assert pose(seen(turned(angle, 0, 0))) == pytest.approx((angle, 0, 0), abs=4)
    assert pose(seen(turned(0, 0, angle))) == pytest.approx((0, 0, angle), abs=4)


@settings(max_examples=60)
@given(st.floats(-40, 40))
def test_a_head_that_nods_is_seen_to_nod(angle: float) -> None:
    assert pose(seen(turned(0, angle, 0))) == pytest.approx((0, angle, 0), abs=6)


@settings(max_examples=60)
@given(ANGLES, st.floats(-30, 30), st.floats(-45, 45))
def test_a_mirror_changes_sides_and_nothing_else(yaw: float, pitch: float, roll: float) -> None:
    points = seen(turned(yaw, pitch, roll))
    mirrored = [(800 - points[other][0], points[other][1]) for other in (1, 0, 2, 4, 3)]
    one, other = pose(points), pose(mirrored)
    assert other == pytest.approx((-one[0], one[1], -one[2]), abs=1e-3)


@settings(max_examples=40)
@given(ANGLES, st.floats(0.2, 30), st.tuples(st.floats(-3000, 3000), st.floats(-3000, 3000)))
def test_size_and_place_do_not_matter(yaw: float, scale: float, at: tuple[float, float]) -> None:
    assert pose(seen(turned(yaw, 10, 5), scale, at)) == pytest.approx(
        pose(seen(turned(yaw, 10, 5))), abs=1e-3
    )


def test_landmarks_in_one_point_have_no_pose() -> None:
    with pytest.raises(ValueError, match="no face"):
        pose([(5.0, 5.0)] * 5)


def grey(number: int, side: int = 400) -> np.ndarray:
    still = cv2.cvtColor(drawn.draw_still(number), cv2.COLOR_RGB2GRAY)
    return cv2.resize(still, (side, side), interpolation=cv2.INTER_AREA)


@pytest.mark.parametrize("number", range(6))
def test_the_more_a_face_is_blurred_the_less_sharp_it_is(number: int) -> None:
    face = grey(number)
    blurred = [sharpness(cv2.GaussianBlur(face, (0, 0), share * 400)) for share in (0.005, 0.01, 0.02, 0.04)]
    assert [sharpness(face), *blurred] == sorted([sharpness(face), *blurred], reverse=True)
    assert blurred[-1] < 0.5 * sharpness(face)


@pytest.mark.parametrize("number", range(6))
def test_size_light_and_contrast_leave_it_as_sharp(number: int) -> None:
    face = grey(number)
    assert sharpness(grey(number, 200)) == pytest.approx(sharpness(face), rel=0.1)
    assert sharpness(cv2.convertScaleAbs(face, alpha=0.5, beta=60)) == pytest.approx(
        sharpness(face), rel=0.05
    )


def test_a_face_enlarged_from_few_pixels_is_not_sharp() -> None:
    few = cv2.resize(grey(0), (16, 16), interpolation=cv2.INTER_AREA)
    assert sharpness(cv2.resize(few, (400, 400), interpolation=cv2.INTER_CUBIC)) < 0.6 * sharpness(grey(0))


def test_a_wall_is_not_sharp() -> None:
    assert sharpness(np.full((50, 50), 100, np.uint8)) == 0
    assert sharpness(np.full((1, 1), 100, np.uint8)) == 0


def test_brightness_and_contrast_are_those_of_the_box_alone() -> None:
    pixels = np.full((200, 300, 3), 255, np.uint8)
    pixels[50:100, 50:100] = 51
    pixels[50:100, 75:100] = 153
    quality = measure(pixels, Found(50, 50, 50, 50, 0.9))
    assert (quality.side, quality.yaw, quality.outside) == (50, None, 0)
    assert quality.brightness == pytest.approx(0.4)
    assert quality.contrast == pytest.approx(0.2)


def test_a_box_that_reaches_beyond_the_picture_is_cut_off() -> None:
    pixels = np.zeros((100, 100, 3), np.uint8)
    assert measure(pixels, Found(75, 20, 50, 50, 0.9)).outside == pytest.approx(0.5)
    assert measure(pixels, Found(75, 75, 50, 50, 0.9)).outside == pytest.approx(0.75)
    assert measure(pixels, Found(200, 200, 50, 50, 0.9)).outside == pytest.approx(1)


def test_with_landmarks_a_face_at_the_edge_is_cut_off_though_its_box_was_moved_inside() -> None:
    pixels = np.zeros((300, 300, 3), np.uint8)
    front = turned(0, 0, 0)
    inside = Found(100, 100, 100, 120, 0.9, tuple(seen(front, 1, (150, 150))))
    at_edge = Found(0, 100, 60, 120, 0.9, tuple(seen(front, 1, (0, 150))))
    assert measure(pixels, inside).outside == pytest.approx(0, abs=1e-6)
    assert measure(pixels, at_edge).outside == pytest.approx(0.5, abs=0.02)


def test_nothing_speaks_against_a_good_face() -> None:
    assert reasons(GOOD) == ()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"side": 20}, "small"),
        ({"sharpness": 0.1}, "blurred"),
        ({"brightness": 0.05}, "dark"),
        ({"brightness": 0.95}, "bright"),
        ({"contrast": 0.01}, "flat"),
        ({"outside": 0.4}, "cut_off"),
        ({"yaw": -70.0}, "turned"),
        ({"yaw": 70.0}, "turned"),
        ({"pitch": -50.0}, "nodding"),
        ({"roll": 80.0}, "tilted"),
    ],
)
def test_each_fault_has_its_reason(change: dict[str, float], code: str) -> None:
    assert reasons(replace(GOOD, **change)) == (code,)


def test_all_reasons_are_told() -> None:
    assert reasons(Quality(5, 0.0, 0.0, 0.0, 1.0)) == ("small", "blurred", "dark", "flat", "cut_off")


def test_what_is_at_a_limit_is_kept_and_what_has_no_limit_too() -> None:
    assert reasons(GOOD, Limits(min_side=120, max_yaw=0)) == ()
    anything = Limits(**dict.fromkeys(Limits.__dataclass_fields__))
    assert reasons(Quality(1, 0.0, 0.0, 0.0, 1.0, 90.0, 90.0, 180.0), anything) == ()
