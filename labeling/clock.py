"""Time as the database knows it: one clock for all machines, whatever their own say.

Whoever tells by a moment whether somebody else lives, or is late, asks here; `timezone.now()` is for what people read.
"""

from datetime import timedelta

from django.db.models import DateTimeField, Expression, ExpressionWrapper
from django.db.models.functions import Now


def now() -> Now:
    """To be written into a row, or compared with one, in a statement of its own."""
    return Now()


def ago(seconds: float) -> Expression:
    """The moment so many seconds before the statement that asks for it."""
    return ExpressionWrapper(Now() - timedelta(seconds=seconds), output_field=DateTimeField())
