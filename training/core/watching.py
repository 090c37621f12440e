"""Faces in pictures and videos, and what a network makes of each."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from labeling.vision.crops import crop
from labeling.vision.detectors import BadSettings, Detector, make
from labeling.vision.images import BadImage, Pixels, open_image
from labeling.vision.sniff import HEADER_BYTES, sniff
from labeling.vision.video import PER_SECOND, BadVideo, frames
from training.core.predictor import Predictor
from training.core.refusals import BadConfig, BadImages

WHOLE = "none"
"""Instead of a detector: each picture is one face."""
Box = tuple[int, int, int, int]
Broken = Callable[[Path, str], None]


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
    the video's first frame. pixels: (height, width, 3) uint8 RGB, upright.
    """

    file: Path
    time_ms: int | None
    pixels: Pixels
    faces: tuple[Seen, ...]


def detector_named(name: str, yunet_model: str) -> Detector | None:
    """None for WHOLE. Raises BadConfig for a detector that cannot run here."""
    if name == WHOLE:
        return None
    try:
        return make(name, model=yunet_model)
    except BadSettings as error:
        raise BadConfig(str(error)) from error


def files_of(paths: Sequence[Path]) -> list[Path]:
    """The files named, and those in folders named, at any depth, sorted; hidden ones left out. Raises BadImages for
    a path that is not there.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(file for file in path.rglob("*") if file.is_file())
            found += [file for file in inside if not _hidden(file.relative_to(path))]
        elif path.is_file():
            found.append(path)
        else:
            raise BadImages(f"There is no file or folder {path}.")
    return list(dict.fromkeys(found))


def watch(
    predictor: Predictor,
    files: Sequence[Path],
    detector: Detector | None,
    broken: Broken,
    per_second: float = PER_SECOND,
) -> Iterator[Sight]:
    """Every picture, and so many frames a second of every video, in order.

    `broken` is told of each file that cannot be read, is only partly readable, or is neither picture nor video; the
    others go on.
    """
    for file in files:
        try:
            yield from _sights(predictor, file, detector, broken, per_second)
        except (BadImage, BadVideo) as error:
            broken(file, str(error))
        except OSError as error:
            broken(file, error.strerror or str(error))


def _sights(
    predictor: Predictor, file: Path, detector: Detector | None, broken: Broken, per_second: float
) -> Iterator[Sight]:
    if not _is_video(file):
        yield _judged(predictor, file, None, open_image(file), detector)
        return
    reading = frames(file, per_second)
    for frame in reading:
        yield _judged(predictor, file, frame.time_ms, frame.image, detector)
    if reading.problem:
        broken(file, reading.problem)


def _judged(
    predictor: Predictor, file: Path, time_ms: int | None, pixels: Pixels, detector: Detector | None
) -> Sight:
    if detector is None:
        boxes: list[Box] = [(0, 0, pixels.shape[1], pixels.shape[0])]
        parts = [pixels]
    else:
        boxes = [found.box for found in detector.find(pixels)]
        parts = [crop(pixels, box) for box in boxes]
    opinions = predictor.predict(parts).named()
    return Sight(file, time_ms, pixels, tuple(map(Seen, boxes, opinions)))


def _is_video(file: Path) -> bool:
    with file.open("rb") as opened:
        found = sniff(opened.read(HEADER_BYTES))
    return found is not None and found.kind == "video"


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)
