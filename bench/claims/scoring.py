"""The figures of a claim, from kept logits alone: no network, no image, no card."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np

from bench.claims.logits import Said, read
from bench.claims.plans import LOSS_SEEDS, LOSSES, PAPERS_TABLE, SEEDS, Claim, Training, told
from bench.claims.running import logits_file
from training.core.comparing import DRAWS, compare
from training.core.ensembles import MOST_MEMBERS, average, choose_members
from training.core.judgement import judgement
from training.core.predictions import Predictions

Heard = Mapping[str, Said]
"""A training's name → what its network said."""


def missing(claim: Claim, out: Path) -> list[str]:
    """The claim's trainings whose logits are not there."""
    return [each.name for each in claim.trainings if not logits_file(out, each).exists()]


def score(claim: Claim, out: Path) -> dict[str, Any]:
    """All logits must be there. `runs`: of each training what is said of its test faces by the claim's view and, as
    `plain_accuracy`, as they are. `holds`: aim → whether it is reached.
    """
    heard = {each.name: read(logits_file(out, each)) for each in claim.trainings}
    runs = {name: _run(said, claim.view) for name, said in heard.items()}
    found = {**told(claim), "runs": runs, **_SCORES[claim.name](claim, heard, runs)}
    reached = found.get("reached", {})
    holds = {name: _holds(name, reached[name], aim) for name, aim in claim.aims.items()}
    return {**found, "holds": holds}


def _holds(name: str, value: float, aim: float) -> bool:
    return value <= aim if name == "ece" else value >= aim


def _run(said: Said, view: str) -> dict[str, Any]:
    judged = judgement({split: said[view, split] for split in ("validation", "test")})["splits"]
    test = judged["test"]
    return {
        "validation_accuracy": judged["validation"]["accuracy"],
        "accuracy": test["accuracy"],
        "interval": list(test["accuracy_interval"]),
        "macro_f1": test["macro_f1"],
        "plain_accuracy": _accuracy(said["plain", "test"]),
        "ece": test["ece"],
        "calibrated_ece": test["calibrated"]["ece"],
    }


def _accuracy(said: Predictions) -> float:
    return float(_right(said).mean())


def _right(said: Predictions) -> np.ndarray:
    right: np.ndarray = said.probabilities.argmax(axis=1) == said.labels
    return right


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {"mean": fmean(values), "deviation": stdev(values) if len(values) > 1 else 0.0}


def _mean(claim: Claim, heard: Heard, runs: Mapping[str, Any]) -> dict[str, Any]:
    accuracy = _spread([run["accuracy"] for run in runs.values()])
    return {"accuracy": accuracy, "reached": {"accuracy": accuracy["mean"]}}


def _calibrated(claim: Claim, heard: Heard, runs: Mapping[str, Any]) -> dict[str, Any]:
    """The temperature is fitted on validation, for each network. The means over the seeds are held against the aims."""
    ece, f1 = (_spread([run[name] for run in runs.values()]) for name in ("calibrated_ece", "macro_f1"))
    return {"calibrated_ece": ece, "macro_f1": f1, "reached": {"ece": ece["mean"], "macro_f1": f1["mean"]}}


def _central(claim: Claim, heard: Heard, runs: Mapping[str, Any]) -> dict[str, Any]:
    """ResMaskingNet, as second, against ResNet34: seed by seed, and the mean over seeds with images drawn again."""
    pairs = [
        [heard[f"paper-{name}-{seed}"][claim.view, "test"] for name in ("resnet34", "resmasking")]
        for seed in SEEDS
    ]
    leads = np.mean([_right(two).astype(float) - _right(one) for one, two in pairs], axis=0)
    dice = np.random.default_rng(0)
    drawn = [leads[dice.integers(0, len(leads), len(leads))].mean() for _ in range(DRAWS)]
    return {
        "seeds": [compare(*pair) for pair in pairs],
        "difference": float(leads.mean()),
        "interval": np.percentile(drawn, [2.5, 97.5]).tolist(),
    }


def _table(claim: Claim, heard: Heard, runs: Mapping[str, Any]) -> dict[str, Any]:
    rows = [(training, runs[training.name]) for training in claim.trainings]
    return {"table": [_row(training, figures) for training, figures in rows]}


def _row(training: Training, figures: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "network": training.network,
        "accuracy": figures["accuracy"],
        "interval": figures["interval"],
        "macro_f1": figures["macro_f1"],
        "papers_percent": PAPERS_TABLE.get(training.network),
    }


def _ensemble(claim: Claim, heard: Heard, runs: Mapping[str, Any]) -> dict[str, Any]:
    names = list(heard)
    choice = choose_members([heard[name][claim.view, "validation"] for name in names], MOST_MEMBERS)
    members = [names[place] for place in choice.members]
    joined = {
        split: average([heard[name][claim.view, split] for name in members])
        for split in ("validation", "test")
    }
    test = judgement(joined)["splits"]["test"]
    return {
        "members": members,
        "chosen": choice.how,
        "accuracy": test["accuracy"],
        "interval": list(test["accuracy_interval"]),
        "macro_f1": test["macro_f1"],
        "reached": {"accuracy": test["accuracy"]},
    }


def _losses(claim: Claim, heard: Heard, runs: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "losses": {
            target: _spread([runs[f"ferplus-{target}-{seed}"]["accuracy"] for seed in LOSS_SEEDS])
            for target in LOSSES
        }
    }


_SCORES: Mapping[str, Callable[[Claim, Heard, Mapping[str, Any]], dict[str, Any]]] = {
    "strong": _mean,
    "central": _central,
    "table": _table,
    "ensemble": _ensemble,
    "ferplus": _mean,
    "losses": _losses,
    "calibrated": _calibrated,
}
