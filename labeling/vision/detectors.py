"""Face detectors behind one small interface. To add one: a class with `find`, and a line in DETECTORS."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from labeling.sayings import gettext_noop
from labeling.vision.images import Pixels

Point = tuple[float, float]
_NO_MODEL = gettext_noop(
    "YuNet needs its model file; there is none at “{path}”. Set YUNET_MODEL to the .onnx file."
)
_NOT_A_MODEL = gettext_noop("“{path}” is no YuNet model that OpenCV can read.")
_NO_DETECTOR = gettext_noop("There is no detector “{detector}”; there are {known}.")
_NO_SETTING = gettext_noop("{detector} has no setting “{setting}”; it has {known}.")
_NOT_ABOVE_ZERO = gettext_noop("{detector}'s {setting} is a number above 0, not {value}.")


@dataclass(frozen=True)
class Found:
    """One face: its box in pixels of the picture, inside the picture."""

    x: int
    y: int
    width: int
    height: int
    score: float
    """The detector's own confidence; not comparable across detectors."""
    landmarks: tuple[Point, ...] | None = None
    """Right eye, left eye, nose tip, right and left corner of the mouth, where the detector tells them."""

    @property
    def box(self) -> tuple[int, int, int, int]:
        return self.x, self.y, self.width, self.height


class Detector(Protocol):
    sure: float
    """In a video, the least score with which a face begins a track."""
    tells_landmarks: bool

    def find(self, pixels: Pixels, *, unsure: bool = False) -> list[Found]:
        """The faces in a (height, width, 3) uint8 RGB picture, from left to right.

        unsure: those of scores below `sure` too, which count only where they go on with a track.
        """
        ...


class BadSettings(Exception):
    """A setting nobody reads, a value out of range, or a model that is not there; for people."""


@dataclass(frozen=True)
class HaarSettings:
    scale_factor: float = 1.1
    """How much the window grows from one size to the next."""
    min_neighbors: int = 5
    """Overlapping hits that make a face: fewer finds more faces and more that are none."""
    min_size: int = 30
    """Smallest face, in pixels of the picture as searched."""
    longest_side: int = 2000
    """A larger picture is searched scaled down to this: 3,000 pixels cost twice the time and find little."""


class HaarCascade:
    """Viola and Jones 2001 (doi:10.1109/CVPR.2001.990517): the frontal cascade that OpenCV ships."""

    sure = -math.inf
    """Its scores say too little to tell faces of different certainty apart."""
    tells_landmarks = False

    def __init__(self, settings: HaarSettings) -> None:
        self.settings = settings
        self._cascade = cv2.CascadeClassifier(
            str(Path(cv2.__file__).parent / "data" / "haarcascade_frontalface_default.xml")
        )

    def find(self, pixels: Pixels, *, unsure: bool = False) -> list[Found]:
        small, scale = _scaled_down(pixels, self.settings.longest_side)
        grey = cv2.equalizeHist(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY))
        boxes, _, weights = self._cascade.detectMultiScale3(
            grey,
            scaleFactor=self.settings.scale_factor,
            minNeighbors=self.settings.min_neighbors,
            minSize=(self.settings.min_size, self.settings.min_size),
            outputRejectLevels=True,
        )
        return _placed(
            pixels, [(box, weight, None) for box, weight in zip(boxes, weights, strict=True)], scale
        )


@dataclass(frozen=True)
class YuNetSettings:
    score_threshold: float = 0.7
    """Surest is 1. Below 0.6 hands and patterns begin to count as faces."""
    track_threshold: float = 0.4
    """In videos: from this score on, a face goes on with a track that a surer one began; alone it is dropped."""
    nms_threshold: float = 0.3
    """Two boxes that overlap by more (intersection over union) are one face."""
    longest_side: int = 2000


