"""What the commands share: finding rows, reading settings, and doing work that a worker may snatch."""

import time
from collections.abc import Callable
from typing import Any, TypeVar

from django.core.management.base import CommandError
from django.db.models import Model

from labeling import work
from labeling.models import Work

M = TypeVar("M", bound=Model)


def found(model: type[M], which: str) -> M:
    """The row with this number, else with this name; raises CommandError if there is none, or several."""
    rows = model._default_manager.all()
    matches = rows.filter(pk=int(which)) if which.isdigit() else rows.none()
    matches = matches if matches.exists() else rows.filter(name=which)
    if len(two := list(matches[:2])) == 1:
        return two[0]
    word = model._meta.verbose_name
    raise CommandError(
        f"There is no {word} “{which}”."
        if not two
        else f"Several {word}s are named “{which}”; give the number."
    )


def settings_from(pairs: list[str]) -> dict[str, str]:
    """`["epochs=3"]` → {"epochs": "3"}; raises CommandError for what is not KEY=VALUE."""
    settings = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise CommandError(f"--set takes KEY=VALUE, not {pair}.")
        settings[name.strip()] = value.strip()
    return settings


def do_or_wait(row: Work, do: Callable[[], Any]) -> None:
    """Do the row's work here; if a worker was quicker, wait for it to end."""
    try:
        do()
    except work.AlreadyClaimed:
        while not row.is_over:
            time.sleep(1)
            row.refresh_from_db()
    row.refresh_from_db()
