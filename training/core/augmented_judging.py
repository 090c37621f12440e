"""Judging images by several views of each: test-time augmentation, always told apart from judging them as they are."""

import dataclasses
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.nn import functional

from training.core import faces as snapshot_faces
from training.core.config import Config
from training.core.faces import Snapshot
from training.core.judgement import judgement
from training.core.judging import Views, plain
from training.core.pixels import draw_turns, prepare
from training.core.predict import Predictor
from training.core.predictions import Predictions, predictions_of, write_predictions
from training.core.refusals import BadSnapshot
from training.core.run_folder import RunFolder

COPIES = 10
CROP = 7 / 8
"""Side of a crop as a share of the image's: 196 of 224 pixels, 42 of 48."""


def flip(images: Tensor, rows: Tensor, config: Config) -> Iterator[Tensor]:
    """Two views: the image and its mirror."""
    pixels = prepare(images, config)
    yield pixels
    yield pixels.flip(-1)


def ten_crop(images: Tensor, rows: Tensor, config: Config) -> Iterator[Tensor]:
    """Ten views: the four corners and the centre, CROP of the side, grown to the full size again; and their mirrors.

    Krizhevsky et al. 2012, section 4.1. What normalises an image sees it whole, as in training.
    """
    pixels = prepare(images, config)
    side = pixels.shape[-1]
    crop = round(side * CROP)
    rest = side - crop
    for top, left in ((0, 0), (0, rest), (rest, 0), (rest, rest), (rest // 2, rest // 2)):
        part = pixels[..., top : top + crop, left : left + crop]
        view = functional.interpolate(part, size=(side, side), mode="bilinear", align_corners=False)
        yield view
        yield view.flip(-1)


def ten_copies(seed: int = 0) -> Views:
    """Ten views as the authors of ResMaskingNet draw them: each copy mirrored with chance ½ and turned by up to 30°
    either way, whatever the run was trained with. Their published figures have this in them, unseeded.

    A copy is decided by seed, its number and the image's row alone.
    """

    def views(images: Tensor, rows: Tensor, config: Config) -> Iterator[Tensor]:
        authors = dataclasses.replace(config, flip=0.5, rotation=30.0, seed=seed)
        for copy in range(COPIES):
            yield prepare(images, config, draw_turns(authors, epoch=copy, rows=rows))

    return views


WAYS: dict[str, Callable[[int], Views]] = {
    "flip": lambda seed: flip,
    "ten-crop": lambda seed: ten_crop,
    "ten-copies": ten_copies,
}
"""Name → seed → views. Only ten-copies draws anything."""


def judge_again(
    *, snapshot: Path, run: Path, ways: Sequence[str] = (), seed: int = 0
) -> dict[str, dict[str, Any]]:
    """Look at the validation and test images of a run's snapshot again, as they are and in each of these ways.

    Returns way → `judgement.judgement`, "plain" first. The plain predictions are written into the run folder, also
    where an older training left none; those of the other ways are not kept. Raises BadRunFolder or BadSnapshot.
    """
    folder = RunFolder(run)
    folder.read_result()  # an unfinished run may yet find better weights
    predictor = Predictor(run)
    opened = snapshot_faces.open_snapshot(snapshot)
    if opened.digest != predictor.made.snapshot_digest:
        raise BadSnapshot(
            f"{run} was trained on the snapshot {predictor.made.snapshot_digest[:16]}, not on "
            f"{opened.digest[:16]}. Its validation and test images are not this snapshot's; use `evaluate`."
        )
    views = {"plain": plain, **{way: WAYS[way](seed) for way in ways}}
    said = _look(predictor, opened, views)
    for split, predictions in said["plain"].items():
        write_predictions(folder.predictions(split), predictions)
    return {way: judgement(splits) for way, splits in said.items()}


def _look(
    predictor: Predictor, snapshot: Snapshot, views: dict[str, Views]
) -> dict[str, dict[str, Predictions]]:
    """Way → split → predictions."""
    with tempfile.TemporaryDirectory() as cache:
        faces = snapshot_faces.load(snapshot, predictor.config, predictor.made.stored_size, Path(cache))
        return {
            way: {
                split: predictions_of(
                    snapshot, split, predictor.look(faces.images, snapshot.splits[split].rows, view)
                )
                for split in ("validation", "test")
            }
            for way, view in views.items()
        }
