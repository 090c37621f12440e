"""Small real runs for tests: rows, and run folders as the core leaves them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from django.core.files.storage import default_storage

from labeling.expressions import SEVEN
from labeling.models import Campaign, CampaignFace, Face, Snapshot, WorkState
from tests.factories import make_campaign, make_over, settle
from tests.snapshot_folders import make_snapshot_folder
from training import evaluations, runs
from training.core.intervals import wilson_interval
from training.core.metrics import class_figures
from training.models import TrainingRun

COUNTS = {
    "splits": {"train": {"happy": 6, "sad": 4}, "validation": {"happy": 2}, "test": {"happy": 2}},
    "left_out": {},
}


def make_snapshot(campaign: Campaign | None = None, **fields: Any) -> Snapshot:
    """A frozen one, as a row only: there is no folder behind it."""
    snapshot = Snapshot.objects.create(
        campaign=campaign or make_campaign(), name="first", counts=COUNTS, **fields
    )
    make_over(snapshot, digest="0" * 64)
    return snapshot


def make_run(snapshot: Snapshot | None = None, **fields: Any) -> TrainingRun:
    defaults: dict[str, Any] = {"network": "resnet18", "preset": "quick", "settings": {"epochs": 3}}
    return runs.start(snapshot=snapshot or make_snapshot(), **{**defaults, **fields})


def epoch(number: int, accuracy: float, *, best: bool = True, epochs: int = 3) -> dict[str, Any]:
    return {
        "event": "epoch",
        "time": 1_000_000.0 + number,
        "epoch": number,
        "epochs": epochs,
        "train_loss": 2.0 / number,
        "train_accuracy": accuracy + 0.05,
        "validation_loss": 2.1 / number,
        "validation_accuracy": accuracy,
        "learning_rate": 1e-3,
        "seconds": 10.0,
        "eta_seconds": 10.0 * (epochs - number),
        "images_per_second": 123.4,
        "best": best,
    }


def write_events(run: TrainingRun, *events: dict[str, Any]) -> None:
    home = runs.folder(run)
    home.mkdir(parents=True, exist_ok=True)
    with (home / "metrics.jsonl").open("a") as file:
        file.writelines(json.dumps(event) + "\n" for event in events)


def finish(
    run: TrainingRun, judged: Sequence[tuple[int, str, str]] = (), classes: Sequence[str] = SEVEN
) -> TrainingRun:
    """Leave the run as a training leaves it. judged: (face id, label, predicted) of the test split."""
    write_events(run, epoch(1, 0.4), epoch(2, 0.6), epoch(3, 0.5, best=False))
    home = runs.folder(run)
    labels, predicted = [row[1] for row in judged], [row[2] for row in judged]
    (home / "result.json").write_text(json.dumps(_result(labels, predicted, classes)))
    table = {
        "key": [f"face-{face}" for face, _, _ in judged],
        "face_id": [face for face, _, _ in judged],
        "label": labels,
        "predicted": predicted,
        "probabilities": [_probabilities(label, classes) for label in predicted],
    }
    pq.write_table(pa.table(table), home / "predictions-test.parquet")
    evaluations.take_in(run=run, folder=home)
    make_over(run, epoch=3, validation_accuracy=0.6)
    return run


def _probabilities(label: str, classes: Sequence[str]) -> list[float]:
    rest = 0.3 / (len(classes) - 1)
    return [0.7 if name == label else rest for name in classes]


def _result(labels: list[str], predicted: list[str], classes: Sequence[str]) -> dict[str, Any]:
    confusion = np.zeros((len(classes), len(classes)), dtype=np.int64)
    for label, guess in zip(labels, predicted, strict=True):
        confusion[classes.index(label), classes.index(guess)] += 1
    images = max(len(labels), 1)
    right = int(np.trace(confusion))
    figures = {
        "images": len(labels),
        "accuracy": right / images,
        "accuracy_interval": list(wilson_interval(right, images)),
        "macro_f1": 0.5,
        "mean_recall": 0.5,
        "nll": 1.0,
        "per_class": class_figures(confusion, classes),
        "confusion": confusion.tolist(),
    }
    return {
        "classes": list(classes),
        "best_epoch": 2,
        "splits": {"validation": figures, "test": figures},
    }


def settled_faces(campaign: Campaign, label: str = "happy") -> list[CampaignFace]:
    faces = list(campaign.campaign_faces.all())
    for face in faces:
        settle(face, label)
    return faces


def faces_of(campaign: Campaign) -> list[Face]:
    return list(Face.objects.filter(campaign_faces__campaign=campaign).order_by("pk"))


def is_waiting(run: TrainingRun) -> bool:
    run.refresh_from_db()
    return run.state == WorkState.WAITING


def make_real_snapshot(campaign: Campaign | None = None, *, images_per_class: int = 10) -> Snapshot:
    """One with a folder in the storage that a network can learn from; its faces are in no database."""
    snapshot = Snapshot.objects.create(campaign=campaign or make_campaign(), name="learnable")
    name = f"snapshots/made-{snapshot.pk}"
    manifest = make_snapshot_folder(
        Path(default_storage.path(name)), images_per_class=images_per_class, size=16
    )
    make_over(
        snapshot, digest=manifest.digest, folder=name, counts={"splits": manifest.splits, "left_out": {}}
    )
    return snapshot


FAST = {"image_size": 32, "epochs": 2, "batch_size": 8, "device": "cpu", "threads": 1}
"""Settings under which a ResNet18 trains in a second or two on a CPU."""
