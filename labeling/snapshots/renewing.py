"""The faces a snapshot could hold, as they stand now: all of them read, or those alone that have changed.

Where the last freezing of the campaign has left what it read (labeling.snapshots.carried), by the same rule, and the
database can tell what has changed since (labeling.moments), only that is asked for. What comes of it is the same.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from labeling import bulk, moments
from labeling.licences import meeting
from labeling.models import Campaign, CampaignFace, Face, FaceLabel, Item, Media, Snapshot, Source, Track
from labeling.snapshots import candidates
from labeling.snapshots.arrays import Narrow, narrow
from labeling.snapshots.candidates import Candidates
from labeling.snapshots.carried import Carried, Read
from labeling.snapshots.certificate import Compared
from labeling.snapshots.earlier import Earlier, Version, digests_before, versions_before
from labeling.snapshots.rule import Rule
from labeling.snapshots.stored import Alive

TABLES = (CampaignFace, Face, Media, Item, Track, FaceLabel, Source)
"""All that a row of a snapshot is made of."""
_MOST = 0.2
"""Of the faces, what may have changed: with more, reading all is quicker."""
Whole: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Faces:
    """faces: as they stand now. earlier: the versions before. read: what tells the next freezing what changes from now
    on. before: of each face its number among those carried, -1 for one that was not among them; None where all were
    read. fresh: which were read anew. compared: what was found out about the faces before.
    """

    faces: Candidates
    earlier: Earlier
    read: Read | None
    before: Whole | None = None
    fresh: NDArray[np.bool_] | None = None
    compared: Compared | None = None

    @property
    def read_anew(self) -> int:
        """How many of the faces."""
        return len(self.faces) if self.fresh is None else int(self.fresh.sum())


def can_carry(rule: Rule) -> bool:
    """Whether what is read by this rule is of use to the next freezing: it is of one campaign alone."""
    return not rule.campaigns[1:] and not rule.labelled_sources


def allowed(rule: Rule) -> list[str]:
    return sorted(meeting(rule.licences))


def read(
    campaigns: Sequence[Campaign],
    rule: Rule,
    snapshot: Snapshot,
    last: Carried | None,
    reader: bulk.Reader | None,
    alive: Alive = lambda: None,
) -> Faces:
    """The faces as of the reader's moment, as of which all else that makes rows of this version is to be read.

    last: what the newest version before has left, if its files are as they were. reader: None where there can be none.
    """
    known = None if reader is None else _known(reader)
    if reader is not None and known is not None and last is not None:
        found = _renewed(campaigns[0], rule, snapshot, last, reader, known, alive)
        if found is not None:
            return found
    faces = candidates.read(campaigns, rule, alive, reader)
    return Faces(faces, versions_before(snapshot, rule, alive), known if can_carry(rule) else None)


def _known(reader: bulk.Reader) -> Read | None:
    moment = moments.of(reader, TABLES)
    if moment is None:
        return None
    items = reader.pairs(f"SELECT id, media_id FROM {Item._meta.db_table} ORDER BY id")
    labels = reader.pairs(f"SELECT id, face_id FROM {FaceLabel._meta.db_table} ORDER BY id")
    names = reader.rows(f"SELECT id::text, name FROM {Source._meta.db_table}")
    return Read(moment, items, labels, dict(names))


def _renewed(
    campaign: Campaign,
    rule: Rule,
    snapshot: Snapshot,
    last: Carried,
    reader: bulk.Reader,
    now: Read,
    alive: Alive,
) -> Faces | None:
    """None where it cannot be told what has changed, or that is too much."""
    if last.faces is None or last.read is None or last.rule != rule.to_json() or not can_carry(rule):
        return None
    if last.expressions != campaign.expressions or last.allowed != allowed(rule):
        return None
    if last.versions != digests_before(snapshot) or not last.read.moment.reaches(now.moment):
        return None
    alive()
    old = np.concatenate([last.faces.face, last.faces.out_face])
    touched = _Changes(reader, campaign, last.read, now).faces(old)
    if touched is None or len(touched) > _MOST * len(old):
        return None
    alive()
    fresh = candidates.read_some(campaign, rule, touched, reader, alive)
    merged = _merged(
        last.faces, ~np.isin(last.faces.face, touched), ~np.isin(last.faces.out_face, touched), fresh
    )
    if merged is None:
        return None
    faces, before, is_fresh = merged
    compared = Compared(last.faces.fingerprint, last.faces.hashed, last.split, before, last.similarity)
    newest = Version(rule, last.split, places=before)
    last.faces = None
    return Faces(faces, Earlier(newest, last.tested, tuple(last.versions)), now, before, is_fresh, compared)


class _Changes:
    """What has changed in the database from one moment to another, of what makes faces of a campaign."""

    def __init__(self, reader: bulk.Reader, campaign: Campaign, then: Read, now: Read) -> None:
        self._reader, self._then, self._now = reader, then, now
        # What is gold asks for no votes, and is in no version.
        self._asked = (CampaignFace.State.GOLD.value, campaign.pk)

    def faces(self, old: Whole) -> Whole | None:
        """Those of the campaign that may be other than before, are new in it, or gone from it.

        old: those there were in it. None where it cannot be told.
        """
        then = self._then
        if any(self._now.sources.get(pk) != name for pk, name in then.sources.items()):
            return None
        voted, unchanged = self._votes()
        gone = self._gone(old[~np.isin(old, voted)], unchanged)
        if gone is None:
            return None
        # What has changed of faces of other campaigns is nothing to this one.
        made_of = np.unique(np.concatenate(list(self._of_what_they_are_made_of())))
        return np.unique(np.concatenate([voted, gone, made_of[np.isin(made_of, old)]]))

    def _changed(self, table: type, number: str = "id") -> Whole:
        return moments.changed(self._reader, self._then.moment, table, number)

    def _votes(self) -> tuple[Whole, int]:
        """The faces whose votes may have changed, and of how many they have not."""
        later = moments.later(self._then.moment)
        return self._reader.numbers_and_count(
            "face_id",
            f"FROM {CampaignFace._meta.db_table} WHERE campaign_id = %s AND face_id IS NOT NULL",
            later,
            f"NOT {later} AND state <> %s",
            *self._asked,
        )

    def _of_what_they_are_made_of(self) -> Iterator[Whole]:
        yield self._changed(Face)
        yield self._changed(FaceLabel, "face_id")
        yield _left(self._then.labels, self._now.labels)
        left = _left(self._then.items, self._now.items)
        for column, keys in (
            ("media_id", np.concatenate([self._changed(Media), self._changed(Item, "media_id"), left])),
            ("track_id", self._changed(Track)),
        ):
            if len(keys):
                statement = f"SELECT id FROM {Face._meta.db_table} WHERE {column} = ANY(%s)"
                yield self._reader.numbers(statement, np.unique(keys).tolist())

    def _gone(self, old: Whole, unchanged: int) -> Whole | None:
        """Which of these, whose votes have not changed, are no longer in the campaign; None where it cannot be told.

        unchanged: how many in the campaign have not.
        """
        if unchanged == len(old):
            return np.empty(0, np.int64)
        now = self._reader.numbers(
            f"SELECT face_id FROM {CampaignFace._meta.db_table} WHERE state <> %s AND campaign_id = %s"
            f" AND face_id IS NOT NULL AND NOT {moments.later(self._then.moment)}",
            *self._asked,
        )
        is_there = np.isin(old, now)
        return old[~is_there] if int(is_there.sum()) == unchanged else None


def _left(then: Whole, now: Whole) -> Whole:
    """What rows belonged to that are gone, or belong to something else now. Each (2, rows): key, what it belongs to."""
    keys, owners = then
    if not now.shape[1]:
        return np.asarray(owners)
    place = np.searchsorted(now[0], keys).clip(max=now.shape[1] - 1)
    return np.asarray(owners[(now[0][place] != keys) | (now[1][place] != owners)])


_BY_FACE = (
    "face", "media_id", "prefix", "label", "origin", "agreement", "votes", "likeness", "author", "fingerprint",
    "hashed", "source",
)  # fmt: skip


def _merged(
    last: Candidates, stays: NDArray[np.bool_], stays_out: NDArray[np.bool_], fresh: Candidates
) -> tuple[Candidates, Whole, NDArray[np.bool_]] | None:
    """The faces that stay, and the fresh ones among them; of each its number in `last`, or -1, and which are fresh.

    None if two keys begin with the same 64 bits: their order would take another look.
    """
    kept = np.flatnonzero(stays)
    leading, new = candidates.words(last.keys)[:, 0].copy(), candidates.words(fresh.keys)[:, 0]
    old = leading[kept]
    at = np.searchsorted(old, new)
    if len(old) and (old[at.clip(max=len(old) - 1)] == new).any():
        return None
    given = tuple(dict.fromkeys((*last.given_splits, *fresh.given_splits)))
    reasons = tuple(dict.fromkeys((*last.reasons, *fresh.reasons)))
    columns: dict[str, Any] = {
        name: _inserted(getattr(last, name)[kept], at, getattr(fresh, name)) for name in _BY_FACE
    }
    faces = Candidates(
        classes=last.classes,
        origins=last.origins,
        twice=last.twice,
        **columns,
        given_splits=given,
        given=_inserted(last.given[kept], at, _renumbered(fresh.given, fresh.given_splits, given)),
        media=narrow(candidates.ranked(columns["media_id"], columns["prefix"])),
        keys=_inserted(last.keys[kept], at, fresh.keys),
        reasons=reasons,
        out_face=np.concatenate([last.out_face[stays_out], fresh.out_face]),
        out_reason=np.concatenate(
            [last.out_reason[stays_out], _renumbered(fresh.out_reason, fresh.reasons, reasons)]
        ).astype(np.int8),
        strange=fresh.strange,
    )
    is_fresh = np.insert(np.zeros(len(kept), np.bool_), at, True)
    return faces, np.insert(kept, at, _numbers_of(fresh.keys, last.keys, leading)), is_fresh


def _numbers_of(keys: NDArray[np.void], among: NDArray[np.void], leading: NDArray[np.uint64]) -> Whole:
    """Of each key its number among those, or -1. leading: the first 64 bits of those."""
    if not len(among):
        return np.full(len(keys), -1)
    place = np.searchsorted(leading, candidates.words(keys)[:, 0]).clip(max=len(among) - 1)
    return np.where(among[place] == keys, place, -1)


def _inserted(old: NDArray[Any], at: Whole, new: NDArray[Any]) -> NDArray[Any]:
    """The new ones among the old, each before the old one of that number; in a kind that holds both."""
    kind = old.dtype if old.dtype.kind == "V" else np.result_type(old, new)
    return np.insert(old.astype(kind, copy=False), at, new.astype(kind, copy=False), axis=0)


def _renumbered(numbers: Narrow, names: Sequence[str], among: Sequence[str]) -> Narrow:
    places = np.array([among.index(name) for name in names], np.int64)
    return narrow(places[numbers])
