"""Train, validation and test, without a group in two of them. Pure."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

TRAIN = "train"
Members = dict[str, Counter[str]]
"""Group → class → items."""


def split_groups(
    labels: Sequence[str], groups: Sequence[str], fractions: Mapping[str, float], seed: int
) -> list[str]:
    """A split for every item, so that each class is parted by the fractions and no group straddles.

    labels, groups: one per item, in step. fractions: split → share, at least 0, not all 0; they are scaled to add
    up to 1. The same items get the same splits on every machine, in whatever order items and fractions come.

    Groups are dealt out from the largest to the smallest, equal ones in an order drawn by the seed; each goes to
    the split that lacks most of its classes. Where there are enough groups every split with a share gets one, and
    every class is in `train`. Raises ValueError for bad fractions.
    """
    total = sum(fractions.values())
    if not total > 0 or min(fractions.values()) < 0:
        raise ValueError("Fractions are shares of at least 0, and not all of them 0.")
    members = _members(labels, groups)
    # The largest share first: it is where a tie goes. A mapping's own order may not survive a database.
    splits = sorted((split for split in fractions if fractions[split]), key=lambda s: (-fractions[s], s))
    shares = {split: fractions[split] / total for split in splits}
    order = sorted(members, key=lambda group: (-members[group].total(), _drawn(seed, group), group))
    place = _deal(order, members, shares, {})
    pinned = _pinned(order, members, splits, place)
    if pinned:
        place = _deal(order, members, shares, pinned)
    return [place[group] for group in groups]


def _members(labels: Sequence[str], groups: Sequence[str]) -> Members:
    members: Members = defaultdict(Counter)
    # In the order of the classes' names: sums of fractions must not depend on the order of the items.
    for label, group in sorted(zip(labels, groups, strict=True)):
        members[group][label] += 1
    return members


def _drawn(seed: int, group: str) -> str:
    return hashlib.sha256(f"{seed}/{group}".encode()).hexdigest()


def _deal(
    order: Sequence[str], members: Members, shares: Mapping[str, float], pinned: Mapping[str, str]
) -> dict[str, str]:
    """Group → split, the pinned ones as they are."""
    totals = sum((members[group] for group in sorted(members)), Counter[str]())
    lacking = {
        split: {label: count * share for label, count in totals.items()} for split, share in shares.items()
    }
    place: dict[str, str] = {}

    def put(group: str, split: str) -> None:
        place[group] = split
        for label, count in members[group].items():
            lacking[split][label] -= count

    for group, split in pinned.items():
        put(group, split)
    empty = set(shares) - set(pinned.values())
    free = [group for group in order if group not in pinned]
    for left, group in zip(range(len(free), 0, -1), free, strict=True):
        # The last groups are for the splits that have none yet.
        choice = [split for split in shares if split in empty] if left <= len(empty) else list(shares)
        put(group, max(choice, key=lambda split: _lack(members[group], lacking[split])))
        empty.discard(place[group])
    return place


def _lack(members: Counter[str], lacking: Mapping[str, float]) -> float:
    """How many faces the split lacks, of each class as often as the group holds it."""
    return sum(count * lacking[label] for label, count in members.items())


def _pinned(
    order: Sequence[str], members: Members, splits: Sequence[str], place: Mapping[str, str]
) -> dict[str, str]:
    """For each class missing in train: the smallest group that holds it, while others are left."""
    train = TRAIN if TRAIN in splits else splits[0]
    there = {label for group in members if place[group] == train for label in members[group]}
    holders: dict[str, list[str]] = defaultdict(list)
    for group in order:
        for label in members[group]:
            holders[label].append(group)
    pinned: dict[str, str] = {}
    for label in sorted(set(holders) - there, key=lambda label: (len(holders[label]), label)):
        if len(members) - len(pinned) < len(splits):
            break
        if not any(label in members[group] for group in pinned):
            pinned[holders[label][-1]] = train
    return pinned
