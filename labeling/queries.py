"""What the managers' pages ask of the database: each answer in a fixed number of statements."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import islice, zip_longest

from django.db.models import Count, Min, OuterRef, Q, QuerySet, Subquery

from labeling.face_filter import in_source, media_keys
from labeling.licences import meeting
from labeling.models import CampaignFace, Face, Item, Media, Outcome, Snapshot, Source, WorkState
from labeling.snapshots.format import SPLITS

STRIP = 5
"""Faces shown on a source's card."""
NEAR = 200
"""How far behind a source's first face its card looks for others."""


@dataclass(frozen=True)
class SourceCard:
    source: Source
    media: int
    faces: int
    refused: int
    strip: list[int]
    """Primary keys of a few faces, of different media."""

    @property
    def came_to_nothing(self) -> bool:
        """Whether it was looked through, and all that was there was refused."""
        return self.source.state == WorkState.DONE and self.refused > 0 and not self.media


def source_cards(sources: list[Source]) -> list[SourceCard]:
    """The cards of the sources, in their order. Five statements however many there are."""
    keys = [source.pk for source in sources]
    media, refused = media_per_source(keys), refused_per_source(keys)
    found = {source: (count, first) for source, count, first in _faces_and_first(keys)}
    strips = _strips({source: first for source, (_, first) in found.items()})
    return [
        SourceCard(
            source, media[source.pk], found.get(source.pk, (0, 0))[0], refused[source.pk], strips[source.pk]
        )
        for source in sources
    ]


def media_per_source(keys: Iterable[int]) -> dict[int, int]:
    counted = Item.objects.filter(source__in=keys, media__isnull=False).order_by().values_list("source")
    return defaultdict(int, counted.annotate(Count("media", distinct=True)))


def refused_per_source(keys: Iterable[int]) -> dict[int, int]:
    refused = Item.objects.filter(source__in=keys, state=Item.State.REFUSED)
    return defaultdict(int, refused.order_by().values_list("source").annotate(Count("pk")))


def _faces_and_first(keys: Iterable[int]) -> QuerySet[Face, tuple[int, int, int]]:
    # One media may be in a source under two names; its faces are counted once.
    joined = Face.objects.filter(media__items__source__in=keys).order_by()
    return joined.values_list("media__items__source").annotate(Count("pk", distinct=True), Min("pk"))


def faces_per_detector(source: Source) -> dict[str, int]:
    faces = Face.objects.filter(in_source(source.pk)).order_by()
    return dict(faces.values_list("detector").annotate(Count("pk")))


def items_per_state(source: Source) -> dict[str, int]:
    found = dict(source.items.order_by().values_list("state").annotate(Count("pk")))
    return {state: found.get(state, 0) for state in Item.State.values}


def media_of(source: Source) -> QuerySet[Media]:
    """The source's media, each with `face_count` (of all detectors)."""
    count = Face.objects.filter(media=OuterRef("pk")).order_by().values("media").annotate(n=Count("pk"))
    return Media.objects.filter(pk__in=media_keys(source.pk)).annotate(face_count=Subquery(count.values("n")))


def _strips(first_faces: dict[int, int]) -> dict[int, list[int]]:
    """A few faces per source. A source's faces are stored one after another: look near the first."""
    near = Q(pk__in=[])
    for first in first_faces.values():
        near |= Q(pk__range=(first, first + NEAR))
    by_media: dict[int, list[int]] = defaultdict(list)
    for face, media in Face.objects.filter(near).order_by("pk").values_list("pk", "media"):
        by_media[media].append(face)
    items = Item.objects.filter(source__in=first_faces, media__in=by_media).order_by("pk")
    by_source: dict[int, dict[int, list[int]]] = defaultdict(dict)
    for source, media in items.values_list("source", "media"):
        by_source[source][media] = by_media[media]
    return defaultdict(list, {source: _mixed(by_source[source]) for source in first_faces})


