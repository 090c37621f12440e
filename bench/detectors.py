"""Faces per file and time per file, by every detector that can run: python -m bench.detectors [DATA …] [--yunet MODEL]

DATA is a folder (or several) of photos and videos; without it, media drawn for the purpose are searched. Each
still is decoded and searched; of each video five frames a second are. Times are of the search alone, on this
machine, without the decoding.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from labeling.sources import drawn
from labeling.sources.base import is_media_name
from labeling.vision import detectors, images, video
from labeling.vision.sniff import HEADER_BYTES, sniff


@dataclass
class Looked:
    """What one detector made of one file."""

    frames: int = 0
    with_faces: int = 0
    faces: int = 0
    seconds: float = 0.0


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
    files = 0
    print(f"{'file':<58} {'pixels':>11} {'frames':>6} " + " ".join(f"{name:>7} {'ms':>7}" for name in names))
    for folder in folders:
        chosen = [path for path in sorted(folder.rglob("*")) if path.is_file() and is_media_name(path.name)]
        for path in chosen[:5] if asked.quick else chosen:
            files += _row(path, search, totals)
    print("-" * 78)
    for name, total in totals.items():
        print(
            f"{name}: {total.faces:,} faces in {files} files; at least one in {total.with_faces:,} of "
            f"{total.frames:,} pictures; {1000 * total.seconds / max(1, total.frames):.0f} ms a picture"
        )
    if asked.json:
        asked.json.write_text(json.dumps(_figures(totals), indent=2) + "\n")


def _row(path: Path, search: dict[str, detectors.Detector], totals: dict[str, Looked]) -> int:
    """Search one file and print its line. Returns 1, or 0 if it is no picture."""
    looked = {name: Looked() for name in search}
    size = ""
    try:
        for pixels in _pictures(path):
            size = f"{pixels.shape[1]}×{pixels.shape[0]}"
            for name, detector in search.items():
                begun = time.perf_counter()
                found = len(detector.find(pixels))
                _add(looked[name], Looked(1, int(found > 0), found, time.perf_counter() - begun))
    except (images.BadImage, video.BadVideo) as reason:
        print(f"{path.name:<58} {reason}")
        return 0
    for name, one in looked.items():
        _add(totals[name], one)
    frames = next(iter(looked.values())).frames
    cells = " ".join(f"{one.faces:>7,} {1000 * one.seconds:>7,.0f}" for one in looked.values())
    print(f"{path.name[:58]:<58} {size:>11} {frames:>6} {cells}", flush=True)
    return 1


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
