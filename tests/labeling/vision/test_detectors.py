"""Detectors behind one interface."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from labeling.sources import drawn
from labeling.vision import detectors
from labeling.vision.detectors import BadSettings

YUNET = Path(__file__).parents[4] / "shared" / "data" / "detectors" / "face_detection_yunet_2023mar.onnx"


def test_the_cascade_finds_a_drawn_face_where_it_is() -> None:
    (found,) = detectors.make("haar").find(drawn.draw_still(0))
    assert abs(found.x + found.width / 2 - 200) < 40
    assert 120 < found.width < 260
    assert found.score > 0


def test_a_large_picture_is_searched_small_and_its_boxes_are_in_its_own_pixels() -> None:
    small = drawn.draw_still(0)
    large = cv2.resize(small, None, fx=6, fy=6, interpolation=cv2.INTER_CUBIC)
    (one,) = detectors.make("haar", {"longest_side": 460}).find(small)
    (six,) = detectors.make("haar", {"longest_side": 460}).find(large)
    assert np.abs(np.array(six.box) / 6 - one.box).max() < 8


def test_where_there_is_no_face_nothing_is_found() -> None:
    assert detectors.make("haar").find(np.full((200, 300, 3), 128, np.uint8)) == []


@pytest.mark.parametrize("shape", [(1, 1), (2, 500), (500, 2)])
def test_pictures_of_odd_shapes_are_searched_too(shape: tuple[int, int]) -> None:
    assert detectors.make("haar").find(np.zeros((*shape, 3), np.uint8)) == []


def test_only_what_can_run_is_offered(tmp_path: Path) -> None:
    assert detectors.available("") == ["haar"]
    assert detectors.available(str(tmp_path / "none.onnx")) == ["haar"]
    (tmp_path / "some.onnx").write_bytes(b"x")
    assert detectors.available(str(tmp_path / "some.onnx")) == ["haar", "yunet"]


@pytest.mark.parametrize(
    ("name", "chosen", "said"),
    [
        ("eye", {}, "no detector “eye”; there are haar, yunet"),
        ("haar", {"scale": 2}, "no setting “scale”"),
        ("haar", {"min_neighbors": "5"}, "min_neighbors is a number above 0, not '5'"),
        ("haar", {"min_neighbors": True}, "above 0, not True"),
        ("yunet", {}, "Set YUNET_MODEL"),
    ],
)
def test_a_setting_nobody_reads_is_an_error(name: str, chosen: dict[str, object], said: str) -> None:
    with pytest.raises(BadSettings, match=said):
        detectors.make(name, chosen)


def test_a_file_that_is_no_model_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "yunet.onnx").write_bytes(b"no model")
    with pytest.raises(BadSettings, match="is no YuNet model"):
        detectors.make("yunet", model=str(tmp_path / "yunet.onnx"))


@pytest.mark.shared_data
def test_in_slivers_no_face_is_made_up_of_the_picture_before() -> None:
    """In a picture of 32 lines or fewer OpenCV's network takes freed memory for a part of it."""
    if not YUNET.exists():
        pytest.skip("needs the YuNet model")
    detector = detectors.make("yunet", {"score_threshold": 0.1}, model=str(YUNET))
    chance = np.random.default_rng(5)
    shapes = [(10, 20_000), (20_000, 10), (1, 1), (32, 2_000), (32, 500), (128, 32), (500, 32), (2_000, 32)]
    made_up = []
    for shape in shapes * 8:
        detector.find(chance.integers(0, 255, (480, 640, 3), np.uint8))
        made_up += detector.find(np.zeros((*shape, 3), np.uint8))
    assert made_up == []
