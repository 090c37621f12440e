"""Reading a snapshot again, every byte, by a worker: a large one takes minutes."""

from typing import Any

from django.db import IntegrityError, transaction

from labeling import work
from labeling.models import Snapshot, Verification, WorkState
from labeling.sayings import gettext_noop
from labeling.snapshots import stored
from labeling.snapshots.telling import Tell, Telling, nobody

_READING = gettext_noop("Reading every byte again")
_UNDER_WAY = (WorkState.WAITING, WorkState.RUNNING)


def verify_later(*, snapshot: Snapshot, asked_by: Any = None, wake: bool = True) -> Verification:
    """Queue a verification, or return the one that is under way. Raises Refused for what is not frozen."""
    stored.demand_frozen(snapshot)
    try:
        with transaction.atomic():
            row = Verification.objects.create(snapshot=snapshot, asked_by=asked_by)
            if wake:
                work.enqueue(row)
    except IntegrityError:
        # At most one is under way; it may just have ended.
        there = snapshot.verifications.filter(state__in=_UNDER_WAY).first() or snapshot.verifications.first()
        if there is None:
            raise
        return there
    return row


def run_verification(pk: int, *, tell: Tell = nobody) -> None:
    """Killed, the next attempt reads from the beginning."""
    with work.claimed(Verification, pk) as job:
        snapshot = job.row.snapshot
        faces = sum(sum(counts.values()) for counts in snapshot.counts.get("splits", {}).values())
        telling = Telling(job, tell)
        problems = stored.problems_of(snapshot.digest, telling.of(faces or None, _READING))
        found = [{"where": problem.where, "what": problem.what} for problem in problems]
        job.leave(WorkState.DONE, problems=found, message="")
