"""An ensemble in use: the runs that `ensemble` chose, heard as one about new faces."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from training.core.calibration import temperature_of, tempered, why_unfitted
from training.core.metrics import Probabilities
from training.core.predictor import Face, Opinions, Predictor, refuse_single
from training.core.refusals import BadRunFolder


class Judge(Protocol):
    """What a run and an ensemble have in common: `Predictor` says what each means."""

    classes: tuple[str, ...]
    device: torch.device
    temperature: float
    unfitted: str

    def predict(self, faces: Iterable[Face]) -> Opinions:
        """What is made of each face, at the temperature."""

    def probabilities(self, images: list[bytes], names: list[str] | None = None) -> Probabilities:
        """(N, classes) from N encoded images, at temperature 1."""


class Ensemble:
    """The members of an ensemble's file, each ready to judge faces as `Predictor` is. What is said is the unweighted
    mean of their probabilities, at the temperature that was fitted for that mean.
    """

    def __init__(self, file: str | Path, *, bf16: bool | None = None, device: str = "auto") -> None:
        """file: what `ensemble` wrote; members named by relative paths are looked for from where one is, as they were
        named then. bf16, device: as of `Predictor`. Raises BadRunFolder for a file that is none, and for members that
        are not what they were; BadConfig as `Predictor` does.
        """
        told, runs = _read(Path(file))
        self.members = [Predictor(run, bf16=bf16, device=device) for run in runs]
        self.classes = tuple(told["classes"])
        self.device = self.members[0].device
        self.temperature, self.unfitted = temperature_of(told), why_unfitted(told)
        for run, member in zip(runs, self.members, strict=True):
            if (member.made.snapshot_digest, member.classes) != (told["snapshot_digest"], self.classes):
                raise BadRunFolder(
                    f"{run} was trained on another snapshot than when {file} was written. Choose the ensemble anew."
                )

    def predict(self, faces: Iterable[Face]) -> Opinions:
        """What the members make of each face together. Raises BadImages, naming the image, for what is none."""
        refuse_single(faces)
        # What gives its faces only once, gives them to all members.
        every = list(faces)
        found = self._mean(lambda member: member.untempered(every))
        return Opinions(self.classes, tempered(found, self.temperature).astype(np.float32))

    def probabilities(self, images: list[bytes], names: list[str] | None = None) -> Probabilities:
        """(N, classes) from N encoded images, at temperature 1. Raises BadImages."""
        return self._mean(lambda member: member.probabilities(images, names))

    def _mean(self, said: Callable[[Predictor], Probabilities]) -> Probabilities:
        shares = [said(member).astype(np.float64) for member in self.members]
        mean: Probabilities = np.mean(shares, axis=0).astype(np.float32)
        return mean


def judge_named(path: Path, *, bf16: bool | None = None, device: str = "auto") -> Judge:
    """The run of a folder, or the ensemble of a file. Raises BadRunFolder or BadConfig."""
    if path.is_file():
        return Ensemble(path, bf16=bf16, device=device)
    return Predictor(path, bf16=bf16, device=device)


def _read(file: Path) -> tuple[dict[str, Any], list[Path]]:
    """What the file tells, and its members. Raises BadRunFolder."""
    try:
        told: dict[str, Any] = json.loads(file.read_text("utf-8"))
        float(told["splits"]["validation"]["calibrated"]["temperature"])
        runs = [Path(member) for member in told["members"]]
        complete = bool(runs) and {"classes", "snapshot_digest"} <= told.keys()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadRunFolder(
            f"{file} is neither a run folder nor what `ensemble` writes ({error!r})."
        ) from error
    if not complete:
        raise BadRunFolder(f"{file} is not what `ensemble` writes: it names no members, classes or snapshot.")
    return told, runs
