"""How well a face can be seen, measure by measure, and what speaks against keeping it."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from labeling.vision.alignment import SIDE, TEMPLATE, Floats, similarity
from labeling.vision.detectors import Found, Point
from labeling.vision.images import Pixels

_LOOKED_AT = 64
"""Side to which a face is scaled before it is measured: what networks see of it, whatever its size."""
HEAD_MM: Floats = np.array(
    [[-31.5, -34.9, 28.0], [31.5, -34.9, 28.0], [0.0, 0.0, 0.0], [-26.8, 27.6, 26.0], [26.8, 27.6, 26.0]]
)
"""An average head seen from the front, millimetres to the right of the nose tip, below and behind it.

Right and below as the detector YuNet has the five points on average (docs/results/quality.md), at 63 mm between the
pupils (Dodgson 2004, doi:10.1117/12.529999); behind as in common generic models of the head.
"""
_FAR = 12.0
"""Distance of the imagined camera in widths of the face: perspective hardly counts."""


@dataclass(frozen=True)
class Quality:
    side: int
    """The shorter side of the box, in pixels."""
    sharpness: float
    """Strength of the finest details as a share of that of coarser ones; 0.4 to 0.6 where sharp, 0.2 where blurred."""
    brightness: float
    """Mean of the grey values, 0 to 1."""
    contrast: float
    """Standard deviation of the grey values, 0 to 0.5."""
    outside: float
    """Share of the face beyond the picture's edge, 0 to 1."""
    yaw: float | None = None
    """Degrees; above 0 the face looks to the right of the picture. None without landmarks, as are the next two."""
    pitch: float | None = None
    """Degrees; above 0 it looks up."""
    roll: float | None = None
    """Degrees; above 0 the head leans clockwise, as seen in the picture."""


@dataclass(frozen=True)
class Limits:
    """What a face must have to be kept; None asks for nothing."""

    min_side: int | None = 32
    min_sharpness: float | None = 0.22
    min_brightness: float | None = 0.12
    max_brightness: float | None = 0.9
    min_contrast: float | None = 0.06
    max_outside: float | None = 0.25
    max_yaw: float | None = 50.0
    max_pitch: float | None = 40.0
    max_roll: float | None = 60.0


def measure(pixels: Pixels, face: Found) -> Quality:
    """pixels: the whole picture, (height, width, 3) RGB, in which the face was found."""
    grey = _grey(pixels, face)
    values = grey.astype(np.float64) / 255
    yaw, pitch, roll = pose(face.landmarks) if face.landmarks else (None, None, None)
    return Quality(
        side=min(face.width, face.height),
        sharpness=sharpness(grey),
        brightness=float(values.mean()),
        contrast=float(values.std()),
        outside=_outside(pixels, face),
        yaw=yaw,
        pitch=pitch,
        roll=roll,
    )


def reasons(quality: Quality, limits: Limits | None = None) -> tuple[str, ...]:
    """Why the face should not be kept, as codes; empty if it may.

    small, blurred, dark, bright, flat, cut_off, turned (yaw), nodding (pitch), tilted (roll). What was not
    measured speaks against nobody.
    """
    chosen = limits or Limits()
    judged: tuple[tuple[str, float | None, float | None, float | None], ...] = (
        ("small", quality.side, chosen.min_side, None),
        ("blurred", quality.sharpness, chosen.min_sharpness, None),
        ("dark", quality.brightness, chosen.min_brightness, None),
        ("bright", quality.brightness, None, chosen.max_brightness),
        ("flat", quality.contrast, chosen.min_contrast, None),
        ("cut_off", quality.outside, None, chosen.max_outside),
        ("turned", _size(quality.yaw), None, chosen.max_yaw),
        ("nodding", _size(quality.pitch), None, chosen.max_pitch),
        ("tilted", _size(quality.roll), None, chosen.max_roll),
    )
    return tuple(
        code
        for code, value, least, most in judged
        if value is not None
        and ((least is not None and value < least) or (most is not None and value > most))
    )


