"""Where erased faces were in media that stay: there nothing is found again."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from labeling.models import Erasure, Face, Tombstone

OVERLAP = 0.5
"""Intersection over union from which two boxes show the same face."""
AROUND_MS = 200
"""So near in time, of a video: the usual five frames a second lie as far apart."""
Box = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Place:
    """A box of a media at a moment."""

    media: str
    """Its sha256."""
    time_ms: int
    box: Box

    @classmethod
    def of(cls, face: Face, sha256: str) -> "Place":
        return cls(sha256, face.time_ms, (face.x, face.y, face.width, face.height))

    @classmethod
    def kept(cls, box: Any) -> "Place":
        """From a tombstone."""
        return cls(box["media"], box["time_ms"], (box["x"], box["y"], box["width"], box["height"]))

    def to_keep(self) -> dict[str, Any]:
        x, y, width, height = self.box
        where = {"x": x, "y": y, "width": width, "height": height}
        return {"media": self.media, "time_ms": self.time_ms, **where}

    def shows_the_same(self, other: "Place", *, within_ms: int = AROUND_MS) -> bool:
        near = self.media == other.media and abs(self.time_ms - other.time_ms) <= within_ms
        return near and overlap(self.box, other.box) >= OVERLAP


def overlap(one: Box, other: Box) -> float:
    """Intersection over union of two boxes, 0–1."""
    wide = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    high = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    shared = max(0, wide) * max(0, high)
    return shared / (one[2] * one[3] + other[2] * other[3] - shared) if shared else 0.0


def same(faces: Collection[Face]) -> Iterator[Face]:
    """The same faces once more: at the same place and moment, as others found them, or with a corrected box."""
    known = {face.pk for face in faces}
    replacing = {face.replaced_by_id for face in faces}
    by_media: dict[int, list[Face]] = defaultdict(list)
    for face in faces:
        by_media[face.media_id].append(face)
    for other in Face.objects.filter(media__in=by_media).exclude(pk__in=known).select_related("media"):
        sha256 = other.media.sha256
        there = Place.of(other, sha256)
        if (
            other.replaced_by_id in known
            or other.pk in replacing
            or any(
                Place.of(face, sha256).shows_the_same(there, within_ms=0) for face in by_media[other.media_id]
            )
        ):
            yield other


class ErasedPlaces:
    """The places of all erased faces whose media stayed, read once and kept up with what is erased meanwhile."""

    def __init__(self) -> None:
        self._read: set[int] = set()
        self._places: dict[str, list[Place]] = defaultdict(list)

    def catch_up(self) -> None:
        """Read what erasures have planned since. One statement, and one per new erasure."""
        planned = Erasure.objects.filter(
            planned_at__isnull=False, scope__in=[Erasure.Scope.TRACK, Erasure.Scope.FACE], with_media=False
        )
        for pk in set(planned.order_by().values_list("pk", flat=True)) - self._read:
            stones = Tombstone.objects.filter(erasure=pk, box__isnull=False)
            for box in stones.values_list("box", flat=True).iterator(2_000):
                place = Place.kept(box)
                self._places[place.media].append(place)
            self._read.add(pk)

    def have(self, face: Face, sha256: str) -> bool:
        """Whether one of them is where the face is. sha256: of its media."""
        return is_erased(face, sha256, self._places.get(sha256, ()))


def is_erased(face: Face, sha256: str, gone: Iterable[Place]) -> bool:
    here = Place.of(face, sha256)
    return any(place.shows_the_same(here) for place in gone)
