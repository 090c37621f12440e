"""Two frozen versions beside each other: what differs, and why a face is in only one of them, as far as can be told.

Why is what freezing by the rule of the version that lacks the face would say of it now, as far as nothing has changed
since; and where the face is gone, what the rule says of the row in the other version. Nobody wrote it down.
"""

import json
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from django.conf import settings

from labeling.cells import harmless
from labeling.licences import meeting, understood
from labeling.models import Campaign, CampaignFace, Face, Snapshot
from labeling.snapshots import candidates, diff, reasons, stored, taken_in
from labeling.snapshots import format as snapshots
from labeling.snapshots.diff import ADDED, ALL, REMOVED, Change, Difference, Wanted
from labeling.snapshots.rule import USUAL_LABELS, VOTES, Rule

GONE, PUT_ASIDE, ELSEWHERE, NEW, SETTLED_SINCE, UNKNOWN = (
    "gone", "put_aside", "elsewhere", "new", "settled_since", "unknown",
)  # fmt: skip
"""Why a face is in only one version, besides what candidates leave out: no longer in the collection; put aside, where
it would have joined by its labels alone; in none of that version's campaigns; found after it was frozen; agreed on
after it; not to be told."""
_CHUNK = 500


@dataclass(frozen=True)
class Told:
    """A change, and why the face is in only one version; empty where it is in both."""

    change: Change
    why: str


