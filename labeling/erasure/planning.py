"""First, what is to go is written down: from the tombstones alone an erasure goes on wherever it was killed."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, TypeVar

from django.db.models import QuerySet

from labeling.erasure import places, scope, tombstones
from labeling.models import Erasure, Face, Media, Tombstone

CHUNK = 500
Alive = Callable[[], None]
_T = TypeVar("_T")


def chunks(rows: Iterable[_T], size: int = CHUNK) -> Iterator[list[_T]]:
    each = iter(rows)
    while chunk := list(islice(each, size)):
        yield chunk


def plan(erasure: Erasure, alive: Alive) -> None:
    """A tombstone for each media and face that the demand means. Begun again, it adds what is missing."""
    meant = (erasure.scope, erasure.what, erasure.with_media)
    _bury_media(erasure, scope.media(*meant), alive)
    _bury_faces(erasure, scope.faces(*meant), alive)


def plan_newcomers(erasure: Erasure, alive: Alive) -> None:
    """Faces that were found since it was planned: in media that go, or at the places of faces that go."""
    known = set(rows_of(erasure, Tombstone.Kind.FACE))
    if scope.spares_media(erasure.scope, erasure.with_media):
        found = (found_again(erasure, media) for media in chunks(media_with_places(erasure)))
    else:
        found = (
            list(Face.objects.filter(media__in=keys).order_by().values_list("pk", flat=True))
            for keys in chunks(rows_of(erasure, Tombstone.Kind.MEDIA))
        )
    for keys in found:
        if new := [key for key in keys if key not in known]:
            _bury_faces(erasure, Face.objects.filter(pk__in=new), alive)


def rows_of(erasure: Erasure, kind: str) -> Iterator[int]:
    """The keys of the rows that are still to go."""
    stones = erasure.tombstones.filter(kind=kind, row__isnull=False).order_by("pk")
    return (row for row in stones.values_list("row", flat=True).iterator(2_000) if row is not None)


def media_with_places(erasure: Erasure) -> list[str]:
    """The sha256 of the media that stay, of which faces go."""
    return sorted({box["media"] for box in _boxes(erasure)})


def _boxes(erasure: Erasure) -> Iterator[dict[str, Any]]:
    stones = erasure.tombstones.filter(box__isnull=False).values_list("box", flat=True)
    return (box for box in stones.iterator(2_000) if box is not None)


def found_again(erasure: Erasure, sha256s: list[str]) -> list[int]:
    """Faces of these media at places of the erasure, found since it was asked for.

    What was there before and is not meant, such as the next moment of a video, stays.
    """
    gone: dict[str, list[places.Place]] = {sha256: [] for sha256 in sha256s}
    for box in _boxes(erasure):
        if box["media"] in gone:
            gone[box["media"]].append(places.Place.kept(box))
    new = Face.objects.filter(media__sha256__in=sha256s, found_at__gte=erasure.created_at)
    return [
        face.pk
        for face in new.select_related("media").iterator(2_000)
        if places.is_erased(face, face.media.sha256, gone[face.media.sha256])
    ]


def _bury_media(erasure: Erasure, media: QuerySet[Media], alive: Alive) -> None:
    for chunk in chunks(media.order_by("pk").only("sha256", "stored_as").iterator(CHUNK)):
        _keep(
            Tombstone(
                erasure=erasure,
                kind=Tombstone.Kind.MEDIA,
                key=each.sha256,
                row=each.pk,
                files=[each.stored_as],
            )
            for each in chunk
        )
        alive()


def _bury_faces(erasure: Erasure, faces: QuerySet[Face], alive: Alive) -> None:
    stays = scope.spares_media(erasure.scope, erasure.with_media)
    for chunk in chunks(faces.select_related("media").order_by("pk").iterator(CHUNK)):
        _keep(_stone(erasure, face, stays) for face in [*chunk, *(places.same(chunk) if stays else [])])
        alive()


def _stone(erasure: Erasure, face: Face, media_stays: bool) -> Tombstone:
    sha256 = face.media.sha256
    box: dict[str, Any] | None = places.Place.of(face, sha256).to_keep() if media_stays else None
    return Tombstone(
        erasure=erasure,
        kind=Tombstone.Kind.FACE,
        key=tombstones.face_key(face, sha256),
        row=face.pk,
        files=[face.crop],
        box=box,
    )


def _keep(stones: Iterable[Tombstone]) -> None:
    """A face found again has its tombstone already, and another row."""
    # One statement cannot change a row twice.
    each = {(stone.kind, stone.key): stone for stone in stones}
    Tombstone.objects.bulk_create(
        each.values(),
        update_conflicts=True,
        unique_fields=["erasure", "kind", "key"],
        update_fields=["row", "files", "box"],
    )
