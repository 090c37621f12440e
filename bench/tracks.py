"""Shots and tracks of real videos: `python -m bench.tracks VIDEOS --yunet MODEL [--sheets FOLDER]`.

Finds faces in five frames a second, tells where shots end, links the faces, and prints a line for each video. --sheets
draws the faces of each track in the order they are seen, a track a row (the number of the sampled frame above each, a
star on those picked as sharp and different), so that one sees who is one person. --json FILE writes {figure: {value,
unit, aim, holds}}.
"""

import argparse
import json
import os
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from bench import sheets
from labeling.sources.base import is_media_name
from labeling.vision import alignment, crops, detectors, picks, quality, shots, tracking, video
from labeling.vision.images import Pixels
from labeling.vision.tracking import Seen

UNSURE = 0.4
"""The detector gives faces from this score on; those below `tracking.Settings.sure` only continue tracks."""
PICKED = 3


@dataclass
class Film:
    """What is kept of a video."""

    seen: list[Seen] = field(default_factory=list)
    signatures: list[shots.Signature] = field(default_factory=list)
    faces: list[list[tuple[Pixels, float, picks.Floats]]] = field(default_factory=list)
    """For each frame's faces: the crop, its sharpness and its look."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("videos", type=Path)
    parser.add_argument("--yunet", required=True, metavar="MODEL")
    parser.add_argument("--sheets", type=Path, metavar="FOLDER")
    parser.add_argument("--quick", action="store_true", help="The first three videos only.")
    parser.add_argument("--json", type=Path, metavar="FILE")
    asked = parser.parse_args()
    print(f"load average at the start {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores")
    print(
        f"{'video':<36} {'frames':>6} {'cuts at':<16} {'tracks':>6} {'of 1':>5} {'faces':>6} {'left out':>8} {'ms':>6}"
    )
    detector = detectors.make("yunet", {"score_threshold": UNSURE}, model=asked.yunet)
    paths = sorted(path for path in asked.videos.iterdir() if is_media_name(path.name))
    figures: dict[str, object] = {}
    for path in paths[:3] if asked.quick else paths:
        figures |= _one(path, detector, asked.sheets)
    if asked.json:
        asked.json.write_text(json.dumps(figures, indent=2) + "\n")


def _one(path: Path, detector: detectors.Detector, folder: Path | None) -> dict[str, object]:
    film = _looked_at(path, detector)
    begun = time.perf_counter()
    cuts = shots.cuts(film.signatures, [frame.time_ms for frame in film.seen])
    tracks = tracking.link(film.seen, cuts)
    milliseconds = 1000 * (time.perf_counter() - begun)
    sizes = Counter(track for frame in tracks for track in frame)
    left_out = sizes.pop(None, 0)
    single = sum(size == 1 for size in sizes.values())
    print(
        f"{path.name[:36]:<36} {len(film.seen):>6} {', '.join(map(str, cuts)):<16} {len(sizes):>6} {single:>5} "
        f"{sum(sizes.values()):>6} {left_out:>8} {milliseconds:>6.0f}",
        flush=True,
    )
    if folder:
        sheets.write(
            folder / f"{path.stem}.png", _rows(film, tracks, [one for one in sizes if one is not None])
        )
    return {
        f"{path.name}: {name}": {"value": value, "unit": name, "aim": None, "holds": None}
        for name, value in (("cuts", len(cuts)), ("tracks", len(sizes)), ("faces", sum(sizes.values())))
    }


def _looked_at(path: Path, detector: detectors.Detector) -> Film:
    film = Film()
    for frame in video.frames(path):
        found = detector.find(frame.image)
        film.seen.append(Seen(frame.time_ms, found))
        film.signatures.append(shots.signature(frame.image))
        film.faces.append([_kept(frame.image, one) for one in found])
    return film


def _kept(pixels: Pixels, found: detectors.Found) -> tuple[Pixels, float, picks.Floats]:
    crop = cv2.resize(
        np.ascontiguousarray(crops.crop(pixels, found.box)), (96, 96), interpolation=cv2.INTER_AREA
    )
    look = picks.look(alignment.align(pixels, found.landmarks or []))
    return crop, quality.measure(pixels, found).sharpness, look


def _rows(film: Film, tracks: list[list[int | None]], numbers: list[int]) -> list[list[sheets.Cell]]:
    rows = []
    for number in sorted(numbers):
        members = [
            (index, *face)
            for index, (faces, linked) in enumerate(zip(film.faces, tracks, strict=True))
            for face, track in zip(faces, linked, strict=True)
            if track == number
        ]
        picked = picks.pick(
            np.array([member[2] for member in members]), np.array([member[3] for member in members]), PICKED
        )
        rows.append(
            [
                (crop, f"{number}: {index}{' *' if at in picked else ''}")
                for at, (index, crop, *_) in enumerate(members)
            ]
        )
    return rows


if __name__ == "__main__":
    main()
