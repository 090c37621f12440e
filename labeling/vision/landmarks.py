"""Landmarks that lean with the head.

YuNet finds tilted faces, but places their eyes, nose and mouth much as if they were upright (docs/results/quality.md).
Shown the same face turned by several angles, it is surest where the face is nearest upright, and right there.
"""

from dataclasses import replace
from typing import Any, TypeAlias

import cv2
import numpy as np

from labeling.vision.detectors import Detector, Found
from labeling.vision.images import Pixels

_Floats: TypeAlias = np.ndarray[tuple[int, ...], np.dtype[np.float64]]

ANGLES = tuple(range(-60, 61, 15))
_SIDE = 128
_AROUND = 2.0
"""Side of what is looked at, in sides of the face."""
_CENTRED = 0.2
_SCORE_SCALE = 0.02
"""A look that is so much less sure counts for a third (1 / e) of the surest."""


def steadied(pixels: Pixels, face: Found, detector: Detector) -> Found:
    """The same face with landmarks averaged over looks at it from nine angles, each weighed by its score.

    pixels: the picture it was found in. Nine searches of 128 × 128 pixels. The face as it was if the detector
    finds it from no angle, or tells no landmarks.
    """
    looks = [look for angle in ANGLES if (look := _look(pixels, face, detector, angle)) is not None]
    if not looks:
        return face
    scores = np.array([score for score, _ in looks])
    weights = np.exp((scores - scores.max()) / _SCORE_SCALE)
    points = np.average([points for _, points in looks], axis=0, weights=weights)
    return replace(face, landmarks=tuple((float(x), float(y)) for x, y in points))


def _look(pixels: Pixels, face: Found, detector: Detector, angle: float) -> tuple[float, _Floats] | None:
    """Score and landmarks in the picture, of the face seen turned against the clock by so many degrees."""
    centre = (face.x + face.width / 2, face.y + face.height / 2)
    scale = _SIDE / (_AROUND * max(face.width, face.height))
    there: Any = cv2.getRotationMatrix2D(centre, angle, scale)
    there[:, 2] += np.array([_SIDE / 2, _SIDE / 2]) - centre
    turned = cv2.warpAffine(pixels, there, (_SIDE, _SIDE), borderMode=cv2.BORDER_REPLICATE)
    found = detector.find(np.asarray(turned, np.uint8))
    seen = [one for one in found if one.landmarks is not None and _is_it(one)]
    if not seen:
        return None
    surest = max(seen, key=lambda one: one.score)
    back: Any = cv2.invertAffineTransform(there)
    return surest.score, np.asarray(surest.landmarks) @ back[:, :2].T + back[:, 2]


def _is_it(one: Found) -> bool:
    """Whether that is the face in the middle, not a neighbour."""
    off = np.hypot(one.x + one.width / 2 - _SIDE / 2, one.y + one.height / 2 - _SIDE / 2)
    return bool(off < _CENTRED * _SIDE) and 0.3 < max(one.width, one.height) * _AROUND / _SIDE < 1.7
