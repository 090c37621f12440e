"""What experts say faces show: kept apart from votes, one label a face and column, and never shown to a voter."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction
from django.db.models import Count, QuerySet

from labeling.cells import is_formula
from labeling.face_filter import in_source
from labeling.models import Campaign, Face, FaceLabel, Source
from labeling.refusals import Refusal
from labeling.sayings import gettext_noop, said

EXPERT = FaceLabel.EXPERT
LONGEST_LABEL, LONGEST_ORIGIN, LONGEST_COLUMN = 40, 200, 40
_CHUNK = 2_000
_OTHERWISE = gettext_noop(
    "The face is labelled “{theirs}” by {origin} already, and “{ours}” here. Nothing was changed."
)
_NO_LABEL = gettext_noop("A label has 1 to {most:,} characters.")
_FORMULA = gettext_noop(
    "The label “{label}” begins with a sign that spreadsheets take for a formula. Begin it with a letter."
)
_NO_ORIGIN = gettext_noop("Say whose label it is, in 1 to {most:,} characters.")
_NO_COLUMN = gettext_noop("A column’s name has 1 to {most:,} characters.")


class CannotLabel(Refusal):
    """No label was given; the text says why."""


@dataclass(frozen=True)
class Wanted:
    """A label to be given. face: its primary key."""

    face: int
    label: str
    origin: str


def of(faces: Iterable[Face | int], column: str = EXPERT) -> dict[int, FaceLabel]:
    """The labels of these faces, by the face's primary key; faces without one are left out."""
    keys = [face if isinstance(face, int) else face.pk for face in faces]
    found: dict[int, FaceLabel] = {}
    for first in range(0, len(keys), _CHUNK):
        rows = FaceLabel.objects.filter(column=column, face__in=keys[first : first + _CHUNK])
        found.update((row.face_id, row) for row in rows.order_by())
    return found


def columns(campaign: Campaign) -> dict[str, int]:
    """The columns in which faces of the campaign are labelled, each with how many of them are."""
    rows = FaceLabel.objects.filter(face__campaign_faces__campaign=campaign).order_by()
    return dict(rows.values_list("column").annotate(Count("pk")).order_by("column"))


def all_labels(column: str = EXPERT) -> list[str]:
    """The labels there are in the column, by name: from one to the next by the index, however many faces have each."""
    table = connection.ops.quote_name(FaceLabel._meta.db_table)
    next_one = f'SELECT MIN(label) FROM {table} WHERE "column" = %s'
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH RECURSIVE walk(value) AS ({next_one} UNION ALL SELECT ({next_one} AND label > walk.value) FROM walk"
            " WHERE walk.value IS NOT NULL) SELECT value FROM walk WHERE value IS NOT NULL",
            [column, column],
        )
        return [value for (value,) in cursor.fetchall()]


def counts(faces: QuerySet[Face], column: str = EXPERT) -> dict[str, int]:
    """Label → how many of the faces have it, by the labels' names."""
    rows = FaceLabel.objects.filter(column=column, face__in=faces.order_by().values("pk")).order_by()
    return dict(rows.values_list("label").annotate(Count("pk")).order_by("label"))


def of_source(source: Source) -> dict[str, dict[str, int]]:
    """Column → label → faces of the source that have it. One statement."""
    rows = FaceLabel.objects.filter(in_source(source.pk, "face__")).order_by()
    found: dict[str, dict[str, int]] = {}
    for column, label, count in (
        rows.values_list("column", "label").annotate(Count("pk")).order_by("column", "label")
    ):
        found.setdefault(column, {})[label] = count
    return found


def check(*, label: str, origin: str, column: str = EXPERT) -> None:
    """Raises CannotLabel for what no label can be."""
    for text, most, words in (
        (label, LONGEST_LABEL, _NO_LABEL),
        (origin, LONGEST_ORIGIN, _NO_ORIGIN),
        (column, LONGEST_COLUMN, _NO_COLUMN),
    ):
        if not text.strip() or len(text) > most or "\x00" in text:
            raise CannotLabel(said(words, most=most))
    if is_formula(label):
        raise CannotLabel(said(_FORMULA, label=label))


@transaction.atomic
def give(wanted: Sequence[Wanted], *, column: str = EXPERT, by: Any = None) -> list[str]:
    """Give the labels. For each, in order, why it was not given; empty where it was, or stood there already.

    A face keeps the label it has: another one is not written over it. Of two for one face the first is given.
    Raises CannotLabel if one of them is no label at all, IntegrityError for a face that is gone.
    """
    for one in wanted:
        check(label=one.label, origin=one.origin, column=column)
    keys = {one.face for one in wanted}
    before = of(keys, column).keys()
    new = {one.face: one for one in reversed(wanted) if one.face not in before}
    FaceLabel.objects.bulk_create(
        (
            FaceLabel(face_id=one.face, column=column, label=one.label, origin=one.origin, by=by)
            for one in new.values()
        ),
        ignore_conflicts=True,
        batch_size=_CHUNK,
    )
    # Read again, for somebody else may have given one at the same moment.
    there = of(keys, column)
    return [_problem(one, there.get(one.face)) for one in wanted]


def _problem(wanted: Wanted, there: FaceLabel | None) -> str:
    if there is None or there.label == wanted.label:
        return ""
    return _OTHERWISE.format(theirs=there.label, origin=there.origin, ours=wanted.label)


def take_back(*, faces: Collection[int], column: str = EXPERT) -> int:
    """Take the labels of these faces away. Returns how many there were."""
    return FaceLabel.objects.filter(face__in=faces, column=column).delete()[0]
