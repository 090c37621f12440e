"""The quick copy of a network: the same answers, chosen only where it is known to give them."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from labeling.snapshots import format as snapshots
from tests.training.core.conftest import run_training, small
from training.core import Predictor
from training.core.__main__ import main
from training.core.agreement import allows_bf16, measured
from training.core.augmentation import draw_turns
from training.core.config import Config, resolve
from training.core.networks import network
from training.core.pixels import prepare
from training.core.quick import Quick, fused, quick_in_bf16

CPU = torch.device("cpu")
FAST = quick_in_bf16(CPU)


def stirred(name: str, **changes: object) -> tuple[nn.Module, Config]:
    """A network whose batch norms have seen something, as a trained one's have."""
    config = resolve("quick", name, {"image_size": 64, "device": "cpu", **changes})
    made = network(name)(classes=5, in_channels=3, dropout=0.1, image_size=config.image_size)
    torch.manual_seed(1)
    with torch.no_grad():
        made.train()(torch.rand(8, 3, 64, 64))
    return made.eval(), config


def norms(module: nn.Module) -> int:
    return sum(isinstance(part, nn.BatchNorm2d) for part in module.modules())


@pytest.mark.parametrize(
    ("name", "left"),
    [
        ("resnet18", 0),
        ("resnet18-small+masks", 0),
        ("cbam-resnet50", 0),
        ("googlenet", 0),
        ("densenet121", 62),
    ],
)
@torch.inference_mode()
def test_a_fused_network_answers_what_it_answered(name: str, left: int) -> None:
    plain, _ = stirred(name)
    ready = fused(plain, torch.rand(2, 3, 64, 64))
    assert norms(ready) == left < norms(plain)
    images = torch.rand(3, 3, 64, 64)
    torch.testing.assert_close(ready(images), plain(images), atol=1e-4, rtol=1e-3)


