"""Several threads look at pictures at once; what they find comes in the order of the pictures.

Decoding, searching and compressing happen outside Python's lock, so threads use all cores. A detector is made for each
thread, as OpenCV's are not to be shared; OpenCV's own threads rest meanwhile.
"""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import cv2
from django.conf import settings

from labeling.vision.detectors import Detector

_In = TypeVar("_In")
_Out = TypeVar("_Out")


class Lookers:
    """Threads with a detector each."""

    def __init__(self, pool: ThreadPoolExecutor, threads: int, make: Callable[[], Detector]) -> None:
        self._pool, self._ahead, self._make = pool, 2 * threads, make
        self._own = threading.local()

    def map(self, items: Iterable[_In], look: Callable[[Detector, _In], _Out]) -> Iterator[_Out]:
        """look(detector, item) for each, lazily and in order; no more than a few items are taken in advance.

        What look raises is raised here, in its turn. `look` must not touch the database.
        """
        waiting: deque[Future[_Out]] = deque()
        try:
            for item in items:
                waiting.append(self._pool.submit(self._look, look, item))
                if len(waiting) > self._ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()

    def _look(self, look: Callable[[Detector, _In], _Out], item: _In) -> _Out:
        if not hasattr(self._own, "detector"):
            self._own.detector = self._make()
        return look(self._own.detector, item)


@contextmanager
def lookers(make: Callable[[], Detector]) -> Iterator[Lookers]:
    """Threads for the block, VISION_THREADS or one per core."""
    threads: int = settings.VISION_THREADS or len(os.sched_getaffinity(0))
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        with ThreadPoolExecutor(threads, thread_name_prefix="look") as pool:
            yield Lookers(pool, threads, make)
    finally:
        cv2.setNumThreads(before)