def compare(old: Snapshot, new: Snapshot) -> Difference:
    """The counts of what differs. Raises Refused.

    A million rows take a while, and versions do not change: what was counted is kept on this machine.
    """
    kept = _kept_at(old, new)
    try:
        return Difference.of(json.loads(kept.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, KeyError):
        # Not counted yet, or by another version of this site.
        pass
    with stored.reading(old, new) as (one, other):
        found = diff.difference(one, other)
    kept.parent.mkdir(parents=True, exist_ok=True)
    made = kept.with_suffix(f".{os.getpid()}")
    made.write_text(json.dumps(found.to_json()), encoding="utf-8")
    made.replace(kept)
    return found


def demand_there(old: Snapshot, new: Snapshot) -> None:
    """Both can be opened, also where their counts are kept. Raises Refused."""
    for each in (old, new):
        stored.demand_frozen(each)
        try:
            stored.manifest_of(each.digest)
        except snapshots.NotASnapshot as error:
            raise stored.unreadable(error) from error


def _kept_at(old: Snapshot, new: Snapshot) -> Path:
    """Erasing changes what is in a version, so it is part of the name."""
    parts = (f"{each.digest[:32]}-{each.erased}" for each in (old, new))
    return Path(settings.SNAPSHOT_CACHE_ROOT) / "compared" / f"{'-'.join(parts)}.json"


def listed(old: Snapshot, new: Snapshot, wanted: Wanted, *, beyond: str = "", limit: int) -> list[Told]:
    """The first faces beyond the key that differ as wanted. Raises Refused."""
    with stored.reading(old, new) as (one, other):
        return _told(list(islice(diff.changes(one, other, wanted, beyond=beyond), limit)), old, new)


def every(old: Snapshot, new: Snapshot, wanted: Wanted = ALL) -> Iterator[Told]:
    """All of them, some hundred at a time. Raises Refused."""
    with stored.reading(old, new) as (one, other):
        found = diff.changes(one, other, wanted)
        while chunk := list(islice(found, _CHUNK)):
            yield from _told(chunk, old, new)


def flat(told: Told) -> dict[str, Any]:
    """A row of a table of all changes; empty where the face is not in that version."""
    change = told.change
    found: dict[str, Any] = {
        "face_key": change.face_key,
        "face_id": change.row["face_id"],
        "changes": " ".join(change.kinds),
        "why": told.why,
    }
    for name, column in FLAT.items():
        for version, row in (("old", change.old), ("new", change.new)):
            found[f"{name}_{version}"] = "" if row is None else row[column]
    return found


def cells(told: Told) -> dict[str, Any]:
    """The same, for a CSV."""
    row = flat(told).items()
    return {name: harmless(value) if isinstance(value, str) else value for name, value in row}


def as_json(old: Snapshot, new: Snapshot) -> Iterator[str]:
    """A text of the counts and of every face that differs, in pieces: of a million, none is kept. Raises Refused."""
    counts = compare(old, new).to_json()
    head = json.dumps({"old": old.digest, "new": new.digest, "counts": counts}, ensure_ascii=False)[:-1]
    yield f'{head}, "faces": ['
    for number, each in enumerate(every(old, new)):
        yield (",\n" if number else "\n") + json.dumps(flat(each), ensure_ascii=False)
    yield "\n]}\n"


FLAT = {"label": "label", "origin": "label_origin", "split": "split", "votes": "votes"}
COLUMNS = (
    "face_key",
    "face_id",
    "changes",
    "why",
    *(f"{name}_{version}" for name in FLAT for version in ("old", "new")),
)


def _told(found: Collection[Change], old: Snapshot, new: Snapshot) -> list[Told]:
    why = _reasons([change.old for change in found if change.kinds == (REMOVED,) and change.old], new)
    why |= _reasons(
        [change.new for change in found if change.kinds == (ADDED,) and change.new], old, is_older=True
    )
    return [Told(change, why.get(change.face_key, "")) for change in found]


def _reasons(
    rows: Collection[dict[str, Any]], lacking: Snapshot, *, is_older: bool = False
) -> dict[str, str]:
    """face_key → why the version that lacks it does not hold it. is_older: it is the older of the two."""
    if not rows:
        return {}
    judge = _Judge(lacking, is_older, [row["face_id"] for row in rows])
    return {row["face_key"]: judge.why(row) for row in rows}


class _Judge:
    """Why faces are not in a version: what freezing by its rule says of them now, as far as that holds for then."""

    def __init__(self, lacking: Snapshot, is_older: bool, faces: Collection[int]) -> None:
        self._rule = Rule.of({"consensus": "", "minimum_agreement": 0.0, **lacking.rule})
        self._classes = lacking.counts.get("classes") or lacking.campaign.expressions
        self._allowed = meeting(self._rule.licences) if self._rule.licences else None
        self._frozen_at = lacking.started_at or lacking.created_at
        self._is_older = is_older
        self._faces = {row[0]: row[1:] for row in _faces(faces)}
        campaigns = [each for each in taken_in.campaigns_of(lacking) if each is not None]
        self._now = candidates.why_out(campaigns, self._rule, faces)
        self._asked = _asked(faces, campaigns)

    def why(self, row: Mapping[str, Any]) -> str:
        there = self._faces.get(row["face_id"])
        if there is None:
            return self._by_rule(row) or GONE
        left_out, found_at = there
        if self._is_older and found_at > self._frozen_at:
            return NEW
        return self._by_now(row, bool(left_out))

    def _by_now(self, row: Mapping[str, Any], left_out: bool) -> str:
        face = row["face_id"]
        outcome, settled_at = self._asked.get(face, ("", None))
        reason = self._now.get(face)
        if reason is None:
            return self._by_rule(row) or self._not_asked(face, left_out)
        if settled_at and settled_at > self._frozen_at and set(self._rule.labels) <= set(USUAL_LABELS):
            return SETTLED_SINCE if self._is_older else reasons.OPEN
        if reason == reasons.OPEN and self._is_older and outcome:
            # Re-opened after the newer one was frozen; how it stood before says nobody.
            return self._by_rule(row) or UNKNOWN
        return reason or self._by_rule(row) or UNKNOWN

    def _not_asked(self, face: int, left_out: bool) -> str:
        """Of a face that freezing would not look at now."""
        if face in self._asked:
            return UNKNOWN
        if left_out and not self._is_older and self._rule.labelled_sources:
            return PUT_ASIDE
        return ELSEWHERE if set(self._rule.labels) <= set(USUAL_LABELS) else UNKNOWN

    def _by_rule(self, row: Mapping[str, Any]) -> str:
        """From what it was in the other version."""
        rule = self._rule
        if row["label_origin"] not in rule.labels:
            return reasons.NO_LABEL
        if row["label_origin"] == VOTES and row["votes"] < rule.votes_at_least:
            return reasons.FEW_VOTES
        if row["label_origin"] == VOTES and row["agreement"] < rule.agreement_at_least:
            return reasons.DISAGREEMENT
        if self._allowed is not None and understood(row["licence"]) not in self._allowed:
            return reasons.LICENCE
        if rule.sources and row["source"] not in rule.sources:
            return reasons.OTHER_SOURCE
        if min(row["width"], row["height"]) < rule.side_at_least:
            return reasons.SMALL
        return "" if row["label"] in self._classes else reasons.OTHER_CLASS


def _faces(pks: Collection[int]) -> Iterable[tuple[Any, ...]]:
    return Face.objects.filter(pk__in=pks).values_list("pk", "left_out", "found_at").order_by()


def _asked(faces: Collection[int], campaigns: Collection[Campaign]) -> dict[int, tuple[Any, ...]]:
    """Face → its outcome, and when it was settled, in the first of the campaigns that has it."""
    rows = CampaignFace.objects.filter(face__in=faces, campaign__in=campaigns).order_by("-pk")
    return {row[0]: row[1:] for row in rows.values_list("face", "outcome", "settled_at")}
