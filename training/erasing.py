"""What runs keep of the faces they were trained on, and how it is erased with the faces (labeling.erasure.remains).

The weights stay: which faces a network has seen cannot be taken out of them. So the runs are named.
"""

import os
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from django.conf import settings
from django.urls import reverse

from labeling import work
from labeling.erasure.remains import Alive, Gone
from labeling.models import Snapshot, WorkState
from training import child, runs
from training.models import Prediction, TrainingRun

OF_FACES = ("predictions-*.parquet", "heat-maps-*.parquet")
"""What a run keeps of single faces, by their keys."""
ARRAYS = "decoded-images"
_SETTLED_S = 2.5
"""Within that long a worker whose claim was taken has noticed: it beats about once a second."""
_WAIT_S = 0.1


class OfTraining:
    """Trainings on these snapshots, and what lies in their folders. Models whose weights were deleted know nobody."""

    def touched(self, snapshots: Collection[int]) -> list[dict[str, Any]]:
        there = TrainingRun.objects.filter(weights_deleted_at=None)
        rows = there.filter(snapshot__in=snapshots).order_by("-pk")
        return [{"name": row.name, "url": reverse("training:run", args=[row.pk])} for row in rows]

    def forget(self, gone: Gone, alive: Alive) -> None:
        """Stop what learns from the faces; what is stopped can go on, without them. Raises Refused as child does."""
        _stop_trainings(gone.snapshots, alive)
        for snapshot in gone.snapshots:
            for array in (Path(settings.RUNS_ROOT) / ARRAYS).glob(f"*images-{snapshot.digest}-*"):
                array.unlink(missing_ok=True)
        _begin_predictions_again(gone.campaigns, alive)
        for kept in OF_FACES:
            for file in sorted(Path(settings.RUNS_ROOT).glob(f"*/{kept}")):
                alive()
                _without(file, gone.keys)


def _stop_trainings(snapshots: Collection[Snapshot], alive: Alive) -> None:
    running = TrainingRun.objects.filter(snapshot__in=snapshots, state=WorkState.RUNNING)
    for run in running:
        work.stop(run)
    for run in running:
        # Its child may be writing what it has decoded.
        lock = runs.folder(run) / runs.LOCK
        if lock.exists():
            child.wait_until_free(lock, alive)


def _begin_predictions_again(campaigns: Collection[int], alive: Alive) -> None:
    """Of a prediction in the middle the crops lie in its folder; of one that was killed they lie there still."""
    rows = list(Prediction.objects.filter(campaign__in=campaigns).select_related("run"))
    taken = [row for row in rows if row.state == WorkState.RUNNING and work.begin_again(row, wake=False)]
    until = time.monotonic() + (_SETTLED_S if taken else 0)
    while time.monotonic() < until:
        alive()
        time.sleep(_WAIT_S)
    for row in rows:
        for file in (runs.folder(row.run) / f"prediction-{row.pk}").glob("*.par*"):
            file.unlink(missing_ok=True)
    for row in taken:
        work.enqueue(row)


def _without(file: Path, keys: Collection[str]) -> None:
    """Take the rows of these faces out, in one move."""
    with suppress(FileNotFoundError):
        wanted = pa.array(sorted(keys), pa.string())
        try:
            there = pc.is_in(pq.read_table(file, columns=["key"]).column("key"), wanted)
        except (pa.ArrowException, KeyError):
            return  # no opinions of ours
        if pc.any(there).as_py():
            part = file.with_name(f".{file.name}.{os.getpid()}.part")
            pq.write_table(pq.read_table(file).filter(pc.invert(there)), part)
            os.replace(part, file)
