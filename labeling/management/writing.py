"""Files that commands write where somebody named them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from django.core.management.base import CommandError


@contextmanager
def written(path: Path) -> Iterator[TextIO]:
    """A file to write to. Raises CommandError where the disk does not let it be written."""
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            yield file
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror or error}.") from error
