"""Time as the database knows it: one clock for all machines, whatever their own say.

Whoever tells by a moment whether somebody else lives, or is late, asks here; `timezone.now()` is for what people read.
"""

from datetime import timedelta
from typing import Any

from django.db.models import DateTimeField, Expression, ExpressionWrapper
from django.db.models.functions import Now


class _Now(Now):
    """With six digits of a second on SQLite too, as Django writes times there: it compares them as texts."""

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> tuple[str, Any]:
        template = "(STRFTIME('%%%%Y-%%%%m-%%%%d %%%%H:%%%%M:%%%%f', 'NOW') || '000')"
        return self.as_sql(compiler, connection, template=template, **extra)


def now() -> Now:
    """To be written into a row, or compared with one, in a statement of its own."""
    return _Now()


def ago(seconds: float) -> Expression:
    """The moment so many seconds before the statement that asks for it."""
    return ExpressionWrapper(Now() - timedelta(seconds=seconds), output_field=DateTimeField())
