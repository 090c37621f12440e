"""Trainings: start, stop, resume, and the work itself.

The training runs in a child process (`python -m training.core train`), which knows no database. What it
writes into the run folder is all there is to know; the row is this site's view of it.
"""

import json
import secrets
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial
from pathlib import Path
from typing import Any

from django.conf import settings as site
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from labeling import work
from labeling.models import Snapshot, WorkState
from labeling.refusals import Refusal
from labeling.sayings import gettext_noop
from labeling.snapshots import freezing
from training import child, evaluations, metrics
from training.core import config as core_config
from training.core.refusals import BadConfig
from training.models import TrainingRun

LOG_TAIL_BYTES = 16_384
LOG = "log.txt"
CONFIG = "asked.json"
MADE = "config.json"
"""What the core made of it."""
LOCK = "lock"
"""What the core holds a flock on while it trains."""
CHECKPOINT = "last.pt"
"""What the core replaces each time it has got further."""
_INTERRUPTED = gettext_noop("Interrupted; goes on from its last checkpoint.")
_FETCHING = gettext_noop("Fetching the snapshot.")
_WAITING = gettext_noop("Waiting for the last attempt to write its checkpoint.")
_PREPARING = gettext_noop("Preparing.")
_EPOCH = gettext_noop("Epoch {epoch:,} of {epochs:,}.")
_STEP = gettext_noop("Epoch {epoch:,} of {epochs:,}, step {step:,} of {steps:,}.")
_KILLED = gettext_noop(
    "The training's process was killed by signal {signal:,}; it goes on from its last checkpoint."
)
_KILLED_EACH_TIME = gettext_noop(
    "The training's process was killed {times:,} times without getting any further, the last time by signal "
    "{signal:,}, perhaps for want of memory or over one image. Look into the machine's log and this one, then resume. "
    "Its log ends:\n{log}"
)
_ENDED = gettext_noop("The training ended with exit code {code:,}. Its log ends:\n{log}")


class CannotStart(Refusal):
    """What is asked of the training cannot be; the message says which setting or snapshot, and why."""


def start(
    *,
    snapshot: Snapshot,
    network: str,
    preset: str,
    settings: Mapping[str, Any] | None = None,
    fast: bool = False,
    name: str = "",
    created_by: Any = None,
) -> TrainingRun:
    """Put a training into the queue. settings: what differs from the preset. fast: bf16 and channels_last are as the
    machine that trains is quickest with them; `config` says so once it has begun.

    Raises CannotStart for an unfinished snapshot, for a network, preset or setting the core does not know, and for one
    that is given and left to `fast` as well.
    """
    if snapshot.state != WorkState.DONE:
        raise CannotStart(
            _("“{snapshot}” is {state}; only a frozen one can be trained on.").format(
                snapshot=snapshot, state=snapshot.get_state_display()
            )
        )
    try:
        if fast:
            core_config.refuse_beside_fast(settings or {})
        resolved = core_config.resolve(preset, network, settings).to_json()
    except BadConfig as problem:
        raise CannotStart(str(problem)) from problem
    with transaction.atomic():
        run = TrainingRun.objects.create(
            name=name or f"{network} on {snapshot}",
            snapshot=snapshot,
            network=network,
            preset=preset,
            config=resolved,
            fast=fast,
            epochs=resolved["epochs"],
            # Not the primary key: a database restored from a backup would meet another run's folder.
            folder=f"{timezone.now():%Y-%m-%d}-{secrets.token_hex(5)}",
            created_by=created_by,
        )
        work.enqueue(run)
    return run


def stop(*, run: TrainingRun) -> None:
    """Ask for a checkpoint and an end; a waiting run stops at once."""
    work.stop(run)


def resume(*, run: TrainingRun) -> None:
    """Queue a stopped or failed run again; it goes on from its last checkpoint.

    Raises labeling.work.CannotMove for one that runs, waits or is done, and for one whose weights were deleted.
    """
    with transaction.atomic():
        if TrainingRun.objects.select_for_update().get(pk=run.pk).weights_deleted_at:
            raise work.CannotMove(_("Its weights were deleted, so it cannot go on. Start a new run."))
        work.restart(run)


def folder(run: TrainingRun) -> Path:
    return Path(site.RUNS_ROOT) / run.folder


def curves(run: TrainingRun) -> list[dict[str, Any]]:
    """One dict per finished epoch, as metrics.jsonl has it; none before the first."""
    return metrics.epochs(metrics.read(folder(run)))


def log_tail(run: TrainingRun, size: int = LOG_TAIL_BYTES) -> str:
    """The last `size` bytes of what the training printed, from a whole line on."""
    try:
        with (folder(run) / LOG).open("rb") as file:
            length = file.seek(0, 2)
            file.seek(max(0, length - size))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return ""
    return text if length <= size else text.partition("\n")[2]


