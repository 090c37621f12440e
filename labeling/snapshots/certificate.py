"""What can be proved of a snapshot's splits. Pure but for the names of the columns it is given."""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from labeling.snapshots import format as snapshots
from labeling.snapshots.candidates import Candidates
from labeling.snapshots.rule import STRATIFIED, Rule
from labeling.vision.neighbours import near, near_to

RADIUS = 8
"""Bits of the perceptual hash within which faces of two splits are looked for."""
Whole: TypeAlias = NDArray[np.integer[Any]]
_TRAIN = 0
_FEW = 0.2
"""Of the hashes, as many may be new for only those to be compared with all."""


@dataclass(frozen=True, eq=False)
class Compared:
    """Faces that were compared before, and what came of it. fingerprint, hashed: as in Candidates. splits: as of `of`.
    places: of each face there is now its number among them, -1 for one that was not.
    """

    fingerprint: NDArray[np.uint64]
    hashed: NDArray[np.bool_]
    splits: Whole
    places: Whole
    similarity: dict[str, Any]

    def parted(self, faces: Candidates, splits: Whole) -> tuple["_Held", "_Held", "_Held"]:
        """Of these faces those that were here with the same hash and split, and the others; and which of here are gone,
        or are there with another.
        """
        stays = self.places >= 0
        at = self.places[stays]
        stays[stays] = (
            (faces.fingerprint[stays] == self.fingerprint[at])
            & (faces.hashed[stays] == self.hashed[at])
            & (splits[stays] == self.splits[at])
        )
        gone = np.ones(len(self.hashed), np.bool_)
        gone[self.places[stays]] = False
        gone &= self.hashed
        here, new = faces.hashed & stays, faces.hashed & ~stays
        return (
            _Held.of(faces.fingerprint[here], splits[here]),
            _Held.of(faces.fingerprint[new], splits[new]),
            _Held.of(self.fingerprint[gone], self.splits[gone]),
        )


def of(
    faces: Candidates,
    splits: Whole,
    groups: Whole,
    rule: Rule,
    *,
    own: Whole | None,
    compared: Compared | None = None,
) -> dict[str, Any]:
    """The certificate.

    groups: by what faces are kept together, how many groups each split holds, and how many are in two (none).
    class_distance: of each split, half the sum of the differences of its classes' shares from those of all (0: alike,
    1: nothing in common). similarity: over all pairs of faces in two splits the fewest bits in which their perceptual
    hashes differ (of 64), null if more than `radius`, and how many pairs there are at each distance. repeats: of
    splits that came with the faces, how many faces of validation and test repeat one of train (the same media), or show
    nearly the same (labeling.likeness); before any was moved, and after.
    own: the split each face came with. compared: faces most of which are the same as these, to spare comparing them.
    """
    found = {
        "groups": _groups(splits, groups, rule),
        "class_distance": _class_distance(faces, splits),
        "similarity": _similarity(faces, splits, compared),
    }
    if rule.splits != STRATIFIED and own is not None:
        found["repeats"] = {"as_given": _repeats(faces, own), "as_frozen": _repeats(faces, splits)}
    return found


def _groups(splits: Whole, groups: Whole, rule: Rule) -> dict[str, Any]:
    """Raises RuntimeError if a group is in two splits: such a snapshot must not be."""
    split_of = np.full(int(groups.max(initial=-1)) + 1, -1)
    split_of[groups] = splits
    shared = len(np.unique(groups[split_of[groups] != splits]))
    if shared:
        raise RuntimeError(f"{shared} groups straddle splits.")
    counts = np.bincount(split_of[split_of >= 0], minlength=len(snapshots.SPLITS)).tolist()
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


def _similarity(faces: Candidates, splits: Whole, compared: Compared | None) -> dict[str, Any]:
    pairs = None if compared is None else _pairs_since(faces, splits, compared)
    if pairs is None:
        pairs = _Held.of(faces.fingerprint[faces.hashed], splits[faces.hashed]).pairs()
    met = np.flatnonzero(pairs)
    return {
        "radius": RADIUS,
        "bits": int(met[0]) if len(met) else None,
        "pairs": {str(bits): int(pairs[bits]) for bits in met},
        "compared": int(faces.hashed.sum()),
    }


def _pairs_since(faces: Candidates, splits: Whole, compared: Compared) -> Whole | None:
    """Pairs in two splits by distance, from those there were before; None where too much is new.

    Of those that stay nothing is compared: only what is gone with what stays and with itself, and what is new.
    """
    if compared.similarity.get("radius") != RADIUS:
        return None
    stays, new, gone = compared.parted(faces, splits)
    if len(gone.hashes) + len(new.hashes) > _FEW * (len(stays.hashes) + len(new.hashes)):
        return None
    pairs = np.zeros(RADIUS + 1, np.int64)
    for bits, count in compared.similarity["pairs"].items():
        pairs[int(bits)] = count
    pairs += stays.pairs_with(new) + new.pairs() - stays.pairs_with(gone) - gone.pairs()
    return pairs


@dataclass(frozen=True, eq=False)
class _Held:
    """Distinct hashes in their order, and of each how many faces of each split have it: (n, splits)."""

    hashes: NDArray[np.uint64]
    counts: Whole

    @classmethod
    def of(cls, hashes: NDArray[np.uint64], splits: Whole) -> "_Held":
        order = np.argsort(hashes, kind="stable")
        in_order = hashes[order]
        first = np.ones(len(order), np.bool_)
        first[1:] = in_order[1:] != in_order[:-1]
        flat = (np.cumsum(first) - 1) * len(snapshots.SPLITS) + splits[order]
        distinct = in_order[first]
        counts = np.bincount(flat, minlength=len(distinct) * len(snapshots.SPLITS))
        return cls(distinct, counts.reshape(len(distinct), len(snapshots.SPLITS)).astype(np.int32))

    def pairs(self) -> Whole:
        """Pairs of faces in two splits, by distance: (RADIUS + 1,)."""
        found = np.zeros(RADIUS + 1, np.int64)
        counts = self.counts.astype(np.int64)
        found[0] = _across(counts, counts) // 2
        if len(self.hashes) > 1:
            for block in near(self.hashes, RADIUS):
                found += _counted(self.counts[block.left], self.counts[block.right], block.distances)
        return found

    def pairs_with(self, others: "_Held") -> Whole:
        """Pairs of one of these and one of the others, in two splits, by distance."""
        found = np.zeros(RADIUS + 1, np.int64)
        if len(self.hashes) and len(others.hashes):
            for block in near_to(others.hashes, self.hashes, RADIUS):
                found += _counted(others.counts[block.left], self.counts[block.right], block.distances)
        return found


def _counted(left: Whole, right: Whole, distances: NDArray[np.integer]) -> Whole:
    across = _across_each(left.astype(np.int64), right.astype(np.int64))
    return np.bincount(distances, weights=across, minlength=RADIUS + 1).astype(np.int64)


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
