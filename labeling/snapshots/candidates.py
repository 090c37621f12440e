"""The faces a snapshot could hold, read in one statement, kept small: a million of them take some 150 MB."""

import hashlib
from array import array
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from django.db.models import Exists, OuterRef, QuerySet, Subquery
from numpy.typing import NDArray

from labeling.expressions import OTHER_ANSWERS
from labeling.licences import meeting
from labeling.models import Campaign, CampaignFace, Face, FaceLabel, Item, Outcome
from labeling.snapshots import format as snapshots
from labeling.snapshots.rule import ADJUDICATED, AUTHOR, SOURCES, USUAL_LABELS, VOTES, Rule
from labeling.snapshots.stored import Alive

OPEN, LICENCE, FEW_VOTES, DISAGREEMENT = "open", "licence", "few_votes", "little_agreement"
NO_LABEL, OTHER_CLASS, SMALL, OTHER_SOURCE, TWICE = "no_label", "class", "small", "source", "twice"
"""Why faces stay out, besides the outcomes that are no label."""
_CHUNK = 5_000
_KEY = 32
_FACE = (
    "pk", "media", "media__sha256", "detector", "time_ms", "row", "x", "y", "width", "height", "given__split",
    "likeness", "fingerprint", "media__licence_code", "media__author",
)  # fmt: skip
_UNASKED: tuple[Any, ...] = ("", "", "", None, {})
_VOTED = ("state", "outcome", "label", "agreement", "counts")
Whole: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Candidates:
    """One row per face, by face_key. Numbers of labels count in `classes`, of origins in `origins`.

    media: 0 to m - 1, in the order of their prefixes. prefix: the first 64 bits of the media's sha256. votes: (n,
    classes and the other answers). likeness, author: -1 for none. fingerprint: its 64 bits, where `hashed` says that
    there is one. given: number in `given_splits`. source: rank of the split its sources are named for.
    """

    classes: tuple[str, ...]
    origins: tuple[str, ...]
    given_splits: tuple[str, ...]
    face: Whole
    media: Whole
    prefix: NDArray[np.uint64]
    label: Whole
    origin: Whole
    agreement: NDArray[np.float32]
    votes: NDArray[np.uint32]
    given: Whole
    likeness: Whole
    author: Whole
    fingerprint: NDArray[np.uint64]
    hashed: NDArray[np.bool_]
    source: Whole
    keys: bytes
    """32 bytes a face."""
    left_out: dict[str, int]
    strange: dict[str, int]
    """Labels by votes that are no class of the campaign any more; their number is -1."""

    def __len__(self) -> int:
        return len(self.face)

    def key(self, row: int) -> str:
        """The face_key, 64 hex digits."""
        return self.keys[row * _KEY : (row + 1) * _KEY].hex()


def read(campaigns: Sequence[Campaign], rule: Rule, alive: Alive = lambda: None) -> Candidates:
    """What the rule lets in of the campaigns, and of labelled sources, as it stands now; the others counted by reason.

    Of a face in several campaigns the first counts. One statement a campaign, so each is of one moment, whoever goes on
    voting meanwhile.
    """
    found = _Columns(campaigns[0].expressions, rule)
    for campaign in campaigns:
        rows = CampaignFace.objects.filter(campaign=campaign, face__isnull=False)
        rows = rows.exclude(state=CampaignFace.State.GOLD).order_by()
        found.take(_asked(rows, "face__", rule), alive)
    if rule.labelled_sources:
        faces = Face.objects.kept().filter(_from("media", rule.labelled_sources)).order_by()
        found.take(_asked(faces, "", rule), alive)
    return found.finished()


def label_columns(rule: Rule) -> list[str]:
    """The columns of labels the rule asks."""
    return [origin for origin in rule.labels if origin not in USUAL_LABELS]


def _from(media: str, names: Collection[str]) -> Exists:
    return Exists(Item.objects.filter(media=OuterRef(media), source__name__in=names))


