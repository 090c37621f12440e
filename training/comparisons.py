"""Two finished runs on the same test faces: is one better, or only luckier?"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from labeling.models import WorkState
from labeling.refusals import Refusal
from training import queries, runs
from training.core.comparing import compare as core_compare
from training.core.predictions import read_predictions
from training.core.refusals import Refusal as CoreRefusal
from training.models import Evaluation, TrainingRun

SURE = 0.05
"""A smaller p is called more than luck."""


class CannotCompare(Refusal):
    """The two runs have not judged the same faces, or one of them has judged none."""


@dataclass(frozen=True)
class ClassRow:
    """Recall of one class, 0–1, by both runs."""

    label: str
    images: int
    first: float
    second: float

    @property
    def lead(self) -> float:
        return self.second - self.first


@dataclass(frozen=True)
class Comparison:
    """figures: what `training.core.comparing.compare` says, the second run against the first."""

    first: Evaluation
    second: Evaluation
    figures: dict[str, Any]
    classes: list[ClassRow]

    @property
    def verdict(self) -> str:
        return verdict(self.figures)


def verdict(figures: Mapping[str, Any]) -> str:
    """better, worse: the second, more than luck would have it. level: not to be told apart."""
    if figures["mcnemar"]["p"] >= SURE:
        return "level"
    return "better" if figures["difference"] > 0 else "worse"


def compare(*, first: TrainingRun, second: TrainingRun) -> Comparison:
    """By their test faces. Raises CannotCompare."""
    if first.pk == second.pk:
        raise CannotCompare(_("A run cannot be compared with itself. Choose another."))
    evaluations = [queries.evaluation_of(run, "test") for run in (first, second)]
    if any(run.state != WorkState.DONE for run in (first, second)) or None in evaluations:
        raise CannotCompare(_("Both runs must be done and have judged test faces. Choose others."))
    try:
        said = [read_predictions(runs.folder(run), "test") for run in (first, second)]
        figures = core_compare(*said)
    except CoreRefusal as refusal:
        raise CannotCompare(str(refusal)) from refusal
    one, two = (evaluation for evaluation in evaluations if evaluation is not None)
    return Comparison(one, two, figures, _classes(one, two))


def _classes(first: Evaluation, second: Evaluation) -> list[ClassRow]:
    return [
        ClassRow(one["label"], one["images"], one["recall"], two["recall"])
        for one, two in zip(first.figures["per_class"], second.figures["per_class"], strict=True)
    ]
