"""Groups of near-duplicates: what is near something of a group belongs to it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from labeling.vision.fingerprint import Hashes
from labeling.vision.neighbours import Crowd, Indices, Pairs, search

RADIUS = 6
"""Seen on faces of 48 × 48 pixels (docs/results/near-duplicates.md): nearly all pairs up to 4 bits show the same
picture, seven in eight of those at 6, half or fewer of those beyond. A wrong link costs a split little, a missed one
lets a test know what was trained on. Too much for a million faces unless confirmed."""
Confirm: TypeAlias = Callable[[Indices, Indices], np.ndarray[tuple[int], np.dtype[np.bool_]]]
"""Places i and j of hashes that are near each other, (n,) each; returns which pairs are near-duplicates indeed."""
_CROWD = 1 << 20
_ROUND = 1 << 20
_MOST_ROUNDS = 32


@dataclass(frozen=True)
class Grown:
    """What became of groups when others came."""

    groups: Indices
    """(m,) the groups of those who came."""
    merged: dict[int, int]
    """Groups that are no more, each with the one it went into."""


def groups(
    hashes: Hashes,
    *,
    radius: int = RADIUS,
    names: Indices | None = None,
    confirm: Confirm | None = None,
) -> Indices:
    """The group of each hash, (n,) int64, named by the smallest name in it.

    Two hashes that differ in at most so many bits are in one group, and so are any two linked by others.
    names: (n,) different numbers, 0 to n - 1 unless given. confirm: is asked of pairs within the radius, for
    instance to compare the pictures themselves (`fingerprint.alike`); equal hashes are not asked about. Among
    a million faces pairs of strangers within six bits are many enough to chain thousands: confirm there.
    Raises ValueError for a radius outside 0 to 10.
    """
    none = np.empty(0, np.int64)
    return grow(none.view(np.uint64), none, hashes, radius=radius, names=names, confirm=confirm).groups


def grow(
    known: Hashes,
    groups: Indices,
    new: Hashes,
    *,
    radius: int = RADIUS,
    names: Indices | None = None,
    confirm: Confirm | None = None,
) -> Grown:
    """Bring new hashes into groups made earlier in the same way; the same as grouping all at once.

    known: (n,) hashes and their groups, (n,). new: (m,) hashes; names: (m,) numbers of their own, n to
    n + m - 1 unless given. confirm: as in `groups`; places from n on are those of the new. The known are
    sorted, but not compared with each other again.
    """
    names = np.arange(len(known), len(known) + len(new)) if names is None else names
    hashes, place, node = np.unique(np.concatenate((known, new)), return_index=True, return_inverse=True)
    forest = _Forest(len(hashes))
    _, first, group = np.unique(groups, return_index=True, return_inverse=True)
    forest.join(node[: len(known)], node[: len(known)][first[group]])
    is_old = np.zeros(len(hashes), bool)
    is_old[node[: len(known)]] = True
    old, fresh = np.flatnonzero(is_old), np.flatnonzero(~is_old)
    links = _Links(hashes, place, forest, radius, confirm)
    links.within(fresh)
    links.between(fresh, old)
    roots = forest.roots(node)
    smallest = np.full(len(hashes), np.iinfo(np.int64).max)
    np.minimum.at(smallest, roots, np.concatenate((groups, names)))
    now = smallest[roots]
    moved = now[: len(known)] != groups
    merged = dict(zip(groups[moved].tolist(), now[: len(known)][moved].tolist(), strict=True))
    return Grown(now[len(known) :], merged)


class _Forest:
    """Union-find over whole arrays: a root is its own parent, and the smallest of its tree."""

    def __init__(self, nodes: int) -> None:
        self._parents = np.arange(nodes)

    def roots(self, nodes: Indices) -> Indices:
        found = self._parents[nodes]
        while True:
            above = self._parents[found]
            if np.array_equal(above, found):
                self._parents[nodes] = found
                return found
            found = above

    def join(self, some: Indices, others: Indices) -> None:
        """Put some[i] and others[i] into one tree."""
        while True:
            some, others = self.roots(some), self.roots(others)
            apart = some != others
            if not apart.any():
                return
            some, others = some[apart], others[apart]
            np.minimum.at(self._parents, np.maximum(some, others), np.minimum(some, others))


@dataclass(frozen=True)
class _Links:
    """Joins what is near each other. Nodes are places in `hashes`, which are all different."""

    hashes: Hashes
    places: Indices
    """Where the caller has each of them."""
    forest: _Forest
    radius: int
    confirm: Confirm | None

    def within(self, nodes: Indices) -> None:
        for block in search(self.hashes[nodes], None, self.radius, crowd=_CROWD):
            self._take(block, nodes, nodes)

    def between(self, some: Indices, others: Indices) -> None:
        for block in search(self.hashes[some], self.hashes[others], self.radius, crowd=_CROWD):
            self._take(block, some, others)

    def _take(self, block: Pairs | Crowd, some: Indices, others: Indices) -> None:
        if isinstance(block, Crowd):
            self._crowd(some[block.left], others[block.right])
        else:
            self._join(some[block.left], others[block.right])

    def _join(self, some: Indices, others: Indices) -> None:
        if self.confirm is not None:
            apart = self.forest.roots(some) != self.forest.roots(others)
            some, others = some[apart], others[apart]
            if not len(some):
                return
            sure = self.confirm(self.places[some], self.places[others])
            some, others = some[sure], others[sure]
        self.forest.join(some, others)

    def _crowd(self, left: Indices, right: Indices) -> None:
        """Join hashes that crowd together, such as the frames of one still scene.

        Comparing all with all is needless there: who is in one group already need not be compared. So one
        after another is compared with all others, until those that were not are in one group.
        """
        within = np.array_equal(left, right)
        rounds = 1
        while len(left) and len(right):
            largest = _common(self.forest.roots(np.concatenate((left, right))))
            outside = self.forest.roots(left) != largest
            if not outside.any() and not within:
                left, right = right, left
                outside = self.forest.roots(left) != largest
            if not outside.any():
                return
            for _ in range(rounds):
                some = np.flatnonzero(outside)[: max(1, _ROUND // len(right))]
                distances = np.bitwise_count(self.hashes[left[some]][:, None] ^ self.hashes[right][None, :])
                asking, met = np.nonzero(distances <= self.radius)
                self._join(left[some][asking], right[met])
                left, outside = np.delete(left, some), np.delete(outside, some)
                right = left if within else right
                if not outside.any() or not len(right):
                    break
            rounds = min(2 * rounds, _MOST_ROUNDS)


def _common(roots: Indices) -> int:
    """One that many share."""
    some = roots[:: max(1, len(roots) // 1000)]
    values, counts = np.unique(some, return_counts=True)
    return int(values[counts.argmax()])
