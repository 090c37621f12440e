"""The faces of two splits that look most alike, for eyes: the certificate only counts them."""

from collections.abc import Iterator
from dataclasses import dataclass
from heapq import nsmallest
from itertools import combinations
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from labeling import bulk
from labeling.models import Face, Snapshot
from labeling.snapshots import format as snapshots
from labeling.snapshots import stored
from labeling.snapshots.arrays import Whole, whole_numbers
from labeling.snapshots.certificate import RADIUS
from labeling.vision.neighbours import near_to

MOST = 60
"""Pairs, as many as somebody looks at."""
_COLUMNS = ("face_key", "face_id", "split", "label", "image_sha256", "media_sha256")
_AT_ONCE = 65_536
_PRINTS = pa.schema([("face", pa.int64()), ("fingerprint", pa.int64())])


@dataclass(frozen=True)
class Pair:
    """Two faces of two splits, each as its row of the snapshot. bits: of 64, in which their hashes differ."""

    bits: int
    faces: tuple[dict[str, Any], dict[str, Any]]


def nearest(snapshot: Snapshot) -> list[Pair]:
    """The nearest pairs within RADIUS bits, MOST at most, the nearest first. Raises Refused.

    Of many faces of a split with the very same hash one stands for all. Those that were erased or removed since are
    left out.
    """
    with stored.reading(snapshot) as [folder]:
        rows = snapshots.read_table(folder, ["face_id", "split"])
        prints, known = _fingerprints(whole_numbers(rows, "face_id"))
        held = np.flatnonzero(known)
        of = prints[held], _splits(rows)[held], held
        found: list[tuple[int, int, int]] = []
        for radius in dict.fromkeys((_radius(snapshot), RADIUS)):
            if len(found) < MOST:
                found = nsmallest(MOST, _pairs(*of, radius), key=itemgetter(0))
        if not found:
            return []
        told = _told(folder, np.array(sorted({row for _bits, *both in found for row in both}), np.int64))
    return [Pair(bits, (told[one], told[other])) for bits, one, other in found]


def _told(folder: Path, rows: Whole) -> dict[int, dict[str, Any]]:
    """These rows, by their numbers, which ascend. Of a million the texts of all would take hundreds of megabytes."""
    found: dict[int, dict[str, Any]] = {}
    first = 0
    for batch in snapshots.iter_batches(folder, _COLUMNS, rows=_AT_ONCE):
        here = rows[(rows >= first) & (rows < first + batch.num_rows)]
        found |= zip(here.tolist(), batch.take(here - first).to_pylist(), strict=True)
        first += batch.num_rows
    return found


def _radius(snapshot: Snapshot) -> int:
    """Within how many bits enough pairs were counted, if no hash is there many times: the fewer, the quicker."""
    counted = snapshot.counts.get("certificate", {}).get("similarity", {}).get("pairs", {})
    met = 0
    for bits in range(RADIUS + 1):
        met += counted.get(str(bits), 0)
        if met >= MOST:
            return bits
    return RADIUS


def _splits(rows: pa.Table) -> Whole:
    names = rows.column("split").to_numpy(zero_copy_only=False)
    return np.select([names == name for name in snapshots.SPLITS], range(len(snapshots.SPLITS)))


def _fingerprints(faces: Whole) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
    """Of each face its hash, and whether it has one and is still there."""
    prints, known = np.zeros(len(faces), np.uint64), np.zeros(len(faces), np.bool_)
    if not len(faces):
        return prints, known
    order = np.argsort(faces)
    asked = Face.objects.filter(
        pk__gte=faces.min(), pk__lte=faces.max(), fingerprint__isnull=False
    ).values_list("pk", "fingerprint")
    for table in bulk.tables(asked.order_by(), _PRINTS):
        keys = whole_numbers(table, "face")
        at = np.searchsorted(faces, keys, sorter=order)
        at[at == len(faces)] = 0
        here = faces[order[at]] == keys
        prints[order[at[here]]] = whole_numbers(table, "fingerprint")[here].astype(np.int64).view(np.uint64)
        known[order[at[here]]] = True
    return prints, known


def _pairs(
    prints: NDArray[np.uint64], split: Whole, rows: Whole, radius: int
) -> Iterator[tuple[int, int, int]]:
    """Bits and two rows of two splits; of each block of them MOST at most, the nearest."""
    # Each split beside each other one, and none beside itself: most faces are of one split, and of no interest there.
    held = [_distinct(prints[split == rank], rows[split == rank]) for rank in range(len(snapshots.SPLITS))]
    for (few, few_rows), (many, many_rows) in combinations(sorted(held, key=lambda one: len(one[0])), 2):
        if not len(few):
            continue
        for block in near_to(few, many, radius):
            some = np.argsort(block.distances, kind="stable")[:MOST]
            both = few_rows[block.left[some]].tolist(), many_rows[block.right[some]].tolist()
            yield from zip(block.distances[some].tolist(), *both, strict=True)


def _distinct(prints: NDArray[np.uint64], rows: Whole) -> tuple[NDArray[np.uint64], Whole]:
    """The hashes there are, and of each the first row that has it."""
    found, first = np.unique(prints, return_index=True)
    return found, rows[first]
