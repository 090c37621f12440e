"""Faces in pictures and videos, and what a network makes of each."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from labeling.vision.crops import crop
from labeling.vision.detectors import BadSettings, Detector, make
from labeling.vision.images import BadImage, Pixels, read
from labeling.vision.sniff import HEADER_BYTES, sniff
from labeling.vision.video import PER_SECOND, BadVideo, frames
from training.core.refusals import BadConfig, BadImages
from training.core.together import Judge

WHOLE = "none"
"""Instead of a detector: each picture is one face."""
Box = tuple[int, int, int, int]
Broken = Callable[[Path, str], None]
_MOST_FACES = 256
_MOST_BYTES = 256 * 1024**2
"""Faces, and bytes of pictures, that wait to be judged at once."""


@dataclass(frozen=True)
class Seen:
    """One face. box: x, y, width, height in pixels of the upright picture. probabilities: by class, in its order."""

    box: Box
    probabilities: dict[str, float]

    @property
    def top(self) -> str:
        return max(self.probabilities, key=self.probabilities.__getitem__)


@dataclass(frozen=True)
class Sight:
    """One picture, or one frame of a video, with its faces from left to right. time_ms: None for a picture, else since
    the video's first frame. pixels: (height, width, 3) uint8 RGB, upright. device: what judged the faces.
    """

    file: Path
    time_ms: int | None
    pixels: Pixels
    faces: tuple[Seen, ...]
    device: str


def detector_named(name: str, yunet_model: str) -> Detector | None:
    """None for WHOLE. Raises BadConfig for a detector that cannot run here."""
    if name == WHOLE:
        return None
    try:
        return make(name, model=yunet_model)
    except BadSettings as error:
        raise BadConfig(str(error)) from error


def files_of(paths: Sequence[Path]) -> list[Path]:
    """The files named, and those in folders named, at any depth and behind links, sorted; hidden ones left out. Raises
    BadImages for a path that is not there, and for a folder that cannot be looked into.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(_inside(path))
        elif path.is_file():
            found.append(path)
        else:
            raise BadImages(f"There is no file or folder {path}.")
    return list(dict.fromkeys(found))


def watch(
    judge: Judge,
    files: Sequence[Path],
    detector: Detector | None,
    broken: Broken,
    per_second: float = PER_SECOND,
    *,
    note: Broken = lambda file, what: None,
) -> Iterator[Sight]:
    """Every picture, and so many frames a second of every video, in order.

    `broken` is told of each file that cannot be read, is only partly readable, or is neither picture nor video; the
    others go on. `note` is told of each that holds more pictures than the one looked at. Faces of many pictures are
    judged at once.
    """
    waiting: list[_Found] = []
    for found in _all(files, detector, broken, per_second, note):
        waiting.append(found)
        if _enough(waiting):
            yield from _judged(judge, waiting)
            waiting = []
    yield from _judged(judge, waiting)


@dataclass(frozen=True)
class _Found:
    """A picture or frame whose faces nobody has judged yet. parts: the faces, cut out at the boxes."""

    file: Path
    time_ms: int | None
    pixels: Pixels
    boxes: list[Box]
    parts: list[Pixels]


def _enough(waiting: list[_Found]) -> bool:
    """Whether there are faces for a whole batch, or as many pictures as memory should hold."""
    faces = sum(len(found.parts) for found in waiting)
    return faces >= _MOST_FACES or sum(found.pixels.nbytes for found in waiting) >= _MOST_BYTES


def _judged(judge: Judge, waiting: list[_Found]) -> Iterator[Sight]:
    opinions = iter(judge.predict([part for found in waiting for part in found.parts]).named())
    for found in waiting:
        faces = tuple(Seen(box, next(opinions)) for box in found.boxes)
        yield Sight(found.file, found.time_ms, found.pixels, faces, str(judge.device))


def _all(
    files: Sequence[Path], detector: Detector | None, broken: Broken, per_second: float, note: Broken
) -> Iterator[_Found]:
    for file in files:
        try:
            yield from _of_file(file, detector, broken, per_second, note)
        except (BadImage, BadVideo) as error:
            broken(file, str(error))
        except OSError as error:
            broken(file, error.strerror or str(error))


def _of_file(
    file: Path, detector: Detector | None, broken: Broken, per_second: float, note: Broken
) -> Iterator[_Found]:
    if not _is_video(file):
        picture = read(file)
        if picture.note:
            note(file, picture.note)
        yield _searched(file, None, picture.pixels, detector)
        return
    reading = frames(file, per_second)
    for frame in reading:
        yield _searched(file, frame.time_ms, frame.image, detector)
    if reading.problem:
        broken(file, reading.problem)


def _searched(file: Path, time_ms: int | None, pixels: Pixels, detector: Detector | None) -> _Found:
    if detector is None:
        return _Found(file, time_ms, pixels, [(0, 0, pixels.shape[1], pixels.shape[0])], [pixels])
    boxes = [found.box for found in detector.find(pixels)]
    return _Found(file, time_ms, pixels, boxes, [crop(pixels, box) for box in boxes])


def _is_video(file: Path) -> bool:
    with file.open("rb") as opened:
        found = sniff(opened.read(HEADER_BYTES))
    return found is not None and found.kind == "video"


def _inside(folder: Path) -> Iterator[Path]:
    """The files below a folder, none of them hidden. A folder that is reached twice, as by a link to one above it, is
    looked into once.
    """
    known: set[tuple[int, int]] = set()
    for place, folders, names in os.walk(folder, followlinks=True, onerror=_refuse_folder):
        here = Path(place)
        facts = here.stat()
        if (facts.st_dev, facts.st_ino) in known:
            folders.clear()
            continue
        known.add((facts.st_dev, facts.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (here / name for name in names if not name.startswith(".") and (here / name).is_file())


def _refuse_folder(error: OSError) -> None:
    raise BadImages(f"{error.filename} cannot be looked into: {error.strerror}.") from error
