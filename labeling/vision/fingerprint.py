"""A 64-bit number per picture that near-duplicates nearly share: the DCT perceptual hash."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeAlias

import cv2
import numpy as np

Hashes: TypeAlias = np.ndarray[tuple[int], np.dtype[np.uint64]]
Details: TypeAlias = np.ndarray[tuple[int, ...], np.dtype[np.float32]]
AnyPixels: TypeAlias = np.ndarray[tuple[int, ...], np.dtype[np.uint8]]
"""(height, width) grey, or (height, width, 3) RGB."""

ALIKE = 0.8
"""Pictures whose details correlate at least so much are near-duplicates (docs/results/near-duplicates.md)."""
_SIDE = 32
_LOW = 8
_BATCH = 1024


def _cosines() -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """The first rows of the DCT-II of 32 values, as whole numbers: sums of them are exact in a float64, so
    that a picture has the same hash on every machine, and a picture of one colour has coefficients of 0."""
    row, column = np.arange(_LOW)[:, None], np.arange(_SIDE)[None, :]
    waves: np.ndarray[tuple[int, ...], np.dtype[np.float64]] = np.rint(
        4096 * np.cos(np.pi * row * (2 * column + 1) / (2 * _SIDE))
    )
    return waves


_COSINES = _cosines()
_PLACES = np.left_shift(np.uint64(1), np.arange(_LOW * _LOW, dtype=np.uint64))


def phash(pictures: Iterable[AnyPixels]) -> Hashes:
    """The perceptual hash of each picture, (n,) uint64.

    Scaled to 32 × 32 grey values; bit 8v + u tells whether coefficient (v, u) of their DCT lies above the
    median of the lowest 8 × 8 (Zauner 2010, "Implementation and benchmarking of perceptual image hash
    functions", section 3.2.1, with the lowest row and column, as the imagehash package has it). Brightness,
    contrast, size, mild noise and compression change few bits; mirroring and turning change half of them.
    Half of the bits are set, so two hashes differ in an even number of bits; only a picture of one colour has
    hash 1, or 0 if black.
    """
    rest = iter(pictures)
    parts = [_hashed(np.stack(batch)) for batch in _batches(rest)]
    return np.concatenate(parts) if parts else np.empty(0, np.uint64)


def details(pictures: Iterable[AnyPixels]) -> Details:
    """What to compare pictures by once their hashes are near, (n, 1024) float32, rows of norm 1.

    Scaled to 32 × 32 grey values, without the coarse light and shade that make strangers' hashes near: the
    difference of two blurs (sigma 0.7 and 3.5). A picture of one colour has none, and is all 0.
    """
    rows = [_detail(picture) for picture in pictures]
    return np.stack(rows) if rows else np.empty((0, _SIDE * _SIDE), np.float32)


def alike(some: Details, others: Details, least: float = ALIKE) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which pairs of rows of `details`, element by element, show the same picture."""
    return np.asarray(np.einsum("ij,ij->i", some, others) >= least, np.bool_)


def distances(
    some: Hashes | np.uint64, others: Hashes | np.uint64
) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    """In how many of the 64 bits they differ, element by element."""
    return np.bitwise_count(np.bitwise_xor(some, others))


def to_signed(hashes: Hashes) -> list[int]:
    """As 64-bit integers with a sign, the only ones that databases keep."""
    return [int(value) for value in hashes.view(np.int64)]


def _batches(pictures: Iterator[AnyPixels]) -> Iterator[list[AnyPixels]]:
    while batch := [_small(picture) for picture in islice(pictures, _BATCH)]:
        yield batch


def _small(picture: AnyPixels) -> AnyPixels:
    grey = picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    shrinks = min(grey.shape) > _SIDE
    size = (_SIDE, _SIDE)
    small = cv2.resize(grey, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return np.asarray(small, np.uint8)


def _detail(picture: AnyPixels) -> Details:
    grey = _small(picture).astype(np.float32)
    detail = cv2.GaussianBlur(grey, (0, 0), 0.7) - cv2.GaussianBlur(grey, (0, 0), 3.5)
    detail -= detail.mean()
    norm = float(np.linalg.norm(detail))
    # Weaker than a grey value in all is the noise of rounding.
    return np.asarray(detail.ravel() / norm if norm > 1 else np.zeros(_SIDE * _SIDE), np.float32)


def _hashed(greys: AnyPixels) -> Hashes:
    """greys: (n, 32, 32)."""
    low = (_COSINES @ greys.astype(np.float64) @ _COSINES.T).reshape(len(greys), _LOW * _LOW)
    above = low > np.median(low, axis=1, keepdims=True)
    hashes: Hashes = (above * _PLACES).sum(axis=1, dtype=np.uint64)
    return hashes
