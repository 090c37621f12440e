"""Which faces belong together, so that no split or fold parts them. Pure."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from labeling.snapshots.arrays import numbered

Numbers: TypeAlias = NDArray[np.integer[Any]]


def connected(nodes: Numbers, links: Sequence[Numbers]) -> Numbers:
    """The group of each face: faces of one node are together, and so are nodes that share a link, over any detour.

    nodes: (n,) from 0 to m - 1. links: each (n,), faces with the same number of at least 0 are linked; -1 for none.
    Returns (n,): the smallest node of each face's group.
    """
    size = int(nodes.max()) + 1 if len(nodes) else 0
    group = np.arange(size)
    edges = [_edges(nodes, link) for link in links]
    while True:
        before = group.copy()
        for left, right, count in edges:
            # The smallest group on each link, and back to every node on it.
            least = np.full(count, size)
            np.minimum.at(least, right, group[left])
            np.minimum.at(group, left, least[right])
        # Follow what others have found meanwhile: chains of any length take few rounds.
        group = group[group]
        if (group == before).all():
            return group[nodes]


def _edges(nodes: Numbers, link: Numbers) -> tuple[Numbers, Numbers, int]:
    """Node and link of each pair there is, links counted from 0, and how many links there are."""
    there = link >= 0
    names, right = numbered(link[there])
    return nodes[there], right, len(names)
