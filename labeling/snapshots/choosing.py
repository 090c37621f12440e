"""Which faces a snapshot holds, and in which split and fold each goes."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from django.db.models import QuerySet
from numpy.typing import NDArray

from labeling import work
from labeling.models import Campaign, CampaignFace, Face, Outcome
from labeling.sayings import gettext_noop
from labeling.snapshots import certificate, split
from labeling.snapshots import format as snapshots
from labeling.snapshots.arrays import numbered
from labeling.snapshots.candidates import Candidates
from labeling.snapshots.certificate import Compared
from labeling.snapshots.earlier import Earlier
from labeling.snapshots.grouping import connected
from labeling.snapshots.reasons import BY_RULE, LEFT_OUT
from labeling.snapshots.rule import ADJUDICATED, ALIKE, AUTHOR, GIVEN, SOURCES, STRATIFIED, USUAL_LABELS, Rule
from labeling.snapshots.stored import Alive

GIVEN_SPLITS = {
    "Training": "train",
    "PublicTest": "validation",
    "PrivateTest": "test",
    **{split: split for split in snapshots.SPLITS},
}
"""What publishers call the splits, FER2013's names among them, and what we call them."""
_EXAMPLES = 3
_TRAIN, _TEST = snapshots.SPLITS.index("train"), snapshots.SPLITS.index("test")
_TOO_FEW_CLASSES = gettext_noop(
    "A snapshot needs settled faces of at least two expressions. Let people vote on more."
)
_TOO_FEW_BY_RULE = gettext_noop(
    "A snapshot needs settled faces of at least two expressions, and what is asked for leaves fewer."
)
_LEFT_OUT = gettext_noop("Left out: {reason} ({faces:,}).")
_STRANGE_LABEL = gettext_noop(
    "{faces} faces are labelled “{label}”, which is no expression of the campaign any more. "
    "Put it back among the campaign's expressions."
)
_WITHOUT_SPLIT = gettext_noop(
    "{some} of {all} faces came without a split of their own: {examples}. Freeze with drawn splits instead."
)
_FEW_GROUPS = gettext_noop("{groups} groups cannot make {folds} folds. Ask for fewer, or keep less together.")
_NOTHING_TO_TRAIN_ON = gettext_noop("No face of {words} to train on.")
_EMPTY_SPLIT = gettext_noop("No face in {words}.")
_MOVED = gettext_noop(
    "{faces} faces left the split they came with, because their group stands in a stricter one."
)
_ONE_ADJUDICATED = gettext_noop("1 face carries an adjudicated label.")
_ADJUDICATED = gettext_noop("{faces:,} faces carry an adjudicated label.")
_OTHERS_WORD = gettext_noop("{faces:,} faces carry a label of “{column}”.")
Whole: TypeAlias = NDArray[np.integer[Any]]


@dataclass(frozen=True, eq=False)
class Choice:
    """What a snapshot will hold. split: (n,) number in snapshots.SPLITS. fold: (n,), -1 for none. group: (n,) the
    64 bits its smallest media begins with. certificate: what was found out about the splits. moved: faces that left
    the split they came with.
    """

    faces: Candidates
    split: Whole
    fold: Whole
    group: NDArray[np.uint64]
    certificate: dict[str, Any]
    moved: int
    notes: tuple[str, ...]

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """Split → class → faces."""
        table = split.count(self.faces.label, self.split, len(self.faces.classes), len(snapshots.SPLITS))
        return {
            name: dict(zip(self.faces.classes, row, strict=True))
            for name, row in zip(snapshots.SPLITS, table.tolist(), strict=True)
        }


def with_label(campaign: Campaign) -> QuerySet[Face]:
    """The faces a snapshot of the campaign could hold now by its votes, whatever their licences."""
    settled = CampaignFace.objects.filter(campaign=campaign, state=CampaignFace.State.SETTLED)
    return Face.objects.filter(
        campaign_faces__in=settled.filter(outcome__in=[Outcome.AGREED, Outcome.ADJUDICATED])
    )


def choose(
    *,
    faces: Candidates,
    rule: Rule,
    earlier: Earlier,
    alive: Alive = lambda: None,
    compared: Compared | None = None,
) -> Choice:
    """Part these faces. compared: as of `certificate.of`. Raises Refused."""
    _demand_classes(faces)
    alive()
    group = connected(faces.media, _links(faces, rule))
    groups, dense = numbered(group)
    names, size = _group_prefixes(faces, groups), len(groups)
    kept = _strictest(earlier.splits_of(faces, rule), dense, size)
    if rule.splits == STRATIFIED:
        place, moved, own = _drawn(faces, dense, names, kept, rule), 0, None
    else:
        own = _given(faces) if rule.splits == GIVEN else faces.source
        strictest = _strictest(own, dense, size)
        place = np.where(kept == _TEST, _TEST, strictest)
        moved = int((place[dense] != own).sum())
    splits = place[dense]
    folds = _folds(faces, dense, names, splits != _TEST, rule)
    alive()
    proof = certificate.of(faces, splits, dense, rule, own=own, compared=compared)
    proof |= earlier.certified(faces, splits, rule)
    notes = tuple(_notes(faces, splits, rule, moved))
    return Choice(faces, splits, folds, names[dense], proof, moved, notes)


