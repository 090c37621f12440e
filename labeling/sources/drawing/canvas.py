"""A picture one draws smooth shapes on."""

from collections.abc import Callable
from functools import lru_cache
from typing import TypeAlias

import cv2
import numpy as np

from labeling.vision.images import Pixels

Points: TypeAlias = "np.ndarray[tuple[int, ...], np.dtype[np.float64]]"
"""(n, 2): x to the right, y down."""
Colour = tuple[int, int, int]

_FINE = 2
"""Drawn this much larger, then made smaller: smooth edges inside and out."""
_SHIFT = 4


class Canvas:
    """Points are in pixels of the finished picture."""

    def __init__(self, width: int, height: int, colour: Colour = (255, 255, 255)) -> None:
        self.width, self.height = width, height
        self._image: Pixels = np.full((height * _FINE, width * _FINE, 3), colour, np.uint8)

    def copy(self) -> "Canvas":
        other = Canvas(self.width, self.height)
        other._image = self._image.copy()
        return other

    def fill(self, points: Points, colour: Colour, opacity: float = 1.0) -> None:
        if opacity >= 1:
            cv2.fillPoly(self._image, [_fixed(points)], colour, cv2.LINE_AA, _SHIFT)
        else:
            self.inside(points, lambda: self.fill(points, colour), opacity)

    def stroke(
        self, points: Points, width: float, colour: Colour, opacity: float = 1.0, taper: float = 0.0
    ) -> None:
        """A line of that width; taper: the share by which it is thinner at both ends."""
        self.fill(ribbon(points, width, taper), colour, opacity)

    def inside(self, outline: Points, draw: Callable[[], None], opacity: float = 1.0) -> None:
        """Whatever draw paints is seen inside the outline only."""
        left, top, right, bottom = self._around(outline)
        if right <= left or bottom <= top:
            return
        part = self._image[top:bottom, left:right]
        before = part.copy()
        mask = np.zeros(part.shape[:2], np.uint8)
        moved = outline - np.array([left, top]) / _FINE
        cv2.fillPoly(mask, [_fixed(moved)], 255, cv2.LINE_AA, _SHIFT)
        draw()
        share = (mask.astype(np.float32) * (opacity / 255))[..., None]
        part[:] = (before + (part.astype(np.float32) - before) * share + 0.5).astype(np.uint8)

    def shade(self, outline: Points, spots: "list[tuple[Points, float]]", blur: float) -> None:
        """Darken (below 0) or lighten (above 0) soft spots inside the outline. blur: pixels."""
        left, top, right, bottom = self._around(outline)
        if right <= left or bottom <= top:
            return
        part = self._image[top:bottom, left:right]
        coarse = 4 * _FINE
        light = np.zeros((max(1, (bottom - top) // coarse), max(1, (right - left) // coarse)), np.float32)
        for points, amount in spots:
            spot = np.zeros(light.shape, np.uint8)
            moved = (points * _FINE - np.array([left, top])) / coarse
            cv2.fillPoly(spot, [np.round(moved * 2**_SHIFT).astype(np.int32)], 255, cv2.LINE_AA, _SHIFT)
            light += spot.astype(np.float32) * (amount / 255)
        light = cv2.GaussianBlur(light, (0, 0), max(0.3, blur * _FINE / coarse)).astype(np.float32)
        light = cv2.resize(light, (part.shape[1], part.shape[0]), interpolation=cv2.INTER_CUBIC).astype(
            np.float32
        )
        mask = np.zeros(part.shape[:2], np.uint8)
        cv2.fillPoly(mask, [_fixed(outline - np.array([left, top]) / _FINE)], 255, cv2.LINE_AA, _SHIFT)
        factor = 1 + light * (mask.astype(np.float32) / 255)
        part[:] = cv2.multiply(part, cv2.merge([factor] * 3), dtype=cv2.CV_8U)

    def gradient(self, top: Colour, bottom: Colour) -> None:
        share = np.linspace(0, 1, self._image.shape[0], dtype=np.float32)[:, None]
        rows = np.array(top, np.float32) * (1 - share) + np.array(bottom, np.float32) * share
        self._image[:] = rows.astype(np.uint8)[:, None, :]

    def finished(self) -> Pixels:
        """(height, width, 3) uint8 RGB."""
        small = cv2.resize(self._image, (self.width, self.height), interpolation=cv2.INTER_AREA)
        return np.asarray(small, dtype=np.uint8)

    def _around(self, points: Points) -> tuple[int, int, int, int]:
        low = np.floor(points.min(axis=0) * _FINE).astype(int) - 2
        high = np.ceil(points.max(axis=0) * _FINE).astype(int) + 3
        height, width = self._image.shape[:2]
        return max(0, low[0]), max(0, low[1]), min(width, high[0]), min(height, high[1])


def lit(pixels: Pixels, *, brightness: float, from_left: float) -> Pixels:
    """The whole picture brighter, and one side more than the other (from_left: −1 … 1)."""
    side = np.linspace(1 + 0.25 * from_left, 1 - 0.25 * from_left, pixels.shape[1], dtype=np.float32)
    return np.asarray(np.clip(pixels * side[None, :, None] * brightness, 0, 255), dtype=np.uint8)


def ellipse(x: float, y: float, across: float, down: float) -> Points:
    """across, down: half axes."""
    return np.asarray(_circle() * np.array([across, down]) + np.array([x, y]), dtype=np.float64)


def lowered(points: Points, by: float) -> Points:
    return np.asarray(points + np.array([0.0, by]), dtype=np.float64)


def curve(*through: tuple[float, float], points: int = 24) -> Points:
    """A smooth line through the given points (Catmull–Rom)."""
    given = np.array(through, dtype=np.float64)
    padded = np.vstack([2 * given[0] - given[1], given, 2 * given[-1] - given[-2]])
    pieces = [_piece(padded[i : i + 4], points) for i in range(len(given) - 1)]
    return np.vstack([*pieces, given[-1:]])


def closed(*through: tuple[float, float], points: int = 16) -> Points:
    """A smooth outline through the given points."""
    given = np.array(through, dtype=np.float64)
    around = np.vstack([given[-1:], given, given[:2]])
    return np.vstack([_piece(around[i : i + 4], points) for i in range(len(given))])


def ribbon(points: Points, width: float, taper: float = 0.0) -> Points:
    """The outline of a line of that width with round ends."""
    along = np.gradient(points, axis=0)
    normal = np.stack([-along[:, 1], along[:, 0]], axis=1) / (
        np.linalg.norm(along, axis=1, keepdims=True) + 1e-9
    )
    half = width / 2 * (1 - taper * np.abs(np.linspace(-1, 1, len(points))) ** 2)[:, None]
    return np.vstack([points + normal * half, (points - normal * half)[::-1]])


def _piece(four: Points, points: int) -> Points:
    return np.asarray(_spline(points) @ four, dtype=np.float64)


@lru_cache
def _spline(points: int) -> Points:
    """Weights of the four neighbouring points along the piece between the middle two."""
    t = np.linspace(0, 1, points, endpoint=False)
    weights = [-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, -(t**2) + t**3]
    return np.stack(weights, axis=1) / 2


@lru_cache
def _circle() -> Points:
    turn = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    return np.stack([np.cos(turn), np.sin(turn)], axis=1)


def _fixed(points: Points) -> "np.ndarray[tuple[int, ...], np.dtype[np.int32]]":
    return np.asarray(np.round(points * _FINE * 2**_SHIFT), dtype=np.int32)
