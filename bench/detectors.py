"""Faces per file and time per file, by every detector that can run: python -m bench.detectors [DATA …] [--yunet MODEL]

DATA is a folder (or several) of photos and videos; without it, media drawn for the purpose are searched. Each
still is decoded and searched; of each video five frames a second are. Times are of the search alone, on this
machine, without the decoding; of millions of pixels as they are searched, which large pictures are scaled down for.
Where two detectors can run, boxes of the two that share at least half of their union are one face, each box with one at
most: so many are found by both, so many by one alone. --sheets draws what each found, and the faces of one alone.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np

from bench import sheets, standalone  # noqa: F401
from labeling.sources import drawn
from labeling.sources.base import is_media_name
from labeling.vision import crops, detectors, images, video
from labeling.vision.assignment import assign
from labeling.vision.detectors import Found
from labeling.vision.sniff import HEADER_BYTES, sniff
from labeling.vision.tracking import overlaps

ONE_FACE = 0.5
SHOWN = 240
"""Faces of one detector alone on its sheet."""


@dataclass
class Looked:
    """What one detector made of one file."""

    frames: int = 0
    with_faces: int = 0
    faces: int = 0
    seconds: float = 0.0
    megapixels: float = 0.0
    """Searched, all frames together."""

    @property
    def per_megapixel(self) -> float:
        """Milliseconds."""
        return 1000 * self.seconds / max(self.megapixels, 1e-9)


@dataclass
class Shared:
    """Faces that two detectors found both, and those that one found alone."""

    both: int = 0
    first_alone: int = 0
    second_alone: int = 0
    overlaps: list[float] = field(default_factory=list)
    """Intersection over union of the two boxes of each face found by both."""
    cells: tuple[list[sheets.Cell], list[sheets.Cell]] = field(default_factory=lambda: ([], []))
    """Crops of what the first alone found, and the second."""

    def add(self, other: "Shared") -> None:
        self.both += other.both
        self.first_alone += other.first_alone
        self.second_alone += other.second_alone
        self.overlaps += other.overlaps
        for ours, theirs in zip(self.cells, other.cells, strict=True):
            ours += theirs

    @property
    def usual(self) -> str:
        return f"{np.median(self.overlaps):.2f}" if self.overlaps else "–"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", nargs="*", type=Path)
    parser.add_argument("--yunet", default="", metavar="MODEL")
    parser.add_argument("--sheets", type=Path, metavar="FOLDER")
    parser.add_argument("--quick", action="store_true", help="The first five files of each folder only.")
    parser.add_argument("--json", type=Path, metavar="FILE")
    asked = parser.parse_args()
    if asked.data:
        run(asked.data, asked)
        return
    with tempfile.TemporaryDirectory() as folder:
        drawn.draw_collection(Path(folder), stills=len(drawn.SCHEDULE))
        run([Path(folder)], asked)


def run(folders: list[Path], asked: argparse.Namespace) -> None:
    names = detectors.available(asked.yunet)
    search = {name: detectors.make(name, model=asked.yunet) for name in names}
    totals = {name: Looked() for name in names}
    shared = {pair: Shared() for pair in combinations(names, 2)}
    files = 0
    heads = [f"{name:>7} {'ms':>7} {'ms/MP':>6}" for name in names]
    heads += [f"{'both':>6} {first:>6} {second:>6} {'IoU':>5}" for first, second in shared]
    print(f"{'file':<58} {'pixels':>11} {'frames':>6} " + " ".join(heads))
    for folder in folders:
        chosen = [path for path in sorted(folder.rglob("*")) if path.is_file() and is_media_name(path.name)]
        for path in chosen[:5] if asked.quick else chosen:
            files += _row(path, search, totals, shared)
    print("-" * 78)
    for name, total in totals.items():
        print(
            f"{name}: {total.faces:,} faces in {files} files; at least one in {total.with_faces:,} of "
            f"{total.frames:,} pictures; {1000 * total.seconds / max(1, total.frames):.0f} ms a picture, "
            f"{total.per_megapixel:.0f} ms a megapixel"
        )
    for (first, second), total in shared.items():
        print(
            f"{first} and {second}: {total.both:,} faces found by both (half of them with boxes that share at least "
            f"{total.usual} of their union), {total.first_alone:,} by {first} alone, {total.second_alone:,} by "
            f"{second} alone"
        )
        if asked.sheets:
            for name, cells in zip((first, second), total.cells, strict=True):
                sheets.write(asked.sheets / f"{name}-alone.png", [cells[:: max(1, len(cells) // SHOWN)]])
    if asked.json:
        asked.json.write_text(json.dumps(_figures(totals), indent=2) + "\n")


def _row(
    path: Path,
    search: dict[str, detectors.Detector],
    totals: dict[str, Looked],
    shared: dict[tuple[str, str], Shared],
) -> int:
    """Search one file and print its line. Returns 1, or 0 if it is no picture."""
    looked = {name: Looked() for name in search}
    shared_here = {pair: Shared() for pair in shared}
    size = ""
    try:
        for pixels in _pictures(path):
            size = f"{pixels.shape[1]}×{pixels.shape[0]}"
            found: dict[str, list[Found]] = {}
            for name, detector in search.items():
                begun = time.perf_counter()
                found[name] = detector.find(pixels)
                seconds = time.perf_counter() - begun
                searched = _megapixels(pixels, detector)
                _add(looked[name], Looked(1, int(len(found[name]) > 0), len(found[name]), seconds, searched))
            for (first, second), one in shared_here.items():
                one.add(_shared(pixels, found[first], found[second]))
    except (images.BadImage, video.BadVideo) as reason:
        print(f"{path.name:<58} {reason}")
        return 0
    for name, here in looked.items():
        _add(totals[name], here)
    for pair, both in shared_here.items():
        shared[pair].add(both)
    frames = next(iter(looked.values())).frames
    cells = [
        f"{here.faces:>7,} {1000 * here.seconds:>7,.0f} {here.per_megapixel:>6.0f}"
        for here in looked.values()
    ]
    cells += [
        f"{both.both:>6,} {both.first_alone:>6,} {both.second_alone:>6,} {both.usual:>5}"
        for both in shared_here.values()
    ]
    print(f"{path.name[:58]:<58} {size:>11} {frames:>6} {' '.join(cells)}", flush=True)
    return 1


def _megapixels(pixels: images.Pixels, detector: detectors.Detector) -> float:
    height, width = pixels.shape[:2]
    longest: int = detector.settings.longest_side  # type: ignore[attr-defined]
    return height * width * min(1.0, longest / max(height, width)) ** 2 / 1e6


def _shared(pixels: images.Pixels, some: list[Found], others: list[Found]) -> Shared:
    if not some or not others:
        return Shared(0, len(some), len(others), [], (_cells(pixels, some), _cells(pixels, others)))
    ratios = overlaps(*(np.array([_centred(one) for one in boxes]) for boxes in (some, others)))
    # Any face of both is worth more than how well the boxes of others agree.
    pairs = assign(np.where(ratios >= ONE_FACE, -1 - ratios / 1000, 0.0))
    matched = [pair for pair in pairs if ratios[pair] >= ONE_FACE]
    alone = [
        [one for at, one in enumerate(boxes) if at not in {pair[side] for pair in matched}]
        for side, boxes in enumerate((some, others))
    ]
    return Shared(
        len(matched),
        *map(len, alone),
        [float(ratios[pair]) for pair in matched],
        (_cells(pixels, alone[0]), _cells(pixels, alone[1])),
    )


def _cells(pixels: images.Pixels, found: list[Found]) -> list[sheets.Cell]:
    return [
        (cv2.resize(np.ascontiguousarray(crops.crop(pixels, one.box)), (96, 96)), f"{one.score:.2f}")
        for one in found
    ]


def _centred(one: Found) -> tuple[float, float, float, float]:
    return one.x + one.width / 2, one.y + one.height / 2, float(one.width), float(one.height)


def _pictures(path: Path) -> Iterator[images.Pixels]:
    with path.open("rb") as file:
        found = sniff(file.read(HEADER_BYTES))
    if found is not None and found.kind == "video":
        yield from (frame.image for frame in video.frames(path))
    else:
        yield images.open_image(path)


def _add(to: Looked, one: Looked) -> None:
    to.frames += one.frames
    to.with_faces += one.with_faces
    to.faces += one.faces
    to.seconds += one.seconds
    to.megapixels += one.megapixels


def _figures(totals: dict[str, Looked]) -> dict[str, dict[str, object]]:
    figures: dict[str, dict[str, object]] = {}
    for name, total in totals.items():
        milliseconds = round(1000 * total.seconds / max(1, total.frames), 1)
        figures[f"{name}_faces"] = {"value": total.faces, "unit": "faces", "aim": None, "holds": None}
        figures[f"{name}_ms"] = {"value": milliseconds, "unit": "ms/picture", "aim": None, "holds": None}
    return figures


if __name__ == "__main__":
    main()
