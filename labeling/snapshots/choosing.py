"""Which faces a snapshot holds, and in which split each goes."""

import sys
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from labeling import work
from labeling.expressions import OTHER_ANSWERS
from labeling.licences import meeting
from labeling.models import Campaign, CampaignFace, Face, Outcome
from labeling.sayings import gettext_noop
from labeling.snapshots import format as snapshots
from labeling.snapshots.split import split_groups
from labeling.snapshots.stored import Alive

STRATIFIED, GIVEN = "stratified", "given"
MEDIA, ALIKE = "media", "alike"
GROUPS = (MEDIA, ALIKE)
"""What never straddles splits: all of one media, and near-duplicates (labeling.likeness)."""
GIVEN_SPLITS = {
    "Training": "train",
    "PublicTest": "validation",
    "PrivateTest": "test",
    **{split: split for split in snapshots.SPLITS},
}
"""What publishers call the splits, FER2013's names among them, and what we call them."""
LICENCE = "licence"
"""Why a face with a label is left out: the licence of its media is not as asked for."""
_CHUNK = 2_000
_EXAMPLES = 3
_TOO_FEW_CLASSES = gettext_noop(
    "A snapshot needs settled faces of at least two expressions. Let people vote on more."
)
_STRANGE_LABEL = gettext_noop(
    "{faces} faces are labelled “{label}”, which is no expression of the campaign any more. "
    "Put it back among the campaign's expressions."
)
_WITHOUT_SPLIT = gettext_noop(
    "{some} of {all} faces came without a split of their own: {examples}. Freeze with drawn splits instead."
)
_NOTHING_TO_TRAIN_ON = gettext_noop("No face of {words} to train on.")
_EMPTY_SPLIT = gettext_noop("No face in {words}.")
_MOVED = gettext_noop(
    "{faces} faces left the split they came with, because their media stands in a stricter one."
)
_ONE_ADJUDICATED = gettext_noop("1 face carries an adjudicated label.")
_ADJUDICATED = gettext_noop("{faces:,} faces carry an adjudicated label.")


@dataclass(frozen=True, slots=True)
class Chosen:
    """A settled face with its consensus as it stood at one moment. votes: in the order of the snapshot's column."""

    face: int
    key: str
    media: str
    label: str
    agreement: float
    votes: tuple[int, ...]
    given_split: str
    likeness: int | None = None
    adjudicated: bool = False


@dataclass(frozen=True)
class Choice:
    """faces: by face_key. splits, group_names: of each. groups: how many each split holds, none of them in two.

    left_out: reason → faces. moved: faces that left their given split.
    """

    faces: list[Chosen]
    splits: list[str]
    group_names: list[str]
    groups: dict[str, int]
    left_out: dict[str, int]
    moved: int
    notes: tuple[str, ...]


def with_label(campaign: Campaign) -> QuerySet[Face]:
    """The faces a snapshot of the campaign could hold now, whatever their licences."""
    settled = CampaignFace.objects.filter(campaign=campaign, state=CampaignFace.State.SETTLED)
    return Face.objects.filter(
        campaign_faces__in=settled.filter(outcome__in=[Outcome.AGREED, Outcome.ADJUDICATED])
    )


def choose(*, campaign: Campaign, rule: Mapping[str, Any], alive: Alive) -> Choice:
    """The agreed and adjudicated faces as they stand now, whoever goes on voting meanwhile. Raises Refused."""
    faces, left_out = _settled(campaign, rule.get("licences", ()), alive)
    _demand_classes(faces, campaign.expressions)
    faces.sort(key=lambda face: face.key)
    groups = group(faces, rule.get("groups", (MEDIA,)))
    if rule["splits"] == GIVEN:
        splits, moved = _given_splits(faces, groups)
    else:
        labels = [face.label for face in faces]
        splits, moved = split_groups(labels, groups, rule["fractions"], rule["seed"]), 0
    wanted = [split for split in snapshots.SPLITS if rule["splits"] == GIVEN or rule["fractions"][split]]
    notes = tuple(_notes(faces, splits, campaign.expressions, wanted, moved))
    names = [snapshots.group_of(media) for media in groups]
    return Choice(faces, splits, names, _groups_per_split(groups, splits), left_out, moved, notes)


def group(faces: Sequence[Chosen], by: Collection[str]) -> list[str]:
    """The group of each face, named by the smallest media in it: what is linked by media or likeness is one.

    by: of GROUPS. Named by content, so that the same faces are split alike on every machine.
    """
    above: dict[str | int, str | int] = {}

    def root(node: str | int) -> str | int:
        above.setdefault(node, node)
        while above[node] != node:
            above[node] = above[above[node]]
            node = above[node]
        return node

    if ALIKE in by:
        for face in faces:
            if face.likeness is not None:
                above[root(face.likeness)] = root(face.media)
    name: dict[str | int, str] = {}
    for face in faces:
        top = root(face.media)
        name[top] = min(face.media, name.get(top, face.media))
    return [name[root(face.media)] for face in faces]


