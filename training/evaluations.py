"""A run's figures, taken in from its folder."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.db import transaction

from labeling.sayings import gettext_noop
from labeling.work import Refused
from training.models import Evaluation, TrainingRun

RESULT = "result.json"
COLUMNS = ("images", "accuracy", "macro_f1")
_OF_A_GROUP = ("value", "images", "accuracy", "accuracy_interval", "macro_f1", "top2_accuracy", "ece")
"""What is kept of the figures of a group, or of another way to look: the whole is in the run folder, and large."""
_UNREADABLE = gettext_noop("The training ended without a readable {file}: {problem}.")


def take_in(*, run: TrainingRun, folder: Path) -> None:
    """Store result.json as one Evaluation per split. Doing it again changes nothing.

    Raises labeling.work.Refused when the folder has no whole result.
    """
    try:
        result: dict[str, Any] = json.loads((folder / RESULT).read_text())
    except (FileNotFoundError, ValueError) as problem:
        raise Refused(_UNREADABLE.format(file=RESULT, problem=problem)) from problem
    with transaction.atomic():
        for split, fields in by_split(result).items():
            Evaluation.objects.update_or_create(run=run, split=split, defaults=fields)


def by_split(result: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Split → the fields of its Evaluation, from what result.json or `training.core.ensembles.ensemble` says."""
    return {
        split: {
            **{column: figures[column] for column in COLUMNS},
            "figures": {
                **{key: value for key, value in figures.items() if key not in COLUMNS},
                "classes": result["classes"],
                # An ensemble has none.
                "best_epoch": result.get("best_epoch"),
                "groups": _groups(result.get("groups", {}).get(split, {})),
                "augmented": _augmented(result.get("augmented", {}), split),
            },
        }
        for split, figures in result["splits"].items()
    }


def _groups(by_trait: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    return {trait: [_short(row) for row in rows] for trait, rows in by_trait.items()}


def _augmented(ways: dict[str, Any], split: str) -> dict[str, dict[str, Any]]:
    """Way → the figures of the split, where that way looked at it."""
    return {way: _short(judged["splits"][split]) for way, judged in ways.items() if split in judged["splits"]}


def _short(figures: dict[str, Any]) -> dict[str, Any]:
    short = {name: figures[name] for name in _OF_A_GROUP if name in figures}
    people = figures.get("people")
    return {**short, "worth": people["worth"]["people"] if people else None}


def classes(run: TrainingRun) -> list[str]:
    """The expressions the network tells apart, in the order of its outputs; empty before its evaluation."""
    evaluation = run.evaluations.first()
    return list(evaluation.figures["classes"]) if evaluation else []