def _asked(rows: QuerySet[Any], to_face: str, rule: Rule) -> Iterator[tuple[Any, ...]]:
    """The columns of _VOTED and _FACE; whether the source is as asked for; the rank of its split; the labels asked."""
    asked: dict[str, Any] = {}
    if rule.sources:
        asked["from_wanted"] = _from(f"{to_face}media", rule.sources)
    if rule.splits == SOURCES:
        for split, names in sorted(rule.split_sources.items()):
            asked[f"from_{split}"] = _from(f"{to_face}media", names)
    for number, column in enumerate(label_columns(rule)):
        same = FaceLabel.objects.filter(face=OuterRef(f"{to_face}pk"), column=column)
        asked[f"label_{number}"] = Subquery(same.values("label")[:1])
    voted = _VOTED if to_face else ()
    columns = (*voted, *(to_face + name for name in _FACE), *asked)
    found = rows.annotate(**asked).values_list(*columns).iterator(_CHUNK)
    first, last = len(voted), len(voted) + len(_FACE)
    if not asked:
        unasked = (True, 0, ())
        return ((*(row[:first] or _UNASKED), *row[first:], *unasked) for row in found)
    return (
        (*(row[:first] or _UNASKED), *row[first:last], *_answers(dict(zip(asked, row[last:], strict=True))))
        for row in found
    )


def _answers(asked: Mapping[str, Any]) -> tuple[bool, int, list[str | None]]:
    """Whether the source is as asked for, the rank of the split it is named for, and the labels in their columns."""
    ranks = (rank for rank, split in enumerate(snapshots.SPLITS) if asked.get(f"from_{split}"))
    labels = [value for name, value in asked.items() if name.startswith("label_")]
    return asked.get("from_wanted", True), max(ranks, default=0), labels


_WHOLE = (
    "face", "media", "label", "origin", "given", "likeness", "author", "fingerprint", "hashed", "source",
)  # fmt: skip


