"""In which splits earlier versions of a campaign had its faces."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from labeling.models import Snapshot, WorkState
from labeling.snapshots import format as snapshots
from labeling.snapshots import stored
from labeling.snapshots.candidates import Candidates
from labeling.snapshots.rule import STRATIFIED, Rule
from labeling.snapshots.split import FREE
from labeling.snapshots.stored import Alive

Words: TypeAlias = NDArray[np.uint64]
"""(n, 2): the first 128 bits of face_keys, in their order."""
_TEST = snapshots.SPLITS.index("test")


@dataclass(frozen=True, eq=False)
class Version:
    digest: str
    rule: Rule
    keys: Words
    splits: NDArray[np.int64]


@dataclass(frozen=True)
class Earlier:
    """The versions frozen before, the newest first."""

    versions: list[Version] = field(default_factory=list)

    def splits_of(self, faces: Candidates, rule: Rule) -> NDArray[np.int64]:
        """Of each face the split in which it stays, or FREE.

        What was tested on in any version stays in test. Where the newest was drawn in the same way, all of it stays: so
        a version with a few faces more differs by these faces.
        """
        kept = np.full(len(faces), FREE)
        if not rule.test_stays:
            return kept
        words = np.frombuffer(faces.keys, ">u8").reshape(-1, 4)[:, :2].astype(np.uint64)
        for age, version in enumerate(self.versions):
            found = _found(version, words)
            same = age == 0 and rule.splits == STRATIFIED and _drawn_alike(version.rule, rule)
            wanted = (found != FREE) if same else (found == _TEST)
            kept[wanted] = np.maximum(kept[wanted], found[wanted])
        return kept

    def certified(self, faces: Candidates, splits: NDArray[np.int64], rule: Rule) -> dict[str, Any]:
        """For the certificate: from which versions the test split was kept, and how many of its faces."""
        if not (rule.test_stays and self.versions):
            return {}
        words = np.frombuffer(faces.keys, ">u8").reshape(-1, 4)[:, :2].astype(np.uint64)
        tested = np.zeros(len(faces), np.bool_)
        for version in self.versions:
            tested |= _found(version, words) == _TEST
        return {
            "earlier": {
                "versions": [version.digest for version in self.versions],
                "tested_before": int(tested.sum()),
                "learnt_now": int((tested & (splits != _TEST)).sum()),
            }
        }


def versions_before(snapshot: Snapshot, alive: Alive = lambda: None) -> Earlier:
    """Of the snapshot's campaign."""
    return Earlier(list(_versions(snapshot, alive)))


def _versions(snapshot: Snapshot, alive: Alive) -> Iterator[Version]:
    rows = Snapshot.objects.filter(campaign=snapshot.campaign_id, state=WorkState.DONE)
    if snapshot.pk is not None:
        rows = rows.filter(pk__lt=snapshot.pk)
    seen = set()
    for digest, rule in rows.order_by("-pk").values_list("digest", "rule"):
        if digest in seen:
            continue
        seen.add(digest)
        with stored.rows_of(digest, alive) as folder:
            try:
                yield _read(digest, Rule.of(rule), folder)
            except (snapshots.NotASnapshot, OSError, ValueError):
                # Damaged: what it held cannot be known. `verify` tells of it.
                continue


def _read(digest: str, rule: Rule, folder: Any) -> Version:
    keys, splits = [], []
    for batch in snapshots.iter_batches(folder, ["face_key", "split"], rows=8_192):
        text = "".join(key[:32] for key in batch.column("face_key").to_pylist())
        keys.append(np.frombuffer(bytes.fromhex(text), ">u8").reshape(-1, 2).astype(np.uint64))
        splits += [snapshots.SPLITS.index(name) for name in batch.column("split").to_pylist()]
    empty = np.empty((0, 2), np.uint64)
    return Version(digest, rule, np.concatenate(keys) if keys else empty, np.array(splits, np.int64))


def _drawn_alike(one: Rule, other: Rule) -> bool:
    ways = [(rule.splits, rule.seed, rule.fractions, rule.groups) for rule in (one, other)]
    return ways[0] == ways[1]


def _found(version: Version, words: Words) -> NDArray[np.int64]:
    """Of each face its split in the version, or FREE. Both are in order of face_key."""
    if not len(version.keys):
        return np.full(len(words), FREE)
    place = np.searchsorted(version.keys[:, 0], words[:, 0]).clip(max=len(version.keys) - 1)
    is_there = (version.keys[place] == words).all(axis=1)
    return np.where(is_there, version.splits[place], FREE)
