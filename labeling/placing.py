"""Where in its campaign's line a new face goes, by the order the campaign was given; see labeling.voting.line."""

import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from django.db.models import Count, Min

from labeling.models import Campaign, CampaignFace, Item
from labeling.models.campaign import LAP
from labeling.voting import line

CHUNK = 2_000
"""Rows at a time: what one statement takes, whatever the database."""
STEP = 256
"""Places between two faces of one source in a balanced line: room for one face of each other source, and for dice."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Turn:
    """A face and its place within a lap, 0 to LAP - 1."""

    face: int
    media: int
    place: int


def chunked(rows: Iterable[T]) -> Iterator[list[T]]:
    """The rows, up to CHUNK at a time."""
    each = iter(rows)
    while chunk := list(islice(each, CHUNK)):
        yield chunk


def turns(
    campaign: Campaign, faces: Iterable[tuple[int, int]], *, after_those_there: bool = True
) -> list[Turn]:
    """Places for these faces (face, media), in the order they are to be added.

    Breadth and depth: at random, the same for the same face. Balanced: the sources take turns, each in a random order
    of its own; with after_those_there, behind those of the source that stand in the first lap already.
    """
    if campaign.order != Campaign.Order.BALANCED:
        return [Turn(face, media, _dice(campaign, face) % LAP) for face, media in faces]
    mixed = sorted(faces, key=lambda pair: _dice(campaign, pair[0]))
    sources = _sources({media for _, media in mixed})
    ranks = _ranks(campaign) if after_those_there else Counter[int]()
    found = []
    for face, media in mixed:
        source = sources.get(media, 0)
        place = ranks[source] * STEP + _dice(campaign, face) % STEP
        found.append(Turn(face, media, min(place, LAP - 1)))
        ranks[source] += 1
    return sorted(found, key=lambda turn: turn.place)


def _dice(campaign: Campaign, face: int) -> int:
    return zlib.crc32(f"{campaign.pk}:{face}".encode())


def _sources(medias: Iterable[int]) -> dict[int, int]:
    """Media → its source; of several the one known longest."""
    found: dict[int, int] = {}
    for chunk in chunked(medias):
        items = Item.objects.filter(media__in=chunk).order_by().values_list("media")
        found |= dict(items.annotate(Min("source")))
    return found


def _ranks(campaign: Campaign) -> Counter[int]:
    """Faces of each source in the first lap."""
    there = CampaignFace.objects.filter(
        campaign=campaign, face__isnull=False, shuffle__gte=0, shuffle__lt=LAP
    )
    by_media = dict(there.order_by().values_list("face__media").annotate(Count("pk")))
    sources = _sources(by_media)
    ranks = Counter[int]()
    for media, count in by_media.items():
        ranks[sources.get(media, 0)] += count
    return ranks


def place_again(campaign: Campaign) -> None:
    """Give all faces of a campaign in which nobody has begun the places of its present order."""
    # The line is held, so that nobody begins their walk meanwhile.
    line.end(campaign.pk, room=0)
    rows = CampaignFace.objects.filter(campaign=campaign, face__isnull=False)
    by_face = {face: pk for pk, face in rows.values_list("pk", "face")}
    faces = list(rows.order_by("face").values_list("face", "face__media"))
    for chunk in chunked(turns(campaign, faces, after_those_there=False)):
        moved = [CampaignFace(pk=by_face[turn.face], shuffle=turn.place) for turn in chunk]
        CampaignFace.objects.bulk_update(moved, ["shuffle"])
