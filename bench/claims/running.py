"""Training what a claim needs, one network after the other or side by side; whatever is there is not done again."""

import contextlib
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

from bench.beside import REFUSED, STOPPED, side_by_side, weightiest
from bench.claims.folders import snapshot
from bench.claims.logits import SPLITS, VIEWS, keep
from bench.claims.plans import Claim, Training
from training.core import faces as snapshot_faces
from training.core.judging import plain
from training.core.predictions import predictions_of
from training.core.predictor import Predictor
from training.core.progress import Display
from training.core.refusals import Refusal, Stopped, TrainingFailed
from training.core.run_folder import RunFolder
from training.core.stopping import Stopper
from training.core.train import train
from training.core.views import WAYS


def logits_file(out: Path, training: Training) -> Path:
    return out / "logits" / f"{training.name}.npz"


@contextlib.contextmanager
def ended_after(minutes: float | None) -> Iterator[Stopper]:
    """A stopper that asks for an end when a signal does, or when that much time, if any is named, is over."""
    stopper = Stopper()
    with stopper.watching_signals():
        if minutes is None:
            yield stopper
            return
        clock = threading.Timer(60 * minutes, stopper.ask, [f"{minutes:g} minutes are over"])
        clock.daemon = True
        clock.start()
        try:
            yield stopper
        finally:
            clock.cancel()


def run(
    claim: Claim,
    data: Path,
    work: Path,
    out: Path,
    *,
    smoke: bool,
    stopper: Stopper,
    display: Display,
    at_once: int = 1,
) -> None:
    """Leave the logits of all the claim's trainings below `out`. Run folders and snapshots go into `work`; the same
    call goes on where it was cut short. Raises Stopped where the stopper asks, with a checkpoint written, and BadData
    where something has to be trained and `data` does not hold the faces.

    at_once: how many trainings side by side, each in a process of its own where it is more than one. One that fails
    does not stop the others: TrainingFailed or Refusal, naming it, is raised when they have ended.
    """
    absent = {
        f"{claim.name} {number}/{len(claim.trainings)}": training
        for number, training in enumerate(claim.trainings, start=1)
        if not logits_file(out, training).exists()
    }
    if at_once > 1:
        _beside(absent, data, work, out, smoke, stopper, at_once)
        return
    for place, training in absent.items():
        stopper.check()
        display.say(f"{place}: {training.name}")
        run_one(training, data, work, out, smoke=smoke, stopper=stopper, display=display)


def _beside(
    absent: Mapping[str, Training],
    data: Path,
    work: Path,
    out: Path,
    smoke: bool,
    stopper: Stopper,
    at_once: int,
) -> None:
    for labels in dict.fromkeys(training.labels for training in absent.values()):
        stopper.check()
        snapshot(data, work / "snapshots", labels, smoke=smoke)  # here, that not each of them makes it
    places = [str(data), str(work), "--out", str(out), *(["--smoke"] if smoke else [])]
    commands = {
        training.name: ["-m", "bench.claims", "train", training.name, *places, "--stop-with-parent"]
        for training in absent.values()
    }
    _raise_worst(side_by_side(commands, at_once, stopper), stopper)


def _raise_worst(statuses: Mapping[str, int], stopper: Stopper) -> None:
    worst = weightiest(statuses)
    if not worst:
        return
    if worst == STOPPED:
        stopper.check()
        raise Stopped("a training was asked to stop")
    ended = ", ".join(f"{name} with {status}" for name, status in statuses.items() if status)
    said = f"Not every training ended with 0: {ended}. What they said stands above; the same command tries again."
    raise Refusal(said) if worst == REFUSED else TrainingFailed(said)


def run_one(
    training: Training, data: Path, work: Path, out: Path, *, smoke: bool, stopper: Stopper, display: Display
) -> None:
    """Leave the logits of one training below `out`. Raises as `run` does."""
    folder = snapshot(data, work / "snapshots", training.labels, smoke=smoke)
    stopper.check()
    run_folder = RunFolder(work / "runs" / training.name)
    config = training.config(smoke=smoke)
    train(snapshot=folder, run=run_folder.path, choose=lambda: config, stopper=stopper, display=display)
    # The weights are kept; what goes on with them is not needed any more, and is three times as large.
    run_folder.last.unlink(missing_ok=True)
    predictor, opened = Predictor(run_folder.path, quick=False), snapshot_faces.open_snapshot(folder)
    faces = snapshot_faces.load(opened, predictor.config, predictor.made.stored_size, run_folder.cache)
    views = {"plain": plain, "ten-crop": WAYS["ten-crop"](0)}
    said = {
        (view, split): predictions_of(
            opened, split, predictor.look(faces.images, opened.splits[split].rows, views[view])
        )
        for view in VIEWS
        for split in SPLITS
    }
    keep(logits_file(out, training), said, opened.digest)
