"""The four ways of learning from votes, against the formulas of Barsoum et al. 2016 (arXiv 1608.01041, section 4): in
numpy, from whole votes, with everything that may be set beside them.
"""

from itertools import product

import numpy as np
import pytest
import torch

from training.core.config import Config, resolve
from training.core.faces import Faces, Split
from training.core.losses import Targets, losses

FACES, TRAIN, CLASSES = 60, 40, 4
HAIR = 1e-9

BALANCES = (
    {},
    {"class_weights": "inverse"},
    {"class_weights": "square-root"},
    {"logit_adjustment": 1.0},
)


def some(people: int) -> tuple[np.ndarray, np.ndarray]:
    """(FACES, CLASSES) votes of so many people a face, every split of theirs coming up, and as many logits."""
    rng = np.random.default_rng(people)
    votes = np.array([rng.multinomial(people, rng.dirichlet(np.full(CLASSES, 0.7))) for _ in range(FACES)])
    return votes, rng.normal(0, 2, votes.shape)


def told(config: Config, votes: np.ndarray, logits: np.ndarray, epoch: int = 0) -> np.ndarray:
    """(FACES,) what the core makes of them."""
    shares = (votes / votes.sum(axis=1, keepdims=True)).astype(np.float32)

    def split(rows: np.ndarray) -> Split:
        return Split(rows, votes.argmax(axis=1)[rows], tuple(map(str, rows)), rows, shares[rows])

    rows = np.arange(FACES)
    splits = {"train": split(rows[:TRAIN]), "validation": split(rows[TRAIN:]), "test": split(rows[:0])}
    faces = Faces("0", ("a", "b", "c", "d"), np.zeros((FACES, 1, 8, 8), np.uint8), splits)
    targets = Targets.of(config, faces, torch.device("cpu"))
    given = torch.from_numpy(logits).float()
    return losses(given, targets, config, epoch=epoch, rows=torch.from_numpy(rows)).numpy().astype(float)


def distribution(votes: np.ndarray, least: float) -> np.ndarray:
    """(FACES, CLASSES) shares of the votes, without classes that have too few."""
    kept = np.where(votes / votes.sum(axis=1, keepdims=True) >= least - HAIR, votes, 0)
    alone = np.eye(CLASSES)[votes.argmax(axis=1)]
    return np.where(
        kept.any(axis=1, keepdims=True), kept / np.maximum(kept.sum(axis=1, keepdims=True), 1), alone
    )


def balanced(config: Config, q: np.ndarray, logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(FACES, CLASSES) ln p and (CLASSES,) weights, by the classes' shares of the training faces."""
    priors = q[:TRAIN].mean(axis=0)
    moved = logits + config.logit_adjustment * np.log(priors)
    weights = priors ** {"none": 0.0, "inverse": -1.0, "square-root": -0.5}[config.class_weights]
    return moved - np.log(np.exp(moved).sum(axis=1, keepdims=True)), weights / (weights * priors).sum()


@pytest.mark.parametrize("people", [3, 7, 9, 10, 15])
def test_the_four_losses_are_those_of_their_formulas(people: int) -> None:
    votes, logits = some(people)
    for balance, smoothing, least in product(BALANCES, (0.0, 0.1), (0.0, 0.1, 0.2, 1 / 3)):
        changes = {"label_smoothing": smoothing, **balance}
        # Majority: −ln p of the class with the most votes.
        config = resolve("soft-votes", "resnet18", {**changes, "target": "label"})
        q = np.eye(CLASSES)[votes.argmax(axis=1)]
        logs, weights = balanced(config, q, logits)
        blurred = q * (1 - smoothing) + smoothing / CLASSES
        expected = -(blurred * weights * logs).sum(axis=1)
        np.testing.assert_allclose(told(config, votes, logits), expected, rtol=1e-4, atol=1e-5)
        # Cross-entropy: −Σ q ln p with the distribution of the votes.
        config = resolve("soft-votes", "resnet18", {**changes, "least_share": least})
        q = distribution(votes, least)
        logs, weights = balanced(config, q, logits)
        blurred = q * (1 - smoothing) + smoothing / CLASSES
        expected = -(blurred * weights * logs).sum(axis=1)
        np.testing.assert_allclose(told(config, votes, logits), expected, rtol=1e-4, atol=1e-5)
        # Probabilistic draw: −ln p of one class somebody voted for, in every epoch another.
        config = resolve("soft-votes", "resnet18", {**changes, "target": "draw", "least_share": least})
        blurred = np.eye(CLASSES) * (1 - smoothing) + smoothing / CLASSES
        each = np.where(q > 0, -(logs * weights) @ blurred, np.inf)
        for epoch in range(3):
            found = told(config, votes, logits, epoch)
            assert np.isclose(found[:, None], each, rtol=1e-4, atol=1e-5).any(axis=1).all()


@pytest.mark.parametrize("people", [3, 7, 9, 10, 15])
@pytest.mark.parametrize("votes_needed", [1, 2, 3])
def test_multi_label_accepts_each_class_with_the_share_it_asks_for(people: int, votes_needed: int) -> None:
    """Also where the share is met to the vote, as 3 of 10 meet 0.3: −max ln p over the accepted classes."""
    votes, logits = some(people)
    for balance in BALANCES:
        changes = {"target": "multi-label", "accepted_share": votes_needed / people, **balance}
        config = resolve("soft-votes", "resnet18", changes)
        logs, weights = balanced(config, distribution(votes, 0.0), logits)
        accepted = (votes >= votes_needed) | (votes == votes.max(axis=1, keepdims=True))
        likeliest = np.where(accepted, logs, -np.inf)
        expected = -likeliest.max(axis=1) * weights[likeliest.argmax(axis=1)]
        np.testing.assert_allclose(told(config, votes, logits), expected, rtol=1e-4, atol=1e-5)
