"""The faces a snapshot could hold, read in one statement, kept small: a million of them take some 150 MB."""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from labeling import bulk
from labeling.expressions import OTHER_ANSWERS
from labeling.licences import meeting
from labeling.models import Campaign, Face
from labeling.snapshots import format as snapshots
from labeling.snapshots.arrays import Narrow, Which, Whole, booleans, coded, narrow, numbered, whole_numbers
from labeling.snapshots.origins import Labels
from labeling.snapshots.reasons import LICENCE, OTHER_CLASS, OTHER_SOURCE, POOR, SMALL, TWICE
from labeling.snapshots.rows_asked import BOX, columns_asked, from_sources, in_question
from labeling.snapshots.rule import AUTHOR, USUAL_LABELS, Rule
from labeling.snapshots.stored import Alive
from labeling.snapshots.tallies import Tally
from labeling.whose import spelt

_KEY = 32
_AT_ONCE = 5_000


@dataclass(frozen=True, eq=False)
class Candidates:
    """One row per face, by face_key. Numbers of labels count in `classes`, of origins in `origins`.

    media: 0 to m - 1, in the order of their prefixes. prefix: the first 64 bits of the media's sha256. votes: (n,
    classes and the other answers). likeness, author: -1 for none. fingerprint: its 64 bits, where `hashed` says that
    there is one. given: number in `given_splits`. source: rank of the split its sources are named for. out_face,
    out_reason: the faces that stay out, and of each the number of the reason in `reasons`.
    """

    classes: tuple[str, ...]
    origins: tuple[str, ...]
    given_splits: tuple[str, ...]
    face: Narrow
    media_id: Narrow
    media: Narrow
    prefix: NDArray[np.uint64]
    label: Narrow
    origin: Narrow
    agreement: NDArray[np.float32]
    votes: Narrow
    given: Narrow
    likeness: Narrow
    author: Narrow
    fingerprint: NDArray[np.uint64]
    hashed: NDArray[np.bool_]
    source: Narrow
    keys: NDArray[np.void]
    """32 bytes a face."""
    reasons: tuple[str, ...]
    out_face: Narrow
    out_reason: NDArray[np.int8]
    twice: int
    """Rows that are not here because their face is, by another campaign."""
    strange: dict[str, int]
    """Labels by votes that are no class of the campaign any more; their number is -1."""

    def __len__(self) -> int:
        return len(self.face)

    @property
    def left_out(self) -> dict[str, int]:
        """Reason → how many stay out."""
        counts = np.bincount(self.out_reason, minlength=len(self.reasons)).tolist()
        found = {reason: count for reason, count in zip(self.reasons, counts, strict=True) if count}
        return dict(sorted((found | ({TWICE: self.twice} if self.twice else {})).items()))

    def key(self, row: int) -> str:
        """The face_key, 64 hex digits."""
        return bytes(self.keys[row]).hex()


def read(
    campaigns: Sequence[Campaign],
    rule: Rule,
    alive: Alive = lambda: None,
    reader: bulk.Reader | None = None,
) -> Candidates:
    """What the rule lets in of the campaigns, and of labelled sources, as it stands now; the others counted by reason.

    Of a face in several campaigns the first counts. One statement a campaign, so each is of one moment, whoever goes on
    voting meanwhile; all are of the reader's moment, if there is one.
    """
    found = _Columns(campaigns[0].expressions, rule)
    for campaign in campaigns:
        found.take(bulk.tables(*columns_asked(in_question(campaign), "face__", rule), reader), alive)
    if rule.labelled_sources:
        faces = Face.objects.kept().filter(from_sources("media", rule.labelled_sources)).order_by()
        found.take(bulk.tables(*columns_asked(faces, "", rule), reader), alive)
    return found.finished()


def read_some(
    campaign: Campaign, rule: Rule, faces: Whole, reader: bulk.Reader, alive: Alive = lambda: None
) -> Candidates:
    """Of these faces what `read` would say of them, as the reader sees them. Some need not be the campaign's."""
    found = _Columns(campaign.expressions, rule)
    chunks = [faces[start : start + _AT_ONCE] for start in range(0, len(faces), _AT_ONCE)]
    rows = [in_question(campaign).filter(bulk.Among("face", chunk)) for chunk in chunks]
    asked = [columns_asked(some, "face__", rule) for some in rows]
    if asked:
        found.take(bulk.table_each((some for some, _schema in asked), asked[0][1], reader), alive)
    return found.finished()


