"""Train, validation and test, without a group in two of them. Pure."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence


def split_groups(
    labels: Sequence[str], groups: Sequence[str], fractions: Mapping[str, float], seed: int
) -> list[str]:
    """A split for every item, so that each class is parted by the fractions and no group straddles.

    labels, groups: one per item, in step. fractions: split → share, at least 0, not all 0; they are scaled to add
    up to 1. Deterministic: the same items in any order get the same splits. Groups are dealt out from the largest
    to the smallest, equal ones in an order drawn by the seed; each goes where it best fills what is still missing of
    its classes. Every split with a share gets a group when there are enough. Raises ValueError for bad fractions.
    """
    total = sum(fractions.values())
    if total <= 0 or min(fractions.values()) < 0:
        raise ValueError("Fractions are shares of at least 0, and not all of them 0.")
    shares = {split: share / total for split, share in fractions.items() if share > 0}
    members: dict[str, Counter[str]] = defaultdict(Counter)
    for label, group in zip(labels, groups, strict=True):
        members[group][label] += 1
    wanted = _wanted(labels, shares)
    place: dict[str, str] = {}
    for left, group in zip(range(len(members), 0, -1), _dealing_order(members, seed), strict=True):
        empty = [split for split in shares if split not in place.values()] if left <= len(shares) else []
        place[group] = _best(members[group], wanted, empty or list(shares))
        for label, count in members[group].items():
            wanted[place[group]][label] -= count
    return [place[group] for group in groups]


def _wanted(labels: Sequence[str], shares: Mapping[str, float]) -> dict[str, dict[str, float]]:
    totals = Counter(labels)
    return {
        split: {label: count * share for label, count in totals.items()} for split, share in shares.items()
    }


def _dealing_order(members: Mapping[str, Counter[str]], seed: int) -> list[str]:
    def drawn(group: str) -> str:
        return hashlib.sha256(f"{seed}/{group}".encode()).hexdigest()

    return sorted(members, key=lambda group: (-members[group].total(), drawn(group)))


def _best(members: Counter[str], wanted: Mapping[str, Mapping[str, float]], splits: Sequence[str]) -> str:
    """The split that lacks most of what the group holds, relative to nothing: counts of faces. The first on a tie."""

    def lack(split: str) -> float:
        return sum(count * wanted[split][label] for label, count in members.items())

    return max(splits, key=lack)
