"""What a run said of the faces of a split, as predictions-SPLIT.parquet keeps it. Everything else that judges, compares
or joins runs works from these files alone.
"""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from labeling.snapshots import format as snapshots
from training.core.metrics import Probabilities
from training.core.refusals import BadRunFolder
from training.core.run_folder import Made, RunFolder, write_atomically

if TYPE_CHECKING:
    from training.core.faces import Snapshot

_FACTS = ("votes", "source", "licence", "face_size", "media_faces")
_TRACK = ("media_sha256", "detector", "track")
_UNREADABLE = (OSError, ValueError, KeyError, TypeError, pa.ArrowException)


@dataclass(frozen=True)
class Facts:
    """What the snapshot knows of the faces of a split, beside their labels.

    votes: (N, K) counts of the classes. face_size: (N,) the shorter side of the box, in pixels of the picture.
    media_faces: (N,) faces of the snapshot that are of the same media, itself included. track_faces: (N,) those of the
    same track in a video, itself included; 0 for a face of no track. None in files written before it was kept.
    """

    votes: NDArray[np.int64]
    source: tuple[str, ...]
    licence: tuple[str, ...]
    face_size: NDArray[np.int64]
    media_faces: NDArray[np.int64]
    track_faces: NDArray[np.int64] | None = None

    def of(self, chosen: NDArray[np.int64]) -> "Facts":
        """Those of the faces at these places."""
        return Facts(
            votes=self.votes[chosen],
            source=tuple(self.source[place] for place in chosen),
            licence=tuple(self.licence[place] for place in chosen),
            face_size=self.face_size[chosen],
            media_faces=self.media_faces[chosen],
            track_faces=None if self.track_faces is None else self.track_faces[chosen],
        )


@dataclass(frozen=True)
class Predictions:
    """labels: (N,) true class indices. probabilities: (N, K), rows adding up to one. facts is None in files written
    before they were kept.
    """

    classes: tuple[str, ...]
    keys: tuple[str, ...]
    face_ids: NDArray[np.int64]
    labels: NDArray[np.int64]
    probabilities: NDArray[np.floating[Any]]
    facts: Facts | None = None

    def __len__(self) -> int:
        return len(self.keys)

    def of(self, chosen: NDArray[np.int64]) -> "Predictions":
        """Those of the faces at these places, in this order."""
        return Predictions(
            classes=self.classes,
            keys=tuple(self.keys[place] for place in chosen),
            face_ids=self.face_ids[chosen],
            labels=self.labels[chosen],
            probabilities=self.probabilities[chosen],
            facts=self.facts and self.facts.of(chosen),
        )


def facts_of(snapshot: Path, split: str, classes: int) -> Facts:
    """The facts of a split, in the snapshot's order."""
    columns = ["votes", "source", "licence", "width", "height", "split", *_TRACK]
    whole = snapshots.read_table(snapshot, columns=columns)
    faces, tracks = Counter(whole.column("media_sha256").to_pylist()), Counter(_tracks(whole))
    table = whole.filter(pc.equal(whole.column("split"), split))
    # The last two votes are `can't tell` and `not a face`, which no network answers.
    votes = _matrix(table.column("votes"), classes + 2)[:, :classes]
    sides = [table.column(name).to_numpy().astype(np.int64) for name in ("width", "height")]
    return Facts(
        votes=votes.astype(np.int64),
        source=tuple(table.column("source").to_pylist()),
        licence=tuple(table.column("licence").to_pylist()),
        face_size=np.minimum(*sides),
        media_faces=np.array([faces[media] for media in table.column("media_sha256").to_pylist()], np.int64),
        track_faces=np.array([tracks[track] if track[-1] else 0 for track in _tracks(table)], np.int64),
    )


def _tracks(table: pa.Table) -> list[tuple[str, str, int]]:
    """Of each face which track it is of: its number, 0 for none, counts within a media and a detector."""
    return list(zip(*(table.column(name).to_pylist() for name in _TRACK), strict=True))


