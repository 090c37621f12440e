"""What was erased is known by its hash, and is not taken in again."""

from collections.abc import Collection, Iterable

from django.utils import timezone

from labeling.models import Erasure, Face, Item, Source, Tombstone
from labeling.sayings import gettext_noop
from labeling.snapshots import format as snapshots

_ERASED = gettext_noop("Erased on {day}: {why}")
ERASED = "Erased on "
"""With it begins the reason of an item that was erased; such an item is never tried again."""
_LONGEST = Item._meta.get_field("reason").max_length or 500


def reason_of(erasure: Erasure) -> str:
    """Why an item is refused, for people."""
    day = timezone.localdate(erasure.created_at).isoformat()
    return _ERASED.format(day=day, why=erasure.reason)[:_LONGEST]


def of_media(sha256s: Collection[str]) -> dict[str, str]:
    """Of these hashes those of erased media, each with the reason for people. One statement."""
    stones = Tombstone.objects.filter(kind=Tombstone.Kind.MEDIA, key__in=set(sha256s))
    return {stone.key: reason_of(stone.erasure) for stone in stones.select_related("erasure").order_by("-pk")}


def erasure_of(source: Source) -> Erasure | None:
    """The erasure of the whole source, if there is one: from then on it takes nothing in."""
    demands = Erasure.objects.filter(scope=Erasure.Scope.SOURCE).order_by("pk")
    # Lists in JSON are not searched alike on each database, and there are few of these.
    found = next((pk for pk, what in demands.values_list("pk", "what") if source.pk in what), None)
    return None if found is None else Erasure.objects.get(pk=found)


def why_not(sha256: str) -> str:
    """Why a file of this hash is not taken in; empty if it may be."""
    return of_media([sha256]).get(sha256, "")


def of_faces(keys: Iterable[str]) -> set[str]:
    """Those of the face_keys that were erased, of erasures that are planned. One statement."""
    stones = Tombstone.objects.filter(kind=Tombstone.Kind.FACE, key__in=set(keys))
    return set(stones.order_by().values_list("key", flat=True))


def face_key(face: Face, sha256: str) -> str:
    """The name of the face in every snapshot. sha256: of its media."""
    box = (face.x, face.y, face.width, face.height)
    return key_of(sha256, face.detector, face.time_ms, face.row, *box)


def key_of(sha256: str, detector: str, time_ms: int, row: int, *box: int) -> str:
    return snapshots.face_key(media_sha256=sha256, detector=detector, time_ms=time_ms, row=row, box=box)
