"""Where one shot of a video ends and the next begins, told from frames sampled a few times a second."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

import cv2
import numpy as np

from labeling.vision.images import Pixels

_Floats: TypeAlias = np.ndarray[tuple[int, ...], np.dtype[np.float32]]

CUT = 0.3
"""Two frames that differ by less are of one shot (`difference`)."""
CUT_FOR_SURE = 0.6
_TIMES_USUAL = 3.0
"""Between the two it is a cut only where the frames around differ so many times less: a swinging camera does not."""
_AROUND = 3
FLASH_MS = 300
"""What is over after this is a flash, somebody close by or a damaged frame."""
DISSOLVE_MS = 2000
_UNBLENDED = 0.15
"""A frame of a dissolve is a mixture of its two ends but for this share of the energy of their difference."""
_STEP = 0.7
_SAME_SCENE = 0.6
"""Where bright and dark lie so much alike (correlation), it was the light that changed."""
_SIZE = (64, 36)
_HUES, _SATURATIONS, _VALUES = 8, 4, 8


@dataclass(frozen=True)
class Signature:
    """What is kept of a frame: 3 kB."""

    grey: Pixels
    """(36, 64) uint8."""
    colours: _Floats
    """(256,) float32, shares of the pixels by hue, saturation and value; their sum is 1."""


def signature(pixels: Pixels) -> Signature:
    """pixels: (height, width, 3) RGB."""
    small = cv2.resize(pixels, _SIZE, interpolation=cv2.INTER_AREA)
    bins, ranges = [_HUES, _SATURATIONS, _VALUES], [0, 180, 0, 256, 0, 256]
    colours = cv2.calcHist([cv2.cvtColor(small, cv2.COLOR_RGB2HSV)], [0, 1, 2], None, bins, ranges)
    grey = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)
    return Signature(grey, np.asarray(colours.ravel() / colours.sum(), np.float32))


def difference(one: Signature, other: Signature) -> float:
    """How much two frames differ, from 0 to 1.4.

    The geometric mean of what their colours have not in common (1 - the histograms' intersection, Swain and
    Ballard 1991) and of how little their edges lie alike (1 - correlation): people who move leave the first
    small, a change of light the second.
    """
    colours_apart = 1 - float(np.minimum(one.colours, other.colours).sum())
    edges_apart = 1 - float((_edges(one) * _edges(other)).sum())
    return float(np.sqrt(max(0.0, colours_apart) * max(0.0, edges_apart)))


def cuts(frames: Sequence[Signature], times_ms: Sequence[int]) -> list[int]:
    """The frames with which a new shot begins, ascending; never 0. times_ms: when each is shown, ascending.

    Abrupt cuts, and dissolves and fades of up to two seconds, which count from their middle; a dissolve between
    shots with much movement is missed. A flash is no cut.
    """
    if len(frames) != len(times_ms):
        raise ValueError(f"{len(frames)} frames, but {len(times_ms)} times.")
    steps = np.array([difference(one, next_one) for one, next_one in pairwise(frames)])
    dissolves = _dissolves(frames, times_ms)
    found = {one.middle for one in dissolves}
    for at in range(1, len(frames)):
        if _is_cut(frames, times_ms, steps, at) and not any(one.first < at <= one.last for one in dissolves):
            found.add(at)
    return sorted(found)


def _is_cut(frames: Sequence[Signature], times_ms: Sequence[int], steps: Any, at: int) -> bool:
    step = float(steps[at - 1])
    around = np.concatenate((steps[max(0, at - 1 - _AROUND) : at - 1], steps[at : at + _AROUND]))
    usual = float(np.median(around)) if len(around) else 0.0
    if step < CUT or (step < CUT_FOR_SURE and step < _TIMES_USUAL * usual):
        return False
    later = range(at + 1, len(frames))
    earlier = range(at - 2, -1, -1)
    return not (_comes_again(frames, times_ms, at - 1, later) or _comes_again(frames, times_ms, at, earlier))


def _comes_again(
    frames: Sequence[Signature], times_ms: Sequence[int], one: int, others: Sequence[int]
) -> bool:
    """Whether a frame soon before or after looks the same, though the one between does not."""
    for other in others:
        if abs(times_ms[other] - times_ms[one]) > 2 * FLASH_MS:
            return False
        if difference(frames[one], frames[other]) < CUT:
            return True
    return False


@dataclass(frozen=True)
class _Dissolve:
    first: int
    """The last frame of the old shot alone."""
    last: int
    """The first of the new one alone."""
    middle: int
    apart: float


def _dissolves(frames: Sequence[Signature], times_ms: Sequence[int]) -> list[_Dissolve]:
    """Stretches whose frames are mixtures of the first and the last, more and more of the last."""
    vectors = np.stack([_coarse(frame) for frame in frames]) if frames else np.empty((0, 1))
    found: list[_Dissolve] = []
    for first in range(len(frames) - 2):
        for last in range(first + 2, len(frames)):
            if times_ms[last] - times_ms[first] > DISSOLVE_MS:
                break
            middle = _middle(vectors[first : last + 1])
            apart = difference(frames[first], frames[last]) if middle else 0.0
            if apart >= CUT:
                found.append(_Dissolve(first, last, first + middle, apart))
    kept: list[_Dissolve] = []
    for one in sorted(found, key=lambda one: (-one.apart, one.first)):
        if all(one.last <= other.first or other.last <= one.first for other in kept):
            kept.append(one)
    return kept


def _middle(stretch: Any) -> int:
    """The first frame that is more like the last than the first; 0 if the stretch is no dissolve."""
    whole = stretch[-1] - stretch[0]
    energy = float(whole @ whole)
    if not energy or _correlation(stretch[0], stretch[-1]) > _SAME_SCENE:
        return 0
    inner = stretch[1:-1] - stretch[0]
    shares = inner @ whole / energy
    left_over = ((inner - shares[:, None] * whole) ** 2).sum(axis=1) / energy
    steps = np.diff(np.concatenate(([0.0], shares, [1.0])))
    if left_over.max() > _UNBLENDED or steps.min() <= 0 or steps.max() > _STEP:
        return 0
    return 1 + int(np.argmax(np.append(shares, 1.0) >= 0.5))


def _correlation(one: _Floats, other: _Floats) -> float:
    one, other = one - one.mean(), other - other.mean()
    norms = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(one @ other) / norms if norms else 0.0


def _coarse(frame: Signature) -> _Floats:
    small = cv2.resize(frame.grey, (32, 18), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32).ravel()


def _edges(frame: Signature) -> _Floats:
    """Strength of the edges, (36, 64), with mean 0 and norm 1; all 0 if there are none."""
    across, down = (cv2.Sobel(frame.grey, cv2.CV_32F, *which) for which in ((1, 0), (0, 1)))
    strength = cv2.GaussianBlur(cv2.magnitude(across, down), (0, 0), 1.5)
    strength -= strength.mean()
    norm = float(np.linalg.norm(strength))
    return np.asarray(strength / norm if norm > 1 else strength * 0, np.float32)
