"""Measures of a face's quality on real photos: `python -m bench.quality PHOTOS --yunet MODEL [--sheets FOLDER]`.

Prints how each measure is spread over all faces found, how many faces each reason rejects, where the five landmarks of
faces seen from the front lie on average, and how well measures of sharpness tell large faces from the same faces
blurred. --sheets draws for each measure the lowest, some between and the highest. --json FILE writes {figure: {value,
unit, aim, holds}}.
"""

import argparse
import json
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from bench import sheets, standalone  # noqa: F401
from labeling.sources.base import is_media_name
from labeling.vision import alignment, crops, detectors, images, quality
from labeling.vision.detectors import Found
from labeling.vision.images import Pixels
from labeling.vision.quality import Quality

MEASURES = ("side", "sharpness", "brightness", "contrast", "outside", "yaw", "pitch", "roll")
LARGE = 150
"""Faces of which blurred and smaller ones are made, in pixels."""
FRONT_YAW, FRONT_SIDE = 10, 40
ACROSS = 18
PERCENTILES = (0, 5, 25, 50, 75, 95, 100)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photos", type=Path)
    parser.add_argument("--yunet", required=True, metavar="MODEL")
    parser.add_argument("--sheets", type=Path, metavar="FOLDER")
    parser.add_argument("--quick", action="store_true", help="The first ten photos only.")
    parser.add_argument("--json", type=Path, metavar="FILE")
    asked = parser.parse_args()
    print(f"load average at the start {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores")
    detector = detectors.make("yunet", model=asked.yunet)
    faces: list[tuple[Quality, Found, Pixels, Pixels]] = []
    large: list[Pixels] = []
    paths = sorted(path for path in asked.photos.iterdir() if is_media_name(path.name))
    for path in paths[:10] if asked.quick else paths:
        pixels = images.open_image(path)
        for found in detector.find(pixels):
            crop = np.ascontiguousarray(crops.crop(pixels, found.box))
            aligned = alignment.align(pixels, found.landmarks or [])
            faces.append((quality.measure(pixels, found), found, _small(crop), aligned))
            if min(found.width, found.height) >= LARGE:
                large.append(_box(pixels, found))
    figures = _spread(faces)
    _front(faces)
    _sharpness(large)
    if asked.sheets:
        _draw(faces, asked.sheets)
    if asked.json:
        asked.json.write_text(json.dumps(figures, indent=2) + "\n")


def _spread(faces: list[Any]) -> dict[str, Any]:
    print(f"\n{len(faces)} faces\n{'percentile':<12}" + "".join(f"{at:>9}" for at in PERCENTILES))
    figures: dict[str, Any] = {}
    for name in MEASURES:
        values = np.array([getattr(face[0], name) for face in faces], np.float64)
        spread = np.percentile(values, PERCENTILES)
        print(f"{name:<12}" + "".join(f"{value:>9.2f}" for value in spread))
        figures[name] = {
            "value": round(float(np.median(values)), 3),
            "unit": "median",
            "aim": None,
            "holds": None,
        }
    codes = Counter(code for face in faces for code in quality.reasons(face[0]))
    kept = sum(not quality.reasons(face[0]) for face in faces)
    print(
        "rejected: " + ", ".join(f"{code} {count}" for code, count in codes.most_common()) + f"; kept {kept}"
    )
    figures["kept"] = {"value": kept, "unit": "faces", "aim": None, "holds": None}
    return figures


def _front(faces: list[Any]) -> None:
    """Landmarks brought onto the template: what of an average face they have in common."""
    shapes = []
    for measured, found, *_ in faces:
        if abs(measured.yaw) < FRONT_YAW and measured.side >= FRONT_SIDE:
            there = alignment.similarity(found.landmarks, alignment.TEMPLATE)
            shapes.append(np.array(found.landmarks) @ there[:, :2].T + there[:, 2])
    mean, spread = np.mean(shapes, axis=0), np.std(shapes, axis=0)
    print(
        f"\nmean landmarks of {len(shapes)} faces seen from the front, in a square of {alignment.SIDE} (spread):"
    )
    for name, at, off in zip(
        ("right eye", "left eye", "nose", "mouth right", "mouth left"), mean, spread, strict=True
    ):
        print(f"{name:<12} {at[0]:6.1f} ({off[0]:.1f}) {at[1]:6.1f} ({off[1]:.1f})")


