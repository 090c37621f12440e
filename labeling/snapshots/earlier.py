"""In which splits earlier versions of a campaign had its faces."""

from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeAlias

import numpy as np
from django.db.models import QuerySet
from numpy.typing import NDArray

from labeling import work
from labeling.models import Snapshot, WorkState
from labeling.sayings import gettext_noop
from labeling.snapshots import candidates, carried, stored
from labeling.snapshots import format as snapshots
from labeling.snapshots.arrays import Narrow
from labeling.snapshots.candidates import Candidates
from labeling.snapshots.rule import STRATIFIED, Rule
from labeling.snapshots.split import FREE
from labeling.snapshots.stored import Alive

Words: TypeAlias = NDArray[np.uint64]
"""(n, 2): the first 128 bits of face_keys, in their order."""
_TEST = snapshots.SPLITS.index("test")
_UNKNOWN = gettext_noop(
    "Of “{name}”, a version of before, the rows cannot be read, so nobody can tell which faces it tests on and must "
    "stay in test. Put the folder {folder} back from a backup; or freeze without keeping faces in test."
)
_NONE = np.empty((0, 2), np.uint64)


@dataclass(frozen=True, eq=False)
class Version:
    """One frozen before.

    splits: (n,) of each of its faces the number in snapshots.SPLITS. keys: of its faces; or places: of the faces that
    are looked for the number among its own, -1 for those it has not.
    """

    rule: Rule
    splits: Narrow
    keys: Words = field(default_factory=lambda: _NONE)
    places: Narrow | None = None

    @property
    def tested(self) -> Words:
        return np.asarray(self.keys[self.splits == _TEST])

    def splits_of(self, words: Words) -> Narrow:
        """Of each face its split, or FREE. words: their keys."""
        place = _places(self.keys, words) if self.places is None else self.places
        found = np.full(len(place), FREE)
        found[place >= 0] = self.splits[place[place >= 0]]
        return found


@dataclass(frozen=True, eq=False)
class Earlier:
    """The versions frozen before. tested: the faces that any of them tests on. digests: the newest first."""

    newest: Version | None = None
    tested: Words = field(default_factory=lambda: _NONE)
    digests: tuple[str, ...] = ()

    def splits_of(self, faces: Candidates, rule: Rule) -> Narrow:
        """Of each face the split in which it stays, or FREE.

        What was tested on in any version stays in test. Where the newest was drawn in the same way, all of it stays: so
        a version with a few faces more differs by these faces.
        """
        kept = np.full(len(faces), FREE)
        if not rule.test_stays:
            return kept
        words = candidates.words(faces.keys)
        if self.newest is not None and rule.splits == STRATIFIED and _drawn_alike(self.newest.rule, rule):
            kept = self.newest.splits_of(words)
        kept[_among(words, self.tested)] = _TEST
        return kept

    def certified(self, faces: Candidates, splits: Narrow, rule: Rule) -> dict[str, Any]:
        """For the certificate: from which versions the test split was kept, and how many of its faces."""
        if not (rule.test_stays and self.digests):
            return {}
        tested = _among(candidates.words(faces.keys), self.tested)
        return {
            "earlier": {
                "versions": list(self.digests),
                "tested_before": len(tested),
                "learnt_now": int((splits[tested] != _TEST).sum()),
            }
        }

    def tested_with(self, faces: Candidates, splits: Narrow) -> Words:
        """The faces that any of them tests on, or a version with these splits."""
        return _together([self.tested, candidates.words(faces.keys[splits == _TEST])])


def newest_first(snapshot: Snapshot) -> QuerySet[Snapshot]:
    """The frozen versions of the snapshot's campaign but itself, in the order in which they were done.

    That is not the order of their keys: one that was stopped, or took long, is done after others that came later.
    """
    rows = Snapshot.objects.filter(campaign=snapshot.campaign_id, state=WorkState.DONE)
    return rows.exclude(pk=snapshot.pk).order_by("-ended_at", "-pk")