class _Columns:
    """Grows by faces; `finished` sorts them."""

    def __init__(self, expressions: Sequence[str], rule: Rule) -> None:
        self._rule = rule
        self._classes = tuple(name for name in expressions if not rule.classes or name in rule.classes)
        self._numbers = {name: number for number, name in enumerate(self._classes)}
        self._answers = (*self._classes, *OTHER_ANSWERS)
        self._allowed = meeting(rule.licences) if rule.licences else None
        self._given: dict[str, int] = {}
        self._left_out: Counter[str] = Counter()
        self._strange: Counter[str] = Counter()
        self._expressions = frozenset(expressions)
        self._keys = bytearray()
        self._waiting: list[tuple[Any, ...]] = []
        self._whole = {name: array("q") for name in _WHOLE}
        self._prefix, self._agreement, self._votes = array("Q"), array("f"), array("I")

    def take(self, rows: Iterable[tuple[Any, ...]], alive: Alive) -> None:
        for number, row in enumerate(rows):
            if not number % _CHUNK:
                alive()
                self._keep()
            self._take(*row)
        self._keep()

    def _keep(self) -> None:
        """Move what waits into the columns, which take an eighth of the room."""
        for column, values in zip(self._whole.values(), zip(*self._waiting, strict=True), strict=False):
            column.extend(values)
        self._waiting.clear()

    def _take(
        self,
        state: str,
        outcome: str,
        label: str,
        agreement: float | None,
        counts: Mapping[str, int],
        *rest: Any,
    ) -> None:
        (
            pk,
            media,
            sha256,
            detector,
            time_ms,
            row,
            x,
            y,
            width,
            height,
            split,
            likeness,
            fingerprint,
            *more,
        ) = rest
        licence, author, wanted, rank, labels = more
        found = self._label(state, outcome, label, agreement, counts, labels)
        reason = found if isinstance(found, str) else self._unwanted(licence, wanted, width, height, found)
        if isinstance(found, str) or reason:
            self._left_out[reason] += 1
            return
        name, origin, agreed = found
        self._keys += bytes.fromhex(
            snapshots.face_key(
                media_sha256=sha256, detector=detector, time_ms=time_ms, row=row, box=(x, y, width, height)
            )
        )
        self._prefix.append(int(sha256[:16], 16))
        self._agreement.append(agreed)
        self._votes.extend([counts.get(answer, 0) for answer in self._answers])
        values = (
            pk,
            media,
            self._numbers.get(name, -1),
            origin,
            self._given.setdefault(str(split or ""), len(self._given)),
            -1 if likeness is None else likeness,
            _number(author) if author and AUTHOR in self._rule.groups else -1,
            fingerprint or 0,
            fingerprint is not None,
            rank,
        )
        self._waiting.append(values)
        if name not in self._numbers:
            self._strange[name] += 1

    def _label(
        self,
        state: str,
        outcome: str,
        label: str,
        agreement: float | None,
        counts: Mapping[str, int],
        labels: Sequence[str | None],
    ) -> "tuple[str, int, float] | str":
        """The label, the number of its origin and the agreement; or why there is none."""
        # A face re-opened for fresh votes still carries its former outcome; that is under question now.
        is_settled = state == CampaignFace.State.SETTLED
        reason = OPEN if state == CampaignFace.State.OPEN else outcome or NO_LABEL
        others = iter(labels)
        for number, origin in enumerate(self._rule.labels):
            if origin == ADJUDICATED:
                if is_settled and outcome == Outcome.ADJUDICATED:
                    return label, number, agreement or 0.0
            elif origin == VOTES:
                if is_settled and outcome == Outcome.AGREED:
                    reason = self._doubt(agreement or 0.0, counts)
                    if not reason:
                        return label, number, agreement or 0.0
            elif given := next(others):
                cast = sum(counts.values())
                return given, number, counts.get(given, 0) / cast if cast else 1.0
        return reason if reason not in (Outcome.AGREED, Outcome.ADJUDICATED) else NO_LABEL

    def _doubt(self, agreement: float, counts: Mapping[str, int]) -> str:
        if sum(counts.values()) < self._rule.votes_at_least:
            return FEW_VOTES
        return DISAGREEMENT if agreement < self._rule.agreement_at_least else ""

    def _unwanted(
        self, licence: str, wanted: bool, width: int, height: int, found: tuple[str, int, float]
    ) -> str:
        if self._allowed is not None and licence not in self._allowed:
            return LICENCE
        if not wanted:
            return OTHER_SOURCE
        if min(width, height) < self._rule.side_at_least:
            return SMALL
        label, origin, _agreement = found
        if label in self._numbers:
            return ""
        # What was voted on and is no class of the campaign any more is not passed over.
        known = label in self._expressions or self._rule.labels[origin] not in USUAL_LABELS
        return OTHER_CLASS if known else ""

    def finished(self) -> Candidates:
        order, twice = self._order()
        if twice:
            self._left_out[TWICE] += twice
        whole = {name: np.frombuffer(column, np.int64)[order] for name, column in self._whole.items()}
        prefix = np.frombuffer(self._prefix, np.uint64)[order]
        keys = np.frombuffer(bytes(self._keys), np.uint8).reshape(-1, _KEY)[order].tobytes()
        votes = np.frombuffer(self._votes, np.uint32).reshape(-1, len(self._answers))[order]
        return Candidates(
            classes=self._classes,
            origins=self._rule.labels,
            given_splits=tuple(self._given),
            keys=keys,
            prefix=prefix,
            agreement=np.frombuffer(self._agreement, np.float32)[order],
            votes=votes,
            left_out=dict(sorted(self._left_out.items())),
            strange=dict(self._strange),
            face=whole["face"],
            media=_ranked(whole["media"], prefix),
            label=whole["label"],
            origin=whole["origin"],
            given=whole["given"],
            likeness=whole["likeness"],
            author=whole["author"],
            fingerprint=whole["fingerprint"].view(np.uint64),
            hashed=whole["hashed"].astype(np.bool_),
            source=whole["source"],
        )

    def _order(self) -> tuple[Whole, int]:
        """The faces in order of their keys, of equal ones the first; and how many stay out as they are there twice."""
        if not self._keys:
            return np.empty(0, np.int64), 0
        words = np.frombuffer(bytes(self._keys), ">u8").reshape(-1, _KEY // 8)
        order = np.lexsort(words.T[::-1])
        in_order = words[order]
        first = np.ones(len(order), np.bool_)
        first[1:] = (in_order[1:] != in_order[:-1]).any(axis=1)
        return order[first], int((~first).sum())


def _ranked(media: Whole, prefix: NDArray[np.uint64]) -> Whole:
    """Media by numbers from 0, in the order of their prefixes."""
    keys, first, inverse = np.unique(media, return_index=True, return_inverse=True)
    rank = np.empty(len(keys), np.int64)
    rank[np.lexsort((keys, prefix[first]))] = np.arange(len(keys))
    return rank[inverse]


def _number(text: str) -> int:
    """63 bits: two authors in a thousand million million share one."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()) >> 1
