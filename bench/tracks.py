"""Shots and tracks of real videos: `python -m bench.tracks VIDEOS --yunet MODEL [--sheets FOLDER]`.

Finds faces in five frames a second, tells where shots end, links the faces, and prints a line for each video: linked
from sure faces alone, and with those of lower scores that go on with a track. --sheets draws the faces of each track
in the order they are seen, a track a row (the number of the sampled frame above each, a star on those picked as sharp
and different, a minus on those of lower scores), so that one sees who is one person; last those that were dropped.
--json FILE writes {figure: {value, unit, aim, holds}}.
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

from bench import sheets, standalone  # noqa: F401
from labeling.sources.base import is_media_name
from labeling.vision import alignment, crops, detectors, picks, quality, shots, tracking, video
from labeling.vision.images import Pixels
from labeling.vision.tracking import Seen

PICKED = 3


@dataclass
class Film:
    """What is kept of a video."""

    seen: list[Seen] = field(default_factory=list)
    signatures: list[shots.Signature] = field(default_factory=list)
    faces: list[list[tuple[Pixels, float, picks.Floats]]] = field(default_factory=list)
    """For each frame's faces: the crop, its sharpness and its look."""

    def sure(self, least: float) -> list[Seen]:
        """The same without faces of lower scores."""
        return [Seen(one.time_ms, [face for face in one.faces if face.score >= least]) for one in self.seen]


@dataclass(frozen=True)
class Counted:
    """What linking made of a video's faces."""

    tracks: int
    single: int
    """Tracks of one face."""
    faces: int
    """On tracks."""
    dropped: int
    """On none."""

    @classmethod
    def of(cls, linked: list[list[int | None]]) -> "Counted":
        sizes = Counter(track for frame in linked for track in frame)
        dropped = sizes.pop(None, 0)
        return cls(len(sizes), sum(size == 1 for size in sizes.values()), sum(sizes.values()), dropped)

    def __str__(self) -> str:
        return f"{self.tracks:>6} {self.single:>5} {self.faces:>6}"


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
        f"{'video':<36} {'frames':>6} {'cuts at':<16} {'sure alone':>19}   {'with unsure ones':>19} "
        f"{'dropped':>8} {'ms':>6}"
    )
    print(f"{'':<60} {'tracks':>6} {'of 1':>5} {'faces':>6}   {'tracks':>6} {'of 1':>5} {'faces':>6}")
    detector = detectors.make("yunet", model=asked.yunet)
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
    tracks = tracking.link(film.seen, cuts, sure=detector.sure)
    milliseconds = 1000 * (time.perf_counter() - begun)
    alone = Counted.of(tracking.link(film.sure(detector.sure), cuts, sure=detector.sure))
    both = Counted.of(tracks)
    print(
        f"{path.name[:36]:<36} {len(film.seen):>6} {', '.join(map(str, cuts)):<16} {alone}   {both} "
        f"{both.dropped:>8} {milliseconds:>6.0f}",
        flush=True,
    )
    if folder:
        numbers = {track for frame in tracks for track in frame if track is not None}
        sheets.write(
            folder / f"{path.stem}.png", _rows(film, tracks, [*sorted(numbers), None], detector.sure)
        )
    counted = {
        "cuts": len(cuts),
        "tracks": both.tracks,
        "faces": both.faces,
        "tracks of sure faces": alone.tracks,
        "sure faces": alone.faces,
    }
    return {
        f"{path.name}: {name}": {"value": value, "unit": name, "aim": None, "holds": None}
        for name, value in counted.items()
    }


def _looked_at(path: Path, detector: detectors.Detector) -> Film:
    film = Film()
    for frame in video.frames(path):
        found = detector.find(frame.image, unsure=True)
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


def _rows(
    film: Film, tracks: list[list[int | None]], numbers: list[int | None], sure: float
) -> list[list[sheets.Cell]]:
    """A row for each number of a track; None: of the faces on none."""
    rows = []
    for number in numbers:
        members = [
            (f"{index}{'' if found.score >= sure else ' -'}", *face)
            for index, (seen, faces, linked) in enumerate(zip(film.seen, film.faces, tracks, strict=True))
            for found, face, track in zip(seen.faces, faces, linked, strict=True)
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