def _mixed(by_media: dict[int, list[int]]) -> list[int]:
    """The first face of each media, then the second of each …: different pictures before more of the same."""
    rows = zip_longest(*by_media.values())
    return list(islice(dict.fromkeys(face for row in rows for face in row if face), STRIP))


@dataclass(frozen=True)
class FreezePreview:
    """What a snapshot of the campaign would hold now, and what would stay out and why."""

    by_label: dict[str, int]
    open: int
    no_consensus: int
    not_a_face: int
    licence: int
    """Faces with a label whose licences are not as asked for."""

    @property
    def faces(self) -> int:
        return sum(self.by_label.values())


def freeze_preview(
    campaign_pk: int, expressions: Iterable[str], licences: Collection[str] = ()
) -> FreezePreview:
    """licences: what is asked of them. In one statement, and another where something is."""
    rows = CampaignFace.objects.filter(campaign=campaign_pk).exclude(state=CampaignFace.State.GOLD).order_by()
    counted = rows.values_list("state", "outcome", "label").annotate(Count("pk"))
    settled: dict[tuple[str, str], int] = {}
    still_open = 0
    for state, outcome, label, count in counted:
        if state == CampaignFace.State.OPEN:
            still_open += count
        else:
            settled[outcome, label] = count
    unmet = _unmet_licences(rows, licences)
    for name in unmet:
        settled[Outcome.AGREED, name] = settled.get((Outcome.AGREED, name), 0) - unmet[name]
    return FreezePreview(
        by_label={
            name: settled.get((Outcome.AGREED, name), 0) + settled.get((Outcome.ADJUDICATED, name), 0)
            for name in expressions
        },
        open=still_open,
        no_consensus=settled.get((Outcome.NO_CONSENSUS, ""), 0),
        not_a_face=settled.get((Outcome.NOT_A_FACE, ""), 0),
        licence=sum(unmet.values()),
    )


def _unmet_licences(rows: QuerySet[CampaignFace], licences: Collection[str]) -> dict[str, int]:
    """Label → faces with this label whose licences are not as asked for."""
    if not licences:
        return {}
    settled = rows.filter(state=CampaignFace.State.SETTLED, outcome__in=[Outcome.AGREED, Outcome.ADJUDICATED])
    unmet = settled.exclude(face__media__licence_code__in=meeting(licences))
    return dict(unmet.values_list("label").annotate(Count("pk")))


@dataclass(frozen=True)
class SplitRow:
    label: str
    cells: list[int]
    """Faces per split, in the order of SplitTable.splits."""
    faces: int


@dataclass(frozen=True)
class SplitTable:
    """The faces of a snapshot by class and split."""

    splits: list[str]
    rows: list[SplitRow]
    totals: list[int]
    faces: int
    left_out: dict[str, int]

    @property
    def classes(self) -> int:
        """How many classes hold a face."""
        return sum(1 for row in self.rows if row.faces)

    @property
    def most(self) -> int:
        """The longest bar: the faces of the largest class."""
        return max((row.faces for row in self.rows), default=0)


def split_table(snapshot: Snapshot) -> SplitTable:
    """What the snapshot's manifest counted, as a table. Costs no statement."""
    by_split: dict[str, dict[str, int]] = snapshot.counts.get("splits", {})
    # PostgreSQL does not keep the order of a mapping's keys.
    splits = [split for split in SPLITS if sum(by_split.get(split, {}).values())]
    found = dict.fromkeys(label for split in splits for label in by_split[split])
    labels = snapshot.counts.get("classes") or list(found)
    rows = [_split_row(label, [by_split[split].get(label, 0) for split in splits]) for label in labels]
    totals = [sum(by_split[split].values()) for split in splits]
    return SplitTable(splits, rows, totals, sum(totals), snapshot.counts.get("left_out", {}))


def _split_row(label: str, cells: list[int]) -> SplitRow:
    return SplitRow(label, cells, sum(cells))