class Twice(nn.Module):
    """Uses the output of its convolution beside the batch norm: the two must not become one."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 2, 3), nn.BatchNorm2d(2)
        self.norm.running_mean = torch.tensor([3.0, -1.0])

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = self.conv(images)
        return (self.norm(features) + features).mean(dim=(2, 3))


@torch.inference_mode()
def test_what_cannot_be_fused_stays_as_it_is() -> None:
    plain = Twice().eval()
    ready = fused(plain, torch.rand(2, 3, 16, 16))
    assert norms(ready) == 1
    images = torch.rand(2, 3, 16, 16)
    assert torch.equal(ready(images), plain(images))


def test_the_original_keeps_its_weights() -> None:
    plain, config = stirred("resnet18")
    before = {name: tensor.clone() for name, tensor in plain.state_dict().items()}
    Quick(plain, config, CPU, bf16=True)
    after = plain.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("close", [False, True])
@torch.inference_mode()
def test_in_bfloat16_close_faces_are_judged_again_in_32_bits(close: bool) -> None:
    plain, config = stirred("resnet18")
    (head,) = (part for part in plain.modules() if isinstance(part, nn.Linear))
    head.weight[1] = head.weight[0]
    head.bias[:2] = torch.tensor(
        [10.0, 10.0001 if close else 5.0]
    )  # the first two are the likeliest of all faces
    images = torch.rand(8, 3, 64, 64)
    found, wanted = Quick(plain, config, CPU, bf16=True)(images), plain(images)
    assert found.dtype == torch.float32
    error = float((found - wanted).abs().max())
    assert (error < 1e-4) is close
    assert error < 0.2


@pytest.mark.parametrize("name", ["densenet121", "vgg19", "resattnet56", "torchvision:squeezenet1_1"])
@torch.inference_mode()
def test_networks_of_every_kind_answer_nearly_alike_in_bfloat16(name: str) -> None:
    plain, config = stirred(name)
    images = torch.rand(4, 3, 64, 64)
    found, wanted = Quick(plain, config, CPU, bf16=True)(images), plain(images)
    torch.testing.assert_close(found, wanted, atol=float(0.05 * wanted.abs().max()), rtol=0)


@pytest.mark.parametrize("turns", [False, True])
@pytest.mark.parametrize("in_channels", [1, 3])
def test_images_are_enlarged_alike_in_bfloat16(turns: bool, in_channels: int) -> None:
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (3, 1, 48, 48), np.uint8))
    changes = {"augment_order": "rotate-then-resize", "in_channels": in_channels}
    exact = resolve("paper-code", "resnet18", changes)
    quick = resolve("paper-code", "resnet18", {**changes, "bf16": True, "channels_last": True})
    drawn = draw_turns(exact, epoch=0, rows=torch.arange(3)) if turns else None
    wanted, found = prepare(images, exact, drawn), prepare(images, quick, drawn)
    assert found.dtype == torch.bfloat16
    assert found.shape == (3, in_channels, 224, 224)
    assert found.is_contiguous(memory_format=torch.channels_last)
    # Three roundings to eight bits each.
    torch.testing.assert_close(found.float(), wanted, atol=2**-7, rtol=0)


@pytest.mark.parametrize(
    ("before", "after"), [(48, 224), (48, 64), (48, 96), (47, 224), (53, 64), (5, 8), (44, 48)]
)
@pytest.mark.parametrize("channels", [1, 3])
def test_images_of_any_size_are_enlarged_alike_in_bfloat16(before: int, after: int, channels: int) -> None:
    dice = np.random.default_rng(0)
    images = torch.from_numpy(dice.integers(0, 256, (2, channels, before, before), np.uint8))
    exact = resolve("paper-code", "resnet18-small", {"image_size": after})
    quick = dataclasses.replace(exact, bf16=True, channels_last=True)
    found = prepare(images, quick)
    assert found.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(found.float(), prepare(images, exact), atol=2**-7, rtol=0)


def test_a_training_tells_how_often_bfloat16_answers_alike(finished: Path) -> None:
    found = json.loads((finished / "result.json").read_text())["bf16"]
    if not FAST:
        assert found is None
        return
    assert found["faces"] > 0
    assert 0.9 <= found["agreement"] <= 1


@pytest.mark.parametrize("agreement", [0.994, 0.995, None])
def test_a_predictor_takes_bfloat16_only_where_the_answers_are_known_to_be_alike(
    finished: Path, tmp_path: Path, agreement: float | None
) -> None:
    run = shutil.copytree(finished, tmp_path / "run")
    result = json.loads((run / "result.json").read_text())
    result["bf16"] = None if agreement is None else {"faces": 200, "agreement": agreement}
    (run / "result.json").write_text(json.dumps(result))
    chosen = FAST and agreement == 0.995
    assert allows_bf16(result, CPU) is chosen
    assert Predictor(run).config.bf16 is chosen
    assert Predictor(run, bf16=False).config.bf16 is False
    assert Predictor(run, quick=False).config.bf16 is False


def test_without_speed_a_predictor_judges_as_the_training_did(snapshot: Path, tmp_path: Path) -> None:
    from training.core.predictions import read_predictions

    run = tmp_path / "run"
    run_training(snapshot, run, small(epochs=1))
    images = snapshots.read_table(snapshot, columns=["image"], split="test")["image"].to_pylist()
    kept = read_predictions(run, "test").probabilities
    assert np.array_equal(Predictor(run, quick=False).probabilities(images), kept)
    np.testing.assert_allclose(Predictor(run, bf16=False).probabilities(images), kept, atol=1e-4)


def test_fast_saves_what_this_machine_is_quickest_with(snapshot: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    values = small(epochs=1)().to_json()
    (tmp_path / "config.json").write_text(json.dumps(values))
    asked = ["train", str(snapshot), str(run), "--config", str(tmp_path / "config.json"), "--fast"]
    assert main(asked) == 0
    saved = json.loads((run / "config.json").read_text())["config"]
    assert saved == {**values, "bf16": FAST, "channels_last": FAST}
    assert main(asked) == 0  # finished; the same command is the same config


def test_a_fast_run_goes_on_as_it_was_begun_on_whatever_machine(snapshot: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    (tmp_path / "config.json").write_text(json.dumps(small(epochs=1)().to_json()))
    asked = ["train", str(snapshot), str(run), "--config", str(tmp_path / "config.json"), "--fast"]
    assert main(asked) == 0
    made = json.loads((run / "config.json").read_text())
    made["config"] |= {"bf16": not FAST, "channels_last": not FAST}  # as if begun where the other is quicker
    (run / "config.json").write_text(json.dumps(made))
    assert main(asked) == 0


def test_fast_does_not_set_what_is_set_by_hand(
    snapshot: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["train", str(snapshot), str(tmp_path / "run"), "--fast", "--set", "bf16=false"]
    assert main(asked) == 2
    assert "Fast sets bf16 as the machine needs it" in capsys.readouterr().err


def test_nothing_is_measured_without_faces() -> None:
    plain, config = stirred("resnet18")
    images = torch.zeros((0, 1, 64, 64), dtype=torch.uint8)
    assert measured(plain, images, np.zeros(0, np.int64), config, CPU) is None
