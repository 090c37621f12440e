"""A network can start from a file: a run's, torchvision's, or the authors' published one."""

import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from training.core.networks import network
from training.core.networks.resmasking import DEPTHS, ResMaskingNet
from training.core.networks.weights import from_published, start_from
from training.core.refusals import BadConfig


def resnet18(seed: int, classes: int = 3) -> torch.nn.Module:
    torch.manual_seed(seed)
    return network("resnet18")(classes=classes)


def published_name(name: str) -> str:
    """Our name of a weight as the authors' checkpoints have it."""
    mask = re.fullmatch(r"mask(\d)\.(down|up|join|last)\.(?:(\d)\.)?(.+)", name)
    if mask is None:
        return name
    stage, part, place, leaf = int(mask[1]), mask[2], int(mask[3] or 0), mask[4]
    depth = DEPTHS[stage - 1]
    if part == "up":
        layer, leaf = leaf.split(".", 1)
        return f"mask{stage}.up_pool{depth + 1 + place}.{0 if layer == 'conv' else 1}.{leaf}"
    number = {"down": 1 + place, "join": depth + 1 + place, "last": 2 * depth}[part]
    return f"mask{stage}.conv{number}.{leaf.replace('shortcut', 'downsample')}"


def published(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    renamed = {published_name(name): tensor for name, tensor in weights.items()}
    twice = {
        re.sub(r"conv(\d)\.downsample\.", r"downsample\1.", name): tensor
        for name, tensor in renamed.items()
        if name.startswith("mask")
    }
    return {**renamed, **twice}


def test_a_published_checkpoint_loses_its_duplicates_and_fits() -> None:
    with torch.device("meta"):
        ours = ResMaskingNet(classes=7).state_dict()
    theirs = published(ours)
    assert len(ours) == 620
    assert len(theirs) == 740
    read = from_published(theirs)
    assert {name: tensor.shape for name, tensor in read.items()} == {
        name: tensor.shape for name, tensor in ours.items()
    }
    assert all(read[name] is ours[name] for name in ours)


def test_a_published_layer_nobody_knows_is_refused() -> None:
    with pytest.raises(BadConfig, match="a mask layer nobody knows: gate"):
        from_published({"mask1.gate": torch.zeros(1)})


def test_a_run_starts_from_another_runs_weights(tmp_path: Path) -> None:
    before, after = resnet18(1), resnet18(2)
    save_file(before.state_dict(), tmp_path / "best.safetensors")
    assert start_from(after, tmp_path / "best.safetensors") == []
    assert torch.equal(after.state_dict()["fc.1.weight"], before.state_dict()["fc.1.weight"])


def test_a_head_for_other_classes_is_left_out(tmp_path: Path) -> None:
    before, after = resnet18(1, classes=10), resnet18(2)
    head = after.state_dict()["fc.1.weight"].clone()
    torch.save({"state_dict": before.state_dict()}, tmp_path / "weights.pth")
    assert start_from(after, tmp_path / "weights.pth") == ["fc.1.bias", "fc.1.weight"]
    assert torch.equal(after.state_dict()["fc.1.weight"], head)
    assert torch.equal(after.state_dict()["conv1.weight"], before.state_dict()["conv1.weight"])


def test_a_torchvision_head_is_understood(tmp_path: Path) -> None:
    before = resnet18(1)
    plain = {name.replace("fc.1.", "fc."): tensor for name, tensor in before.state_dict().items()}
    torch.save(plain, tmp_path / "resnet18.pth")
    after = resnet18(2)
    assert start_from(after, tmp_path / "resnet18.pth") == []
    assert torch.equal(after.state_dict()["fc.1.bias"], before.state_dict()["fc.1.bias"])


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    torch.save({"layer9.weight": torch.zeros(2)}, tmp_path / "other.pth")
    with pytest.raises(BadConfig, match=r"belongs to another network \(1 do not fit: layer9\.weight\)"):
        start_from(resnet18(1), tmp_path / "other.pth")


def test_a_file_that_holds_no_weights_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.pth").write_text("hello")
    with pytest.raises(BadConfig, match="cannot be read"):
        start_from(resnet18(1), tmp_path / "notes.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(BadConfig, match="holds no state_dict"):
        start_from(resnet18(1), tmp_path / "list.pth")
