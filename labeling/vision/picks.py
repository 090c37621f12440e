"""Which few faces of a track to keep: sharp ones that differ from each other."""

from typing import TypeAlias

import cv2
import numpy as np

from labeling.vision.images import Pixels

Floats: TypeAlias = np.ndarray[tuple[int, ...], np.dtype[np.float64]]

_SIDE = 24
_SHARP_SHARE = 0.5


def pick(sharpness: Floats, looks: Floats, count: int) -> list[int]:
    """The indices of so many faces, or of all if there are no more; the best first.

    The sharpest comes first, then each time the one that differs most from all before it, among the sharper half
    only (Gonzalez 1985, doi:10.1016/0304-3975(85)90224-5: farthest first). So a smaller count picks the first
    of a larger one, down to half of the faces. sharpness: (n,), larger is sharper; looks: (n, d), by `look`.
    Raises ValueError if they are not of the same n.
    """
    if len(sharpness) != len(looks):
        raise ValueError(f"{len(sharpness)} sharpnesses, but {len(looks)} looks.")
    by_sharpness = np.argsort(-np.asarray(sharpness), kind="stable")
    pool = by_sharpness[: max(count, round(_SHARP_SHARE * len(by_sharpness) + 0.5))]
    if not len(pool) or count < 1:
        return []
    chosen = [0]
    nearest = np.linalg.norm(looks[pool] - looks[pool[0]], axis=1)
    while len(chosen) < min(count, len(pool)):
        nearest[chosen] = -1
        # Of several that differ as much argmax gives the first: the sharpest.
        chosen.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, np.linalg.norm(looks[pool] - looks[pool[chosen[-1]]], axis=1))
    return [int(one) for one in pool[chosen]]


def look(face: Pixels) -> Floats:
    """What a face looks like whatever the light, (576,), norm 1: its smoothed grey values without their mean.

    face: (height, width, 3) RGB, cut out the same way for all that are compared, best by `alignment.align`.
    """
    grey = cv2.cvtColor(cv2.resize(face, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    values = cv2.GaussianBlur(grey.astype(np.float64), (0, 0), 1).ravel()
    values -= values.mean()
    norm = float(np.linalg.norm(values))
    return np.asarray(values / norm if norm > 1e-6 else values, np.float64)
