"""Pages by key: the millionth row costs what the first does."""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.db.models import QuerySet
from django.http import HttpRequest, QueryDict

Row = TypeVar("Row")


@dataclass(frozen=True)
class Page(Generic[Row]):
    rows: list[Row]
    after: int
    """The key this page begins behind; 0 for the first page."""
    next: int | None
    """The key the next page begins behind; None on the last."""


def number(request: HttpRequest | QueryDict, name: str) -> int | None:
    """A positive whole number from the address, or from a form; None when it is missing or is none."""
    text = (request if isinstance(request, QueryDict) else request.GET).get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None


def oldest_first(queryset: QuerySet[Any, Row], request: HttpRequest, name: str, size: int) -> Page[Row]:
    after = number(request, name) or 0
    return cut(list(queryset.filter(pk__gt=after).order_by("pk")[: size + 1]), after, size)


def newest_first(queryset: QuerySet[Any, Row], request: HttpRequest, name: str, size: int) -> Page[Row]:
    after = number(request, name) or 0
    older = queryset.filter(pk__lt=after) if after else queryset
    return cut(list(older.order_by("-pk")[: size + 1]), after, size)


def cut(rows: list[Any], after: int, size: int, key: str = "pk") -> Page[Any]:
    """A page out of up to size + 1 rows; the one too many tells that there is a next page."""
    more = len(rows) > size
    return Page(rows[:size], after, getattr(rows[size - 1], key) if more else None)
