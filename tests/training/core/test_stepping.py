"""One step of the optimizer, on a network small enough to look at."""

import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tests.training.core.conftest import run_training, small
from training.core.faces import load, open_snapshot, stored_size
from training.core.parallel import ALONE
from training.core.refusals import TrainingFailed
from training.core.stepping import Pending, Stepper


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 4, 3, stride=4), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(256, 3)
        )

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.layers(pixels)
        return logits


def stepper(snapshot: Path, cache: Path, said: list[str] | None = None, **changes: object) -> Stepper:
    config = small(**{"optimizer": "sgd", "momentum": 0.0, "weight_decay": 0.0, **changes})()
    opened = open_snapshot(snapshot)
    faces = load(opened, config, stored_size(opened, config), cache)
    torch.manual_seed(0)
    return Stepper(
        config=config,
        faces=faces,
        images=torch.from_numpy(faces.images),
        network=Small().train(),
        device=torch.device("cpu"),
        world=ALONE,
        say=(said if said is not None else []).append,
    )


def weights_after(one: Stepper, steps: int = 3) -> torch.Tensor:
    rows = one._train_rows.numpy()
    for step in range(steps):
        one.step(step, np.roll(rows, step)[:12], epoch=0, rate=0.1)
    return torch.cat([weight.detach().flatten() for weight in one.network.parameters()])


def test_a_step_goes_down_the_gradient_of_the_mean_loss(snapshot: Path, tmp_path: Path) -> None:
    one = stepper(snapshot, tmp_path)
    before = one.network.layers[4].bias.detach().clone()
    pending = one.step(0, one._train_rows.numpy()[:12], epoch=0, rate=0.1)
    gradient = one.network.layers[4].bias.grad
    torch.testing.assert_close(one.network.layers[4].bias.detach(), before - 0.1 * gradient)
    assert 0.5 < float(pending.loss) < 3
    assert 0 <= int(pending.right) <= 12


def test_the_order_within_a_batch_changes_nothing(snapshot: Path, tmp_path: Path) -> None:
    changes = {"mixup": 0.3, "crop": 0.2, "erase": 0.5, "target": "draw", "rotation": 20}
    weights = []
    for turned in (False, True):
        one = stepper(snapshot, tmp_path, **changes)
        rows = one._train_rows.numpy()[:12]
        one.step(0, rows[::-1].copy() if turned else rows, epoch=2, rate=0.1)
        weights.append(one.network.layers[4].weight.detach())
    torch.testing.assert_close(*weights, atol=1e-6, rtol=1e-5)


def test_dropout_depends_on_the_step_not_on_what_was_drawn_before(snapshot: Path, tmp_path: Path) -> None:
    weights = []
    for drawn in (0, 7):
        one = stepper(snapshot, tmp_path)
        one.network.layers.append(nn.Dropout(0.5))
        torch.rand(drawn)
        weights.append(weights_after(one))
    assert torch.equal(*weights)


@pytest.mark.parametrize("clip", [0.0, 0.01])
def test_the_norm_is_that_of_the_whole_gradient_before_it_is_clipped(
    snapshot: Path, tmp_path: Path, clip: float
) -> None:
    norms = []
    for parts in (1, 2):
        one = stepper(snapshot, tmp_path, clip_gradient=clip, accumulation=parts)
        # What a batch norm sees is that of a part; without it the parts' gradients add up to the batch's.
        one.network.layers[1] = nn.Identity()
        norms.append(float(one.step(0, one._train_rows.numpy()[:12], epoch=0, rate=0.1).norm))
        left = [weight.grad for weight in one.network.parameters() if weight.grad is not None]
    assert norms[0] == pytest.approx(norms[1], rel=1e-5)
    assert norms[0] > 0.1
    norm = float(torch.cat([gradient.flatten() for gradient in left]).norm())
    assert norm == pytest.approx(clip or norms[1], rel=1e-4)


def test_a_gradient_that_is_no_number_ends_the_training_with_its_step(
    snapshot: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Stepper.step

    def spoil(self: Stepper, step: int, *rest: Any) -> Pending:
        if step == 2:
            weight = next(self.network.parameters())
            weight.register_hook(lambda gradient: gradient * torch.inf)
        return whole(self, step, *rest)

    monkeypatch.setattr(Stepper, "step", spoil)
    with pytest.raises(TrainingFailed, match=r"The gradient is no number any more \(epoch 1, step 3\)"):
        run_training(snapshot, tmp_path / "run", small())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
def test_compiled_steps_are_the_same_within_rounding(
    snapshot: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # torch's compiler asks every module of the process for its file, and yt-dlp's stand-ins for absent ones raise then.
    # Trainings run in a process of their own, without it; tests of sources may have brought it into this one.
    for name in [name for name in sys.modules if name.partition(".")[0] == "yt_dlp"]:
        monkeypatch.delitem(sys.modules, name)
    plain = weights_after(stepper(snapshot, tmp_path))
    compiled = weights_after(stepper(snapshot, tmp_path, compile=True))
    torch.testing.assert_close(compiled, plain, atol=1e-5, rtol=1e-4)
    assert not torch.equal(plain, weights_after(stepper(snapshot, tmp_path), steps=0))
