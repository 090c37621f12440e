"""What a network learns of a face: its label, or its votes in four ways."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from training.core.config import Config, resolve
from training.core.faces import Faces, Split
from training.core.losses import Targets, class_weights, losses

# One face per row: votes of ten people for three classes, and the label.
VOTES = np.array([[0.7, 0.3, 0.0], [0.1, 0.8, 0.1], [0.4, 0.25, 0.35], [0.0, 1.0, 0.0]], np.float32)
LABELS = np.array([0, 1, 0, 1])
LOGITS = torch.tensor([[2.0, 0.0, -1.0], [0.5, 0.3, 0.1], [0.0, 1.0, 2.0], [-1.0, 3.0, 0.0]])
ROWS = torch.arange(4)


def config(**changes: object) -> Config:
    return resolve("paper-code", "resnet18", changes)


def targets(chosen: Config, votes: np.ndarray = VOTES) -> Targets:
    none = Split(np.zeros(0, np.int64), np.zeros(0, np.int64), (), np.zeros(0, np.int64), votes[:0])
    train = Split(np.arange(4), LABELS, ("a", "b", "c", "d"), np.arange(4), votes)
    images = np.zeros((4, 1, 8, 8), np.uint8)
    splits = {"train": train, "validation": none, "test": none}
    return Targets.of(chosen, Faces("0", ("x", "y", "z"), images, splits), torch.device("cpu"))


def told(votes: np.ndarray = VOTES, epoch: int = 0, **changes: object) -> torch.Tensor:
    chosen = config(**changes)
    return losses(LOGITS, targets(chosen, votes), chosen, epoch=epoch, rows=ROWS)


def logs() -> list[list[float]]:
    """ln p of each face and class, by the definition of softmax."""
    rows = LOGITS.tolist()
    return [[x - math.log(sum(math.exp(y) for y in row)) for x in row] for row in rows]


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_a_label_is_learnt_by_torchs_cross_entropy(smoothing: float) -> None:
    expected = functional.cross_entropy(
        LOGITS, torch.from_numpy(LABELS), label_smoothing=smoothing, reduction="none"
    )
    torch.testing.assert_close(told(label_smoothing=smoothing), expected)


def test_a_distribution_is_learnt_by_its_cross_entropy() -> None:
    p = logs()
    expected = [-sum(q * log for q, log in zip(VOTES[i].tolist(), p[i], strict=True)) for i in range(4)]
    torch.testing.assert_close(told(target="distribution"), torch.tensor(expected))


def test_any_accepted_class_is_as_right_as_another() -> None:
    p = logs()
    # At least 0.3: of the first face two classes, of the third two, of the others one.
    expected = [-max(p[0][0], p[0][1]), -p[1][1], -max(p[2][0], p[2][2]), -p[3][1]]
    torch.testing.assert_close(told(target="multi-label"), torch.tensor(expected))
    # At least 0.9: where nobody has it, the most frequent.
    expected = [-p[0][0], -p[1][1], -p[2][0], -p[3][1]]
    torch.testing.assert_close(told(target="multi-label", accepted_share=0.9), torch.tensor(expected))


def test_drawn_labels_come_as_often_as_their_votes() -> None:
    p = torch.tensor(logs())
    drawn = torch.stack([told(target="draw", epoch=epoch) for epoch in range(4000)])
    for face in range(4):
        shares = [torch.isclose(drawn[:, face], -p[face, k]).float().mean().item() for k in range(3)]
        assert shares == pytest.approx(VOTES[face].tolist(), abs=0.025)


def test_a_label_is_drawn_by_seed_epoch_and_face_alone() -> None:
    chosen = config(target="draw")
    some = losses(LOGITS[[2, 0]], targets(chosen), chosen, epoch=7, rows=torch.tensor([2, 0]))
    assert torch.equal(some, told(target="draw", epoch=7)[[2, 0]])


def test_rare_votes_can_be_left_out() -> None:
    shares = targets(config(target="distribution", least_share=0.15)).shares
    torch.testing.assert_close(shares[1], torch.tensor([0.0, 1.0, 0.0]))
    torch.testing.assert_close(shares[0], torch.tensor([0.7, 0.3, 0.0]))
    even = np.full((4, 3), 1 / 3, np.float32)
    alone = targets(config(target="distribution", least_share=0.5), even).shares
    assert alone.argmax(dim=1).tolist() == LABELS.tolist()
    assert alone.amax(dim=1).tolist() == [1.0] * 4


def test_rare_classes_weigh_more_and_the_mean_weight_is_one() -> None:
    priors = np.array([0.8, 0.15, 0.05, 0.0], np.float32)
    assert class_weights(priors, "none").tolist() == [1] * 4
    for how, power in (("inverse", 1), ("square-root", 0.5)):
        weights = class_weights(priors, how)
        assert (weights * priors).sum() == pytest.approx(1)
        assert weights[1] / weights[0] == pytest.approx((0.8 / 0.15) ** power)
        assert weights[3] == 0


def test_weights_multiply_the_loss_of_a_class() -> None:
    weights = class_weights(np.array([0.5, 0.5, 0], np.float32), "inverse")
    assert weights.tolist() == [1, 1, 0]
    rare = dataclasses.replace(targets(config()), weights=torch.tensor([1.0, 3.0, 1.0]))
    plain, weighted = told(), losses(LOGITS, rare, config(), epoch=0, rows=ROWS)
    torch.testing.assert_close(weighted, plain * torch.tensor([1.0, 3.0, 1.0, 3.0]))


def test_logit_adjustment_adds_the_logarithms_of_the_shares() -> None:
    chosen = config(logit_adjustment=2.0)
    learnt = dataclasses.replace(targets(chosen), priors=torch.tensor([0.6, 0.3, 0.1]))
    found = losses(LOGITS, learnt, chosen, epoch=0, rows=ROWS)
    moved = LOGITS + 2 * torch.tensor([0.6, 0.3, 0.1]).log()
    expected = functional.cross_entropy(moved, torch.from_numpy(LABELS), reduction="none")
    torch.testing.assert_close(found, expected)
