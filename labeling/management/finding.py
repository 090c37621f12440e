"""Rows as people name them on a command line."""

from typing import TypeVar

from django.core.management.base import CommandError
from django.db.models import Model, Q

M = TypeVar("M", bound=Model)
_SHORTEST_DIGEST = 6


def found(model: type[M], which: str) -> M:
    """The row with this number, else this name, else this beginning of a digest. Raises CommandError otherwise."""
    for named in _ways(model, which):
        rows = list(model._default_manager.filter(named)[:2])
        if len(rows) == 1:
            return rows[0]
        if rows:
            raise CommandError(f"Several {model._meta.verbose_name}s answer to “{which}”; give the number.")
    raise CommandError(f"There is no {model._meta.verbose_name} “{which}”.")


def _ways(model: type[Model], which: str) -> list[Q]:
    ways = [Q(name=which)]
    if which.isascii() and which.isdigit():
        ways.insert(0, Q(pk=which))
    if hasattr(model, "digest") and len(which) >= _SHORTEST_DIGEST:
        ways.append(Q(digest__startswith=which))
    return ways