def _sharpness(large: list[Pixels]) -> None:
    """For each measure the share of (sharp face, changed face) pairs, of any two people, in the right order."""
    print(
        f"\n{len(large)} faces of {LARGE} pixels and more; of all pairs of one and another changed, in the right order:"
    )
    print(f"{'':<34}" + "".join(f"{name:>22}" for name in SHARPNESS))
    for change, make in CHANGES.items():
        cells = []
        for measure in SHARPNESS.values():
            before = np.array([measure(face) for face in large])
            after = np.array([measure(make(face)) for face in large])
            right = float((before[:, None] > after[None, :]).mean())
            cells.append(f"{100 * right:>13.1f} % ×{np.median(after / before):.2f}")
        print(f"{change:<34}" + "".join(f"{cell:>22}" for cell in cells))


def _laplacian(grey: Pixels) -> float:
    return float(cv2.Laplacian(_scaled(grey), cv2.CV_64F).var())


def _laplacian_by_contrast(grey: Pixels) -> float:
    return _laplacian(grey) / max(25.0, float(_scaled(grey).var()))


def _scaled(grey: Pixels) -> Any:
    return cv2.resize(grey, (64, 64), interpolation=cv2.INTER_AREA).astype(np.float64)


def _blurred(share: float) -> Callable[[Pixels], Any]:
    return lambda grey: cv2.GaussianBlur(grey, (0, 0), share * grey.shape[0])


def _noisy(grey: Pixels) -> Any:
    noise = np.random.default_rng(0).normal(0, 8, grey.shape)
    return np.clip(_blurred(0.02)(grey) + noise, 0, 255).astype(np.uint8)


SHARPNESS: dict[str, Callable[[Pixels], float]] = {
    "sharpness": quality.sharpness,
    "variance of Laplacian": _laplacian,
    "… by contrast": _laplacian_by_contrast,
}
CHANGES: dict[str, Callable[[Pixels], Any]] = {
    "half the size (should be 50 %)": lambda grey: cv2.resize(
        grey, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA
    ),
    "half the contrast (50 %)": lambda grey: cv2.convertScaleAbs(grey, alpha=0.5, beta=60),
    "blurred by 0.5 % of its side": _blurred(0.005),
    "blurred by 1 %": _blurred(0.01),
    "blurred by 2 %": _blurred(0.02),
    "blurred by 4 %": _blurred(0.04),
    "blurred by 2 %, then noise": _noisy,
    "enlarged from 30 pixels": lambda grey: cv2.resize(
        cv2.resize(grey, (30, 30), interpolation=cv2.INTER_AREA), (150, 150)
    ),
}


def _box(pixels: Pixels, found: Found) -> Pixels:
    part = pixels[found.y : found.y + found.height, found.x : found.x + found.width]
    return np.asarray(cv2.cvtColor(part, cv2.COLOR_RGB2GRAY), np.uint8)


def _small(pixels: Pixels) -> Pixels:
    return np.asarray(cv2.resize(pixels, (96, 96), interpolation=cv2.INTER_AREA), np.uint8)


def _draw(faces: list[Any], folder: Path) -> None:
    for name in MEASURES:
        order = sorted(faces, key=lambda face: getattr(face[0], name))
        between = [order[round(at)] for at in np.linspace(0, len(order) - 1, ACROSS)]
        rows = [
            [(face[2], f"{getattr(face[0], name):.2f}") for face in part]
            for part in (order[:ACROSS], between, order[-ACROSS:])
        ]
        sheets.write(folder / f"{name}.png", rows)
    aligned = sorted(faces, key=lambda face: -face[0].side)[: 6 * ACROSS]
    sheets.write(folder / "aligned.png", [[(face[3], f"{face[0].side}") for face in aligned]], across=ACROSS)


if __name__ == "__main__":
    main()