def train(run_id: int, *, tell: Callable[[metrics.Progress], None] | None = None) -> None:
    """Do the training, or go on with it, as the one worker that holds the row.

    tell() is called about once a second with the progress. Raises labeling.work.AlreadyClaimed when the
    row is not waiting.
    """
    with work.claimed(TrainingRun, run_id) as job:
        run, begun = job.row, time.time()
        _note_that_it_was_taken_up(job)
        snapshot = _fetched(job)
        folder(run).mkdir(parents=True, exist_ok=True)
        code = _train_in_child(job, snapshot, lambda: _report(job, tell))
        if code == child.CAN_GO_ON:
            # Somebody else stopped it (a machine going down): nothing is wrong, so it waits for a worker.
            job.put_back(message=_INTERRUPTED)
        elif code < 0:
            raise work.Killed(_KILLED.format(signal=-code), partial(_killed_each_time, run, -code))
        elif code:
            raise work.Refused(_why(run, code, begun))
        else:
            evaluations.take_in(run=run, folder=folder(run))
            columns = _columns(metrics.progress(metrics.read(folder(run))))
            job.leave(WorkState.DONE, message="", **columns, **_made_fast(run))


def _note_that_it_was_taken_up(job: work.Job[TrainingRun]) -> None:
    """Keep when it was taken up by itself, and why, as whoever put it back has said. What people resume begins at 1."""
    run = job.row
    if run.attempt > 1:
        assert run.started_at is not None
        # The row may not know of the last epoch yet: beats are counted.
        epoch = metrics.progress(metrics.read(folder(run))).epoch
        said = {"at": run.started_at.isoformat(), "epoch": epoch, "why": run.message}
        job.beat(force=True, taken_up=[*run.taken_up, said])


def _fetched(job: work.Job[TrainingRun]) -> Path:
    """The snapshot's folder. From a far storage that may take longer than a heartbeat may be late."""
    job.beat(force=True, message=_FETCHING)
    with ThreadPoolExecutor(1) as pool:
        folder = pool.submit(freezing.local_folder, job.row.snapshot)
        while not wait([folder], timeout=child.POLL_S).done:
            job.beat()
        return folder.result()


def _report(job: work.Job[TrainingRun], tell: Callable[[metrics.Progress], None] | None) -> None:
    """Put what the child has written on the row; raises as Job.beat does."""
    events = metrics.read(folder(job.row))
    progress = metrics.progress(events)
    job.beat(message=_message(progress), **_columns(progress), **_made_fast(job.row))
    if tell:
        tell(progress)


def _train_in_child(job: work.Job[TrainingRun], snapshot: Path, report: Callable[[], None]) -> int:
    home = folder(job.row)
    # The worker of the last attempt may have died and its child be at the last checkpoint still.
    child.wait_until_free(home / LOCK, lambda: job.beat(message=_WAITING))
    (home / CONFIG).write_text(json.dumps(job.row.config, indent=1))
    fast = ["--fast"] if job.row.fast else []
    checkpoints = _Checkpoints(job)

    def beat() -> None:
        report()
        checkpoints()

    process = child.start(
        "train", snapshot, home, "--config", home / CONFIG, *fast, "--stop-with-parent", log=home / LOG
    )
    code = child.follow(process, beat)
    if code < 0:
        checkpoints()
    return code


class _Checkpoints:
    """Calls of it notice the first checkpoint of this attempt: with it earlier attempts count no more."""

    def __init__(self, job: work.Job[TrainingRun]) -> None:
        self._job, self._file = job, folder(job.row) / CHECKPOINT
        self._before, self._noted = _written(self._file), False

    def __call__(self) -> None:
        if not self._noted and _written(self._file) != self._before:
            self._noted = True
            self._job.got_further()


def _written(file: Path) -> int | None:
    """When the file was written, by its own disk's clock; None while there is none."""
    try:
        return file.stat().st_mtime_ns
    except FileNotFoundError:
        return None


def _columns(now: metrics.Progress) -> dict[str, Any]:
    columns: dict[str, Any] = {"epoch": now.epoch, "done": now.epoch}
    if now.epochs:
        columns |= {"epochs": now.epochs, "total": now.epochs}
    if now.best_accuracy is not None:
        columns["validation_accuracy"] = now.best_accuracy
    return columns


def _made_fast(run: TrainingRun) -> dict[str, Any]:
    """The settings that a fast run was begun with, which its machine has had a say in."""
    file = folder(run) / MADE
    return {"config": core_config.read_config(file).to_json()} if run.fast and file.exists() else {}


def _message(progress: metrics.Progress) -> str:
    if not progress.epochs:
        return _PREPARING
    where = {"epoch": min(progress.epoch + 1, progress.epochs), "epochs": progress.epochs}
    if not progress.steps:
        return _EPOCH.format(**where)
    return _STEP.format(**where, step=progress.step, steps=progress.steps)


def _why(run: TrainingRun, code: int, begun: float) -> str:
    """Why the child ended: in the core's own words where it had some, else the end of its log.

    begun: when this attempt was, by the clock of this machine, which is that of the child.
    """
    said = metrics.last_error(metrics.read(folder(run)), since=begun)
    return said or _ENDED.format(code=code, log=_log_end(run))


def _killed_each_time(run: TrainingRun, signal: int, times: int) -> str:
    return _KILLED_EACH_TIME.format(times=times, signal=signal, log=_log_end(run))


def _log_end(run: TrainingRun) -> str:
    return "\n".join(log_tail(run, 4096).strip().splitlines()[-12:])
