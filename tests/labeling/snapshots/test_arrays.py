"""Columns as arrays."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeling.snapshots.arrays import numbered


@given(st.lists(st.integers(0, 40) | st.integers(0, 10**6), max_size=50))
def test_distinct_numbers_and_their_places_are_what_sorting_finds(values: list[int]) -> None:
    numbers = np.array(values, np.int32)
    names, places = numbered(numbers)
    wanted, wanted_places = np.unique(numbers, return_inverse=True)
    assert names.tolist() == wanted.tolist()
    assert places.tolist() == wanted_places.tolist()


@pytest.mark.parametrize("largest", [9, 10**15])
def test_numbers_far_apart_need_no_room_for_all_between(largest: int) -> None:
    names, places = numbered(np.array([largest, 0, largest, 3]))
    assert names.tolist() == [0, 3, largest]
    assert places.tolist() == [2, 0, 2, 1]