def why_out(campaigns: Sequence[Campaign], rule: Rule, faces: Collection[int]) -> dict[int, str]:
    """Of some hundred faces why `read` would leave each out as things stand now; empty where it would take the face.

    Those that are in none of the campaigns and labelled sources are left out.
    """
    found = _Columns(campaigns[0].expressions, rule)
    for campaign in campaigns:
        rows = in_question(campaign).filter(face__in=faces)
        found.take([bulk.few(*columns_asked(rows, "face__", rule))], lambda: None)
    if rule.labelled_sources:
        joined = (
            Face.objects.kept().filter(from_sources("media", rule.labelled_sources), pk__in=faces).order_by()
        )
        found.take([bulk.few(*columns_asked(joined, "", rule))], lambda: None)
    made = found.finished()
    why = dict.fromkeys(made.face.tolist(), "")
    for face, number in zip(made.out_face.tolist(), made.out_reason.tolist(), strict=True):
        why.setdefault(face, made.reasons[number])
    return why


def words(keys: NDArray[np.void]) -> NDArray[np.uint64]:
    """(n, 2): the first 128 bits of face_keys of 32 bytes each."""
    whole = np.ascontiguousarray(keys).view(">u8").reshape(-1, _KEY // 8)
    return whole[:, :2].astype(np.uint64)


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
        self._allowed = pa.array(sorted(meeting(rule.licences)), pa.string()) if rule.licences else None
        self._given: dict[str, int] = {}
        self._reasons: dict[str, int] = {}
        self._out_face: list[Narrow] = [np.empty(0, np.int8)]
        self._out_reason = [np.empty(0, np.int8)]
        self._strange: Counter[str] = Counter()
        self._expressions = frozenset(expressions)
        self._keys: list[bytes] = []
        self._whole: dict[str, list[Narrow]] = {name: [np.empty(0, np.int8)] for name in _WHOLE}
        self._prefix = [np.empty(0, np.uint64)]
        self._agreement = [np.empty(0, np.float32)]
        self._votes: list[Narrow] = [np.empty((0, len(self._answers)), np.int8)]

    def take(self, parts: Iterable[pa.Table], alive: Alive) -> None:
        for part in parts:
            alive()
            self._take(part)

    def _take(self, part: pa.Table) -> None:
        tally = Tally(part, self._answers)
        found = Labels(part, self._rule, tally)
        pks = whole_numbers(part, "pk")
        for reason, rows in found.without():
            self._leave(reason, pks[rows])
        kept = np.flatnonzero(found.origin >= 0)
        label = found.label.take(pa.array(kept))
        kept, label = self._wanted(part.take(pa.array(kept)), kept, label, found.origin[kept])
        rows = part.take(pa.array(kept))
        words, of_word = coded(label)
        self._strange.update(
            {
                word: int((of_word == number).sum())
                for number, word in enumerate(words)
                if word not in self._numbers
            }
        )
        numbers = np.array([self._numbers.get(word, -1) for word in words], np.int64)
        given, of_given = coded(rows.column("given_split"))
        splits = np.array([self._given.setdefault(word, len(self._given)) for word in given], np.int64)
        sha256s = rows.column("media__sha256")
        keys = _keys(rows)
        self._keys.append(keys)
        self._prefix.append(_prefixes(sha256s))
        self._agreement.append(found.agreement[kept].astype(np.float32))
        self._votes.append(narrow(tally.votes)[tally.row[kept]])
        values = {
            "face": whole_numbers(rows, "pk"),
            "media": whole_numbers(rows, "media"),
            "label": numbers[of_word],
            "origin": found.origin[kept],
            "given": splits[of_given],
            "likeness": whole_numbers(rows, "likeness", -1),
            "author": self._authors(rows),
            "fingerprint": whole_numbers(rows, "fingerprint"),
            "hashed": rows.column("fingerprint").is_valid().to_numpy().astype(np.int64),
            "source": _rank(rows),
        }
        for name, column in values.items():
            self._whole[name].append(narrow(column))

    def _wanted(self, rows: pa.Table, kept: Whole, label: pa.Array, origin: Whole) -> tuple[Whole, pa.Array]:
        """Of faces with a label those that the rule lets in; the others are counted by the first reason."""
        words, of_word = coded(label)
        known = np.array([word in self._numbers for word in words], np.bool_)[of_word]
        # What was voted on and is no class of the campaign any more is not passed over.
        expressions = np.array([word in self._expressions for word in words], np.bool_)[of_word]
        voted = np.array([name in USUAL_LABELS for name in self._rule.labels])[origin]
        reasons: list[tuple[str, Which]] = []
        if self._allowed is not None:
            allowed = pc.is_in(rows.column("media__licence_code"), self._allowed)
            reasons.append((LICENCE, ~booleans(allowed)))
        if self._rule.sources:
            reasons.append((OTHER_SOURCE, ~booleans(rows.column("from_wanted"))))
        side = np.minimum(whole_numbers(rows, "width"), whole_numbers(rows, "height"))
        reasons.append((SMALL, side < self._rule.side_at_least))
        if self._rule.quality:
            reasons.append((POOR, booleans(rows.column("poor"))))
        reasons.append((OTHER_CLASS, ~known & (expressions | ~voted)))
        there = np.ones(len(kept), np.bool_)
        for reason, out in reasons:
            self._leave(reason, whole_numbers(rows, "pk")[there & out])
            there &= ~out
        which = np.flatnonzero(there)
        return kept[which], label.take(pa.array(which))

    def _leave(self, reason: str, faces: Whole) -> None:
        number = self._reasons.setdefault(reason, len(self._reasons))
        self._out_face.append(narrow(faces))
        self._out_reason.append(np.full(len(faces), number, np.int8))

    def _authors(self, rows: pa.Table) -> Whole:
        if AUTHOR not in self._rule.groups:
            return np.full(len(rows), -1, np.int64)
        names, of_name = coded(rows.column("media__author"))
        plain = map(spelt, names)
        return np.array([_number(name) if name else -1 for name in plain], np.int64)[of_name]

    def finished(self) -> Candidates:
        order, twice = self._order()
        whole = {name: np.concatenate(self._whole.pop(name))[order] for name in _WHOLE}
        prefix = np.concatenate(self._prefix)[order]
        keys = np.frombuffer(b"".join(self._keys), f"V{_KEY}")[order]
        self._keys.clear()
        votes = np.concatenate(self._votes)[order]
        self._votes.clear()
        return Candidates(
            classes=self._classes,
            origins=self._rule.labels,
            given_splits=tuple(self._given),
            keys=keys,
            prefix=prefix,
            agreement=np.concatenate(self._agreement)[order],
            votes=votes,
            reasons=tuple(self._reasons),
            out_face=np.concatenate(self._out_face),
            out_reason=np.concatenate(self._out_reason),
            twice=twice,
            strange=dict(self._strange),
            face=whole["face"],
            media_id=whole["media"],
            media=narrow(ranked(whole["media"], prefix)),
            label=whole["label"],
            origin=whole["origin"],
            given=whole["given"],
            likeness=whole["likeness"],
            author=whole["author"],
            fingerprint=whole["fingerprint"].astype(np.int64, copy=False).view(np.uint64),
            hashed=whole["hashed"].astype(np.bool_),
            source=whole["source"],
        )

    def _order(self) -> tuple[Whole, int]:
        """The faces in order of their keys, of equal ones the first; and how many stay out as they are there twice."""
        if not self._keys:
            return np.empty(0, np.int64), 0
        words = np.frombuffer(b"".join(self._keys), ">u8").reshape(-1, _KEY // 8)
        leading = words[:, 0].astype(np.uint64)
        order = np.argsort(leading, kind="stable")
        if (leading[order[1:]] == leading[order[:-1]]).any():
            # Keys are drawn: the first 64 bits decide, unless a face is there twice.
            order = np.lexsort(words.T[::-1])
        in_order = words[order]
        first = np.ones(len(order), np.bool_)
        first[1:] = (in_order[1:] != in_order[:-1]).any(axis=1)
        return order[first], int((~first).sum())


def _rank(rows: pa.Table) -> Whole:
    """Of each face the rank of the strictest split that its sources are named for."""
    found = np.zeros(len(rows), np.int64)
    for rank, split in enumerate(snapshots.SPLITS):
        if f"from_{split}" in rows.schema.names:
            found[booleans(rows.column(f"from_{split}"))] = rank
    return found


def _keys(rows: pa.Table) -> bytes:
    """The face_keys, 32 bytes each; see snapshots.face_key."""
    named = [rows.column(name).cast(pa.string()) for name in ("media__sha256", "detector", *BOX)]
    texts = pc.binary_join_element_wise(*named, "/").cast(pa.binary()).to_pylist()
    sha256 = hashlib.sha256
    return b"".join([sha256(text).digest() for text in texts])


def _prefixes(sha256s: pa.ChunkedArray) -> NDArray[np.uint64]:
    texts = pc.utf8_slice_codeunits(sha256s, 0, 16).to_pylist()
    return np.frombuffer(bytes.fromhex("".join(texts)), ">u8").astype(np.uint64)


def ranked(media: Narrow, prefix: NDArray[np.uint64]) -> Whole:
    """Media by numbers from 0, in the order of their prefixes."""
    keys, place = numbered(media)
    prefix_of = np.empty(len(keys), np.uint64)
    prefix_of[place] = prefix
    rank = np.empty(len(keys), np.int64)
    rank[np.lexsort((keys, prefix_of))] = np.arange(len(keys))
    return rank[place]


def _number(text: str) -> int:
    """63 bits: two authors in a thousand million million share one."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()) >> 1
