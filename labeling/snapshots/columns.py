"""The rows of a snapshot as columns, out of the database and the storage."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import repeat
from typing import Any

import numpy as np
import pyarrow as pa
from django.db.models import OuterRef, Subquery
from numpy.typing import NDArray

from labeling import bulk, work
from labeling.models import Face, FaceLabel, Item
from labeling.sayings import gettext_noop
from labeling.snapshots import format as snapshots
from labeling.snapshots.arrays import Narrow
from labeling.snapshots.choosing import Choice
from labeling.snapshots.crops import NOT_THERE, Crops
from labeling.snapshots.rule import USUAL_LABELS

_FACE_GONE = gettext_noop("Face {face} was deleted while it was being frozen. Start again.")
_PICTURE_GONE = gettext_noop(
    "The picture of face {face} ({name}) is not in the storage. Put it back, then go on."
)
_OTHER_PICTURE = gettext_noop(
    "The picture of face {face} ({name}) is not the one people voted on. Put it back, then go on."
)
_TEXT = pa.string()
_FACE = pa.schema(
    [
        ("pk", pa.int64()), ("crop", _TEXT), ("crop_sha256", _TEXT), ("media__sha256", _TEXT), ("media__kind", _TEXT),
        *((name, pa.int64()) for name in ("time_ms", "x", "y", "width", "height")), ("detector", _TEXT),
        ("track__number", pa.int64()), ("media__licence", _TEXT), ("media__author", _TEXT), ("media__page_url", _TEXT),
        ("source", _TEXT),
    ]
)  # fmt: skip
"""source: the name of the source a media came from first."""


def chunks(
    choice: Choice,
    which: Narrow,
    crops: Crops,
    done: Callable[[int], None],
    reader: bulk.Reader | None = None,
) -> Iterator[dict[str, Any]]:
    """These rows of the snapshot as columns, some faces at a time, a fixed number of statements each.

    done: is told how many there were so far. reader: as of its moment. Raises Refused for a face that is gone.
    """
    faces = choice.faces
    by_votes = np.array([origin in USUAL_LABELS for origin in faces.origins])
    starts = range(0, len(which), snapshots.GROUP_ROWS)
    parts = [which[start : start + snapshots.GROUP_ROWS] for start in starts]
    known = bulk.table_each((_asked(faces.face[chunk]) for chunk in parts), _FACE, reader)
    labels = _labels((faces.face[chunk] for chunk in parts), reader)
    for start, chunk, found, others in zip(starts, parts, known, labels, strict=False):
        pks = faces.face[chunk]
        rows = _in_order(found, pks)
        label, votes, origin = faces.label[chunk], faces.votes[chunk], faces.origin[chunk]
        soft = _soft_labels(votes[:, : len(faces.classes)], label, by_votes[origin])
        yield {
            "face_key": snapshots.texts_of(faces.keys[chunk].tobytes()),
            "face_id": pa.array(pks),
            "image": partial(_crops, crops, pks, rows),
            "image_sha256": rows["crop_sha256"],
            "label": _named(faces.classes, label),
            "label_index": pa.array(label, pa.int16()),
            "label_origin": _named(faces.origins, origin),
            "other_labels": _other_labels(pks.tolist(), others),
            "votes": _lists(votes.astype(np.int32)),
            "soft_label": _lists(soft.astype(np.float32)),
            "split": _named(snapshots.SPLITS, choice.split[chunk]),
            "fold": pa.array(choice.fold[chunk], pa.int16()),
            "group": snapshots.texts_of(choice.group[chunk].astype(">u8").tobytes(), 16),
            "agreement": pa.array(faces.agreement[chunk], pa.float32()),
            "media_sha256": rows["media__sha256"],
            "media_kind": rows["media__kind"],
            "time_ms": rows["time_ms"],
            **{name: rows[name].cast(pa.int32()) for name in ("x", "y", "width", "height")},
            "detector": rows["detector"],
            "track": rows["track__number"].fill_null(0).cast(pa.int32()),
            "licence": rows["media__licence"],
            "author": rows["media__author"],
            "page_url": rows["media__page_url"],
            "source": rows["source"].fill_null(""),
            "given_split": _named(faces.given_splits, faces.given[chunk]),
        }
        done(start + len(pks))


def _asked(pks: Narrow) -> Any:
    """The columns of _FACE."""
    first = Item.objects.filter(media=OuterRef("media")).order_by("pk").values("source__name")[:1]
    faces: Any = Face.objects.filter(bulk.Among("pk", pks)).order_by().annotate(source=Subquery(first))
    return faces.values_list(*_FACE.names)


def _in_order(found: pa.Table, pks: Narrow) -> dict[str, pa.Array]:
    """The columns in the order of the keys. Raises Refused for a face that is gone."""
    there = found["pk"].to_numpy()
    order = np.argsort(there)
    place = np.searchsorted(there, pks, sorter=order).clip(max=max(0, len(there) - 1))
    gone = np.ones(len(pks), np.bool_) if not len(there) else there[order[place]] != pks
    if gone.any():
        raise work.Refused(_FACE_GONE.format(face=int(pks[gone][0])))
    rows = found.take(pa.array(order[place])).combine_chunks()
    return {name: rows.column(name).chunk(0) for name in _FACE.names}


def _named(names: Sequence[str], numbers: Narrow) -> pa.StringArray:
    return pa.array(names, _TEXT).take(pa.array(numbers))


def _lists(rows: NDArray[Any]) -> pa.ListArray:
    ends = np.arange(0, rows.size + 1, rows.shape[1], dtype=np.int32)
    return pa.ListArray.from_arrays(pa.array(ends), pa.array(rows.reshape(-1)))


_LABEL = pa.schema([("face", pa.int64()), ("column", _TEXT), ("label", _TEXT)])


def _labels(chunks: Iterable[Narrow], reader: bulk.Reader | None) -> Iterator[pa.Table]:
    """Of each of these chunks of faces the columns of _LABEL; without end where no face has a label."""
    if reader is None:
        is_there = FaceLabel.objects.exists()
    else:
        [(is_there,)] = reader.rows(f"SELECT EXISTS (SELECT 1 FROM {FaceLabel._meta.db_table})")
    if not is_there:
        return repeat(_LABEL.empty_table())
    rows = (FaceLabel.objects.filter(bulk.Among("face", pks)).order_by("column") for pks in chunks)
    return bulk.table_each((some.values_list(*_LABEL.names) for some in rows), _LABEL, reader)


def _other_labels(faces: Sequence[int], labels: pa.Table) -> list[str]:
    """Of each face column → label, of all columns there are, as JSON."""
    found: dict[int, dict[str, str]] = {}
    for row in labels.to_pylist():
        found.setdefault(row["face"], {})[row["column"]] = row["label"]
    return [
        json.dumps(found[face], sort_keys=True, ensure_ascii=False) if face in found else "{}"
        for face in faces
    ]


def _soft_labels(votes: Narrow, label: Narrow, by_votes: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Of the votes for expressions, the share of each; all for the label where it is not theirs, or there are none."""
    cast = votes.sum(axis=1)
    shared = by_votes & (cast > 0)
    shares = np.zeros(votes.shape)
    shares[np.arange(len(label)), label] = 1.0
    shares[shared] = votes[shared] / cast[shared, None]
    return shares


def _crops(
    crops: Crops, pks: Narrow, faces: Mapping[str, pa.Array], rows: NDArray[np.integer[Any]]
) -> snapshots.Images:
    """The stored crops of these rows.

    Raises Refused where one is gone, or is not the one that people voted on.
    """
    names, wanted = (faces[name].take(pa.array(rows)) for name in ("crop", "crop_sha256"))
    found = crops.read(names.to_pylist())
    wrong = np.flatnonzero(snapshots.digits_of(found.sha256) != snapshots.hex_digits(wanted))
    if len(wrong):
        number = int(wrong[0])
        said = _PICTURE_GONE if found.sizes[number] == NOT_THERE else _OTHER_PICTURE
        raise work.Refused(said.format(face=pks[rows[number]], name=names[number]))
    return found
