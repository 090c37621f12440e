"""Where shots end, on scenes drawn by chance in which something moves."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeling.vision import shots
from labeling.vision.images import Pixels

WIDTH, HEIGHT, EVERY_MS = 320, 180, 200


def wall(scene: int, width: int = WIDTH) -> Pixels:
    """Tiles of colours of its own."""
    shuffled = np.random.default_rng(scene)
    tint = shuffled.integers(0, 120, 3)
    tiles = shuffled.integers(0, 136, (6, round(10 * width / WIDTH), 3)) + tint
    return cv2.resize(tiles.astype(np.uint8), (width, HEIGHT), interpolation=cv2.INTER_NEAREST)


def shot(scene: int, count: int) -> list[Pixels]:
    """Somebody walks through the scene."""
    frames = []
    for number in range(count):
        pixels = wall(scene)
        at = (40 + 23 * number % WIDTH, 90 + 20 * (number % 3))
        cv2.ellipse(pixels, at, (22, 30), 0, 0, 360, (210, 170, 140), -1)
        cv2.circle(pixels, (at[0] - 8, at[1] - 6), 4, (20, 20, 20), -1)
        cv2.circle(pixels, (at[0] + 8, at[1] - 6), 4, (20, 20, 20), -1)
        frames.append(pixels)
    return frames


def mixed(one: Pixels, other: Pixels, share: float) -> Pixels:
    return cv2.addWeighted(one, 1 - share, other, share, 0)


def cuts_of(frames: list[Pixels], every_ms: int = EVERY_MS) -> list[int]:
    times = [every_ms * number for number in range(len(frames))]
    return shots.cuts([shots.signature(frame) for frame in frames], times)


def test_a_new_scene_is_a_new_shot() -> None:
    assert cuts_of(shot(1, 10) + shot(2, 7) + shot(3, 9)) == [10, 17]


@settings(max_examples=30)
@given(st.lists(st.integers(2, 9), min_size=1, max_size=5), st.integers(0, 1000))
def test_shots_of_any_length_are_told_apart(lengths: list[int], scene: int) -> None:
    frames = [frame for number, length in enumerate(lengths) for frame in shot(scene + number, length)]
    assert cuts_of(frames) == np.cumsum(lengths)[:-1].tolist()


def test_who_walks_through_a_scene_does_not_end_it() -> None:
    assert cuts_of(shot(4, 60)) == []


def test_a_camera_that_swings_does_not_end_a_shot() -> None:
    wide = wall(5, 3 * WIDTH)
    assert cuts_of([wide[:, 20 * number : 20 * number + WIDTH] for number in range(30)]) == []


@pytest.mark.parametrize("every_ms", [200, 100])
def test_a_flash_does_not_end_a_shot(every_ms: int) -> None:
    calm = shot(6, 20)
    for flash in (
        np.full_like(calm[0], 255),
        np.zeros_like(calm[0]),
        cv2.convertScaleAbs(calm[10], alpha=2.5, beta=40),
        wall(7),
    ):
        lit = [flash] * (200 // every_ms)
        assert cuts_of(calm[:10] + lit + calm[10:], every_ms) == []


def test_a_flash_right_at_a_cut_hides_it_by_no_more_than_itself() -> None:
    (cut,) = cuts_of([*shot(1, 8), np.full_like(wall(1), 255), *shot(2, 8)])[:1]
    assert cut in (8, 9)


def test_more_light_does_not_end_a_shot() -> None:
    frames = [cv2.convertScaleAbs(frame, alpha=0.5 + 0.05 * n) for n, frame in enumerate(shot(8, 15))]
    assert cuts_of(frames) == []
    assert cuts_of(frames[:5] + frames[-5:]) == []


@pytest.mark.parametrize("length", [2, 5, 8])
def test_a_dissolve_ends_a_shot_in_its_middle(length: int) -> None:
    one, other = shot(1, 12), shot(2, 12)
    shares = [(number + 1) / (length + 1) for number in range(length)]
    (cut,) = cuts_of(one + [mixed(one[-1], other[0], share) for share in shares] + other)
    assert abs(cut - (12 + length / 2)) <= length / 2


@pytest.mark.parametrize("length", [3, 5])
def test_a_fade_to_black_and_back_ends_a_shot(length: int) -> None:
    one, other = shot(1, 12), shot(2, 12)
    dark = np.zeros_like(one[0])
    shares = [(number + 1) / length for number in range(length)]
    frames = one + [mixed(one[-1], dark, share) for share in shares]
    found = cuts_of(frames + [mixed(dark, other[0], share) for share in shares] + other)
    assert found
    assert all(12 <= cut <= 12 + 2 * length for cut in found)


def test_nothing_and_one_frame_have_no_cuts() -> None:
    assert cuts_of([]) == []
    assert cuts_of(shot(1, 1)) == []


def test_each_frame_needs_a_time() -> None:
    with pytest.raises(ValueError, match="1 frames, but 2 times"):
        shots.cuts([shots.signature(wall(1))], [0, 200])
