"""What the gallery asks of the database: pages by key, each in a fixed number of statements."""

from dataclasses import dataclass, field
from typing import Any

from django.db import connection, models
from django.db.models import F, QuerySet

from labeling.face_filter import FaceFilter, campaign_faces, faces
from labeling.models import Face, Media

COUNT_LIMIT = 10_000
"""A gallery counts no further: what is beyond is "more than 10,000" and costs nothing."""


@dataclass(frozen=True)
class GalleryFace:
    pk: int
    left_out: str = ""
    outcome: str = ""
    label: str = ""
    state: str = ""
    votes: int = 0
    wanted: int = 0
    counts: dict[str, int] = field(default_factory=dict)


def gallery(wanted: FaceFilter, *, after: int = 0, limit: int = 120) -> list[GalleryFace]:
    """Faces in the order they were found, from the one past the key `after`."""
    if wanted.asks_a_campaign:
        rows = campaign_faces(wanted).filter(face__gt=after).annotate(face_left_out=F("face__left_out"))
        return [_in_campaign(row) for row in rows.order_by("face_id")[:limit]]
    chosen = faces(wanted).filter(pk__gt=after).order_by("pk").values_list("pk", "left_out")[:limit]
    return [GalleryFace(pk, left_out) for pk, left_out in chosen]


def _in_campaign(row: Any) -> GalleryFace:
    return GalleryFace(
        pk=row.face_id,
        left_out=row.face_left_out,
        outcome=row.outcome,
        label=row.label,
        state=row.state,
        votes=row.votes,
        wanted=row.wanted,
        counts=row.counts,
    )


def gallery_count(wanted: FaceFilter) -> int:
    """How many faces there are, up to COUNT_LIMIT + 1."""
    chosen: QuerySet[Any] = campaign_faces(wanted) if wanted.asks_a_campaign else faces(wanted)
    return chosen.order_by().values("pk")[: COUNT_LIMIT + 1].count()


def neighbours(wanted: FaceFilter, face_pk: int) -> tuple[int | None, int | None]:
    """The faces before and after this one in the gallery of the filter."""
    if wanted.asks_a_campaign:
        keys: QuerySet[Any, int] = campaign_faces(wanted).values_list("face_id", flat=True)
        before = keys.filter(face__lt=face_pk).order_by("-face_id").first()
        return before, keys.filter(face__gt=face_pk).order_by("face_id").first()
    rows = faces(wanted).values_list("pk", flat=True)
    before = rows.filter(pk__lt=face_pk).order_by("-pk").first()
    return before, rows.filter(pk__gt=face_pk).order_by("pk").first()


def detectors() -> list[str]:
    """What has found faces, in order of names."""
    return _different(Face, "detector")


def licence_codes() -> list[str]:
    """The codes of the licences that media have; empty for those not understood."""
    return _different(Media, "licence_code")


def _different(model: type[models.Model], column: str) -> list[str]:
    """The different values of an indexed column: from one to the next by the index, however many rows have each."""
    table = connection.ops.quote_name(model._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH RECURSIVE walk(value) AS (SELECT MIN({column}) FROM {table} UNION ALL"
            f" SELECT (SELECT MIN({column}) FROM {table} WHERE {column} > walk.value) FROM walk"
            " WHERE walk.value IS NOT NULL) SELECT value FROM walk WHERE value IS NOT NULL"
        )
        return [value for (value,) in cursor.fetchall()]
