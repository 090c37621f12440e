"""Groups of near-duplicates."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeling.vision import duplicates
from labeling.vision.fingerprint import Hashes
from tests.labeling.vision.test_neighbours import CLUSTERED, as_hashes


def linked(hashes: Hashes, radius: int) -> list[int]:
    """Groups by walking from each to all that are near, named by the first that was met."""
    group = [-1] * len(hashes)
    for first in range(len(hashes)):
        waiting = [first] if group[first] < 0 else []
        while waiting:
            one = waiting.pop()
            group[one] = first
            near = np.flatnonzero(np.bitwise_count(hashes ^ hashes[one]) <= radius)
            waiting += [int(other) for other in near if group[other] < 0]
    return group


@settings(max_examples=200)
@given(CLUSTERED, st.integers(0, 10))
def test_groups_are_what_one_reaches_in_steps_within_the_radius(values: list[int], radius: int) -> None:
    hashes = as_hashes(values)
    assert duplicates.groups(hashes, radius=radius).tolist() == linked(hashes, radius)


@settings(max_examples=150)
@given(CLUSTERED, st.lists(st.integers(0, 60), max_size=4), st.integers(0, 10))
def test_in_several_pieces_the_groups_are_the_same_as_at_once(
    values: list[int], cuts: list[int], radius: int
) -> None:
    hashes, edges = as_hashes(values), sorted({0, len(values), *(min(cut, len(values)) for cut in cuts)})
    known: list[int] = []
    for begin, end in pairwise(edges):
        grown = duplicates.grow(hashes[:begin], np.array(known, np.int64), hashes[begin:end], radius=radius)
        known = [grown.merged.get(group, group) for group in known] + grown.groups.tolist()
    assert known == linked(hashes, radius)


@settings(max_examples=100)
@given(CLUSTERED, st.integers(1, 10))
def test_crowds_are_linked_as_others_are(values: list[int], radius: int) -> None:
    """With a limit of one comparison everything that shares a chunk is a crowd."""
    hashes = as_hashes(values)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(duplicates, "_CROWD", 1)
        patch.setattr(duplicates, "_ROUND", 8)
        assert duplicates.groups(hashes, radius=radius).tolist() == linked(hashes, radius)
        half = len(hashes) // 2
        known = np.array(linked(hashes[:half], radius), np.int64)
        grown = duplicates.grow(hashes[:half], known, hashes[half:], radius=radius)
    now = [grown.merged.get(group, group) for group in known.tolist()] + grown.groups.tolist()
    assert now == linked(hashes, radius)


def test_a_group_has_the_smallest_name_in_it_and_merged_groups_are_told() -> None:
    known, groups = as_hashes([0b0, 0b1111]), np.array([70, 50])
    grown = duplicates.grow(known, groups, as_hashes([0b0011, 2**63 - 1]), radius=2, names=np.array([90, 80]))
    assert grown.groups.tolist() == [50, 80]
    assert grown.merged == {70: 50}


def test_nothing_among_nothing_is_no_group() -> None:
    assert duplicates.groups(as_hashes([])).tolist() == []
    grown = duplicates.grow(as_hashes([5]), np.array([3]), as_hashes([]))
    assert (grown.groups.tolist(), grown.merged) == ([], {})


def test_a_hundred_thousand_equal_hashes_are_one_group() -> None:
    hashes = np.full(100_000, 0xDEAD_BEEF, np.uint64)
    hashes[::1000] ^= np.uint64(1 << 63)
    assert set(duplicates.groups(hashes).tolist()) == {0}


@pytest.mark.parametrize("flips", [3, 6])
def test_fifty_thousand_hashes_round_one_scene_are_not_compared_with_each_other(flips: int) -> None:
    """1.25 thousand million comparisons would be due."""
    shuffled = np.random.default_rng(flips)
    hashes = np.zeros(50_000, np.uint64)
    for _ in range(flips):
        hashes ^= np.left_shift(np.uint64(1), shuffled.integers(0, 64, len(hashes), dtype=np.uint64))
    hashes[-1] = np.uint64(2**64 - 1)
    found = duplicates.groups(hashes)
    assert set(found.tolist()) == {0, len(hashes) - 1}


@settings(max_examples=150)
@given(CLUSTERED, st.integers(0, 10), st.sampled_from([1, 1 << 20]))
def test_only_what_is_confirmed_is_linked(values: list[int], radius: int, crowd: int) -> None:
    """Confirmed are those of equal parity: as if there were two collections. In crowds too."""
    hashes = as_hashes(values)
    odd = np.bitwise_count(hashes) % 2 == 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(duplicates, "_CROWD", crowd)
        patch.setattr(duplicates, "_ROUND", 8)
        found = duplicates.groups(hashes, radius=radius, confirm=lambda i, j: odd[i] == odd[j])
    expected = np.empty(len(hashes), np.int64)
    for which in (np.flatnonzero(odd), np.flatnonzero(~odd)):
        expected[which] = which[linked(hashes[which], radius)]
    assert found.tolist() == expected.tolist()


def test_places_to_confirm_count_the_known_first() -> None:
    asked: list[tuple[int, int]] = []

    def confirm(some: np.ndarray, others: np.ndarray) -> np.ndarray:
        asked.extend(zip(some.tolist(), others.tolist(), strict=True))
        return np.zeros(len(some), bool)

    known, groups = as_hashes([0, 2**40 - 1]), np.array([7, 8])
    grown = duplicates.grow(known, groups, as_hashes([0b11]), radius=2, names=np.array([9]), confirm=confirm)
    assert [sorted(pair) for pair in asked] == [[0, 2]]
    assert (grown.groups.tolist(), grown.merged) == ([9], {})
