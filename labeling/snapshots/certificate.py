"""What can be proved of a snapshot's splits. Pure but for the names of the columns it is given."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from labeling.snapshots import format as snapshots
from labeling.snapshots.candidates import Candidates
from labeling.snapshots.rule import STRATIFIED, Rule
from labeling.vision.neighbours import near

RADIUS = 8
"""Bits of the perceptual hash within which faces of two splits are looked for."""
Whole: TypeAlias = NDArray[np.int64]
_TRAIN = 0


def of(faces: Candidates, splits: Whole, groups: Whole, rule: Rule, *, own: Whole | None) -> dict[str, Any]:
    """The certificate.

    groups: by what faces are kept together, how many groups each split holds, and how many are in two (none).
    class_distance: of each split, half the sum of the differences of its classes' shares from those of all (0: alike,
    1: nothing in common). similarity: over all pairs of faces in two splits the fewest bits in which their perceptual
    hashes differ (of 64), null if more than `radius`, and how many pairs there are at each distance. repeats: of
    splits that came with the faces, how many faces of validation and test repeat one of train (the same media), or show
    nearly the same (labeling.likeness); before any was moved, and after.
    own: the split each face came with.
    """
    found = {
        "groups": _groups(splits, groups, rule),
        "class_distance": _class_distance(faces, splits),
        "similarity": _similarity(faces, splits),
    }
    if rule.splits != STRATIFIED and own is not None:
        found["repeats"] = {"as_given": _repeats(faces, own), "as_frozen": _repeats(faces, splits)}
    return found


def _groups(splits: Whole, groups: Whole, rule: Rule) -> dict[str, Any]:
    """Raises RuntimeError if a group is in two splits: such a snapshot must not be."""
    pairs = np.unique(np.stack([groups, splits]), axis=1)
    shared = int(pairs.shape[1] - len(np.unique(groups)))
    if shared:
        raise RuntimeError(f"{shared} groups straddle splits.")
    counts = np.bincount(pairs[1], minlength=len(snapshots.SPLITS)).tolist()
    per_split = {name: count for name, count in zip(snapshots.SPLITS, counts, strict=True) if count}
    return {"by": list(rule.groups), "per_split": per_split, "shared": shared}


def _class_distance(faces: Candidates, splits: Whole) -> dict[str, float]:
    whole = _shares(faces.label, len(faces.classes))
    return {
        name: round(
            float(np.abs(_shares(faces.label[splits == rank], len(faces.classes)) - whole).sum() / 2), 4
        )
        for rank, name in enumerate(snapshots.SPLITS)
        if (splits == rank).any()
    }


def _shares(labels: Whole, classes: int) -> NDArray[np.float64]:
    return np.bincount(labels, minlength=classes) / max(1, len(labels))


def _similarity(faces: Candidates, splits: Whole) -> dict[str, Any]:
    hashes, where = faces.fingerprint[faces.hashed], splits[faces.hashed]
    distinct, of_hash = np.unique(hashes, return_inverse=True)
    held = np.zeros((len(distinct), len(snapshots.SPLITS)), np.int64)
    np.add.at(held, (of_hash, where), 1)
    pairs = np.zeros(RADIUS + 1, np.int64)
    pairs[0] = _across(held, held) // 2
    if len(distinct) > 1:
        for block in near(distinct, RADIUS):
            across = _across_each(held[block.left], held[block.right])
            pairs += np.bincount(block.distances, weights=across, minlength=RADIUS + 1).astype(np.int64)
    met = np.flatnonzero(pairs)
    return {
        "radius": RADIUS,
        "bits": int(met[0]) if len(met) else None,
        "pairs": {str(bits): int(pairs[bits]) for bits in met},
        "compared": int(faces.hashed.sum()),
    }


def _across_each(left: Whole, right: Whole) -> Whole:
    """Of each pair of hashes, how many pairs of faces of two different splits have them."""
    return np.asarray(left.sum(axis=1) * right.sum(axis=1) - (left * right).sum(axis=1))


def _across(left: Whole, right: Whole) -> int:
    return int(_across_each(left, right).sum())


def _repeats(faces: Candidates, splits: Whole) -> dict[str, dict[str, int]]:
    learnt = splits == _TRAIN
    same = np.isin(faces.media, faces.media[learnt])
    alike = np.isin(faces.likeness, faces.likeness[learnt & (faces.likeness >= 0)])
    return {
        name: {
            "same_media": int((same & (splits == rank)).sum()),
            "alike": int(((same | alike) & (splits == rank)).sum()),
        }
        for rank, name in enumerate(snapshots.SPLITS)
        if rank != _TRAIN
    }
