"""Splits that no group straddles."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from labeling.snapshots.grouping import connected
from labeling.snapshots.split import split_groups

FRACTIONS = {"train": 0.8, "validation": 0.1, "test": 0.1}
items = some.lists(some.tuples(some.sampled_from("abc"), some.integers(0, 30)), min_size=1, max_size=120)
fractions = some.fixed_dictionaries(
    {"train": some.floats(0.1, 1), "validation": some.floats(0, 1), "test": some.floats(0, 1)}
)

large_fractions = some.fixed_dictionaries({name: some.floats(0.2, 1) for name in FRACTIONS})
"""With smaller ones, giving every split a group and train every class comes before meeting them."""


def split(pairs: list[tuple[str, int]], shares: dict[str, float] = FRACTIONS, seed: int = 0) -> list[str]:
    return split_groups([label for label, _ in pairs], [str(group) for _, group in pairs], shares, seed)


def homes(pairs: list[tuple[str, int]], splits: list[str]) -> dict[int, set[str]]:
    found: dict[int, set[str]] = {}
    for (_, group), name in zip(pairs, splits, strict=True):
        found.setdefault(group, set()).add(name)
    return found


@given(items, fractions, some.integers(0, 5))
def test_every_item_has_one_split_and_no_group_has_two(pairs, shares, seed) -> None:
    splits = split(pairs, shares, seed)
    assert len(splits) == len(pairs)
    assert {name for name, share in shares.items() if share} >= set(splits)
    assert {len(home) for home in homes(pairs, splits).values()} == {1}


@given(items, fractions, some.randoms())
def test_neither_the_order_of_the_items_nor_of_the_fractions_matters(pairs, shares, random) -> None:
    before = homes(pairs, split(pairs, shares))
    random.shuffle(pairs)
    backwards = dict(reversed(shares.items()))
    assert homes(pairs, split(pairs, backwards)) == before


@given(items, fractions)
def test_where_there_are_enough_groups_every_split_with_a_share_gets_one(pairs, shares) -> None:
    splits = split(pairs, shares)
    wanted = {name for name, share in shares.items() if share}
    groups = len({group for _, group in pairs})
    assert len(set(splits)) == min(groups, len(wanted))


@given(items, some.integers(0, 5))
def test_where_there_are_enough_groups_every_class_is_in_train(pairs, seed) -> None:
    classes = {label for label, _ in pairs}
    pairs = [*pairs, *((label, 100 + number) for label in classes for number in range(3))]
    splits = split(pairs, seed=seed)
    in_train = {label for (label, _), name in zip(pairs, splits, strict=True) if name == "train"}
    assert in_train == classes


@given(some.lists(some.sampled_from("abc"), min_size=60, max_size=300), large_fractions, some.integers(0, 5))
def test_single_items_are_parted_by_the_fractions_to_within_one(labels, shares, seed) -> None:
    splits = split([(label, number) for number, label in enumerate(labels)], shares, seed)
    total = sum(shares.values())
    counts = Counter(zip(labels, splits, strict=True))
    for label in set(labels):
        for name, share in shares.items():
            exact = labels.count(label) * share / total
            assert math.floor(exact) - 1 <= counts[label, name] <= math.ceil(exact) + 1


@given(some.lists(some.integers(1, 5), min_size=60, max_size=150), some.integers(0, 5))
def test_small_groups_come_close_to_the_fractions(sizes, seed) -> None:
    pairs = [("ab"[number % 2], group) for group, size in enumerate(sizes) for number in range(size)]
    counts = Counter(split(pairs, seed=seed))
    for name, share in FRACTIONS.items():
        assert abs(counts[name] - share * len(pairs)) <= 2 * max(sizes)


def test_each_class_is_parted_by_the_fractions() -> None:
    pairs = [(label, number * 10 + offset) for offset, label in enumerate("abc") for number in range(100)]
    counts = Counter(zip([label for label, _ in pairs], split(pairs), strict=True))
    parted = [[counts[label, name] for name in FRACTIONS] for label in "abc"]
    assert parted == [[80, 10, 10]] * 3


def test_three_groups_fill_three_splits() -> None:
    assert sorted(split([("a", 1), ("a", 2), ("b", 3)])) == ["test", "train", "validation"]


def test_a_class_with_a_single_small_group_is_learnt_rather_than_tested() -> None:
    pairs = [("a", number) for number in range(20) for _ in range(3)]
    for rare in range(100, 140):
        splits = split([*pairs, ("b", rare)])
        assert splits[-1] == "train"


def test_another_seed_draws_otherwise() -> None:
    pairs = [("a", number) for number in range(40)]
    assert split(pairs, seed=0) != split(pairs, seed=1)


def test_these_very_items_are_split_so_today_and_for_ever() -> None:
    pairs = [("ab"[number % 2], number // 2) for number in range(24)]
    splits = split(pairs, {"train": 0.5, "validation": 0.25, "test": 0.25})
    assert "".join(name[1] for name in splits[::2]) == "raearrrreare"


@pytest.mark.parametrize("shares", [{"train": 0.0}, {"train": 1.0, "test": -0.1}, {"train": math.nan}])
def test_impossible_fractions_are_refused(shares: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="Fractions are shares"):
        split([("a", 1)], shares)


@given(
    some.lists(some.tuples(some.integers(0, 8), some.none() | some.integers(0, 6)), min_size=1, max_size=40)
)
def test_faces_linked_by_media_or_likeness_are_one_group_and_others_are_not(
    links: list[tuple[int, int | None]],
) -> None:
    media, likeness = (
        np.array([-1 if each is None else each for each in column]) for column in zip(*links, strict=True)
    )
    nodes = np.unique(media, return_inverse=True)[1]
    found = connected(nodes, [likeness]).tolist()
    # By the book: walk from face to face over what they share.
    for start, name in enumerate(found):
        reached, grown = {start}, True
        while grown:
            shared = {links[n][0] for n in reached}
            alike = {links[n][1] for n in reached} - {None}
            more = {n for n, (own, like) in enumerate(links) if own in shared or like in alike}
            grown, reached = not more <= reached, reached | more
        assert reached == {n for n, other in enumerate(found) if other == name}
        assert name == min(nodes[n] for n in reached)
    assert connected(nodes, []).tolist() == nodes.tolist()


@given(
    items,
    large_fractions,
    some.integers(0, 5),
    some.dictionaries(some.integers(0, 30), some.sampled_from(list(FRACTIONS))),
)
def test_what_is_kept_stays_and_the_others_are_dealt_around_it(pairs, shares, seed, kept) -> None:
    stays = {str(group): name for group, name in kept.items()}
    splits = split_groups(
        [label for label, _ in pairs], [str(group) for _, group in pairs], shares, seed, stays
    )
    found = homes(pairs, splits)
    assert {len(home) for home in found.values()} == {1}
    assert all(found[group] == {kept[group]} for group in found if group in kept)
