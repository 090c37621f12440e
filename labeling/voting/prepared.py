"""Statements of the vote queue: planned once per connection on PostgreSQL, plain elsewhere.

Planning costs PostgreSQL more than running them. psycopg2 prepares nothing by itself, so the statements are
prepared by name, and each connection remembers which it has.
"""

import re
from collections.abc import Mapping
from typing import Any
from weakref import WeakKeyDictionary

from django.conf import settings
from django.db import connection

TYPES = {
    **dict.fromkeys(
        ["campaign", "annotator", "user", "face", "participation", "first", "end", "cursor", "front", "kin"],
        "bigint",
    ),
    **dict.fromkeys(["need", "most", "took_ms"], "integer"),
    **dict.fromkeys(["pks", "cast", "rounds"], "bigint[]"),
    **dict.fromkeys(["now", "until"], "timestamptz"),
    **dict.fromkeys(["answer", "second", "session", "data", "password"], "text"),
    "key": "uuid",
    "wrapped": "boolean",
}
"""A value's name → its PostgreSQL type."""
_NAMED = re.compile(r"%\((\w+)\)s")
_have: WeakKeyDictionary[Any, set[str]] = WeakKeyDictionary()
"""Raw connection → the names prepared on it."""


class Statement:
    """SQL with values by name, `%(name)s`; the names are those of TYPES."""

    def __init__(self, name: str, sql: str) -> None:
        self.name = f"vemo_{name}"
        self.sql = sql
        self._order = list(dict.fromkeys(_NAMED.findall(sql)))
        numbered = _NAMED.sub(lambda found: f"${self._order.index(found[1]) + 1}", sql)
        listed = ", ".join(TYPES[value] for value in self._order)
        self._prepare = f"PREPARE {self.name} ({listed}) AS {numbered}"
        self._execute = f"EXECUTE {self.name} ({', '.join(['%s'] * len(self._order))})"

    def rows(self, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Run it; all rows it returns."""
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql" and settings.PREPARED_STATEMENTS:
                self._ensure(cursor)
                cursor.execute(self._execute, [values[name] for name in self._order])
            else:
                cursor.execute(self.sql, values)
            return list(cursor.fetchall()) if cursor.description else []

    def row(self, values: Mapping[str, Any]) -> tuple[Any, ...] | None:
        """Run it; its first row, None if there is none."""
        return next(iter(self.rows(values)), None)

    def _ensure(self, cursor: Any) -> None:
        have = _have.setdefault(connection.connection, set())
        if self.name not in have:
            # Not undone by a rollback: the name stays as long as the connection.
            cursor.execute(self._prepare)
            have.add(self.name)