def predictions_of(snapshot: "Snapshot", split: str, probabilities: Probabilities) -> Predictions:
    """The probabilities of a split's faces, in the snapshot's order, with what the snapshot knows of them."""
    faces = snapshot.splits[split]
    return Predictions(
        classes=snapshot.classes,
        keys=faces.keys,
        face_ids=faces.face_ids,
        labels=faces.labels,
        probabilities=probabilities,
        facts=facts_of(snapshot.folder, split, len(snapshot.classes)),
    )


def write_predictions(file: Path, predictions: Predictions) -> None:
    """One row per face: key, face_id, label, predicted, probabilities (in class order), and the facts if known."""
    classes = predictions.classes
    best = predictions.probabilities.argmax(axis=1) if len(predictions) else np.zeros(0, np.int64)
    columns: dict[str, Any] = {
        "key": pa.array(predictions.keys, pa.string()),
        "face_id": pa.array(predictions.face_ids, pa.int64()),
        "label": pa.array([classes[label] for label in predictions.labels], pa.string()),
        "predicted": pa.array([classes[label] for label in best], pa.string()),
        "probabilities": pa.array(list(predictions.probabilities.astype(np.float32)), pa.list_(pa.float32())),
    }
    if (facts := predictions.facts) is not None:
        columns |= {
            "votes": pa.array(list(facts.votes), pa.list_(pa.int64())),
            "source": pa.array(facts.source, pa.string()),
            "licence": pa.array(facts.licence, pa.string()),
            "face_size": pa.array(facts.face_size, pa.int64()),
            "media_faces": pa.array(facts.media_faces, pa.int64()),
        }
        if facts.track_faces is not None:
            columns["track_faces"] = pa.array(facts.track_faces, pa.int64())
    write_atomically(file, lambda part: pq.write_table(pa.table(columns), part))


def read_predictions(run: Path, split: str) -> Predictions:
    """What a finished run said of a split. Raises BadRunFolder where its folder does not hold it."""
    folder = RunFolder(run)
    file = folder.predictions(split)
    if not run.is_dir():
        raise BadRunFolder(f"There is no run folder {run}.")
    if not file.exists():
        raise BadRunFolder(
            f"{run} has no {file.name}. Finish its training; if it is finished, "
            f"`python -m training.core judge {run} --snapshot SNAPSHOT` writes the file."
        )
    try:
        return _read(file, made_of(run).classes)
    except _UNREADABLE as error:
        raise BadRunFolder(
            f"{file} cannot be read: {error}. Write it anew with `judge --snapshot`."
        ) from error


def made_of(run: Path) -> Made:
    """What a run was made of. Raises BadRunFolder for a folder that is no run."""
    made = RunFolder(run).made()
    if made is None:
        raise BadRunFolder(f"{run} is no run folder: it has no config.json.")
    return made


def _read(file: Path, classes: tuple[str, ...]) -> Predictions:
    table = pq.read_table(file)
    index = {label: place for place, label in enumerate(classes)}
    known = all(name in table.column_names for name in _FACTS)
    return Predictions(
        classes=classes,
        keys=tuple(table.column("key").to_pylist()),
        face_ids=table.column("face_id").to_numpy(),
        labels=np.array([index[label] for label in table.column("label").to_pylist()], np.int64),
        probabilities=_matrix(table.column("probabilities"), len(classes)).astype(np.float32),
        facts=_facts(table, len(classes)) if known else None,
    )


def _facts(table: pa.Table, classes: int) -> Facts:
    return Facts(
        votes=_matrix(table.column("votes"), classes).astype(np.int64),
        source=tuple(table.column("source").to_pylist()),
        licence=tuple(table.column("licence").to_pylist()),
        face_size=table.column("face_size").to_numpy(),
        media_faces=table.column("media_faces").to_numpy(),
        track_faces=table.column("track_faces").to_numpy() if "track_faces" in table.column_names else None,
    )


def _matrix(column: pa.ChunkedArray, width: int) -> NDArray[Any]:
    """(N, width) from a column of lists. Raises ValueError for lists of other lengths."""
    found: NDArray[Any] = column.combine_chunks().flatten().to_numpy().reshape(len(column), width)
    return found
