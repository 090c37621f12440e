"""Several runs heard as one: the unweighted average of their probabilities. Nothing here needs torch: the site's pages
hear them too.
"""

import dataclasses
import math
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.core.comparing import aligned, compare
from training.core.judgement import judgement
from training.core.metrics import negative_log_likelihood
from training.core.predictions import Predictions, made_of, read_predictions
from training.core.refusals import Refusal

MOST_MEMBERS = 8
_SHORT = ("images", "accuracy", "accuracy_interval", "macro_f1", "nll", "ece")
_CALIBRATED = ("temperature", "unfitted", "nll", "ece")
MOST_SUBSETS = 5_000
"""As many are tried one by one, some seconds' work: all subsets of twelve runs. With more runs the choice is greedy."""


class BadEnsemble(Refusal):
    """These runs cannot be heard as one."""


@dataclasses.dataclass(frozen=True)
class Choice:
    """members: places of the chosen among the candidates, ascending. how: "every subset", "greedy", or "given" where
    nothing was chosen.
    """

    members: tuple[int, ...]
    how: str


def ensemble(
    runs: Sequence[Path], *, most: int = MOST_MEMBERS, choose: bool = True, subsets: int = MOST_SUBSETS
) -> dict[str, Any]:
    """Choose members among the runs by their validation images, then judge the average by the test images.

    The test split decides nothing: it is read when the members stand. With `choose` false every run is a member, and
    nothing is chosen. most, subsets: as of `choose_members`. `candidates` has every run's figures on validation, and
    as `alone` the short ones of both splits where the run is a member or best, else None; `splits` and `groups` are
    those of `judgement.judgement`; `against_best` compares the ensemble, as second, with the run that is best on
    validation, on the test images; None where there are none or that run is the only member. Raises BadEnsemble,
    NotComparable or BadRunFolder.
    """
    _refuse_unfit(runs, most)
    validation = _same_images([read_predictions(run, "validation") for run in runs])
    if not len(validation[0]):
        raise BadEnsemble("The runs have judged no validation image, and by these members are chosen.")
    choice = choose_members(validation, most, subsets) if choose else Choice(tuple(range(len(runs))), "given")
    best = choose_members(validation, 1).members[0]
    heard = sorted({*choice.members, best})
    test = dict(
        zip(heard, _same_images([read_predictions(runs[place], "test") for place in heard]), strict=True)
    )
    joined = average([test[place] for place in choice.members])
    alone = choice.members == (best,)
    return {
        "members": [str(runs[place]) for place in choice.members],
        "chosen": {
            "on": "validation" if choose else None,
            "how": choice.how,
            "most": most if choose else None,
        },
        "candidates": [
            {
                "run": str(run),
                "member": place in choice.members,
                **_scores(validation[place]),
                "alone": _short(validation[place], test[place]) if place in test else None,
            }
            for place, run in enumerate(runs)
        ],
        "classes": list(joined.classes),
        "snapshot_digest": made_of(runs[0]).snapshot_digest,
        **judgement({"validation": average([validation[place] for place in choice.members]), "test": joined}),
        "best": str(runs[best]),
        "against_best": None if alone or not len(joined) else compare(test[best], joined),
    }


def average(members: Sequence[Predictions]) -> Predictions:
    """The mean of the members' probabilities, each as good as another. Same faces in the same order; one or more."""
    shares = np.stack([member.probabilities.astype(np.float64) for member in members]).mean(axis=0)
    return dataclasses.replace(members[0], probabilities=shares)


def choose_members(candidates: Sequence[Predictions], most: int, subsets: int = MOST_SUBSETS) -> Choice:
    """The at most `most` candidates whose average is best on these images: by accuracy, then by the lower negative
    log-likelihood, then the fewer, then the earlier.

    Every subset is tried where there are at most `subsets` of them. Else greedily, nobody twice: the best
    candidate, then whoever improves the average most, until nobody does (Caruana et al. 2004, without replacement).
    candidates: the same faces in the same order, at least one of each. most ≥ 1.
    """
    labels = candidates[0].labels
    shares = np.stack([candidate.probabilities.astype(np.float64) for candidate in candidates])
    if subsets_of(len(candidates), most) <= subsets:
        every = (
            chosen
            for size in range(1, min(most, len(candidates)) + 1)
            for chosen in combinations(range(len(candidates)), size)
        )
        return Choice(max(every, key=lambda chosen: _merit(labels, shares[list(chosen)])), "every subset")
    *_, last = _greedy(labels, shares, most)
    return Choice(last, "greedy")


def subsets_of(candidates: int, most: int) -> int:
    """How many choices there are of one to `most` among so many."""
    return sum(math.comb(candidates, size) for size in range(1, min(most, candidates) + 1))


def _greedy(labels: NDArray[np.int64], shares: NDArray[np.float64], most: int) -> Iterator[tuple[int, ...]]:
    """The members after each addition."""
    members: tuple[int, ...] = ()
    merit = (-1.0, -math.inf)
    while len(members) < most:
        larger = [tuple(sorted((*members, one))) for one in range(len(shares)) if one not in members]
        if not larger:
            return
        best = max(larger, key=lambda chosen: _merit(labels, shares[list(chosen)]))
        reached = _merit(labels, shares[list(best)])
        if reached <= merit:
            return
        members, merit = best, reached
        yield members


def _merit(labels: NDArray[np.int64], shares: NDArray[np.float64]) -> tuple[float, float]:
    """Accuracy and minus the negative log-likelihood of the average: more is better. shares: (M, N, K)."""
    mean = shares.mean(axis=0)
    return float((mean.argmax(axis=1) == labels).mean()), -negative_log_likelihood(labels, mean)


def _scores(predictions: Predictions) -> dict[str, float]:
    accuracy, likelihood = _merit(predictions.labels, predictions.probabilities[None].astype(np.float64))
    return {"validation_accuracy": accuracy, "validation_nll": -likelihood}


def _short(validation: Predictions, test: Predictions) -> dict[str, dict[str, Any]]:
    """Of each split with images the figures of one run that stand beside the ensemble's."""
    splits = {
        name: dataclasses.replace(said, facts=None)
        for name, said in (("validation", validation), ("test", test))
    }
    return {
        name: {
            **{key: figures[key] for key in _SHORT},
            "calibrated": {
                key: figures["calibrated"][key] for key in _CALIBRATED if key in figures["calibrated"]
            },
        }
        for name, figures in judgement(splits)["splits"].items()
    }


def _refuse_unfit(runs: Sequence[Path], most: int) -> None:
    if most < 1:
        raise BadEnsemble(f"An ensemble of at most {most} runs has no members. Allow one or more.")
    if len({run.resolve() for run in runs}) < max(2, len(runs)):
        raise BadEnsemble("An ensemble needs at least two runs, each named once.")
    digests = {str(run): made_of(run).snapshot_digest for run in runs}
    if len(set(digests.values())) > 1:
        told = "; ".join(f"{run}: {digest[:16]}" for run, digest in digests.items())
        raise BadEnsemble(f"The runs were trained on different snapshots ({told}). Choose runs of one.")


def _same_images(predictions: Sequence[Predictions]) -> list[Predictions]:
    return [aligned(predictions[0], one) for one in predictions]
