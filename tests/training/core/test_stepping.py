"""One step of the optimizer, on a network small enough to look at."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from tests.training.core.conftest import small
from training.core.faces import load, open_snapshot, stored_size
from training.core.parallel import ALONE
from training.core.stepping import Stepper


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


def test_a_gradient_that_is_no_number_shows_in_the_loss(snapshot: Path, tmp_path: Path) -> None:
    one = stepper(snapshot, tmp_path, clip_gradient=1.0)
    rows = one._train_rows.numpy()[:12]
    assert one.step(0, rows, epoch=0, rate=0.1).loss.isfinite()
    one.network.layers[4].weight.register_hook(lambda gradient: gradient * torch.inf)
    assert one.step(1, rows, epoch=0, rate=0.1).loss.isnan()


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
