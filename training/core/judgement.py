"""Everything that is said of a run's predictions, of whole splits and of groups of their faces."""

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from training.core.calibration import Heat, Shares, heat_for, tempered
from training.core.metrics import Figures, figures, sureness
from training.core.people import Votes, divergence, worth
from training.core.predictions import Facts, Predictions, read_predictions

MOST_GROUPS = 30
"""A trait with more values is told by the most frequent; the other faces are one group with the value None."""
_SIZES = ((48, "under 48 px"), (96, "48–95 px"), (192, "96–191 px"), (None, "192 px and more"))
_MEDIA = ((2, "1 face"), (6, "2–5 faces"), (None, "6 faces and more"))
_TRACKS = ((1, "of no track"), *_MEDIA)


def judgement(splits: Mapping[str, Predictions]) -> Figures:
    """`splits` and `groups` of result.json from the predictions of each split.

    splits: of each split with images the figures of `metrics.figures`; `calibrated`, a temperature and what it makes
    of the figures that depend on it, where none could be fitted 1 and `unfitted`, why; and `people`, see `_people`,
    None where no face has votes. Temperatures are fitted on the validation split: its own calibrated figures flatter,
    those of other splits do not. Without validation images nothing is calibrated.
    groups: split → trait (source, licence, face_size, media_faces, track_faces) → one row of the same figures per
    value; a trait that the predictions files do not know is left out.
    """
    seen = {name: split for name, split in splits.items() if len(split)}
    heat = _temperatures(seen.get("validation"))
    whole = {name: _opinion(split, heat) for name, split in seen.items()}
    return {
        "splits": whole,
        "groups": {name: _by_trait(split, heat, whole[name]) for name, split in seen.items()},
    }


@dataclasses.dataclass(frozen=True)
class _Temperatures:
    """What makes the network as sure as it is right, and what makes it as torn as the people are. They differ: ten
    people who split 7 to 3 have one label, and a network that foresees the label should be surer than they are.
    """

    labels: Heat | None
    votes: Heat | None


def _temperatures(validation: Predictions | None) -> _Temperatures:
    if validation is None:
        return _Temperatures(None, None)
    by_votes = None
    if (voted := _voted(validation)) is not None:
        votes, shares = voted
        by_votes = heat_for(votes / votes.sum(axis=1, keepdims=True), shares)
    targets = np.eye(len(validation.classes))[validation.labels]
    return _Temperatures(heat_for(targets, validation.probabilities), by_votes)


def judge_files(run: Path) -> Figures:
    """`judgement` from the predictions files of a finished run. Raises BadRunFolder."""
    return judgement({split: read_predictions(run, split) for split in ("validation", "test")})


def _opinion(predictions: Predictions, heat: _Temperatures) -> Figures:
    found = figures(predictions.labels, predictions.probabilities, predictions.classes)
    found["people"] = _people(predictions, heat.votes)
    if heat.labels is not None:
        shares = tempered(predictions.probabilities, heat.labels.temperature)
        found["calibrated"] = {**heat.labels.told(), **sureness(predictions.labels, shares)}
    return found


def _people(predictions: Predictions, heat: Heat | None) -> Figures | None:
    """faces: those with a vote for one of the classes. divergence and worth: what `training.core.people` says.
    calibrated: both again, at the temperature that fits the validation split's votes best, or 1 as for the labels.
    """
    if (voted := _voted(predictions)) is None:
        return None
    votes, shares = voted
    found: Figures = {"faces": len(votes), **_against(votes, shares)}
    if heat is not None:
        found["calibrated"] = {**heat.told(), **_against(votes, tempered(shares, heat.temperature))}
    return found


def _against(votes: Votes, shares: Shares) -> Figures:
    return {"divergence": divergence(votes, shares), "worth": worth(votes, shares)}


def _voted(predictions: Predictions) -> tuple[Votes, Shares] | None:
    """Votes and probabilities of the faces somebody voted on; None where there are none."""
    if predictions.facts is None:
        return None
    voted = np.flatnonzero(predictions.facts.votes.sum(axis=1))
    return (predictions.facts.votes[voted], predictions.probabilities[voted]) if len(voted) else None


def _by_trait(predictions: Predictions, heat: _Temperatures, whole: Figures) -> dict[str, list[Figures]]:
    """whole: the figures of all these faces."""
    if predictions.facts is None:
        return {}
    return {
        trait: _rows(predictions, values, order, heat, whole)
        for trait, (values, order) in _traits(predictions.facts).items()
    }


def _traits(facts: Facts) -> dict[str, tuple[Sequence[str], Sequence[str] | None]]:
    """The value of each face, and the values in order where they have one of their own."""
    tracks: dict[str, tuple[Sequence[str], Sequence[str] | None]] = {}
    if facts.track_faces is not None:
        tracks["track_faces"] = (
            [_class_of(faces, _TRACKS) for faces in facts.track_faces.tolist()],
            [name for _, name in _TRACKS],
        )
    return {
        "source": (facts.source, None),
        "licence": (facts.licence, None),
        "face_size": ([_class_of(size, _SIZES) for size in facts.face_size.tolist()], [n for _, n in _SIZES]),
        "media_faces": (
            [_class_of(faces, _MEDIA) for faces in facts.media_faces.tolist()],
            [name for _, name in _MEDIA],
        ),
        **tracks,
    }


def _rows(
    predictions: Predictions,
    values: Sequence[str],
    order: Sequence[str] | None,
    heat: _Temperatures,
    whole: Figures,
) -> list[Figures]:
    """The figures of each value: in the given order, else the most frequent first."""
    counts = Counter(values)
    if len(counts) == 1:
        return [{"value": values[0], **whole}]
    told = order or sorted(counts, key=lambda value: (-counts[value], value))
    kept = [value for value in told if counts[value]][:MOST_GROUPS]
    named = [value if value in kept else None for value in values] if len(counts) > len(kept) else values
    array = np.array(named, dtype=object)
    groups = [*kept, None] if len(counts) > len(kept) else kept
    return [
        {"value": value, **_opinion(predictions.of(np.flatnonzero(array == value)), heat)} for value in groups
    ]


def _class_of(number: int, classes: Sequence[tuple[int | None, str]]) -> str:
    return next(name for below, name in classes if below is None or number < below)
