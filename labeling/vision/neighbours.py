"""Which of many 64-bit hashes differ in few bits, without comparing each with each.

Multi-index hashing (Norouzi, Punjani and Fleet 2012, doi:10.1109/CVPR.2012.6248043): the 64 bits are dealt out to
four chunks of 16. If two hashes differ in at most r bits, they differ in very few within at least one chunk; so each
hash is compared only with those that nearly share a chunk with it. Exact for every r.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any, TypeAlias

import numpy as np

from labeling.vision.fingerprint import Hashes

Indices: TypeAlias = np.ndarray[tuple[int], np.dtype[np.int64]]
Distances: TypeAlias = np.ndarray[tuple[int], np.dtype[np.uint8]]
_Keys: TypeAlias = np.ndarray[tuple[int], np.dtype[np.uint16]]

MAX_RADIUS = 10
_CHUNKS, _BITS = 4, 16
_BLOCK = 1 << 18
"""Comparisons made at once: more do not fit into a processor's cache."""
_DEALS = 6
_SAMPLE = 20_000


@dataclass(frozen=True)
class Pairs:
    """Indices of hashes that are near each other, (n,) each, and in how many bits they differ."""

    left: Indices
    right: Indices
    distances: Distances


@dataclass(frozen=True)
class Crowd:
    """So many hashes nearly share a chunk that listing who is near whom among them could take too long."""

    left: Indices
    right: Indices
    """Each of left is to be compared with each of right."""


def near(hashes: Hashes, radius: int) -> Iterator[Pairs]:
    """All pairs i, j of hashes that differ in at most so many bits, each pair once, in blocks.

    hashes: (n,) uint64. A million equal ones would be half a billion pairs: see `duplicates.groups`, or
    `numpy.unique`. Raises ValueError for a radius outside 0 to 10.
    """
    return (block for block in search(hashes, None, radius) if isinstance(block, Pairs))


def near_to(queries: Hashes, hashes: Hashes, radius: int) -> Iterator[Pairs]:
    """All pairs of a query (left) and a hash (right) that differ in at most so many bits, each once."""
    return (block for block in search(queries, hashes, radius) if isinstance(block, Pairs))


