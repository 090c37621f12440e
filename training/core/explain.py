"""The picture grids of `explain`: how a run judges faces of a snapshot."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from labeling.snapshots import format as snapshots
from training.core import faces as snapshot_faces
from training.core.explaining import grad_cam, grid, heated, masking, plain_face
from training.core.networks.resmasking import MaskingBlock
from training.core.predictions import Predictions, read_predictions
from training.core.predictor import Predictor
from training.core.refusals import BadConfig, BadSnapshot

_COLUMNS = 8
_UNREADABLE = (OSError, ValueError, IndexError, pa.ArrowException)


def explain(
    run: Path,
    snapshot: Path,
    out: Path,
    *,
    split: str = "test",
    label: str = "",
    most: int = 8,
    device: str = "auto",
) -> list[Path]:
    """Write PNG grids into the folder `out` and return them.

    grad-cam.png: `most` faces with, below each, Grad-CAM for the class the network names, or for `label`.
    masking.png, of networks with Masking Blocks: features before and after each block. confident-mistakes.png: faces
    whose wrong answer has the highest probability; hardest.png: those whose own label has the lowest. device: as of
    `Predictor`. Raises BadRunFolder, BadSnapshot or BadConfig.
    """
    predictor, said = Predictor(run, device=device), read_predictions(run, split)
    if label and label not in said.classes:
        raise BadConfig(f"There is no class {label}; the run has {', '.join(said.classes)}.")
    opened = snapshot_faces.open_snapshot(snapshot)
    if opened.digest != predictor.made.snapshot_digest:
        raise BadSnapshot(f"{run} was trained on another snapshot. Name that one.")
    if not len(said):
        raise BadSnapshot(f"The {split} split has no face.")
    snapshot_faces.verify(opened)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadConfig(f"{out} cannot be a folder of pictures: {error.strerror}. Name another.") from error
    made = [out / "grad-cam.png"]
    chosen = _by_turns(said, most)
    pixels = _pixels(predictor, snapshot, said, chosen)
    answers = said.probabilities[chosen].argmax(axis=1)
    wanted = np.full(len(chosen), said.classes.index(label)) if label else answers
    heat = grad_cam(predictor, pixels, wanted.tolist())
    faces = [
        (plain_face(one), f"is {said.classes[said.labels[at]]}")
        for one, at in zip(pixels, chosen, strict=True)
    ]
    maps = [
        (heated(one, share), f"for {said.classes[name]} {said.probabilities[at, name]:.0%}")
        for one, share, name, at in zip(pixels, heat, wanted, chosen, strict=True)
    ]
    grid([faces, maps], made[0])
    if any(isinstance(module, MaskingBlock) for module in predictor.network.modules()):
        rows = [faces]
        for number, pair in enumerate(masking(predictor, pixels), start=1):
            for when, shares in zip(("before", "after"), pair, strict=True):
                rows.append(
                    [(heated(one, s), f"{when} mask {number}") for one, s in zip(pixels, shares, strict=True)]
                )
        made.append(out / "masking.png")
        grid(rows, made[-1])
    for name, places in _mistakes(said, most).items():
        if len(places):
            made.append(out / f"{name}.png")
            _mistake_grid(predictor, snapshot, said, places, made[-1])
    return made


def _by_turns(said: Predictions, most: int) -> NDArray[np.int64]:
    """Places of the first face of each label, then of each second one, and so on."""
    turn = np.zeros(len(said), np.int64)
    for label in np.unique(said.labels):
        here = said.labels == label
        turn[here] = np.arange(here.sum())
    return np.lexsort((said.labels, turn))[:most]


def _mistakes(said: Predictions, most: int) -> dict[str, NDArray[np.int64]]:
    answers = said.probabilities.argmax(axis=1)
    wrong = np.flatnonzero(answers != said.labels)
    sure = said.probabilities[wrong].max(axis=1)
    own = said.probabilities[wrong, said.labels[wrong]]
    return {
        "confident-mistakes": wrong[np.argsort(-sure, kind="stable")][: most * 3],
        "hardest": wrong[np.argsort(own, kind="stable")][: most * 3],
    }


def _mistake_grid(
    predictor: Predictor, snapshot: Path, said: Predictions, places: NDArray[np.int64], out: Path
) -> None:
    pictures = []
    for one, at in zip(_pixels(predictor, snapshot, said, places), places, strict=True):
        shares, label = said.probabilities[at], said.labels[at]
        top = int(shares.argmax())
        words = f"{said.classes[label]} {shares[label]:.0%}, not {said.classes[top]} {shares[top]:.0%}"
        pictures.append((plain_face(one), words))
    grid([pictures[start : start + _COLUMNS] for start in range(0, len(pictures), _COLUMNS)], out)


def _pixels(
    predictor: Predictor, snapshot: Path, said: Predictions, places: NDArray[np.int64]
) -> NDArray[np.uint8]:
    keys = [said.keys[place] for place in places]
    images = _images(snapshot, keys)
    if len(images) < len(set(keys)):
        raise BadSnapshot(
            f"{snapshot} has no more all faces that the run judged; some were erased. Judge it anew: "
            "`python -m training.core judge RUN --snapshot SNAPSHOT`."
        )
    return predictor.pixels([images[key] for key in keys])


def _images(snapshot: Path, keys: Sequence[str]) -> dict[str, bytes]:
    try:
        table = snapshots.read_table(snapshot, columns=["face_key", "image"])
    except _UNREADABLE as error:
        raise BadSnapshot(f"The snapshot {snapshot} cannot be read: {error}") from error
    table = table.filter(pc.is_in(table.column("face_key"), value_set=pa.array(keys, pa.string())))
    return dict(zip(table.column("face_key").to_pylist(), table.column("image").to_pylist(), strict=True))
