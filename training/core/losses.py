"""What a network is to say of a face, and how far it is from saying it.

The four ways of learning from votes are those of Barsoum et al. 2016 (arXiv 1608.01041), section 4.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from training.core.config import Config
from training.core.draws import Draw, uniform
from training.core.faces import Faces, Snapshot

_LEAST_PRIOR = 1e-6
"""A class without training faces would have the logarithm of nothing added to its logit."""
_ROUNDING = 1e-5
"""3 votes of 10, once the shares have been divided by their sum, may be a hair less than 0.3. Shares of votes lie far
further apart.
"""


@dataclass(frozen=True)
class Targets:
    """What is learnt of every face of a snapshot, on the device.

    labels: (N,) int64. shares: (N, K) float32, the votes' distribution less what least_share leaves out; one-hot
    where labels are learnt. weights: (K,) float32, of the classes; their mean over the training faces is one.
    priors: (K,) float32, the classes' shares of the training faces, adding up to one.
    """

    labels: Tensor
    shares: Tensor
    weights: Tensor
    priors: Tensor

    @classmethod
    def of(cls, config: Config, faces: Faces | Snapshot, device: torch.device) -> "Targets":
        count, classes = sum(map(len, faces.splits.values())), len(faces.classes)
        labels, votes = np.zeros(count, np.int64), np.zeros((count, classes), np.float32)
        for split in faces.splits.values():
            labels[split.rows], votes[split.rows] = split.labels, split.shares
        shares = _onehot(labels, classes) if config.target == "label" else _kept(votes, labels, config)
        priors = shares[faces.splits["train"].rows].mean(axis=0)
        weights = class_weights(priors, config.class_weights)
        tensors = (torch.from_numpy(array).to(device) for array in (labels, shares, weights, priors))
        return cls(*tensors)


def class_weights(priors: NDArray[np.float32], how: str) -> NDArray[np.float32]:
    """(K,) weights whose mean over the faces is one: equal, by one over a class's share, or over its square root.

    priors: (K,) shares of the classes, adding up to one. Where classes weigh differently, one without faces weighs
    nothing.
    """
    if how == "none":
        return np.ones_like(priors)
    power = {"inverse": 1.0, "square-root": 0.5}[how]
    there = priors > 0
    weights = np.zeros_like(priors)
    weights[there] = priors[there] ** -power
    normalised: NDArray[np.float32] = weights / (weights * priors).sum()
    return normalised


def told_of_votes(faces: Faces, config: Config) -> str:
    """What a person must know where votes are to be learnt and there is nothing of them but the labels; else empty."""
    shares = faces.splits["train"].shares
    if config.target == "label" or (shares.max(axis=1) < 1).any():
        return ""
    return (
        f"target is {config.target}, but no training face has votes for more than one expression: what is learnt are "
        f"the labels."
    )


def losses(logits: Tensor, targets: Targets, config: Config, *, epoch: int, rows: Tensor) -> Tensor:
    """(B,) the loss of each face in nats, by what the config's target says.

    logits: (B, K) float32 of the faces with these row numbers, (B,) int64. `label` and `distribution`:
    −Σ_k q_k ln p_k, the latter with the shares of the votes as q. `draw`: the same, with a class drawn from the
    shares anew in each epoch. `multi-label`: −max ln p_k over the classes with at least accepted_share of the votes.
    """
    if config.logit_adjustment:
        # Menon et al. 2021 (arXiv 2007.07314), formula 10.
        logits = logits + config.logit_adjustment * targets.priors.clamp(min=_LEAST_PRIOR).log()
    likelihoods = functional.log_softmax(logits, dim=1)
    if config.target == "multi-label":
        return _nearest_accepted(likelihoods, targets, config.accepted_share, rows)
    shares = wanted(targets, config, epoch=epoch, rows=rows)
    return -(shares * targets.weights * likelihoods).sum(dim=1)


def wanted(targets: Targets, config: Config, *, epoch: int, rows: Tensor) -> Tensor:
    """(B, K) float32, what is to be learnt of the faces with these row numbers in this epoch: shares that add up to
    one, or with `multi-label` one for each class that is right.
    """
    shares = targets.shares[rows]
    if config.target == "multi-label":
        return _accepted(shares, config.accepted_share).float()
    if config.target == "draw":
        shares = _drawn(shares, uniform(config.seed, epoch, rows, Draw.LABEL))
    if config.label_smoothing:
        shares = shares * (1 - config.label_smoothing) + config.label_smoothing / shares.shape[1]
    return shares


def _accepted(shares: Tensor, least: float) -> Tensor:
    # Where people were divided into many, the most frequent.
    return (shares >= least - _ROUNDING) | (shares == shares.amax(dim=1, keepdim=True))


def _nearest_accepted(likelihoods: Tensor, targets: Targets, least: float, rows: Tensor) -> Tensor:
    accepted = _accepted(targets.shares[rows], least)
    weighted = torch.where(accepted, likelihoods, -torch.inf)
    found, where = weighted.max(dim=1)
    return -found * targets.weights[where]


def _drawn(shares: Tensor, chances: Tensor) -> Tensor:
    """(B, K) one-hot: the class in whose part of [0, 1) the chance falls."""
    ends = shares.cumsum(dim=1)
    ends = ends / ends[:, -1:]
    where = (chances[:, None] >= ends).sum(dim=1).clamp(max=shares.shape[1] - 1)
    return functional.one_hot(where, shares.shape[1]).to(shares.dtype)


def _kept(votes: NDArray[np.float32], labels: NDArray[np.int64], config: Config) -> NDArray[np.float32]:
    """The shares of the votes without those below least_share; the label alone where none is left."""
    kept = np.where(votes >= config.least_share - _ROUNDING, votes, 0)
    total = kept.sum(axis=1, keepdims=True)
    alone = _onehot(labels, votes.shape[1])
    shares: NDArray[np.float32] = np.where(total > 0, kept / np.where(total > 0, total, 1), alone)
    return shares.astype(np.float32)


def _onehot(labels: NDArray[np.int64], classes: int) -> NDArray[np.float32]:
    return np.eye(classes, dtype=np.float32)[labels]
