"""Who is there to work: every worker process says so for its queues, whether it is busy or not.

It is said by a thread of the worker's main process, so that work which takes hours leaves nobody thinking that no
worker runs. One process of several machines speaks for a queue as well as another.
"""

import logging
import threading
from collections.abc import Collection, Iterable
from datetime import datetime

from django.apps import apps
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.models import Expression, Max, QuerySet

from labeling import clock
from labeling.models.work import Pulse, Work, WorkState

logger = logging.getLogger(__name__)
SWEEPER = "sweeper"
SHORT = "default"
"""The queue of the sweeps, which no row of work names."""
_OF_QUEUE = "worker of "
_ROUNDS = 4


def all_queues() -> list[str]:
    """Every queue that something is sent to."""
    return sorted({SHORT, *(model.queue for model in _kinds_of_work())})


def be_there(queues: Iterable[str]) -> None:
    """Say that a worker is there for these queues."""
    Pulse.objects.bulk_create(
        [Pulse(name=_OF_QUEUE + queue, at=clock.now()) for queue in sorted(queues)],
        update_conflicts=True,
        unique_fields=["name"],
        update_fields=["at"],
    )


def keep_saying(queues: Collection[str], until: threading.Event) -> None:
    """Say it every SWEEP_EVERY_S, from a thread of this process, until told to end."""

    def says() -> None:
        while True:
            try:
                be_there(queues)
            except DatabaseError as error:
                # A database that is away is seen by all else; this goes on once it is back.
                logger.warning("The worker could not say that it is there: %s", error)
            finally:
                # Held open, it would be inherited by processes that the pool starts.
                connection.close()
            if until.wait(settings.SWEEP_EVERY_S):
                return

    threading.Thread(target=says, name="attendance", daemon=True).start()


def swept() -> None:
    """Say that a worker sweeps."""
    Pulse.objects.update_or_create(name=SWEEPER, defaults={"at": clock.now()})


def swept_at() -> datetime | None:
    """When a worker last swept; None if never. Beat sends a sweep every settings.SWEEP_EVERY_S."""
    return Pulse.objects.filter(name=SWEEPER).values_list("at", flat=True).first()


def seen_at() -> datetime | None:
    """When any worker was last seen; None if never."""
    last: datetime | None = _known().aggregate(last=Max("at"))["last"]
    return last


def _known() -> QuerySet[Pulse]:
    return Pulse.objects.filter(name__in=[SWEEPER, *(_OF_QUEUE + queue for queue in all_queues())])


def is_silent() -> bool:
    """True when no worker was seen for four rounds: what is queued will wait until one is started."""
    return not _known().filter(at__gte=_long_ago()).exists()


def unserved() -> list[str]:
    """The queues for which no worker was seen for four rounds."""
    served = Pulse.objects.filter(name__startswith=_OF_QUEUE, at__gte=_long_ago())
    there = {name.removeprefix(_OF_QUEUE) for name in served.values_list("name", flat=True)}
    return [queue for queue in all_queues() if queue not in there]


def is_busy(queue: str) -> bool:
    """True when workers of the queue are at something."""
    return any(
        model._default_manager.filter(state=WorkState.RUNNING).exists()
        for model in _kinds_of_work()
        if model.queue == queue
    )


def is_swept() -> bool:
    """False when no worker has swept for four rounds."""
    return Pulse.objects.filter(name=SWEEPER, at__gte=_long_ago()).exists()


def _long_ago() -> Expression:
    return clock.ago(_ROUNDS * settings.SWEEP_EVERY_S)


def _kinds_of_work() -> list[type[Work]]:
    return [model for model in apps.get_models() if issubclass(model, Work)]
