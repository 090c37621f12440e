"""Judging images by several views of each: test-time augmentation, always told apart from judging them as they are."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from training.core import faces as snapshot_faces
from training.core.faces import Snapshot
from training.core.judgement import judgement
from training.core.judging import Views, plain
from training.core.predictions import Predictions, predictions_of, write_predictions
from training.core.predictor import Predictor
from training.core.refusals import BadSnapshot
from training.core.run_folder import RunFolder
from training.core.views import WAYS


def judge_again(
    *, snapshot: Path, run: Path, ways: Sequence[str] = (), seed: int = 0, device: str = "auto"
) -> dict[str, dict[str, Any]]:
    """Look at the validation and test images of a run's snapshot again, as they are and in each of these ways.

    Returns way → `judgement.judgement` and, as `device`, where it was looked, "plain" first. The plain predictions are
    written into the run folder, also where an older training left none; those of the other ways are not kept. device:
    as of `Predictor`. Raises BadRunFolder, BadSnapshot or BadConfig.
    """
    folder = RunFolder(run)
    folder.read_result()  # an unfinished run may yet find better weights
    predictor = Predictor(run, quick=False, device=device)
    opened = snapshot_faces.open_snapshot(snapshot)
    if opened.digest != predictor.made.snapshot_digest:
        raise BadSnapshot(
            f"{run} was trained on the snapshot {predictor.made.snapshot_digest[:16]}, not on "
            f"{opened.digest[:16]}. Its validation and test images are not this snapshot's; use `evaluate`."
        )
    snapshot_faces.verify(opened)
    views = {"plain": plain, **{way: WAYS[way](seed) for way in ways}}
    said = _look(predictor, opened, views)
    for split, predictions in said["plain"].items():
        write_predictions(folder.predictions(split), predictions)
    return {way: {**judgement(splits), "device": str(predictor.device)} for way, splits in said.items()}


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
