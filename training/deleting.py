"""Deleting a run, or only its weights: for room on the disk, and where a model has to be withdrawn."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db import transaction
from django.db.models import ProtectedError
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from labeling.models import Suggestion
from labeling.models.work import OVER
from labeling.refusals import Refusal
from training import predictions, runs
from training.core.refusals import BadRunFolder
from training.core.run_folder import RunFolder
from training.models import TrainingRun


class CannotDelete(Refusal):
    """The run is at work, or something came of it that would lose its origin; the message says what."""


@dataclass(frozen=True)
class Size:
    """Bytes on the disk: of the last checkpoint and the best weights, and of all else in the run's folder."""

    weights: int
    rest: int

    @property
    def whole(self) -> int:
        return self.weights + self.rest


def size(run: TrainingRun) -> Size:
    home = _home(run)
    if home is None:
        return Size(0, 0)
    weights = sum(map(_bytes, _weights(home)))
    return Size(weights, sum(map(_bytes, home.rglob("*"))) - weights)


def why_not(run: TrainingRun, *, whole: bool) -> str:
    """Why the run, or only its weights, cannot be deleted now; empty where they can."""
    if not run.is_over:
        return _("It is {state}. Stop it first.").format(state=run.get_state_display())
    if run.predictions.exclude(state__in=OVER).exists():
        return _("It looks at the faces of a campaign, or is about to. Delete it when that is over.")
    if whole and (rounds := run.relabel_rounds.count()):
        return ngettext(
            "{rounds:,} relabel round came of it, which would not know any more why its faces were asked about again. "
            "Delete only the weights.",
            "{rounds:,} relabel rounds came of it, which would not know any more why their faces were asked about "
            "again. Delete only the weights.",
            rounds,
        ).format(rounds=rounds)
    return ""


def delete_weights(*, run: TrainingRun, by: Any = None) -> int:
    """Delete the last checkpoint and the best weights, and return how many bytes that was. The figures, curves, log and
    opinions stay; the run neither goes on nor predicts any more. Raises CannotDelete.
    """
    with _closed(run, whole=False) as home:
        _mark(run, by, whole=False)
        freed = size(run).weights
        for file in _weights(home) if home else ():
            with _explained(file):
                file.unlink(missing_ok=True)
    return freed


def delete(*, run: TrainingRun, by: Any = None) -> int:
    """Delete the run with its folder, figures and opinions, and return how many bytes that was. Killed half-way, it is
    a run without weights, and can be deleted again. Raises CannotDelete.
    """
    with _closed(run, whole=True) as home:
        _mark(run, by, whole=True)
        freed = size(run).whole
        if home:
            with _explained(home):
                shutil.rmtree(home)
    try:
        with transaction.atomic():
            Suggestion.objects.filter(origin=predictions.origin(run)).delete()
            run.delete()
    except ProtectedError:
        _demand(run, whole=True)  # a round was opened meanwhile
        raise
    return freed


def _demand(run: TrainingRun, *, whole: bool) -> None:
    if reason := why_not(run, whole=whole):
        raise CannotDelete(reason)


def _mark(run: TrainingRun, by: Any, *, whole: bool) -> None:
    """From here on nobody resumes it or asks it about a campaign: these look at the row under the same lock."""
    with transaction.atomic():
        held = TrainingRun.objects.select_for_update().get(pk=run.pk)
        _demand(held, whole=whole)
        if held.weights_deleted_at is None:
            held.weights_deleted_at, held.weights_deleted_by = timezone.now(), by
            held.save(update_fields=["weights_deleted_at", "weights_deleted_by"])
    run.refresh_from_db()


@contextmanager
def _closed(run: TrainingRun, *, whole: bool) -> Iterator[Path | None]:
    """The run's folder while no training writes into it: one whose worker has died may be at its last checkpoint still.
    None where there is none.
    """
    _demand(run, whole=whole)
    home = _home(run)
    if home is None:
        yield None
        return
    try:
        with RunFolder(home).locked():
            yield home
    except BadRunFolder as busy:
        raise CannotDelete(
            _("A process still writes into the run's folder. Wait until it has ended.")
        ) from busy


@contextmanager
def _explained(what: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        said = _("{file} could not be deleted: {error}. Mend that, then delete again.")
        raise CannotDelete(said.format(file=error.filename or what, error=error.strerror or error)) from error


def _home(run: TrainingRun) -> Path | None:
    """The run's own folder, if it ever began. Without a name of its own it would be that of all runs."""
    home = runs.folder(run)
    return home if run.folder and home.is_dir() else None


def _weights(home: Path) -> list[Path]:
    folder = RunFolder(home)
    return [folder.last, folder.best]


def _bytes(file: Path) -> int:
    try:
        return file.stat().st_size if file.is_file() else 0
    except FileNotFoundError:
        return 0
