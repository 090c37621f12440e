"""Splits that no group straddles."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from labeling.snapshots.split import split_groups

FRACTIONS = {"train": 0.8, "validation": 0.1, "test": 0.1}
items = some.lists(some.tuples(some.sampled_from("abc"), some.integers(0, 30)), min_size=1, max_size=120)
fractions = some.fixed_dictionaries(
    {"train": some.floats(0.1, 1), "validation": some.floats(0, 1), "test": some.floats(0, 1)}
)


def split(pairs: list[tuple[str, int]], shares: dict[str, float] = FRACTIONS, seed: int = 0) -> list[str]:
    return split_groups([label for label, _ in pairs], [str(group) for _, group in pairs], shares, seed)


@given(items, fractions, some.integers(0, 5))
def test_every_item_has_one_split_and_no_group_has_two(pairs, shares, seed) -> None:
    splits = split(pairs, shares, seed)
    assert len(splits) == len(pairs)
    assert {name for name, share in shares.items() if share} >= set(splits)
    home: dict[int, str] = {}
    for (_, group), name in zip(pairs, splits, strict=True):
        assert home.setdefault(group, name) == name


@given(items, some.randoms())
def test_the_order_of_the_items_does_not_matter(pairs, random) -> None:
    before = {group: name for (_, group), name in zip(pairs, split(pairs), strict=True)}
    random.shuffle(pairs)
    assert {group: name for (_, group), name in zip(pairs, split(pairs), strict=True)} == before


def test_each_class_is_parted_by_the_fractions() -> None:
    pairs = [(label, number * 10 + offset) for offset, label in enumerate("abc") for number in range(100)]
    splits = split(pairs)
    for label in "abc":
        mine = [name for (own, _), name in zip(pairs, splits, strict=True) if own == label]
        assert (mine.count("train"), mine.count("validation"), mine.count("test")) == (80, 10, 10)


def test_three_groups_fill_three_splits() -> None:
    assert sorted(split([("a", 1), ("a", 2), ("b", 3)])) == ["test", "train", "validation"]


def test_another_seed_draws_otherwise() -> None:
    pairs = [("a", number) for number in range(40)]
    assert split(pairs, seed=0) != split(pairs, seed=1)


@pytest.mark.parametrize("shares", [{"train": 0.0}, {"train": 1.0, "test": -0.1}])
def test_impossible_fractions_are_refused(shares: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="Fractions are shares"):
        split([("a", 1)], shares)
