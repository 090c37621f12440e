"""Faces turned, scaled and moved so that eyes, nose and mouth lie where others' do."""

from collections.abc import Sequence
from typing import TypeAlias

import cv2
import numpy as np

from labeling.vision.detectors import Point
from labeling.vision.images import Pixels

Floats: TypeAlias = np.ndarray[tuple[int, ...], np.dtype[np.float64]]

SIDE = 112
TEMPLATE: Floats = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)
"""Where ArcFace (Deng et al. 2019, doi:10.1109/CVPR.2019.00482) has the five points in a square of 112 pixels:
right eye, left eye, nose tip, right and left corner of the mouth. "Right" is the person's right, on the left of the
picture."""


def align(pixels: Pixels, landmarks: Sequence[Point], *, side: int = SIDE) -> Pixels:
    """The face in a square of side × side pixels, eyes level and at fixed places, (side, side, 3) RGB.

    landmarks: five points in pixels of the picture, ordered as in TEMPLATE. What lies outside the picture repeats
    its edge. Raises ValueError for landmarks that all lie in one point.
    """
    scale = float(np.hypot(*similarity(landmarks, TEMPLATE)[:, 0])) * side / SIDE
    # Pixels of a face larger than the square are averaged: the warp alone would leave most of them out.
    finer = side * max(1, int(np.ceil(1 / scale)))
    there = similarity(landmarks, TEMPLATE * (finer / SIDE))
    face = cv2.warpAffine(
        pixels, there, (finer, finer), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(cv2.resize(face, (side, side), interpolation=cv2.INTER_AREA), np.uint8)


def upright(pixels: Pixels, landmarks: Sequence[Point], *, margin: float = 0.0) -> Pixels:
    """The face turned so that its eyes are level, in its own size, (side, side, 3) RGB: what `align` shows.

    margin: share of that square, added on each side. Landmarks and what lies outside the picture as in `align`.
    """
    scale = float(np.hypot(*similarity(landmarks, TEMPLATE)[:, 0]))
    # Points that are no face's may ask for any size.
    side = min(max(1, round(SIDE * (1 + 2 * margin) / scale)), 2 * max(pixels.shape[:2]))
    there = similarity(landmarks, (TEMPLATE + margin * SIDE) / scale)
    face = cv2.warpAffine(pixels, there, (side, side), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(face, np.uint8)


def similarity(landmarks: Sequence[Point], template: Floats) -> Floats:
    """The turn, scale and shift, (2, 3), that bring the landmarks nearest the template, in least squares.

    Without mirroring. Umeyama 1991 (doi:10.1109/34.88573), equations 40 to 42, in two dimensions, where a point is a
    complex number and turn and scale are one factor.
    """
    points = np.asarray(landmarks, np.float64)
    here, there = points[:, 0] + 1j * points[:, 1], template[:, 0] + 1j * template[:, 1]
    spread = here - here.mean()
    energy = float((np.abs(spread) ** 2).sum())
    if energy < 1e-9:
        raise ValueError("Landmarks that all lie in one point show no face.")
    factor = (np.conj(spread) @ (there - there.mean())) / energy
    shift = there.mean() - factor * here.mean()
    return np.array([[factor.real, -factor.imag, shift.real], [factor.imag, factor.real, shift.imag]])
