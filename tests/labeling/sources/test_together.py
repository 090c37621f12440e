"""Several threads look, each with a detector of its own; what they find comes in order."""

import threading
import time
from collections.abc import Iterator

import cv2
import pytest

from labeling.sources.together import lookers
from labeling.vision.detectors import Found
from labeling.vision.images import Pixels


class Detector:
    """Knows the thread that made it."""

    def __init__(self) -> None:
        self.thread = threading.get_ident()

    def find(self, pixels: Pixels, *, unsure: bool = False) -> list[Found]:
        return []


@pytest.fixture(autouse=True)
def three(settings) -> None:
    settings.VISION_THREADS = 3


def test_results_come_in_the_order_of_the_items_whoever_is_done_first() -> None:
    made = []

    def look(detector: Detector, number: int) -> tuple[int, bool]:
        time.sleep(0.02 if number % 3 == 0 else 0)
        return number, detector.thread == threading.get_ident()

    with lookers(lambda: made.append(1) or Detector()) as pool:  # type: ignore[func-returns-value]
        found = list(pool.map(range(40), look))  # type: ignore[arg-type]
    assert found == [(number, True) for number in range(40)]
    assert len(made) <= 3


def test_few_items_are_taken_in_advance() -> None:
    taken = []

    def items() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    with lookers(Detector) as pool:
        results = pool.map(items(), lambda _, number: number)
        assert [next(results), next(results)] == [0, 1]
        assert len(taken) <= 9
        results.close()  # type: ignore[attr-defined]


def test_what_goes_wrong_is_raised_in_its_turn_and_opencv_has_its_threads_back() -> None:
    def look(_: object, number: int) -> int:
        if number == 5:
            raise ValueError("the fifth")
        return number

    before, seen = cv2.getNumThreads(), list[int]()
    with lookers(Detector) as pool, pytest.raises(ValueError, match="the fifth"):
        seen.extend(pool.map(range(10), look))
    assert seen == [0, 1, 2, 3, 4]
    assert cv2.getNumThreads() == before