def search(
    queries: Hashes, hashes: Hashes | None, radius: int, *, crowd: int | None = None
) -> Iterator[Pairs | Crowd]:
    """The pairs of `near` (hashes is None) or `near_to`.

    crowd: where more comparisons than this are due between hashes that nearly share a chunk, a Crowd is
    given instead of the pairs among them. Raises ValueError for a radius outside 0 to 10.
    """
    if not 0 <= radius <= MAX_RADIUS:
        raise ValueError(f"Near-duplicates differ in 0 to {MAX_RADIUS} bits, not {radius}.")
    deal = _best_deal(queries if hashes is None else hashes)
    # The pigeonhole principle, generalised: were every chunk i beyond its own t_i, the distance would be at
    # least the sum of all (t_i + 1) = r + 1.
    within = [(radius + 1 + _CHUNKS - 1 - chunk) // _CHUNKS - 1 for chunk in range(_CHUNKS)]
    for chunk, most in enumerate(within):
        if most < 0:
            continue
        left = _Table(queries, deal[chunk])
        right = left if hashes is None else _Table(hashes, deal[chunk])
        for block in _of_chunk(left, right, most, radius, crowd):
            yield _not_met_before(block, queries, hashes, deal, within[:chunk])


class _Table:
    """Hashes sorted by one chunk of their bits."""

    def __init__(self, hashes: Hashes, bits: Indices) -> None:
        """bits: which 16 of the 64 make the key."""
        keys = _keys(hashes, bits)
        # Stable: 16-bit keys are then sorted by radix, in time proportional to their number.
        self.order: Indices = np.argsort(keys, kind="stable")
        self.keys: _Keys = keys[self.order]
        self.hashes: Hashes = hashes[self.order]
        self.starts = np.searchsorted(self.keys, np.arange((1 << _BITS) + 1))


def _of_chunk(
    left: _Table, right: _Table, most: int, radius: int, crowd: int | None
) -> Iterator[Pairs | Crowd]:
    for mask in _masks(most):
        rows = np.arange(len(left.keys))
        if left is right and mask:
            # Of two keys that differ by the mask, the lower one asks.
            rows = rows[left.keys & (1 << (mask.bit_length() - 1)) == 0]
        keys = left.keys[rows].astype(np.int64)
        first, last = right.starts[keys ^ mask], right.starts[(keys ^ mask) + 1]
        if left is right and not mask:
            first = rows + 1
        if crowd is not None:
            crowded = (left.starts[keys + 1] - left.starts[keys]) * (last - first) > crowd
            if crowded.any():
                for key in np.unique(keys[crowded]):
                    yield Crowd(_bucket(left, key), _bucket(right, key ^ mask))
                # Of a bucket compared with itself the last rows have little left to do.
                crowded = np.isin(keys, keys[crowded])
                rows, first, last = rows[~crowded], first[~crowded], last[~crowded]
        yield from _compared(left, right, rows, first, last, radius)


def _compared(
    left: _Table, right: _Table, rows: Indices, first: Indices, last: Indices, radius: int
) -> Iterator[Pairs]:
    """Compare row i of the left table with the rows first[i] to last[i] of the right one."""
    ends = np.cumsum(last - first)
    begin = 0
    while begin < len(rows):
        done = ends[begin - 1] if begin else 0
        end = max(begin + 1, int(np.searchsorted(ends, done + _BLOCK, side="right")))
        counts = last[begin:end] - first[begin:end]
        upto = ends[begin:end] - done
        partner = np.arange(upto[-1]) + np.repeat(first[begin:end] - upto + counts, counts)
        bits = right.hashes[partner]
        bits ^= np.repeat(left.hashes[rows[begin:end]], counts)
        distances = np.bitwise_count(bits)
        hits = np.flatnonzero(distances <= radius)
        if len(hits):
            asking = rows[begin + np.searchsorted(upto, hits, side="right")]
            yield Pairs(left.order[asking], right.order[partner[hits]], distances[hits])
        begin = end


def _not_met_before(
    block: Pairs | Crowd, queries: Hashes, hashes: Hashes | None, deal: Indices, within: list[int]
) -> Pairs | Crowd:
    """Without the pairs that an earlier chunk has brought together already."""
    if isinstance(block, Crowd):
        return block
    bits = queries[block.left] ^ (queries if hashes is None else hashes)[block.right]
    fresh = np.ones(len(bits), bool)
    for chunk, most in enumerate(within):
        fresh &= np.bitwise_count(bits & _mask_of(deal[chunk])) > most
    return Pairs(block.left[fresh], block.right[fresh], block.distances[fresh])


def _bucket(table: _Table, key: int) -> Indices:
    return table.order[table.starts[key] : table.starts[key + 1]]


def _masks(most: int) -> list[int]:
    """All 16-bit numbers with at most so many bits set, 0 first."""
    return [
        sum(1 << place for place in places)
        for count in range(most + 1)
        for places in combinations(range(_BITS), count)
    ]


def _keys(hashes: Hashes, bits: Indices) -> _Keys:
    keys = np.zeros(len(hashes), np.uint16)
    for place, bit in enumerate(bits.tolist()):
        keys |= (((hashes >> np.uint64(bit)) & np.uint64(1)) << np.uint64(place)).astype(np.uint16)
    return keys


def _mask_of(bits: Indices) -> np.uint64:
    return np.uint64(sum(1 << bit for bit in bits.tolist()))


def _best_deal(hashes: Hashes) -> Any:
    """Which bits go to which chunk, (4, 16): of some ways that under which fewest hashes share a chunk.

    Bits of real pictures are neither even nor independent: a chunk may be nearly the same for all.
    """
    shuffled = np.random.default_rng(0)
    deals = [shuffled.permutation(_CHUNKS * _BITS).reshape(_CHUNKS, _BITS) for _ in range(_DEALS)]
    if len(hashes) < _SAMPLE:
        return deals[0]
    some = hashes[:: len(hashes) // _SAMPLE]
    return min(deals, key=lambda deal: sum(_shared(_keys(some, bits)) for bits in deal))


def _shared(keys: _Keys) -> int:
    return int((np.bincount(keys, minlength=1 << _BITS) ** 2).sum())
