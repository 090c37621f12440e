"""Training what a claim needs, one network after the other; whatever is there is not done again."""

import contextlib
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from bench.claims.folders import snapshot
from bench.claims.logits import SPLITS, VIEWS, keep
from bench.claims.plans import Claim, Training
from training.core import faces as snapshot_faces
from training.core.judging import plain
from training.core.predictions import predictions_of
from training.core.predictor import Predictor
from training.core.progress import Display
from training.core.run_folder import RunFolder
from training.core.stopping import Stopper
from training.core.train import train
from training.core.views import WAYS


def logits_file(out: Path, training: Training) -> Path:
    return out / "logits" / f"{training.name}.npz"


@contextlib.contextmanager
def ended_after(minutes: float) -> Iterator[Stopper]:
    """A stopper that asks for an end when a signal does, or when that much time is over."""
    stopper = Stopper()
    stopper.watch_signals()
    clock = threading.Timer(60 * minutes, stopper.ask, [f"{minutes:g} minutes are over"])
    clock.daemon = True
    clock.start()
    try:
        yield stopper
    finally:
        clock.cancel()


def run(
    claim: Claim, data: Path, work: Path, out: Path, *, smoke: bool, stopper: Stopper, display: Display
) -> None:
    """Leave the logits of all the claim's trainings below `out`. Run folders and snapshots go into `work`; the same
    call goes on where it was cut short. Raises Stopped where the stopper asks, with a checkpoint written, and BadData
    where something has to be trained and `data` does not hold the faces.
    """
    absent = [
        (number, training)
        for number, training in enumerate(claim.trainings, start=1)
        if not logits_file(out, training).exists()
    ]
    folders: dict[str, Path] = {}
    for number, training in absent:
        stopper.check()
        if training.labels not in folders:
            folders[training.labels] = snapshot(data, work / "snapshots", training.labels, smoke=smoke)
            stopper.check()
        display.say(f"{claim.name} {number}/{len(claim.trainings)}: {training.name}")
        _one(training, folders[training.labels], work, out, smoke, stopper, display)


def _one(
    training: Training, folder: Path, work: Path, out: Path, smoke: bool, stopper: Stopper, display: Display
) -> None:
    run_folder = work / "runs" / training.name
    config = training.config(smoke=smoke)
    train(snapshot=folder, run=run_folder, choose=lambda: config, stopper=stopper, display=display)
    # The weights are kept; what goes on with them is not needed any more, and is three times as large.
    RunFolder(run_folder).last.unlink(missing_ok=True)
    predictor, opened = Predictor(run_folder, quick=False), snapshot_faces.open_snapshot(folder)
    with tempfile.TemporaryDirectory() as cache:
        faces = snapshot_faces.load(opened, predictor.config, predictor.made.stored_size, Path(cache))
        views = {"plain": plain, "ten-crop": WAYS["ten-crop"](0)}
        said = {
            (view, split): predictions_of(
                opened, split, predictor.look(faces.images, opened.splits[split].rows, views[view])
            )
            for view in VIEWS
            for split in SPLITS
        }
    keep(logits_file(out, training), said, opened.digest)