def _links(faces: Candidates, rule: Rule) -> list[Whole]:
    return [link for name, link in ((ALIKE, faces.likeness), (AUTHOR, faces.author)) if name in rule.groups]


def _group_prefixes(faces: Candidates, groups: Whole) -> NDArray[np.uint64]:
    """Of each of these groups the 64 bits its smallest media begins with."""
    prefix = np.zeros(int(faces.media.max()) + 1 if len(faces) else 0, np.uint64)
    prefix[faces.media] = faces.prefix
    return prefix[groups]


def _strictest(ranks: Whole, group: Whole, size: int) -> Whole:
    """Of each group the largest of its faces' ranks."""
    found = np.full(size, split.FREE)
    np.maximum.at(found, group, ranks)
    return found


def _drawn(faces: Candidates, group: Whole, names: NDArray[np.uint64], kept: Whole, rule: Rule) -> Whole:
    """Group → split. Groups that stay keep theirs, also where it has no share any more."""
    ranks = np.array([snapshots.SPLITS.index(name) for name in split.in_order(rule.fractions)])
    number = {rank: place for place, rank in enumerate(ranks.tolist())}
    known = np.array([number.get(rank, split.FREE) for rank in range(len(snapshots.SPLITS))] + [split.FREE])
    fixed = (kept != split.FREE) & ~np.isin(kept, ranks)
    counts = split.count(faces.label, group, len(faces.classes), len(names))
    free = ~fixed
    place = kept.copy()
    if free.any():
        dealt = split.deal(counts[free], _hex(names[free]), rule.fractions, rule.seed, known[kept[free]])
        place[free] = ranks[dealt]
    return place


def _folds(
    faces: Candidates, group: Whole, names: NDArray[np.uint64], there: NDArray[np.bool_], rule: Rule
) -> Whole:
    """The fold of each face that is not tested on, so that each class is parted evenly and no group straddles."""
    folds = np.full(len(faces), -1)
    if not rule.folds:
        return folds
    inside, dense = numbered(group[there])
    if len(inside) < rule.folds:
        raise work.Refused(_FEW_GROUPS.format(groups=len(inside), folds=rule.folds))
    counts = split.count(faces.label[there], dense, len(faces.classes), len(inside))
    shares = {f"{number:03d}": 1 / rule.folds for number in range(rule.folds)}
    free = np.full(len(inside), split.FREE)
    folds[there] = split.deal(counts, _hex(names[inside]), shares, rule.seed, free)[dense]
    return folds


def _hex(names: NDArray[np.uint64]) -> split.Names:
    """16 digits each."""
    return np.frombuffer(names.astype(">u8").tobytes().hex().encode(), "S16")


def _demand_classes(faces: Candidates) -> None:
    for label, count in sorted(faces.strange.items()):
        raise work.Refused(_STRANGE_LABEL.format(faces=count, label=label))
    if np.count_nonzero(np.bincount(faces.label)) < 2:
        out = [(LEFT_OUT[reason], faces.left_out[reason]) for reason in BY_RULE if reason in faces.left_out]
        parts = [_LEFT_OUT.format(reason=words, faces=count) for words, count in out]
        raise work.Refused(" ".join([_TOO_FEW_BY_RULE, *parts]) if parts else _TOO_FEW_CLASSES)


def _given(faces: Candidates) -> Whole:
    """What the publisher says of each face.

    A group that stands in several splits goes whole to the strictest of them, so a picture that is in both Training
    and PrivateTest is tested on and not learnt.
    """
    ranks = np.array(
        [
            snapshots.SPLITS.index(GIVEN_SPLITS[name]) if name in GIVEN_SPLITS else split.FREE
            for name in faces.given_splits
        ]
    )
    own = ranks[faces.given]
    unknown = np.flatnonzero(own == split.FREE)
    if len(unknown):
        raise work.Refused(
            _WITHOUT_SPLIT.format(some=len(unknown), all=len(faces), examples=_examples(faces, unknown))
        )
    return own


def _examples(faces: Candidates, rows: Whole) -> str:
    shown = sorted((int(faces.face[row]), faces.given_splits[faces.given[row]]) for row in rows)[:_EXAMPLES]
    named = [f"face {face}" + (f" (“{name}”)" if name else "") for face, name in shown]
    return ", ".join(named) + (" …" if len(rows) > _EXAMPLES else "")


def _notes(faces: Candidates, splits: Whole, rule: Rule, moved: int) -> Iterator[str]:
    """What a person should know before trusting the snapshot."""
    learnt = np.unique(faces.label[splits == _TRAIN])
    missing = [name for number, name in enumerate(faces.classes) if number not in learnt]
    if missing and len(learnt):
        yield _NOTHING_TO_TRAIN_ON.format(words=", ".join(missing))
    for rank, name in enumerate(snapshots.SPLITS):
        if (rule.splits != STRATIFIED or rule.fractions[name]) and not (splits == rank).any():
            yield _EMPTY_SPLIT.format(words=name)
    if moved and rule.splits != SOURCES:
        yield _MOVED.format(faces=moved)
    for number, origin in enumerate(faces.origins):
        count = int((faces.origin == number).sum())
        if not count or origin in USUAL_LABELS[1:]:
            continue
        if origin == ADJUDICATED:
            yield _ONE_ADJUDICATED if count == 1 else _ADJUDICATED.format(faces=count)
        else:
            yield _OTHERS_WORD.format(faces=count, column=origin)
