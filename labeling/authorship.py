"""Media by who made them: also those that count as somebody else's, though some source named this author."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from django.db.models import BooleanField, F, Func, Q, QuerySet
from django.db.models.sql.compiler import SQLCompiler

from labeling import whose
from labeling.models import Media


@dataclass(frozen=True)
class Claim:
    """A media that some source says is by `author`, though it does not count as such."""

    pk: int
    name: str
    author: str
    counts: str
    """Who counts as its author; empty if nobody is known."""
    decided: bool
    """Whether a person has decided against the author; else sources disagree, and nobody has."""


def by(authors: Collection[str]) -> QuerySet[Media]:
    """All media that count as made by one of these, or that somebody says were."""
    return Media.objects.filter(Q(author__in=authors) | Q(pk__in=_named(authors).values("pk")))


def known(authors: Collection[str]) -> set[str]:
    """Those of the names that some media has or had as its author."""
    counting = Media.objects.filter(author__in=authors).exclude(author="").order_by()
    found = set(counting.values_list("author", flat=True).distinct())
    left = set(authors) - found - {""}
    if left:
        for media in _named(left).only("given").iterator(2_000):
            found |= {one.rights.author for one in _said(media)} & left
    return found


def claims(authors: Collection[str]) -> QuerySet[Media]:
    """The media of these that count as somebody else's."""
    return _named(authors).exclude(author__in=authors).order_by("pk")


def claim(media: Media, authors: Collection[str]) -> Claim:
    """Why the media is among the claims of these authors."""
    decided = {one.rights.author for one in whose.overruled(media)}
    author = next(one.rights.author for one in _said(media) if one.rights.author in authors)
    return Claim(media.pk, media.original_name, author, media.author, author in decided)


def _said(media: Media) -> list[whose.Saying]:
    return [*whose.said_otherwise(media), *whose.overruled(media)]


def _named(authors: Collection[str]) -> QuerySet[Media]:
    names = sorted(set(authors) - {""})
    # The keys are asked for first: to look into what is said of every media takes a second for each million.
    said = Media.objects.filter(given__has_any_keys=[whose.OPEN, whose.OVERRULED]).order_by()
    return said.filter(Q(_Names(whose.OPEN, names)) | Q(_Names(whose.OVERRULED, names)))


class _Names(Func):
    """Whether one of the sayings that a media keeps under this name is of one of these authors."""

    output_field = BooleanField()

    def __init__(self, place: str, authors: Collection[str]) -> None:
        super().__init__(F("given"))
        self.place, self.authors = place, list(authors)

    def as_sqlite(self, compiler: SQLCompiler, connection: Any, **_: Any) -> tuple[str, tuple[Any, ...]]:
        given, params = compiler.compile(self.source_expressions[0])
        # One parameter for all names: there may be more of them than a statement takes.
        sql = (
            f"EXISTS (SELECT 1 FROM json_each({given}, %s) AS said, json_each(%s) AS wanted "
            "WHERE json_extract(said.value, '$.author') = wanted.value)"
        )
        return sql, (*params, f"$.{self.place}", json.dumps(self.authors))

    def as_postgresql(self, compiler: SQLCompiler, connection: Any, **_: Any) -> tuple[str, list[Any]]:
        given, params = compiler.compile(self.source_expressions[0])
        sql = (
            f"EXISTS (SELECT 1 FROM jsonb_path_query({given}, %s::jsonpath) AS said "
            "WHERE said #>> '{}' = ANY(%s::text[]))"
        )
        return sql, [*params, f"$.{self.place}[*].author", self.authors]
