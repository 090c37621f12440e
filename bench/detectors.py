"""Faces per file and time per file, by every detector that can run: python -m bench.detectors [DATA …] [--yunet MODEL]

DATA is a folder (or several) of photos and videos; without it, media drawn for the purpose are searched. Each
still is decoded and searched; of each video five frames a second are. Times are of the search alone, on this
machine, without the decoding. Where two detectors can run, boxes of the two that share at least three tenths of their
union are one face, each box with one at most: so many are found by both, so many by one alone.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

import numpy as np

from labeling.sources import drawn
from labeling.sources.base import is_media_name
from labeling.vision import detectors, images, video
from labeling.vision.assignment import assign
from labeling.vision.detectors import Found
from labeling.vision.sniff import HEADER_BYTES, sniff
from labeling.vision.tracking import overlaps

ONE_FACE = 0.3


@dataclass
class Looked:
    """What one detector made of one file."""

    frames: int = 0
    with_faces: int = 0
    faces: int = 0
    seconds: float = 0.0


@dataclass
class Shared:
    """Faces that two detectors found both, and those that one found alone."""

    both: int = 0
    first_alone: int = 0
    second_alone: int = 0
    overlaps: list[float] = field(default_factory=list)
    """Intersection over union of the two boxes of each face found by both."""

    def add(self, other: "Shared") -> None:
        self.both += other.both
        self.first_alone += other.first_alone
        self.second_alone += other.second_alone
        self.overlaps += other.overlaps

    @property
    def usual(self) -> str:
        return f"{np.median(self.overlaps):.2f}" if self.overlaps else "–"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", nargs="*", type=Path)
    parser.add_argument("--yunet", default="", metavar="MODEL")
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
    heads = [f"{name:>7} {'ms':>7}" for name in names]
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
            f"{total.frames:,} pictures; {1000 * total.seconds / max(1, total.frames):.0f} ms a picture"
        )
    for (first, second), total in shared.items():
        print(
            f"{first} and {second}: {total.both:,} faces found by both (half of them with boxes that share at least "
            f"{total.usual} of their union), {total.first_alone:,} by {first} alone, {total.second_alone:,} by "
            f"{second} alone"
        )
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
                _add(looked[name], Looked(1, int(len(found[name]) > 0), len(found[name]), seconds))
            for (first, second), one in shared_here.items():
                one.add(_shared(found[first], found[second]))
    except (images.BadImage, video.BadVideo) as reason:
        print(f"{path.name:<58} {reason}")
        return 0
    for name, here in looked.items():
        _add(totals[name], here)
    for pair, both in shared_here.items():
        shared[pair].add(both)
    frames = next(iter(looked.values())).frames
    cells = [f"{here.faces:>7,} {1000 * here.seconds:>7,.0f}" for here in looked.values()]
    cells += [
        f"{both.both:>6,} {both.first_alone:>6,} {both.second_alone:>6,} {both.usual:>5}"
        for both in shared_here.values()
    ]
    print(f"{path.name[:58]:<58} {size:>11} {frames:>6} {' '.join(cells)}", flush=True)
    return 1


def _shared(some: list[Found], others: list[Found]) -> Shared:
    if not some or not others:
        return Shared(0, len(some), len(others))
    ratios = overlaps(*(np.array([_centred(one) for one in boxes]) for boxes in (some, others)))
    # Any face of both is worth more than how well the boxes of others agree.
    pairs = assign(np.where(ratios >= ONE_FACE, -1 - ratios / 1000, 0.0))
    matched = [float(ratios[pair]) for pair in pairs if ratios[pair] >= ONE_FACE]
    return Shared(len(matched), len(some) - len(matched), len(others) - len(matched), matched)


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


def _figures(totals: dict[str, Looked]) -> dict[str, dict[str, object]]:
    figures: dict[str, dict[str, object]] = {}
    for name, total in totals.items():
        milliseconds = round(1000 * total.seconds / max(1, total.frames), 1)
        figures[f"{name}_faces"] = {"value": total.faces, "unit": "faces", "aim": None, "holds": None}
        figures[f"{name}_ms"] = {"value": milliseconds, "unit": "ms/picture", "aim": None, "holds": None}
    return figures


if __name__ == "__main__":
    main()
