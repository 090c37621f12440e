"""Many rows into the database of a benchmark at once: COPY on PostgreSQL, executemany on SQLite."""

import io
from collections.abc import Mapping, Sequence
from typing import Any


def insert(model: Any, columns: Mapping[str, Sequence[Any]]) -> None:
    """Rows as lists by attribute (`media_id`, not `media`); what is not named gets the model's default."""
    from django.db import connection

    size = len(next(iter(columns.values())))
    fields = [
        field for field in model._meta.concrete_fields if field.attname in columns or not _is_key(field)
    ]
    values = [
        _stored(field, columns[field.attname]) if field.attname in columns else [_default(field)] * size
        for field in fields
    ]
    names = ", ".join(connection.ops.quote_name(field.column) for field in fields)
    table = connection.ops.quote_name(model._meta.db_table)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            lines = io.StringIO(
                "".join("\t".join(map(_text, row)) + "\n" for row in zip(*values, strict=True))
            )
            cursor.cursor.copy_expert(f"COPY {table} ({names}) FROM STDIN", lines)
        else:
            marks = ", ".join(["%s"] * len(fields))
            cursor.executemany(
                f"INSERT INTO {table} ({names}) VALUES ({marks})", list(zip(*values, strict=True))
            )


def end(*models: Any) -> None:
    """Let the database number on behind the keys that were given, and learn what it holds."""
    from django.core.management.color import no_style
    from django.db import connection

    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), list(models)):
            cursor.execute(statement)
        cursor.execute("ANALYZE")


def _is_key(field: Any) -> bool:
    return bool(field.primary_key)


def _stored(field: Any, values: Sequence[Any]) -> list[Any]:
    from django.db import connection

    if field.get_internal_type() != "JSONField":
        return list(values)
    known: dict[str, Any] = {}
    return [known.setdefault(repr(value), _prepared(field, value, connection)) for value in values]


def _default(field: Any) -> Any:
    from django.db import connection
    from django.utils import timezone

    value = timezone.now() if getattr(field, "auto_now_add", False) else field.get_default()
    return _prepared(field, value, connection)


def _prepared(field: Any, value: Any, connection: Any) -> Any:
    found = field.get_db_prep_save(value, connection)
    return getattr(found, "adapted", found) if not hasattr(found, "dumps") else found.dumps(found.adapted)


def _text(value: Any) -> str:
    return "\\N" if value is None else "t" if value is True else "f" if value is False else str(value)
