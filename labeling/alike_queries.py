"""Groups of near-duplicates, the largest first, for people to look through."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, F, Q, QuerySet, Window
from django.db.models.functions import RowNumber

from labeling.face_filter import followers
from labeling.models import Face, Item

SHOWN = 12
"""Faces shown of a group."""


@dataclass(frozen=True)
class AlikeFace:
    pk: int
    left_out: str


@dataclass(frozen=True)
class AlikeGroup:
    name: int
    """Face.likeness of all its faces."""
    faces: int
    media: int
    sources: list[str]
    splits: list[str]
    """Those the sources gave; more than one of them is a leak."""
    shown: list[AlikeFace]

    @property
    def more(self) -> int:
        return self.faces - len(self.shown)


def groups(
    *, after: tuple[int, int] = (0, 0), limit: int, of: Sequence[int] = ()
) -> tuple[list[AlikeGroup], tuple[int, int] | None]:
    """The groups of two faces or more behind this place, and the place of the last one if more follow.

    of: only these. Four statements.
    """
    counted = followers().values("likeness").annotate(place=Count("pk"))
    if of:
        counted = counted.filter(likeness__in=of)
    if after[0]:
        counted = counted.filter(Q(place__lt=after[0]) | Q(place=after[0], likeness__gt=after[1]))
    ordered: list[Any] = list(
        counted.order_by("-place", "likeness").values_list("place", "likeness")[: limit + 1]
    )
    names = [name for _, name in ordered[:limit]]
    faces = Face.objects.filter(likeness__in=names).order_by()
    sizes = {
        name: (count, media)
        for name, count, media in faces.values_list("likeness").annotate(
            Count("pk"), Count("media", distinct=True)
        )
    }
    shown, spans = _shown(faces), _spans(faces)
    # Of a group whose media were deleted but for one face, no group is left.
    found = [
        AlikeGroup(name, *sizes[name], *spans[name], shown[name]) for name in names if sizes[name][0] > 1
    ]
    return found, ordered[limit - 1] if len(ordered) > limit else None


def _shown(faces: QuerySet[Face]) -> dict[int, list[AlikeFace]]:
    number = Window(RowNumber(), partition_by=F("likeness"), order_by=F("pk").asc())
    numbered = faces.annotate(number=number).filter(number__lte=SHOWN).order_by("likeness", "pk")
    rows: Iterable[Any] = numbered.values_list("likeness", "pk", "left_out")
    found: dict[int, list[AlikeFace]] = defaultdict(list)
    for name, pk, left_out in rows:
        found[name].append(AlikeFace(pk, left_out))
    return found


def _spans(faces: QuerySet[Face]) -> dict[int, tuple[list[str], list[str]]]:
    """Sources and given splits of each group."""
    sources: dict[int, set[str]] = defaultdict(set)
    splits: dict[int, set[str]] = defaultdict(set)
    items = Item.objects.filter(media__faces__in=faces).order_by()
    spans = items.values_list("media__faces__likeness", "source__name", "media__faces__given__split")
    rows: Iterable[Any] = spans.distinct()
    for name, source, split in rows:
        sources[name].add(source)
        if split:
            splits[name].add(split)
    return defaultdict(
        lambda: ([], []), {name: (sorted(sources[name]), sorted(splits[name])) for name in sources}
    )
