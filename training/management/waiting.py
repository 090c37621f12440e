"""What the commands share: reading settings, and doing work that a worker may snatch."""

import time
from collections.abc import Callable
from typing import Any

from django.core.management.base import CommandError

from labeling import work
from labeling.models import Work


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
