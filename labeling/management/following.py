"""Doing a Work row's work in the process of a command, and waiting for whoever else has it."""

import time
from collections.abc import Callable

from django.conf import settings
from django.core.management.base import CommandError

from labeling import work
from labeling.management.progress import ProgressLine
from labeling.models.work import Work, WorkState

_LOOK_EVERY_S = 0.5
Tell = Callable[[int, int | None, str], None]


def follow(row: Work, do: Callable[..., None]) -> None:
    """Do the row's work here, or see it done by the worker that has it. Raises CommandError if it fails.

    do: does it, and tells its progress to the function it is handed as `tell`. A worker that died holding
    the row is waited out until its heartbeat is too old (settings.HEARTBEAT_TIMEOUT_S).
    """
    line = ProgressLine(str(row))
    do_or_wait(row, lambda: do(tell=line), tell=line)
    line.end(row.message or row.get_state_display())
    if row.state != WorkState.DONE:
        raise CommandError(row.error or f"{row} was stopped. Start the command again to go on.")


def do_or_wait(
    row: Work, do: Callable[[], object], *, tell: Tell = lambda done, total, message: None
) -> None:
    """Until the row is over: do its work here, or wait for the worker that was quicker, or died at it.

    tell: told while a worker has it.
    """
    while True:
        try:
            do()
        except work.AlreadyClaimed:
            _wait(row, tell)
        row.refresh_from_db()
        if row.is_over:
            return


def _wait(row: Work, tell: Tell) -> None:
    """Until the row is over or free again."""
    row.refresh_from_db()
    while row.state == WorkState.RUNNING:
        tell(
            row.done,
            row.total,
            f"a worker has it (or died; then it is free in {settings.HEARTBEAT_TIMEOUT_S} s)",
        )
        time.sleep(_LOOK_EVERY_S)
        work.sweep()
        row.refresh_from_db()
