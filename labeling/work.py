"""The one door through which a Work row's state moves.

Every move is one conditional UPDATE, so of two workers only one wins and the other is told. Tasks look like:

    with work.claimed(Source, pk) as job:
        for item in ...:
            job.beat(done=n, total=m, message="...")   # raises StopAsked or ClaimLost
            ...

Leaving the block normally finishes the row; an exception that is `Refused` fails it with its message; `Killed` puts
it back into the queue, so long as it has not died too often; any other exception fails it and is raised on, for the
log. Where that is the disk's fault, the row says what to do.

Whatever dies is taken up again by itself, MAX_ATTEMPTS times without getting any further. Work that knows when it has
got further begins the count anew (`Job.got_further`).

When a row was taken up, beat and ended, and whether its beat is late, the clock of the database says: workers whose own
clocks differ take nothing from each other, leave nothing lying, and of two the one that ended first is told.

What is written into the row is English, whatever language the process speaks: pages show it by
`labeling.sayings.told`, in the language of who reads.
"""

import errno
import logging
import os
import secrets
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

from celery import current_app
from django.apps import apps
from django.conf import settings
from django.db import OperationalError, transaction
from django.db.models import Expression, F, Q
from django.utils import translation
from django.utils.translation import gettext as _

from labeling import attendance, clock
from labeling.models.work import OVER, Work, WorkState
from labeling.refusals import Refusal
from labeling.sayings import gettext_noop

logger = logging.getLogger(__name__)
W = TypeVar("W", bound=Work)
_STOPPED = gettext_noop("Stopped.")
_DIED = gettext_noop(
    "The worker died {times:,} times at this, perhaps for want of memory. See its log, then restart."
)
_DIED_GOES_ON = gettext_noop("Its worker died; another one goes on with it.")
_DISK_FULL = gettext_noop(
    "A disk is full: the one with the storage, or the one with WORK_ROOT ({error}). Make room there, then go on."
)
_DISK_READ_ONLY = gettext_noop(
    "A disk can only be read ({error}). Have it mounted so that it can be written to, then go on."
)
_DISK_CLOSED = gettext_noop(
    "The worker may not use a file or folder it needs ({error}). Give it the permission, then go on."
)
_DATABASE_BUSY = gettext_noop(
    "The database had other work for too long ({error}). Nothing is lost: go on. If it happens often, have the site "
    "use PostgreSQL."
)
_DISK = {
    errno.ENOSPC: _DISK_FULL,
    errno.EDQUOT: _DISK_FULL,
    errno.EROFS: _DISK_READ_ONLY,
    errno.EACCES: _DISK_CLOSED,
    errno.EPERM: _DISK_CLOSED,
}


class CannotMove(Refusal):
    """The row is in a state that does not allow what was asked; the message says which."""


class AlreadyClaimed(CannotMove):
    """Another worker holds the row, or it is over: this delivery has nothing to do."""


class ClaimLost(CannotMove):
    """The row was taken from this worker (its heartbeat was too old). It must write nothing more."""


class StopAsked(Exception):
    """Somebody pressed Stop. Leave things so that a later attempt goes on from here."""


class Refused(Refusal):
    """The work cannot be done; the message says what happened and what to do."""


class Killed(Exception):
    """A process that did the work for this one was killed. What is here may be begun again.

    message: what the row says while it waits for that. error: given how often it died, what the row says once that is
    too often.
    """

    def __init__(self, message: str, error: Callable[[int], str]) -> None:
        super().__init__(message)
        self.message, self.error = message, error


def enqueue(row: Work) -> None:
    """Wake a worker for the row once the transaction is committed. Safe to call twice.

    A broker that does not answer is logged and no more: the row is there, and the sweeper sends it again.
    """
    transaction.on_commit(lambda: _send(row), robust=True)


def _send(row: Work) -> None:
    current_app.send_task(row.task, args=[row.pk], queue=row.queue)


