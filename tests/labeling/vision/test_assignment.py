"""The cheapest pairs, against trying all."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeling.vision.assignment import assign

SHAPES = st.tuples(st.integers(0, 5), st.integers(0, 5))


def cheapest(costs: np.ndarray) -> float:
    wide = costs if costs.shape[0] <= costs.shape[1] else costs.T
    rows = range(wide.shape[0])
    return min(
        sum(wide[row, column] for row, column in zip(rows, chosen, strict=True))
        for chosen in permutations(range(wide.shape[1]), wide.shape[0])
    )


@settings(max_examples=300)
@given(SHAPES, st.data())
def test_nothing_is_cheaper(shape: tuple[int, int], data: st.DataObject) -> None:
    values = data.draw(
        st.lists(st.integers(-20, 20), min_size=shape[0] * shape[1], max_size=shape[0] * shape[1])
    )
    costs = np.array(values, np.float64).reshape(shape)
    pairs = assign(costs)
    assert len(pairs) == min(shape)
    assert len({row for row, _ in pairs}) == len({column for _, column in pairs}) == len(pairs)
    assert sum(costs[pair] for pair in pairs) == cheapest(costs)


def test_a_hundred_faces_are_paired_soon_and_rightly() -> None:
    shuffled = np.random.default_rng(0)
    places = shuffled.uniform(0, 1000, (100, 2))
    order = shuffled.permutation(100)
    costs = np.linalg.norm(places[:, None] - places[order][None] - 0.01, axis=2)
    assert [int(order[column]) for _, column in assign(costs)] == list(range(100))


def test_what_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        assign(np.array([[1.0, np.inf]]))
