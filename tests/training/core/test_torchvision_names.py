"""Every classifier of torchvision can be trained, by its name."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from tests.training.core.conftest import run_training
from training.core.config import PRESETS, Config, resolve
from training.core.networks import NETWORKS, OTHERS, TORCHVISION, network
from training.core.networks.torchvision_classifiers import last_layer, models
from training.core.predictor import Predictor
from training.core.refusals import BadConfig

# One of each kind; on the meta device but for RegNets, which compute with their widths while they are built.
KINDS = (
    "alexnet",
    "convnext_tiny",
    "densenet161",
    "efficientnet_v2_s",
    "maxvit_t",
    "mnasnet0_5",
    "mobilenet_v3_small",
    "regnet_y_400mf",
    "resnext50_32x4d",
    "shufflenet_v2_x0_5",
    "squeezenet1_0",
    "squeezenet1_1",
    "swin_t",
    "swin_v2_t",
    "vgg11_bn",
    "vit_b_16",
    "vit_h_14",
    "wide_resnet50_2",
)


def drawn(name: str, **changes: object) -> nn.Module:
    with torch.device("cpu" if "regnet" in name else "meta"):
        return network(TORCHVISION + name)(classes=7, **changes).to("meta")  # type: ignore[arg-type]


def test_every_classifier_of_torchvision_has_a_name() -> None:
    ours = {key.removeprefix(TORCHVISION) for key in (*NETWORKS, *OTHERS)}
    assert set(models.list_models(module=models)) <= ours
    assert not NETWORKS.keys() & {key.removeprefix(TORCHVISION) for key in OTHERS}


@pytest.mark.parametrize("name", KINDS)
def test_channels_classes_and_dropout_are_real_parameters(name: str) -> None:
    side = network(TORCHVISION + name).smallest_image
    net = drawn(name, in_channels=1, dropout=0.25, image_size=side)
    assert net.train()(torch.zeros(2, 1, side, side, device="meta")).shape == (2, 7)
    assert net.eval()(torch.zeros(2, 1, side, side, device="meta")).shape == (2, 7)
    net.load_state_dict(dict(net.state_dict()))  # as from safetensors, which tell of no versions
    leaves = [part for part in net.modules() if not list(part.children())]
    before = leaves[leaves.index(net.get_submodule(last_layer(net))) - 1]
    assert isinstance(before, nn.Dropout)
    assert before.p == 0.25


@pytest.mark.parametrize("name", KINDS)
def test_its_own_dropout_is_as_published(name: str) -> None:
    """torchvision's own networks carry theirs directly before the last layer, or none."""
    with torch.device("cpu" if "regnet" in name else "meta"):
        theirs = models.get_model_builder(name)(weights=None)
    leaves = [part for part in theirs.modules() if not list(part.children())]
    before = leaves[leaves.index(theirs.get_submodule(last_layer(theirs))) - 1]
    assert network(TORCHVISION + name).dropout == (before.p if isinstance(before, nn.Dropout) else 0.0)


@pytest.mark.parametrize("name", ["alexnet", "squeezenet1_0", "squeezenet1_1", "vgg11_bn"])
def test_a_network_without_padding_fails_one_pixel_below_its_smallest_image(name: str) -> None:
    side = network(TORCHVISION + name).smallest_image - 1
    with pytest.raises(RuntimeError):
        drawn(name)(torch.zeros(2, 3, side, side, device="meta"))


def test_every_preset_fits() -> None:
    resolved = [resolve(preset, name) for preset in PRESETS for name in OTHERS]
    assert [config.network for config in resolved] == list(OTHERS) * len(PRESETS)


def test_transformers_want_whole_patches() -> None:
    assert resolve("quick", "torchvision:vit_h_14").image_size == 56
    with pytest.raises(
        BadConfig, match="image_size is 60, but torchvision:vit_b_16 needs a multiple of 16: set it to 64"
    ):
        resolve("quick", "torchvision:vit_b_16", {"image_size": 60})


def test_one_is_trained_judged_and_asked(snapshot: Path, tmp_path: Path) -> None:
    def choose() -> Config:
        return resolve("quick", "torchvision:mnasnet0_5", {"image_size": 32, "epochs": 1, "device": "cpu"})

    result = run_training(snapshot, tmp_path, choose)
    assert result["best_epoch"] == 1
    assert Predictor(tmp_path).judge(np.zeros((2, 1, 32, 32), np.uint8)).shape == (2, 3)
