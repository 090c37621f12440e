"""The quality of real faces, where they are at hand."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from labeling.vision import detectors, images, quality
from labeling.vision.detectors import Found
from labeling.vision.images import Pixels

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
PHOTOS = DATA / "photos"
pytestmark = [
    pytest.mark.shared_data,
    pytest.mark.skipif(not PHOTOS.is_dir(), reason=f"{PHOTOS} is not there; it holds real photos."),
]
ASTRONAUT = PHOTOS / "scikit-image__astronaut.png"


def found_in(pixels: Pixels) -> list[Found]:
    model = str(DATA / "detectors" / "face_detection_yunet_2023mar.onnx")
    return detectors.make("yunet", model=model).find(pixels)


def judged(pixels: Pixels) -> tuple[quality.Quality, tuple[str, ...]]:
    (face,) = found_in(pixels)
    measured = quality.measure(pixels, face)
    return measured, quality.reasons(measured)


def test_a_portrait_is_kept_and_its_faults_are_told() -> None:
    pixels = images.open_image(ASTRONAUT)
    assert judged(pixels)[1] == ()
    assert judged(cv2.GaussianBlur(pixels, (0, 0), 5))[1] == ("blurred",)
    assert judged(cv2.resize(pixels, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA))[1] == ("small",)
    assert "dark" in judged(cv2.convertScaleAbs(pixels, alpha=0.12))[1]


def test_a_mirrored_portrait_looks_to_the_other_side() -> None:
    pixels = images.open_image(PHOTOS / "18f_gsa_gov__pham_jacklynn.jpg")
    (one, _), (other, _) = judged(pixels), judged(np.ascontiguousarray(pixels[:, ::-1]))
    assert (one.yaw, one.roll) != (0, 0)
    assert other.yaw == pytest.approx(-one.yaw, abs=5)
    assert other.roll == pytest.approx(-one.roll, abs=3)
