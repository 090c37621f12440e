"""Finished runs of one snapshot heard as one. Nothing of it is kept: run folders have all it takes."""

import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from labeling.models import WorkState
from labeling.refusals import Refusal
from training import comparisons, evaluations, queries, runs
from training.core.ensembles import MOST_MEMBERS, ensemble
from training.core.refusals import Refusal as CoreRefusal
from training.models import Evaluation, TrainingRun

MOST_RUNS = 24
"""As many are heard while somebody waits for a page."""
PATIENCE = 10_000_000
"""Subsets times validation faces that are tried while somebody waits: about half a second's work. Beyond, greedily."""


class CannotHear(Refusal):
    """These runs cannot be heard as one; the message says which, and why."""


@dataclass(frozen=True)
class Candidate:
    """One of the runs by itself, on the same faces as the ensemble. alone: split → short figures; empty for a run that
    is neither a member nor the best, for nobody asks it about the test faces.
    """

    run: TrainingRun
    member: bool
    best: bool
    validation_accuracy: float
    validation_nll: float
    alone: dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Heard:
    """told: what `training.core.ensembles.ensemble` says, runs by their folders. validation, test: as if of a run, kept
    nowhere. erased: test faces that a member was judged by and that are gone since.
    """

    candidates: list[Candidate]
    best: TrainingRun
    told: dict[str, Any]
    validation: Evaluation
    test: Evaluation
    erased: int

    @property
    def members(self) -> list[TrainingRun]:
        return [each.run for each in self.candidates if each.member]

    @property
    def verdict(self) -> str:
        """Against the best run alone, as of `comparisons.verdict`; alone where that run is the only member."""
        return comparisons.verdict(self.told["against_best"]) if self.told["against_best"] else "alone"

    @property
    def weightless(self) -> list[TrainingRun]:
        """The members whose weights were deleted: what they said is there, but they say nothing new."""
        return [run for run in self.members if run.weights_deleted_at]

    @property
    def command(self) -> str:
        """What hears the same members in a shell, and leaves the file that judges new faces; empty where some member
        can judge no more.
        """
        if self.weightless:
            return ""
        return shlex.join(["python", "-m", "training.core", "ensemble", *self.told["members"], "--all"])

    def to_json(self) -> dict[str, Any]:
        """As the core's file, with runs by their numbers instead of their folders."""
        rows = zip(self.candidates, self.told["candidates"], strict=True)
        return {
            **self.told,
            "members": [run.pk for run in self.members],
            "candidates": [{**row, "run": each.run.pk, "alone": each.alone} for each, row in rows],
            "best": self.best.pk,
            "snapshot": self.best.snapshot_id,
            "erased": self.erased,
            "command": self.command,
        }


def hear(*, members: Sequence[TrainingRun], choose: bool = False, most: int = MOST_MEMBERS) -> Heard:
    """The mean of the runs' probabilities on validation and test. With `choose` members are those at most `most` of the
    runs whose mean is best on validation; else all. Raises CannotHear.
    """
    _refuse_unfit(members, most)
    folders = [runs.folder(run) for run in members]
    validation = [queries.evaluation_of(run, "validation") for run in members]
    images = max((evaluation.images for evaluation in validation if evaluation), default=1)
    try:
        told = ensemble(folders, most=most, choose=choose, subsets=PATIENCE // max(images, 1))
    except CoreRefusal as refusal:
        raise CannotHear(str(refusal)) from refusal
    rows = evaluations.by_split(told)
    if "test" not in rows:
        raise CannotHear(_("No test face of these runs is left. Choose runs of another snapshot."))
    candidates = [_candidate(run, row, told) for run, row in zip(members, told["candidates"], strict=True)]
    return Heard(
        candidates=candidates,
        best=next(each.run for each in candidates if each.best),
        told=told,
        validation=Evaluation(split="validation", **rows["validation"]),
        test=Evaluation(split="test", **rows["test"]),
        erased=_erased(candidates, rows["test"]["images"]),
    )


def _candidate(run: TrainingRun, row: dict[str, Any], told: dict[str, Any]) -> Candidate:
    return Candidate(
        run=run,
        member=row["member"],
        best=row["run"] == told["best"],
        validation_accuracy=row["validation_accuracy"],
        validation_nll=row["validation_nll"],
        alone=row["alone"] or {},
    )


def _erased(candidates: Sequence[Candidate], images: int) -> int:
    judged = [queries.evaluation_of(each.run, "test") for each in candidates if each.alone]
    return max(0, *(evaluation.images - images for evaluation in judged if evaluation))


def _refuse_unfit(members: Sequence[TrainingRun], most: int) -> None:
    """Raises CannotHear, with the first reason there is."""
    twice = [run for run, times in Counter(members).items() if times > 1]
    if twice:
        raise CannotHear(_("“{run}” is named twice. Name each run once.").format(run=twice[0]))
    if len(members) < 2:
        raise CannotHear(_("An ensemble needs two runs or more. Choose another."))
    if len(members) > MOST_RUNS:
        said = _("{runs} runs are too many to hear at once. Choose {most} at most.")
        raise CannotHear(said.format(runs=len(members), most=MOST_RUNS))
    if most < 1:
        raise CannotHear(_("An ensemble has one member or more. Allow at least one."))
    for run in members:
        if run.state != WorkState.DONE or not queries.evaluation_of(run, "test"):
            said = _("“{run}” is {state}. Only runs that are done and have judged test faces can be heard.")
            raise CannotHear(said.format(run=run, state=run.get_state_display()))
    others = {run.snapshot.digest: run.snapshot for run in members}
    if len(others) > 1:
        # Versions may share a name.
        named = "; ".join(f"“{snapshot}” ({digest[:12]})" for digest, snapshot in others.items())
        said = _("The runs were trained on different snapshots: {snapshots}. Choose runs of one.")
        raise CannotHear(said.format(snapshots=named))
    for run in members:
        if not runs.folder(run).is_dir():
            said = _("The run folder of “{run}” is gone. Put it back, or leave that run out.")
            raise CannotHear(said.format(run=run))
