"""Whether landmarks lean with the head: `python -m bench.landmarks PHOTOS --yunet MODEL [--sheet FILE.png]`.

Takes the faces of photos that are large enough and not in profile, turns each with its surroundings by several angles,
and looks how far the landmarks found then lie from those found before, turned along: as YuNet tells them, and as
`landmarks.steadied` does. In distances between the eyes, mean over the five points. --sheet draws some, YuNet's own in
red, steadied ones in green. --json FILE writes {figure: {value, unit, aim, holds}}.
"""

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from bench import sheets, standalone  # noqa: F401
from labeling.sources.base import is_media_name
from labeling.vision import detectors, images, landmarks, quality
from labeling.vision.detectors import Detector, Found
from labeling.vision.images import Pixels

TURNS = (0, 5, 10, 20, 30, 45, 60)
LEAST_SIDE, MOST_YAW = 40, 35
DRAWN = 12


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photos", type=Path)
    parser.add_argument("--yunet", required=True, metavar="MODEL")
    parser.add_argument("--sheet", type=Path, metavar="FILE.png")
    parser.add_argument("--quick", action="store_true", help="The first ten photos only.")
    parser.add_argument("--json", type=Path, metavar="FILE")
    asked = parser.parse_args()
    print(f"load average at the start {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores")
    detector = detectors.make("yunet", model=asked.yunet)
    patches = _patches(asked.photos, detector, 10 if asked.quick else None)
    print(
        f"{len(patches)} faces\n{'turned by':<10} {'found':>6} {'YuNet':>8} {'90 %':>8} {'steadied':>10} {'90 %':>8} "
        f"{'ms a face':>10}"
    )
    before: dict[int, tuple[Any, Any]] = {}
    figures, rows = {}, []
    for turn in TURNS:
        row = _turned(patches, turn, detector, before)
        rows.append(row["cells"])
        print(
            f"{turn:<10} {len(row['own']):>6} {np.median(row['own']):>8.3f} {np.percentile(row['own'], 90):>8.3f} "
            f"{np.median(row['steady']):>10.3f} {np.percentile(row['steady'], 90):>8.3f} {np.median(row['ms']):>10.0f}",
            flush=True,
        )
        for name in ("own", "steady"):
            value = round(float(np.median(row[name])), 3)
            figures[f"{turn} degrees, {name}"] = {
                "value": value,
                "unit": "eye distances",
                "aim": None,
                "holds": None,
            }
    if asked.sheet:
        sheets.write(asked.sheet, rows, side=128)
    if asked.json:
        asked.json.write_text(json.dumps(figures, indent=2) + "\n")


def _patches(folder: Path, detector: Detector, most: int | None) -> list[Pixels]:
    """Faces in the middle of their surroundings, each as large as four faces."""
    patches = []
    for path in sorted(path for path in folder.iterdir() if is_media_name(path.name))[:most]:
        pixels = images.open_image(path)
        for face in detector.find(pixels):
            turned_away = face.landmarks is None or abs(quality.pose(face.landmarks)[0]) > MOST_YAW
            if min(face.width, face.height) >= LEAST_SIDE and not turned_away:
                side = 4 * max(face.width, face.height)
                there = np.array(
                    [
                        [1.0, 0, side / 2 - face.x - face.width / 2],
                        [0, 1, side / 2 - face.y - face.height / 2],
                    ]
                )
                patch = cv2.warpAffine(pixels, there, (side, side), borderMode=cv2.BORDER_REPLICATE)
                patches.append(np.asarray(patch, np.uint8))
    return patches


def _turned(
    patches: list[Pixels], turn: int, detector: Detector, before: dict[int, tuple[Any, Any]]
) -> dict[str, list[Any]]:
    row: dict[str, list[Any]] = {"own": [], "steady": [], "ms": [], "cells": []}
    for number, patch in enumerate(patches):
        side = patch.shape[0]
        there = cv2.getRotationMatrix2D((side / 2, side / 2), -turn, 1)
        turned = np.asarray(
            cv2.warpAffine(patch, there, (side, side), borderMode=cv2.BORDER_REPLICATE), np.uint8
        )
        found = [face for face in detector.find(turned) if _in_the_middle(face, side)]
        if not found or (turn and number not in before):
            continue
        own = max(found, key=lambda face: face.score)
        begun = time.perf_counter()
        steady = landmarks.steadied(turned, own, detector)
        row["ms"].append(1000 * (time.perf_counter() - begun))
        points = np.array(own.landmarks), np.array(steady.landmarks)
        if not turn:
            before[number] = points
        for name, then, now in zip(("own", "steady"), before[number], points, strict=True):
            expected = then @ there[:, :2].T + there[:, 2]
            eyes = np.linalg.norm(then[1] - then[0])
            row[name].append(float(np.linalg.norm(now - expected, axis=1).mean() / eyes))
        if len(row["cells"]) < DRAWN:
            row["cells"].append((_drawn(turned, points), str(turn)))
    return row


def _in_the_middle(face: Found, side: int) -> bool:
    off = np.hypot(face.x + face.width / 2 - side / 2, face.y + face.height / 2 - side / 2)
    return bool(off < side / 8)


def _drawn(pixels: Pixels, points: tuple[Any, Any]) -> Pixels:
    side = pixels.shape[0]
    middle = np.ascontiguousarray(pixels[side // 4 : side - side // 4, side // 4 : side - side // 4])
    for colour, those in zip(((255, 0, 0), (0, 255, 0)), points, strict=True):
        for point in those - side // 4:
            cv2.circle(middle, np.rint(point).astype(int).tolist(), max(1, side // 100), colour, -1)
    return middle


if __name__ == "__main__":
    main()