def _groups_per_split(groups: Sequence[str], splits: Sequence[str]) -> dict[str, int]:
    """Raises RuntimeError if a group is in two splits: such a snapshot must not be."""
    place = dict(zip(groups, splits, strict=True))
    if any(place[name] != split for name, split in zip(groups, splits, strict=True)):
        raise RuntimeError("A group straddles splits.")
    return {split: count for split in snapshots.SPLITS if (count := Counter(place.values())[split])}


def _settled(
    campaign: Campaign, licences: Collection[str], alive: Alive
) -> tuple[list[Chosen], dict[str, int]]:
    """The agreed and adjudicated faces; the others counted. One statement reads all, so they are of one moment.

    Counted too are those whose media's licence does not meet what is asked of it.
    """
    allowed = meeting(licences)
    media, *box = ("face__media__sha256", "face__x", "face__y", "face__width", "face__height")
    where = ("face", media, "face__detector", "face__time_ms", "face__row", *box)
    what = ("label", "agreement", "counts", "face__given__split", "face__likeness")
    columns = ("state", "outcome", "face__media__licence_code", *where, *what)
    rows = CampaignFace.objects.filter(campaign=campaign).exclude(state=CampaignFace.State.GOLD).order_by()
    chosen, left_out = [], Counter[str]()
    for state, outcome, licence, *rest in rows.values_list(*columns).iterator(_CHUNK):
        alive()
        if state == CampaignFace.State.OPEN:
            # A face re-opened for fresh votes still carries its former outcome; that is under question now.
            left_out["open"] += 1
        elif outcome not in (Outcome.AGREED, Outcome.ADJUDICATED):
            left_out[outcome] += 1
        elif licences and licence not in allowed:
            left_out[LICENCE] += 1
        else:
            chosen.append(_chosen(campaign.expressions, outcome == Outcome.ADJUDICATED, *rest))
    return chosen, dict(sorted(left_out.items()))


def _chosen(expressions: Sequence[str], adjudicated: bool, face: int, media: str, *rest: Any) -> Chosen:
    detector, time_ms, row, *box, label, agreement, counts, given_split, likeness = rest
    key = snapshots.face_key(media_sha256=media, detector=detector, time_ms=time_ms, row=row, box=box)
    return Chosen(
        face=face,
        key=key,
        # A million faces share a few labels and fewer media.
        media=sys.intern(media),
        label=sys.intern(label),
        agreement=agreement,
        votes=tuple(counts.get(answer, 0) for answer in (*expressions, *OTHER_ANSWERS)),
        given_split=sys.intern(str(given_split or "")),
        likeness=likeness,
        adjudicated=adjudicated,
    )


def _demand_classes(faces: Sequence[Chosen], expressions: Sequence[str]) -> None:
    labels = Counter(face.label for face in faces)
    if len(labels) < 2:
        raise work.Refused(_TOO_FEW_CLASSES)
    for label in sorted(labels.keys() - set(expressions)):
        raise work.Refused(_STRANGE_LABEL.format(faces=labels[label], label=label))


def _given_splits(faces: Sequence[Chosen], groups: Sequence[str]) -> tuple[list[str], int]:
    """What the publisher says; but a group that stands in several splits goes whole to the strictest of them.

    So a picture that is in both Training and PrivateTest is tested on and not learnt. Returns how many faces moved.
    """
    unknown = [face for face in faces if face.given_split not in GIVEN_SPLITS]
    if unknown:
        raise work.Refused(
            _WITHOUT_SPLIT.format(some=len(unknown), all=len(faces), examples=_examples(unknown))
        )
    own = [snapshots.SPLITS.index(GIVEN_SPLITS[face.given_split]) for face in faces]
    strictest: dict[str, int] = {}
    for name, rank in zip(groups, own, strict=True):
        strictest[name] = max(rank, strictest.get(name, 0))
    ranks = [strictest[name] for name in groups]
    moved = sum(rank != before for rank, before in zip(ranks, own, strict=True))
    return [snapshots.SPLITS[rank] for rank in ranks], moved


def _examples(faces: Sequence[Chosen]) -> str:
    shown = sorted(faces, key=lambda face: face.face)[:_EXAMPLES]
    named = [f"face {face.face}" + (f" (“{face.given_split}”)" if face.given_split else "") for face in shown]
    return ", ".join(named) + (" …" if len(faces) > _EXAMPLES else "")


def _notes(
    faces: Sequence[Chosen],
    splits: Iterable[str],
    expressions: Sequence[str],
    wanted: Sequence[str],
    moved: int,
) -> Iterator[str]:
    """What a person should know before trusting the snapshot."""
    there = Counter(splits)
    learnt = {face.label for face, split in zip(faces, splits, strict=True) if split == "train"}
    missing = [name for name in expressions if name not in learnt]
    if missing and learnt:
        yield _NOTHING_TO_TRAIN_ON.format(words=", ".join(missing))
    for split in wanted:
        if not there[split]:
            yield _EMPTY_SPLIT.format(words=split)
    if moved:
        yield _MOVED.format(faces=moved)
    if adjudicated := sum(face.adjudicated for face in faces):
        yield _ONE_ADJUDICATED if adjudicated == 1 else _ADJUDICATED.format(faces=adjudicated)
