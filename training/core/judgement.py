"""Everything that is said of a run's predictions, of whole splits and of groups of their faces."""

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from training.core.calibration import fit_temperature, tempered
from training.core.metrics import Figures, figures, sureness
from training.core.people import divergence, worth
from training.core.predictions import Facts, Predictions, read_predictions

MOST_GROUPS = 30
"""A trait with more values is told by the most frequent; the other faces are one group with the value None."""
_SIZES = ((48, "under 48 px"), (96, "48–95 px"), (192, "96–191 px"), (None, "192 px and more"))
_MEDIA = ((2, "1 face"), (6, "2–5 faces"), (None, "6 faces and more"))


def judgement(splits: Mapping[str, Predictions]) -> Figures:
    """`splits` and `groups` of result.json from the predictions of each split.

    splits: of each split with images the figures of `metrics.figures`; `people`, what `people.worth` says and the
    divergence from the votes, None where no face has votes; and `calibrated`, the temperature and what it makes of
    the figures that depend on it. The temperature is fitted on the validation split: its own calibrated figures
    flatter, those of other splits do not. Without validation images there is no `calibrated`.
    groups: split → trait (source, licence, face_size, media_faces) → one row of the same figures per value.
    """
    seen = {name: split for name, split in splits.items() if len(split)}
    temperature = None
    if (validation := seen.get("validation")) is not None:
        temperature = fit_temperature(validation.labels, validation.probabilities)
    return {
        "splits": {name: _opinion(split, temperature) for name, split in seen.items()},
        "groups": {name: _by_trait(split, temperature) for name, split in seen.items()},
    }


def judge_files(run: Path) -> Figures:
    """`judgement` from the predictions files of a finished run. Raises BadRunFolder."""
    return judgement({split: read_predictions(run, split) for split in ("validation", "test")})


def _opinion(predictions: Predictions, temperature: float | None) -> Figures:
    found = figures(predictions.labels, predictions.probabilities, predictions.classes)
    found["people"] = _people(predictions)
    if temperature is not None:
        shares = tempered(predictions.probabilities, temperature)
        calm = dataclasses.replace(predictions, probabilities=shares)
        found["calibrated"] = {
            "temperature": temperature,
            **sureness(calm.labels, shares),
            "people": _people(calm),
        }
    return found


def _people(predictions: Predictions) -> Figures | None:
    """divergence: nats. worth: see people.worth. faces: those with a vote for one of the classes."""
    if predictions.facts is None:
        return None
    voted = np.flatnonzero(predictions.facts.votes.sum(axis=1))
    if not len(voted):
        return None
    votes, shares = predictions.facts.votes[voted], predictions.probabilities[voted]
    return {"faces": len(voted), "divergence": divergence(votes, shares), "worth": worth(votes, shares)}


def _by_trait(predictions: Predictions, temperature: float | None) -> dict[str, list[Figures]]:
    if predictions.facts is None:
        return {}
    return {
        trait: _rows(predictions, values, order, temperature)
        for trait, (values, order) in _traits(predictions.facts).items()
    }


def _traits(facts: Facts) -> dict[str, tuple[Sequence[str], Sequence[str] | None]]:
    """The value of each face, and the values in order where they have one of their own."""
    return {
        "source": (facts.source, None),
        "licence": (facts.licence, None),
        "face_size": ([_class_of(size, _SIZES) for size in facts.face_size.tolist()], [n for _, n in _SIZES]),
        "media_faces": (
            [_class_of(faces, _MEDIA) for faces in facts.media_faces.tolist()],
            [name for _, name in _MEDIA],
        ),
    }


def _rows(
    predictions: Predictions, values: Sequence[str], order: Sequence[str] | None, temperature: float | None
) -> list[Figures]:
    """The figures of each value: in the given order, else the most frequent first."""
    counts = Counter(values)
    told = order or sorted(counts, key=lambda value: (-counts[value], value))
    kept = [value for value in told if counts[value]][:MOST_GROUPS]
    named = [value if value in kept else None for value in values] if len(counts) > len(kept) else values
    array = np.array(named, dtype=object)
    groups = [*kept, None] if len(counts) > len(kept) else kept
    return [
        {"value": value, **_opinion(predictions.of(np.flatnonzero(array == value)), temperature)}
        for value in groups
    ]


def _class_of(number: int, classes: Sequence[tuple[int | None, str]]) -> str:
    return next(name for below, name in classes if below is None or number < below)
