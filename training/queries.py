"""What pages and admin read: each list in a fixed number of queries."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
from django.db.models import Count, F, Prefetch, Q, QuerySet
from django.utils.translation import gettext_noop
from numpy.typing import NDArray

from labeling.models import CampaignFace, Face, Snapshot, WorkState
from training import metrics, runs
from training.core.config import FIELDS, resolve
from training.core.heat_maps import read_heat_maps
from training.core.refusals import BadConfig
from training.models import Evaluation, RelabelRound, TrainingRun

TEST_PREDICTIONS = "predictions-test.parquet"


def images_in(snapshot: Snapshot, split: str) -> int:
    """Images of one split of a frozen snapshot."""
    return sum(int(count) for count in snapshot.counts["splits"][split].values())


def runs_for_list() -> QuerySet[TrainingRun]:
    """Two queries, however many rows: the runs with their snapshots, and their evaluations."""
    return TrainingRun.objects.select_related("snapshot", "created_by").prefetch_related(
        Prefetch("evaluations", Evaluation.objects.order_by("split"))
    )


def judged_runs() -> QuerySet[TrainingRun]:
    """Those of `runs_for_list` that are done and have judged test faces."""
    return runs_for_list().filter(state=WorkState.DONE, evaluations__split="test")


def snapshots_with_judged_runs(least: int) -> QuerySet[Snapshot]:
    """Snapshots on which at least so many runs are done and judged, the newest first."""
    judged = Q(runs__state=WorkState.DONE, runs__evaluations__split="test")
    counted = Snapshot.objects.annotate(judged=Count("runs", filter=judged, distinct=True))
    return counted.filter(judged__gte=least).order_by("-pk")


@dataclass(frozen=True)
class TakenUp:
    """That a run was gone on with by itself. why: in English, as a worker wrote it."""

    at: datetime
    epoch: int
    """Whole epochs done by then."""
    why: str


def taken_up(run: TrainingRun) -> list[TakenUp]:
    """Each time the run was taken up after its process or worker had died, the newest first."""
    return [
        TakenUp(datetime.fromisoformat(said["at"]), said["epoch"], said["why"])
        for said in reversed(run.taken_up)
    ]


def evaluation_of(run: TrainingRun, split: str) -> Evaluation | None:
    """From the prefetched evaluations, without a query."""
    return next((e for e in run.evaluations.all() if e.split == split), None)


def accuracies(run: TrainingRun) -> list[float]:
    """Validation accuracy per epoch, 0–1."""
    return [epoch["validation_accuracy"] for epoch in runs.curves(run)]


@dataclass(frozen=True)
class ConfigRow:
    name: str
    value: Any
    preset_value: Any
    about: str

    @property
    def differs(self) -> bool:
        return bool(self.value != self.preset_value)


def config_table(run: TrainingRun) -> list[ConfigRow]:
    """Every setting of the run beside what its preset has today."""
    try:
        preset: Mapping[str, Any] = resolve(run.preset, run.network).to_json()
    except BadConfig:
        # The preset was dropped or renamed since; the run still shows what it was trained with.
        preset = run.config
    # PostgreSQL keeps no order of keys; known settings come in the core's order, forgotten ones last.
    names = [name for name in FIELDS if name in run.config] + sorted(run.config.keys() - FIELDS.keys())
    return [
        ConfigRow(name, value := run.config[name], preset.get(name, value), _about(name)) for name in names
    ]


def _about(name: str) -> str:
    return FIELDS[name].about if name in FIELDS else gettext_noop("A setting that is no more.")


@dataclass(frozen=True)
class Judged:
    """One test face as the network saw it. face is None when it was deleted since."""

    face: Face | None
    label: str
    predicted: str
    probability: float
    """Of the predicted class, 0–1."""
    heat: NDArray[np.uint8] | None = None
    """Where it looked, (SIDE, SIDE) in 0–255; None where the run keeps no such map of the face."""


@dataclass(frozen=True)
class JudgedRow:
    face_id: int
    label: str
    predicted: str
    probability: float


def judged_rows(folder: Path, *, label: str = "", predicted: str = "") -> list[JudgedRow]:
    """Test faces of a run folder, the surest first: the mistakes, or one cell of the confusion matrix."""
    try:
        table = pq.read_table(folder / TEST_PREDICTIONS)
    except FileNotFoundError:
        return []
    if label or predicted:
        for column, wanted in (("label", label), ("predicted", predicted)):
            table = table.filter(pc.equal(table[column], wanted)) if wanted else table
    if not (label and predicted):
        table = table.filter(pc.not_equal(table["label"], table["predicted"]))
    rows = [
        JudgedRow(row["face_id"], row["label"], row["predicted"], max(row["probabilities"]))
        for row in table.select(["face_id", "label", "predicted", "probabilities"]).to_pylist()
    ]
    return sorted(rows, key=lambda row: (-row.probability, row.face_id))


def with_faces(folder: Path, rows: list[JudgedRow]) -> list[Judged]:
    """The rows with their faces, by one query, and with what the run folder knows of where the network looked."""
    numbers = [row.face_id for row in rows]
    faces, heat = Face.objects.in_bulk(numbers), read_heat_maps(folder, "test", numbers)
    return [
        Judged(faces.get(row.face_id), row.label, row.predicted, row.probability, heat.get(row.face_id))
        for row in rows
    ]


def rounds_for_list() -> QuerySet[RelabelRound]:
    """One query: each round with face_count, and settled_count: those that have all their votes now.

    Faces that were erased count in neither.
    """
    there = ~Q(faces__campaign_face__state=CampaignFace.State.ERASED)
    settled = Q(faces__campaign_face__state=CampaignFace.State.SETTLED)
    # Re-opened once more since: for this round the face is settled all the same.
    settled |= Q(faces__campaign_face__round__gt=F("faces__voting_round"))
    rounds = RelabelRound.objects.select_related("run", "campaign", "opened_by").order_by("-pk")
    return rounds.annotate(
        face_count=Count("faces", filter=there), settled_count=Count("faces", filter=settled & there)
    )


def progress_of(run: TrainingRun) -> metrics.Progress:
    return metrics.progress(metrics.read(runs.folder(run)))