def sharpness(grey: Pixels) -> float:
    """Of a face alone, (height, width) grey. Contrast and, once scaled down, size make no difference.

    At 64 × 64: standard deviation of what a blur of sigma 1 takes away, over that of what lies between sigma 1
    and 4. The usual variance of the Laplacian (Pech-Pacheco et al. 2000) falls to a quarter with half the contrast;
    divided by the contrast it tells blur about as well, but one limit fits small and large faces less
    (docs/results/quality.md).
    """
    shrinks = min(grey.shape) > _LOOKED_AT
    small = cv2.resize(
        grey, (_LOOKED_AT, _LOOKED_AT), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    ).astype(np.float32)
    finer, coarser = cv2.GaussianBlur(small, (0, 0), 1), cv2.GaussianBlur(small, (0, 0), 4)
    # Below two grey values there is nothing but noise.
    return float((small - finer).std() / max(2.0, float((finer - coarser).std())))


def pose(landmarks: Sequence[Point]) -> tuple[float, float, float]:
    """Yaw, pitch and roll in degrees, from five landmarks ordered as in `alignment.TEMPLATE`.

    The turn of an average rigid head that puts its five points there, seen from far away (perspective-n-point by
    SQPnP, Terzakis and Lourakis 2020, doi:10.1007/978-3-030-58452-8_28). Heads differ, and a smile lifts the
    mouth: ten degrees of pitch mean little. Of tilted heads it knows what the landmarks do: see
    `landmarks.steadied`. Raises ValueError for landmarks that all lie in one point.
    """
    points = np.asarray(landmarks, np.float64)
    width = float(np.ptp(points, axis=0).max())
    if width < 1e-6:
        raise ValueError("Landmarks that all lie in one point show no face.")
    # The camera looks at the middle of the face, wherever in the picture that is.
    unit = (points - points.mean(axis=0)) / width
    camera = np.diag([_FAR, _FAR, 1.0])
    _, turn, _ = cv2.solvePnP(HEAD_MM, unit, camera, None, flags=cv2.SOLVEPNP_SQPNP)
    rotation, _ = cv2.Rodrigues(turn)
    # The direction of the nose, which points to the camera (-z) when the face is seen from the front.
    right, down, away = -rotation[:, 2]
    yaw = np.arctan2(right, -away)
    pitch = np.arcsin(np.clip(-down, -1, 1))
    roll = np.arctan2(rotation[1, 0], rotation[0, 0])
    return float(np.degrees(yaw)), float(np.degrees(pitch)), float(np.degrees(roll))


def _grey(pixels: Pixels, face: Found) -> Pixels:
    """The part of the box inside the picture."""
    height, width = pixels.shape[:2]
    left, top = min(max(0, face.x), width - 1), min(max(0, face.y), height - 1)
    right, bottom = max(left + 1, face.x + face.width), max(top + 1, face.y + face.height)
    return np.asarray(cv2.cvtColor(pixels[top:bottom, left:right], cv2.COLOR_RGB2GRAY), np.uint8)


def _outside(pixels: Pixels, face: Found) -> float:
    """Of the box; with landmarks, of the square an aligned face would fill, as detectors cut boxes off."""
    if face.landmarks is None:
        corners = np.array([[0.0, 0], [1, 0], [1, 1], [0, 1]]) * [face.width, face.height] + [face.x, face.y]
    else:
        there = np.vstack((similarity(face.landmarks, TEMPLATE), [0, 0, 1]))
        square = np.array([[0.0, 0, 1], [SIDE, 0, 1], [SIDE, SIDE, 1], [0, SIDE, 1]])
        corners = (np.linalg.inv(there) @ square.T).T[:, :2]
    height, width = pixels.shape[:2]
    picture = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    shape = corners.astype(np.float32)
    inside, _ = cv2.intersectConvexConvex(shape, picture)
    whole = float(cv2.contourArea(shape))
    return float(np.clip(1 - inside / whole, 0, 1)) if whole else 0.0


def _size(degrees: float | None) -> float | None:
    return None if degrees is None else abs(degrees)
