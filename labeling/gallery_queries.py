"""What the gallery asks of the database: pages by key, each in a fixed number of statements."""

from dataclasses import dataclass, field
from typing import Any

from django.db import connection, models
from django.db.models import OuterRef, Q, QuerySet, Subquery

from labeling.face_filter import FaceFilter, campaign_faces, faces, labels_alone
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
    """Faces in the order they were found, from the one past the key `after`.

    Of a source or a licence they come in the order of their media: those that one search found are in both orders the
    same. One statement, and for pages in the order of media but the first one more.
    """
    if wanted.asks_a_campaign:
        rows = campaign_faces(wanted, keys=Q(pk__gt=after)).filter(_beyond(wanted, after, "face__"))
        # Asked for each row shown: joined, the database would read all faces before them.
        left_out = Face.objects.filter(pk=OuterRef("face_id")).values("left_out")
        shown = _ordered(rows, wanted, "face__").annotate(face_left_out=Subquery(left_out))
        return [_in_campaign(row) for row in shown[:limit]]
    chosen = _ordered(_chosen(wanted), wanted).filter(_beyond(wanted, after))
    return [GalleryFace(pk, left_out) for pk, left_out in chosen.values_list("pk", "left_out")[:limit]]


def _chosen(wanted: FaceFilter) -> QuerySet[Any]:
    return campaign_faces(wanted) if wanted.asks_a_campaign else faces(wanted)


def _ordered(rows: QuerySet[Any], wanted: FaceFilter, at: str = "", sign: str = "") -> QuerySet[Any]:
    key = f"{sign}{at.removesuffix('__')}_id" if at else f"{sign}pk"
    return rows.order_by(f"{sign}{at}media_id", key) if wanted.goes_by_media else rows.order_by(key)


def _beyond(wanted: FaceFilter, face: int, at: str = "", to: str = "gt") -> Q:
    """What comes behind this face in the order; with to="lt", before it."""
    key = at.removesuffix("__") or "pk"
    by_key = Q(**{f"{key}__{to}": face})
    if not (wanted.goes_by_media and face):
        return by_key
    media = Face.objects.filter(pk=face).values_list("media", flat=True).first()
    if media is None:
        return by_key
    # Said twice, as an index leads to the media behind this one, but to no "or".
    return Q(**{f"{at}media__{to}e": media}) & (Q(**{f"{at}media__{to}": media}) | by_key)


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
    labels = labels_alone(wanted)
    rows = _chosen(wanted) if labels is None else labels
    return rows.order_by().values("pk")[: COUNT_LIMIT + 1].count()


def neighbours(wanted: FaceFilter, face_pk: int) -> tuple[int | None, int | None]:
    """The faces before and after this one in the gallery of the filter."""
    at = "face__" if wanted.asks_a_campaign else ""
    rows = _chosen(wanted)

    def first(to: str, sign: str) -> int | None:
        beyond = _ordered(rows.filter(_beyond(wanted, face_pk, at, to)), wanted, at, sign)
        found: int | None = beyond.values_list("face_id" if at else "pk", flat=True).first()
        return found

    return first("lt", "-"), first("gt", "")


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