class Job(Generic[W]):
    """A row this process owns."""

    BEAT_EVERY_S = 1.0

    def __init__(self, row: W, token: str) -> None:
        self.row = row
        self._token = token
        self._beaten = time.monotonic()

    def beat(self, *, force: bool = False, **fields: Any) -> None:
        """Keep the claim alive and store progress; at most one UPDATE a second unless forced.

        Raises StopAsked if somebody pressed Stop, ClaimLost if the row is no longer ours.
        """
        if not force and time.monotonic() - self._beaten < self.BEAT_EVERY_S:
            return
        self._beaten = time.monotonic()
        if not self._mine().update(heartbeat_at=clock.now(), **fields):
            raise ClaimLost(f"{self.row!r} was taken over by another worker; this one stops.")
        if self._mine().filter(stop_asked=True).exists():
            raise StopAsked

    def leave(self, state: WorkState, **fields: Any) -> None:
        """Give the row up in the given end state."""
        ended = self._mine().update(state=state, worker="", stop_asked=False, ended_at=clock.now(), **fields)
        if not ended:
            raise ClaimLost(f"{self.row!r} was taken over by another worker; this one stops.")
        self.row.refresh_from_db()

    def got_further(self) -> None:
        """What ended earlier attempts does not lie here: they count no more. Raises as `beat` does."""
        self.beat(force=True, attempt=1)

    def put_back(self, *, message: str) -> None:
        """Give the row up unfinished, for another worker to go on with once the sweeper sends it out.

        Not sent at once: the worker that gives it up is likely ending, and would take it again.
        """
        given = self._mine().filter(stop_asked=False)
        if not given.update(state=WorkState.WAITING, worker="", queued_at=clock.now(), message=message):
            self.beat(force=True)  # raises ClaimLost, or StopAsked when Stop was pressed just now
        self.row.refresh_from_db()

    def _mine(self) -> Any:
        return type(self.row)._default_manager.filter(pk=self.row.pk, worker=self._token)


def claim(model: type[W], pk: int) -> Job[W]:
    """Take a waiting row. Raises AlreadyClaimed if it is not waiting."""
    token = f"{socket.gethostname()[:24]}:{os.getpid()}:{secrets.token_hex(8)}"
    taken = model._default_manager.filter(pk=pk, state=WorkState.WAITING).update(
        state=WorkState.RUNNING,
        worker=token,
        attempt=F("attempt") + 1,
        started_at=clock.now(),
        heartbeat_at=clock.now(),
        error="",
    )
    if not taken:
        raise AlreadyClaimed(_("{row} is not waiting for a worker.").format(row=f"{model.__name__} {pk}"))
    return Job(model._default_manager.get(pk=pk), token)


@contextmanager
def claimed(model: type[W], pk: int) -> Iterator[Job[W]]:
    """Own the row for the block; see the module's text for what ends it how."""
    job = claim(model, pk)
    try:
        with translation.override("en"):
            yield job
    except StopAsked:
        _leave(job, WorkState.STOPPED, message=_STOPPED)
    except ClaimLost:
        _warn_of_loss(job)
    except Refused as refusal:
        _leave(job, WorkState.FAILED, error=str(refusal), message="")
    except Killed as killed:
        _take_up_again(job, killed)
    except Exception as error:
        # Whoever has lost the row may find its files gone, too: that is no failure to tell of.
        if _leave(job, WorkState.FAILED, error=_told(error), message=""):
            raise
    else:
        if job.row.state == WorkState.RUNNING:
            _leave(job, WorkState.DONE)


def _take_up_again(job: Job[Any], killed: Killed) -> None:
    job.row.refresh_from_db(fields=["attempt"])
    if job.row.attempt >= settings.MAX_ATTEMPTS:
        _leave(job, WorkState.FAILED, error=killed.error(job.row.attempt), message="")
        return
    try:
        job.put_back(message=killed.message)
    except StopAsked:
        _leave(job, WorkState.STOPPED, message=_STOPPED)
    except ClaimLost:
        _warn_of_loss(job)


def _leave(job: Job[Any], state: WorkState, **fields: Any) -> bool:
    """Returns whether the row was still ours."""
    try:
        job.leave(state, **fields)
    except ClaimLost:
        _warn_of_loss(job)
        return False
    return True


def _warn_of_loss(job: Job[Any]) -> None:
    logger.warning("%r was taken over by another worker", job.row, exc_info=True)


def _told(error: Exception) -> str:
    plain = f"{type(error).__name__}: {error}"
    if isinstance(error, OperationalError) and "database is locked" in str(error):
        return _DATABASE_BUSY.format(error=error)
    # Of connections, which are OSErrors too, none has these numbers.
    sentence = _DISK.get(error.errno or 0) if isinstance(error, OSError) else None
    return plain if sentence is None else sentence.format(error=error)


