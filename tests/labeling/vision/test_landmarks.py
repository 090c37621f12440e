"""Landmarks that lean with the head."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from labeling.vision import alignment, detectors, images, landmarks, quality
from labeling.vision.alignment import TEMPLATE
from labeling.vision.detectors import Found
from labeling.vision.images import Pixels

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
COLOURS = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (0, 255, 255))


class Upright:
    """Finds a drawn head by its five colours; like YuNet surest when it is upright, and seeing it lean too little."""

    def __init__(self, sees: float) -> None:
        """sees: which share of its lean."""
        self._sees = sees

    def find(self, pixels: Pixels, *, unsure: bool = False) -> list[Found]:
        points = []
        for colour in COLOURS:
            at = np.argwhere(np.abs(pixels.astype(int) - colour).sum(axis=2) < 200)
            if not len(at):
                return []
            points.append(at.mean(axis=0)[::-1])
        there = np.array(points)
        lean = np.arctan2(*(there[1] - there[0])[::-1])
        less = cv2.getRotationMatrix2D(there[2].tolist(), float(np.degrees(lean) * (1 - self._sees)), 1)
        told = there @ less[:, :2].T + less[:, 2]
        width = float(1.6 * np.linalg.norm(there[1] - there[0]))
        left, top = there[2] - width / 2
        marks = tuple((float(x), float(y)) for x, y in told)
        return [Found(round(left), round(top), round(width), round(width), 0.95 - 0.1 * lean**2, marks)]


def head(lean: float, at: tuple[int, int] = (200, 200)) -> tuple[Pixels, np.ndarray]:
    """A drawn head and where its points are. lean: degrees clockwise."""
    turn = cv2.getRotationMatrix2D(TEMPLATE[2].tolist(), -lean, 2.0)
    points = TEMPLATE @ turn[:, :2].T + turn[:, 2] - TEMPLATE[2] + at
    pixels = np.full((400, 400, 3), 128, np.uint8)
    for point, colour in zip(points, COLOURS, strict=True):
        cv2.circle(pixels, np.rint(point).astype(int).tolist(), 9, colour, -1)
    return pixels, points


@pytest.mark.parametrize("lean", [-50, -20, 0, 10, 35])
def test_landmarks_come_from_where_the_detector_is_surest(lean: int) -> None:
    pixels, points = head(lean)
    detector = Upright(sees=0.3)
    (found,) = detector.find(pixels)
    steady = landmarks.steadied(pixels, found, detector)
    assert (steady.box, steady.score) == (found.box, found.score)
    assert steady.landmarks is not None
    assert quality.pose(steady.landmarks)[2] == pytest.approx(lean, abs=4)
    assert np.abs(np.array(steady.landmarks) - points).max() < 6


def test_what_is_not_found_again_stays_as_it_was() -> None:
    face = Found(10, 10, 50, 50, 0.8, tuple((float(x), float(y)) for x, y in TEMPLATE))
    assert landmarks.steadied(np.zeros((90, 90, 3), np.uint8), face, Upright(sees=1)) == face


def test_a_neighbour_is_not_taken_for_the_face() -> None:
    pixels, _ = head(0, at=(330, 330))
    face = Found(130, 130, 120, 120, 0.8)
    assert landmarks.steadied(pixels, face, Upright(sees=1)) == face


@pytest.mark.shared_data
@pytest.mark.parametrize("turn", [-40, -20, 10, 30])
def test_a_tilted_portrait_is_seen_to_be_tilted_and_aligned_upright(turn: int) -> None:
    if not DATA.is_dir():
        pytest.skip(f"{DATA} is not there; it holds real photos and a detector.")
    model = str(DATA / "detectors" / "face_detection_yunet_2023mar.onnx")
    detector = detectors.make("yunet", model=model)
    pixels = images.open_image(DATA / "photos" / "scikit-image__astronaut.png")
    around = cv2.getRotationMatrix2D((224, 113), -turn, 1)
    tilted = np.asarray(cv2.warpAffine(pixels, around, (512, 512), borderMode=cv2.BORDER_REPLICATE))
    upright, leaning = (
        landmarks.steadied(picture, detector.find(picture)[0], detector).landmarks
        for picture in (pixels, tilted)
    )
    assert upright is not None
    assert leaning is not None
    assert quality.pose(leaning)[2] - quality.pose(upright)[2] == pytest.approx(turn, abs=4)
    one, other = alignment.align(pixels, upright), alignment.align(tilted, leaning)
    assert np.corrcoef(one[30:100, 25:87].ravel(), other[30:100, 25:87].ravel())[0, 1] > 0.8
