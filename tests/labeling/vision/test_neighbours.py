"""Near hashes, found without comparing each with each: the same as by comparing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeling.vision import neighbours
from labeling.vision.fingerprint import Hashes


def flipped(value: int, places: list[int]) -> int:
    for place in places:
        value ^= 1 << place
    return value


PLACES = st.lists(st.integers(0, 63), max_size=8, unique=True)
CLUSTERED = st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=5).flatmap(
    lambda centres: st.lists(st.builds(flipped, st.sampled_from(centres), PLACES), max_size=60)
)
"""Hashes a few bits away from a few centres; some of them equal."""


def as_hashes(values: list[int]) -> Hashes:
    return np.array(values, np.uint64)


def all_with_all(some: Hashes, others: Hashes, radius: int) -> dict[tuple[int, int], int]:
    distances = np.bitwise_count(some[:, None] ^ others[None, :])
    return {
        (int(i), int(j)): int(distances[i, j]) for i, j in zip(*np.nonzero(distances <= radius), strict=True)
    }


def told(blocks) -> list[tuple[tuple[int, int], int]]:
    return [
        ((int(i), int(j)), int(distance))
        for block in blocks
        for i, j, distance in zip(block.left, block.right, block.distances, strict=True)
    ]


@settings(max_examples=150)
@given(CLUSTERED, st.integers(0, neighbours.MAX_RADIUS))
def test_near_tells_each_pair_once_with_its_distance(values: list[int], radius: int) -> None:
    hashes = as_hashes(values)
    pairs = told(neighbours.near(hashes, radius))
    expected = {(i, j): d for (i, j), d in all_with_all(hashes, hashes, radius).items() if i < j}
    assert sorted(((min(pair), max(pair)), distance) for pair, distance in pairs) == sorted(expected.items())


@settings(max_examples=150)
@given(CLUSTERED, CLUSTERED, st.integers(0, neighbours.MAX_RADIUS))
def test_near_to_tells_each_query_its_hashes(queries: list[int], values: list[int], radius: int) -> None:
    # Queries near the hashes, or hardly anything would be found.
    some, others = as_hashes(queries + values[::2]), as_hashes(values)
    pairs = told(neighbours.near_to(some, others, radius))
    assert sorted(pairs) == sorted(all_with_all(some, others, radius).items())


@pytest.mark.parametrize("radius", [0, 1, 3, 6, 10])
def test_pairs_are_found_however_their_bits_lie(radius: int) -> None:
    shuffled = np.random.default_rng(radius)
    hashes = shuffled.integers(0, 2**64, 30_000, dtype=np.uint64)
    twins = hashes.copy()
    for _ in range(radius):
        twins ^= np.left_shift(np.uint64(1), shuffled.integers(0, 64, len(twins), dtype=np.uint64))
    found = {pair for pair, _ in told(neighbours.near_to(twins, hashes, radius))}
    assert {(i, i) for i in range(len(hashes))} <= found


def test_bits_that_are_the_same_for_all_do_not_make_it_slow() -> None:
    """Dark pictures share many bits; the bits are dealt out so that no chunk is the same for all."""
    shuffled = np.random.default_rng(0)
    hashes = shuffled.integers(0, 2**64, 60_000, dtype=np.uint64) & np.uint64(0xFFFF_FFFF_FFFF_0000)
    hashes[1::2] = hashes[::2] ^ np.uint64(1 << 40)
    pairs = {tuple(sorted(pair)) for pair, _ in told(neighbours.near(hashes, 2))}
    assert {(i, i + 1) for i in range(0, len(hashes), 2)} <= pairs


@pytest.mark.parametrize("radius", [-1, 11])
def test_other_radii_are_refused(radius: int) -> None:
    with pytest.raises(ValueError, match="differ in 0 to 10 bits"):
        list(neighbours.near(as_hashes([1, 2]), radius))