@contextmanager
def ignoring_second_deliveries() -> Iterator[None]:
    """A broker may deliver twice; the second finds the row taken and has nothing to do."""
    try:
        yield
    except AlreadyClaimed as reason:
        logger.info("%s", reason)


def stop(row: Work) -> None:
    """Ask for the work to stop. A waiting row stops at once, a running one at its next beat."""
    rows = type(row)._default_manager.filter(pk=row.pk)
    waiting = rows.filter(state=WorkState.WAITING)
    if not waiting.update(state=WorkState.STOPPED, ended_at=clock.now()):
        rows.filter(state=WorkState.RUNNING).update(stop_asked=True)
    row.refresh_from_db()


def has_ended(row: Work) -> bool:
    """Whether the work is over. One asked to stop whose worker has died is ended here, whoever sweeps or not."""
    rows = type(row)._default_manager.filter(pk=row.pk, state=WorkState.RUNNING, stop_asked=True)
    _end(rows.exclude(heartbeat_at__gte=_too_long_ago()))
    row.refresh_from_db()
    return row.is_over


def _end(dead: Any) -> None:
    dead.update(state=WorkState.STOPPED, worker="", stop_asked=False, ended_at=clock.now())


def restart(row: Work, *, also_done: bool = False, wake: bool = True, anew: bool = True) -> None:
    """Queue a stopped or failed row again (with also_done: a finished one too). It goes on where it was.

    wake: False if the caller does the work itself. anew: whether its attempts are counted from nothing.
    """
    allowed = [state for state in OVER if also_done or state != WorkState.DONE]
    moved = (
        type(row)
        ._default_manager.filter(pk=row.pk, state__in=allowed)
        .update(
            state=WorkState.WAITING,
            ended_at=None,
            stop_asked=False,
            error="",
            attempt=0 if anew else F("attempt"),
            queued_at=clock.now(),
        )
    )
    row.refresh_from_db()
    if not moved:
        raise CannotMove(
            _("This is {state}; only what has stopped or failed can go on.").format(
                state=row.get_state_display()
            )
        )
    if wake:
        enqueue(row)


def begin_again(row: Work, *, wake: bool = True) -> bool:
    """Take a running row from its worker, which writes nothing more once it notices, and queue it.

    For when what the worker has read is not to be used any more. wake: False if the caller queues it later. Returns
    False if it runs no more.
    """
    running = type(row)._default_manager.filter(pk=row.pk, state=WorkState.RUNNING)
    taken = running.update(state=WorkState.WAITING, worker="", stop_asked=False, queued_at=clock.now())
    row.refresh_from_db()
    if taken and wake:
        enqueue(row)
    return bool(taken)


def sweep() -> int:
    """Queue again what a dead worker left behind, and what a lost message never started. Returns how many."""
    attendance.swept()
    return sum(
        _sweep_dead(model) + _sweep_lost(model) for model in apps.get_models() if issubclass(model, Work)
    )


def _too_long_ago() -> Expression:
    return clock.ago(settings.HEARTBEAT_TIMEOUT_S)


def _sweep_dead(model: type[Work]) -> int:
    count = 0
    silent = model._default_manager.filter(heartbeat_at__lt=_too_long_ago())
    for row in silent.filter(state=WorkState.RUNNING):
        dead = silent.filter(pk=row.pk, worker=row.worker)
        if row.stop_asked:
            _end(dead)
        elif row.attempt >= settings.MAX_ATTEMPTS:
            # Work that kills its worker every time must not take the whole queue down with it.
            dead.update(state=WorkState.FAILED, worker="", ended_at=clock.now(), error=_died(row))
        elif dead.update(state=WorkState.WAITING, worker="", queued_at=clock.now(), message=_DIED_GOES_ON):
            enqueue(row)
            count += 1
    return count


def _died(row: Work) -> str:
    return _DIED.format(times=row.attempt)


def _sweep_lost(model: type[Work]) -> int:
    count = 0
    # Who made the row wrote the time of its own machine. Ahead of ours it says nothing.
    ahead = Q(queued_at__gt=clock.ago(-settings.HEARTBEAT_TIMEOUT_S))
    lost = model._default_manager.filter(Q(queued_at__lt=_too_long_ago()) | ahead)
    for row in lost.filter(state=WorkState.WAITING):
        # The message may have been lost with the broker; one sent twice starts nothing twice.
        if lost.filter(pk=row.pk, state=WorkState.WAITING).update(queued_at=clock.now()):
            enqueue(row)
            count += 1
    return count
