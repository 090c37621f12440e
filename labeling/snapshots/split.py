"""Train, validation and test, or folds, without a group in two of them. Pure."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

TRAIN = "train"
Counts: TypeAlias = NDArray[np.integer[Any]]
"""(groups, classes): how many items."""
Names: TypeAlias = NDArray[np.bytes_]
FREE = -1
_AT_ONCE = 65_536
"""Groups that become objects of Python at a time."""


def split_groups(
    labels: Sequence[str],
    groups: Sequence[str],
    fractions: Mapping[str, float],
    seed: int,
    kept: Mapping[str, str] | None = None,
) -> list[str]:
    """A split for every item, so that each class is parted by the fractions and no group straddles.

    labels, groups: one per item, in step. fractions: split → share, at least 0, not all 0; they are scaled to add
    up to 1. kept: group → the split in which it stays. The same items get the same splits on every machine, in
    whatever order items and fractions come. Raises ValueError for bad fractions.
    """
    names, group_of = np.unique(np.asarray(groups, dtype=object), return_inverse=True)
    classes, label_of = np.unique(np.asarray(labels, dtype=object), return_inverse=True)
    counts = count(label_of, group_of, len(classes), len(names))
    splits = in_order(fractions)
    stays = [(kept or {}).get(name) for name in names]
    known = np.array([splits.index(split) if split in splits else FREE for split in stays], np.int64)
    place = deal(counts, np.array([name.encode() for name in names], np.bytes_), fractions, seed, known)
    return [splits[place[group]] for group in group_of]


def in_order(fractions: Mapping[str, float]) -> list[str]:
    """The splits with a share, the largest first: it is where a tie goes. A mapping's own order may not survive a
    database. Raises ValueError for fractions that are none.
    """
    if not sum(fractions.values()) > 0 or min(fractions.values()) < 0:
        raise ValueError("Fractions are shares of at least 0, and not all of them 0.")
    return sorted((split for split in fractions if fractions[split]), key=lambda s: (-fractions[s], s))


def count(labels: NDArray[np.integer], groups: NDArray[np.integer], classes: int, size: int) -> Counts:
    """How many items of each class each group has. labels, groups: (n,) from 0."""
    flat = groups.astype(np.int64) * classes + labels
    return np.bincount(flat, minlength=classes * size).reshape(size, classes).astype(np.int32)


def deal(
    counts: Counts, names: Names, fractions: Mapping[str, float], seed: int, kept: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Group → number of its split in `in_order(fractions)`.

    names: of the groups as UTF-8, for the drawing of those that are free. kept: (groups,) the split in which it stays,
    or FREE.

    Groups are dealt out from the largest to the smallest, equal ones in an order drawn by the seed; each goes to
    the split that lacks most of its classes. Where there are enough groups every split with a share gets one, and
    every class is in `train`.
    """
    splits = in_order(fractions)
    total = sum(fractions.values())
    shares = [fractions[split] / total for split in splits]
    free = np.flatnonzero(kept == FREE)
    order = free[_drawn_order(counts[free], names[free], seed)]
    place = _deal(order, counts, shares, kept)
    pinned = _pinned(order, counts, splits, place, kept)
    return _deal(order, counts, shares, pinned) if (pinned != kept).any() else place


def _drawn_order(counts: Counts, names: Names, seed: int) -> NDArray[np.int64]:
    drawn = np.empty(len(names), np.uint64)
    sha256, before = hashlib.sha256, f"{seed}/".encode()
    for start in range(0, len(names), _AT_ONCE):
        some = names[start : start + _AT_ONCE].tolist()
        drawn[start : start + len(some)] = np.frombuffer(
            b"".join([sha256(before + name).digest()[:8] for name in some]), ">u8"
        )
    by_name = np.argsort(names, kind="stable")
    rank = np.empty(len(names), np.int64)
    rank[by_name] = np.arange(len(names))
    return np.lexsort((rank, drawn, -counts.sum(axis=1, dtype=np.int64)))


def _deal(
    order: NDArray[np.int64], counts: Counts, shares: Sequence[float], kept: NDArray[np.int64]
) -> NDArray[np.int64]:
    totals = counts.sum(axis=0).tolist()
    lacking = [[share * every for every in totals] for share in shares]
    place = kept.copy()
    taken = [(kept == split) for split in range(len(shares))]
    for split, there in enumerate(taken):
        for label, held in enumerate(counts[there].sum(axis=0).tolist()):
            lacking[split][label] -= held
    empty = {split for split, there in enumerate(taken) if not there.any()}
    free = order[kept[order] == FREE]
    every = list(range(len(shares)))
    left = len(free)
    for group, held in zip(free.tolist(), _held(counts, free), strict=True):
        # The last groups are for the splits that have none yet.
        best, most = -1, 0.0
        for split in sorted(empty) if left <= len(empty) else every:
            lacks, wanted = lacking[split], 0.0
            for label, each in held:
                wanted += each * lacks[label]
            if best < 0 or wanted > most:
                best, most = split, wanted
        place[group] = best
        lacks = lacking[best]
        for label, each in held:
            lacks[label] -= each
        empty.discard(best)
        left -= 1
    return place


def _held(counts: Counts, groups: NDArray[np.int64]) -> Iterator[list[tuple[int, int]]]:
    """Of each of these groups its classes and how many items of each."""
    for start in range(0, len(groups), _AT_ONCE):
        some = counts[groups[start : start + _AT_ONCE]]
        group, label = np.nonzero(some)
        pairs = list(zip(label.tolist(), some[group, label].tolist(), strict=True))
        ends = np.cumsum(np.bincount(group, minlength=len(some))).tolist()
        for first, last in pairwise([0, *ends]):
            yield pairs[first:last]


def _pinned(
    order: NDArray[np.int64],
    counts: Counts,
    splits: Sequence[str],
    place: NDArray[np.int64],
    kept: NDArray[np.int64],
) -> NDArray[np.int64]:
    """For each class missing in train: the smallest free group that holds it goes there, while others are left."""
    train = splits.index(TRAIN) if TRAIN in splits else 0
    there = counts[place == train].sum(axis=0) > 0
    held = counts > 0
    pinned = kept.copy()
    holders = held.sum(axis=0)
    missing = [label for label in range(counts.shape[1]) if holders[label] and not there[label]]
    for label in sorted(missing, key=lambda label: (holders[label], label)):
        free = order[(pinned[order] == FREE) & held[order, label]]
        if (pinned == FREE).sum() < len(splits) or not len(free):
            break
        if not held[pinned == train, label].any():
            pinned[free[-1]] = train
    return pinned
