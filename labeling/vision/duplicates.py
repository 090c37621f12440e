"""Groups of near-duplicates: what is near something of a group belongs to it."""

from dataclasses import dataclass

import numpy as np

from labeling.vision.fingerprint import Hashes
from labeling.vision.neighbours import Crowd, Indices, search

RADIUS = 6
"""Seen on faces of 48 × 48 pixels (docs/results/near-duplicates.md): nearly all pairs up to 4 bits show the same
picture, seven in eight of those at 6, half or fewer of those beyond. A wrong link costs a split little, a missed one
lets a test know what was trained on."""
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


def groups(hashes: Hashes, *, radius: int = RADIUS, names: Indices | None = None) -> Indices:
    """The group of each hash, (n,) int64, named by the smallest name in it.

    Two hashes that differ in at most so many bits are in one group, and so are any two linked by others.
    names: (n,) different numbers, 0 to n - 1 unless given. Raises ValueError for a radius outside 0 to 10.
    """
    none = np.empty(0, np.int64)
    return grow(none.view(np.uint64), none, hashes, radius=radius, names=names).groups


def grow(
    known: Hashes, groups: Indices, new: Hashes, *, radius: int = RADIUS, names: Indices | None = None
) -> Grown:
    """Bring new hashes into groups made earlier with the same radius; the same as grouping all at once.

    known: (n,) hashes and their groups, (n,). new: (m,) hashes; names: (m,) numbers of their own, n to
    n + m - 1 unless given. The known are sorted, but not compared with each other again.
    """
    names = np.arange(len(known), len(known) + len(new)) if names is None else names
    hashes, node = np.unique(np.concatenate((known, new)), return_inverse=True)
    forest = _Forest(len(hashes))
    _, first, group = np.unique(groups, return_index=True, return_inverse=True)
    forest.join(node[: len(known)], node[: len(known)][first[group]])
    is_old = np.zeros(len(hashes), bool)
    is_old[node[: len(known)]] = True
    old, fresh = np.flatnonzero(is_old), np.flatnonzero(~is_old)
    _link(forest, hashes, fresh, fresh, radius)
    _link(forest, hashes, fresh, old, radius)
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


def _link(forest: _Forest, hashes: Hashes, left: Indices, right: Indices, radius: int) -> None:
    """Join what is near each other, one of left and one of right (or both of left, if right is left)."""
    others = None if right is left else hashes[right]
    for block in search(hashes[left], others, radius, crowd=_CROWD):
        if isinstance(block, Crowd):
            _link_crowd(forest, hashes, left[block.left], right[block.right], radius)
        else:
            forest.join(left[block.left], right[block.right])


def _link_crowd(forest: _Forest, hashes: Hashes, left: Indices, right: Indices, radius: int) -> None:
    """The same among hashes that crowd together, such as the frames of one still scene.

    Comparing all with all is needless there: who is in one group already need not be compared. So one after
    another is compared with all others, until those that were not are in one group.
    """
    within = np.array_equal(left, right)
    rounds = 1
    while len(left) and len(right):
        largest = _common(forest.roots(np.concatenate((left, right))))
        outside = forest.roots(left) != largest
        if not outside.any() and not within:
            left, right = right, left
            outside = forest.roots(left) != largest
        if not outside.any():
            return
        for _ in range(rounds):
            some = np.flatnonzero(outside)[: max(1, _ROUND // len(right))]
            distances = np.bitwise_count(hashes[left[some]][:, None] ^ hashes[right][None, :])
            asking, met = np.nonzero(distances <= radius)
            forest.join(left[some][asking], right[met])
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