def digests_before(snapshot: Snapshot) -> list[str]:
    """Of the versions of the snapshot's campaign, the newest first."""
    return list(_rows_before(snapshot))


def versions_before(snapshot: Snapshot, rule: Rule, alive: Alive = lambda: None) -> Earlier:
    """Of the snapshot's campaign. rule: of the version that is made.

    Of a damaged one, what the newest has left tells which faces are tested on. Where that is gone too it is as if that
    version had not been, if faces that were tested on may be learnt; else Refused is raised.
    """
    newest, tested, digests = None, [], []

    @cache
    def left() -> carried.Carried | None:
        row = newest_first(snapshot).first()
        return None if row is None else carried.load(row.campaign_id, row.pk, alive)

    for digest, its_rule in _rows_before(snapshot).items():
        version = _stored(digest, its_rule, alive) or _told_by(left(), digest)
        if version is not None:
            newest = newest or version
            tested.append(version.tested)
            digests.append(digest)
        elif rule.test_stays:
            raise work.Refused(_unknown(snapshot, digest))
    return Earlier(newest, _together(tested), tuple(digests))


def _stored(digest: str, rule: Any, alive: Alive) -> Version | None:
    """None for one that is damaged."""
    with stored.rows_of(digest, alive) as folder:
        try:
            return _read(Rule.of(rule), folder)
        except (snapshots.NotASnapshot, OSError, ValueError):
            return None


def _told_by(left: carried.Carried | None, digest: str) -> Version | None:
    """None where it does not tell. Of any but the newest: all that any of them tests on, and nothing else."""
    if left is None or digest not in left.versions:
        return None
    rule = Rule.of(left.rule)
    if digest == left.versions[0] and left.faces is not None:
        return Version(rule, left.split, candidates.words(left.faces.keys))
    return Version(rule, np.full(len(left.tested), _TEST, np.int8), left.tested)


def _unknown(snapshot: Snapshot, digest: str) -> str:
    named = newest_first(snapshot).filter(digest=digest).values_list("name", "folder")
    return _UNKNOWN.format(**dict(zip(("name", "folder"), named[0], strict=True)))


def _rows_before(snapshot: Snapshot) -> dict[str, Any]:
    """Digest → rule."""
    found: dict[str, Any] = {}
    for digest, rule in newest_first(snapshot).values_list("digest", "rule"):
        found.setdefault(digest, rule)
    return found


def _read(rule: Rule, folder: Any) -> Version:
    keys, splits = [], []
    for batch in snapshots.iter_batches(folder, ["face_key", "split"], rows=8_192):
        text = "".join(key[:32] for key in batch.column("face_key").to_pylist())
        keys.append(np.frombuffer(bytes.fromhex(text), ">u8").reshape(-1, 2).astype(np.uint64))
        splits += [snapshots.SPLITS.index(name) for name in batch.column("split").to_pylist()]
    return Version(rule, np.array(splits, np.int8), np.concatenate([_NONE, *keys]))


def _drawn_alike(one: Rule, other: Rule) -> bool:
    ways = [(rule.splits, rule.seed, rule.fractions, rule.groups) for rule in (one, other)]
    return ways[0] == ways[1]


def _together(some: list[Words]) -> Words:
    """All of them in order, each once."""
    words = np.concatenate([_NONE, *some])
    words = words[np.lexsort((words[:, 1], words[:, 0]))]
    first = np.ones(len(words), np.bool_)
    first[1:] = (words[1:] != words[:-1]).any(axis=1)
    return np.asarray(words[first])


def _among(words: Words, some: Words) -> Narrow:
    """The numbers of those of the words that are some of these. Both are in their order, each once."""
    place = _places(words, some)
    return place[place >= 0]


def _places(among: Words, words: Words) -> Narrow:
    """Of each of the words its place among those, which are in order; -1 for none."""
    if not len(among):
        return np.full(len(words), -1)
    place = np.searchsorted(among[:, 0], words[:, 0]).clip(max=len(among) - 1)
    return np.where((among[place] == words).all(axis=1), place, -1)