class YuNet:
    """YuNet (Wu et al. 2023, doi:10.1007/s11633-023-1423-y) through cv2.FaceDetectorYN."""

    tells_landmarks = True
    _MOST = 5000
    _LEAST_SIDE = 64
    """On one of 32 pixels or fewer OpenCV reads memory that is not the picture's (seen with 4.14)."""

    def __init__(self, settings: YuNetSettings, model: str) -> None:
        if not Path(model).is_file():
            raise BadSettings(_NO_MODEL.format(path=model))
        self.settings, self.sure = settings, settings.score_threshold
        try:
            self._network = cv2.FaceDetectorYN.create(
                model, "", (320, 320), settings.score_threshold, settings.nms_threshold, self._MOST
            )
        except cv2.error as error:
            raise BadSettings(_NOT_A_MODEL.format(path=model)) from error

    def find(self, pixels: Pixels, *, unsure: bool = False) -> list[Found]:
        small, scale = _scaled_down(pixels, self.settings.longest_side)
        least = min(self.sure, self.settings.track_threshold) if unsure else self.sure
        self._network.setScoreThreshold(least)
        searched = cv2.cvtColor(self._large_enough(small), cv2.COLOR_RGB2BGR)
        self._network.setInputSize((searched.shape[1], searched.shape[0]))
        _, rows = self._network.detect(searched)
        return _placed(
            pixels,
            [] if rows is None else [(row[:4], row[14], row[4:14].reshape(5, 2)) for row in rows],
            scale,
        )

    def _large_enough(self, picture: Pixels) -> Pixels:
        """The picture with black below and to the right, as OpenCV itself adds up to a multiple of 32."""
        height, width = picture.shape[:2]
        below, right = max(0, self._LEAST_SIDE - height), max(0, self._LEAST_SIDE - width)
        if not (below or right):
            return picture
        return np.pad(picture, ((0, below), (0, right), (0, 0)))


def _scaled_down(pixels: Pixels, longest_side: int) -> tuple[Pixels, float]:
    """The picture to search, and by how much it is smaller."""
    height, width = pixels.shape[:2]
    if max(height, width) <= longest_side:
        return pixels, 1.0
    scale = longest_side / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    return np.asarray(small, dtype=np.uint8), scale


def _placed(pixels: Pixels, hits: list[tuple[Any, Any, Any]], scale: float) -> list[Found]:
    """Hits of the scaled picture as boxes inside the real one, each box once, from left to right."""
    height, width = pixels.shape[:2]
    found: dict[tuple[int, int, int, int], Found] = {}
    for box, score, marks in hits:
        left, top = (max(0, round(float(value) / scale)) for value in box[:2])
        right = min(width, round(float(box[0] + box[2]) / scale))
        bottom = min(height, round(float(box[1] + box[3]) / scale))
        if right > left and bottom > top:
            landmarks = (
                None if marks is None else tuple((float(x) / scale, float(y) / scale) for x, y in marks)
            )
            one = Found(left, top, right - left, bottom - top, float(score), landmarks)
            found.setdefault(one.box, one)
    return sorted(found.values(), key=lambda one: one.box)


@dataclass(frozen=True)
class _Entry:
    settings: type[Any]
    make: Callable[[Any, str], Detector]
    needs_model: bool = False


DETECTORS: dict[str, _Entry] = {
    "haar": _Entry(HaarSettings, lambda settings, model: HaarCascade(settings)),
    "yunet": _Entry(YuNetSettings, YuNet, needs_model=True),
}


def available(model: str) -> list[str]:
    """The detectors that can run here. model: path of the YuNet file, or empty."""
    there = bool(model) and Path(model).is_file()
    return [name for name, entry in DETECTORS.items() if there or not entry.needs_model]


def make(name: str, settings: Mapping[str, Any] | None = None, *, model: str = "") -> Detector:
    """The detector of that name. settings: its own settings by name. Raises BadSettings."""
    if name not in DETECTORS:
        raise BadSettings(_NO_DETECTOR.format(detector=name, known=", ".join(DETECTORS)))
    entry = DETECTORS[name]
    wanted = dict(settings or {})
    known = {field.name: field.type for field in fields(entry.settings)}
    for setting, value in wanted.items():
        if setting not in known:
            raise BadSettings(_NO_SETTING.format(detector=name, setting=setting, known=", ".join(known)))
        if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
            raise BadSettings(_NOT_ABOVE_ZERO.format(detector=name, setting=setting, value=repr(value)))
    return entry.make(entry.settings(**wanted), model)
