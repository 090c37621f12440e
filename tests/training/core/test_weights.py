"""A network can start from a file: a run's, torchvision's, or the authors' published one."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tests.training.core.conftest import run_training, small
from training.core.networks import network
from training.core.networks.resmasking import DEPTHS, ResMaskingNet
from training.core.networks.torchvision_classifiers import models
from training.core.networks.weights import from_published, start_from
from training.core.refusals import BadConfig

# Where only names and shapes matter, weights are loaded into a network without room for them.
no_room = pytest.mark.filterwarnings("ignore:for .*copying from a non-meta parameter:UserWarning")


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


@pytest.mark.parametrize("second", [r"mask\d\.downsample", r"mask\d\.conv\d\.downsample"])
def test_of_a_published_shortcuts_two_names_either_will_do(second: str) -> None:
    """Programs that write each tensor once keep one of them."""
    with torch.device("meta"):
        ours = ResMaskingNet(classes=7).state_dict()
    theirs = {name: tensor for name, tensor in published(ours).items() if not re.match(second, name)}
    assert len(theirs) == 620
    assert from_published(theirs).keys() == ours.keys()


@pytest.mark.parametrize(
    "name",
    ["mask1.gate", "mask5.conv1.bn1.bias", "mask1.up_pool5.bias", "mask1.up_pool5.2.bias", "mask2.x1.bias"],
)
def test_a_published_layer_nobody_knows_is_refused(name: str) -> None:
    with torch.device("meta"):
        theirs = published(ResMaskingNet(classes=7).state_dict())
    with pytest.raises(BadConfig, match=f"a mask layer nobody knows: {name}"):
        from_published({**theirs, name: torch.zeros(1)})


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
    with pytest.raises(BadConfig, match="cannot be read as weights") as refused:
        start_from(resnet18(1), tmp_path / "notes.pth")
    assert "weights_only" not in str(refused.value)
    with pytest.raises(BadConfig, match=r"there is no .*none\.pth, and torchvision names no weights so"):
        start_from(resnet18(1), tmp_path / "none.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(BadConfig, match="holds no state_dict"):
        start_from(resnet18(1), tmp_path / "list.pth")


def spread_zeros(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The network's names and shapes in a file of a few bytes."""
    return {key: torch.zeros(()).expand(tensor.shape) for key, tensor in network.state_dict().items()}


def named(name: str, seed: int, **changes: object) -> torch.nn.Module:
    torch.manual_seed(seed)
    return network(name)(classes=3, **changes)  # type: ignore[arg-type]


@pytest.fixture
def torch_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where torchvision keeps its files; empty, and no network to fill it."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for scheme in ("http", "https"):
        monkeypatch.setenv(f"{scheme}_proxy", "http://127.0.0.1:9")
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


def test_torchvisions_weights_are_named_and_found_where_it_keeps_them(torch_home: Path) -> None:
    before, after = models.resnet18(weights=None), resnet18(2)
    torch.save(before.state_dict(), torch_home / "resnet18-f37072fd.pth")
    assert start_from(after, "ResNet18_Weights.IMAGENET1K_V1") == ["fc.1.bias", "fc.1.weight"]
    assert torch.equal(after.state_dict()["conv1.weight"], before.state_dict()["conv1.weight"])


def test_weights_that_cannot_be_downloaded_are_asked_for_by_address_and_place(torch_home: Path) -> None:
    with pytest.raises(BadConfig) as refused:
        start_from(resnet18(1), "ResNet18_Weights.DEFAULT")
    assert "ResNet18_Weights.DEFAULT is not on this machine and cannot be downloaded (" in str(refused.value)
    assert (
        "Get https://download.pytorch.org/models/resnet18-f37072fd.pth by other means, "
        f"and put it at {torch_home / 'resnet18-f37072fd.pth'} or name the file."
    ) in str(refused.value)
    assert list(torch_home.iterdir()) == []


@pytest.mark.parametrize("name", ["ResNet18_Weights.V9", "Nobody_Weights.DEFAULT"])
def test_weights_that_torchvision_does_not_have_are_refused(name: str) -> None:
    with pytest.raises(BadConfig, match=f"torchvision has no weights {name}"):
        start_from(resnet18(1), name)


def test_a_run_starts_from_another_runs_folder(tmp_path: Path) -> None:
    before, after = resnet18(1), resnet18(2)
    with pytest.raises(BadConfig, match=r"is a folder without best\.safetensors, so no trained run"):
        start_from(after, tmp_path)
    save_file(before.state_dict(), tmp_path / "best.safetensors")
    assert start_from(after, tmp_path) == []
    assert torch.equal(after.state_dict()["fc.1.weight"], before.state_dict()["fc.1.weight"])


def test_one_channel_sees_of_grey_images_what_three_did(tmp_path: Path) -> None:
    before, after = named("resnet18", 1), named("resnet18", 2, in_channels=1)
    save_file(before.state_dict(), tmp_path / "best.safetensors")
    assert start_from(after, tmp_path) == []
    grey = torch.rand(2, 1, 32, 32)
    with torch.inference_mode():
        expected = before.eval()(grey.expand(-1, 3, -1, -1))
        torch.testing.assert_close(after.eval()(grey), expected, rtol=1e-4, atol=1e-5)


@no_room
@pytest.mark.parametrize("name", ["resnet18+masks", "cbam-resnet50", "bam-resnet50"])
def test_networks_around_a_resnet_take_its_weights_for_their_trunk(name: str, tmp_path: Path) -> None:
    with torch.device("meta"):
        trunk = models.get_model_builder("resnet18" if "18" in name else "resnet50")(weights=None)
        drawn = network(name)(classes=1000)
    torch.save(spread_zeros(trunk), tmp_path / "trunk.pth")
    missing = start_from(drawn, tmp_path / "trunk.pth")
    assert missing
    assert all("mask" in key or "bam" in key for key in missing)


@no_room
@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_heads_for_training_only_are_left_out(name: str, tmp_path: Path) -> None:
    with torch.device("meta"):
        theirs = models.get_model_builder(name)(weights=None, aux_logits=True, init_weights=False)
        ours = network(name)(classes=1000)
    torch.save(spread_zeros(theirs), tmp_path / "theirs.pth")
    assert start_from(ours, tmp_path / "theirs.pth") == []


@no_room
def test_densenets_published_names_are_understood(tmp_path: Path) -> None:
    with torch.device("meta"):
        theirs = models.densenet121(weights=None)
        ours = network("densenet121")(classes=7)
    old = {
        re.sub(r"(denselayer\d+\.(?:norm|conv))([12])", r"\1.\2", key): tensor
        for key, tensor in spread_zeros(theirs).items()
        if not key.endswith("num_batches_tracked")
    }
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    torch.save(old, tmp_path / "densenet.pth")
    missing = start_from(ours, tmp_path / "densenet.pth")
    assert {key for key in missing if not key.endswith("num_batches_tracked")} == {
        "classifier.1.weight",
        "classifier.1.bias",
    }


@no_room
def test_a_published_checkpoint_is_loaded_from_its_file(tmp_path: Path) -> None:
    """The layout alone counts, so the tensors are all one zero, spread."""
    with torch.device("meta"):
        ours = ResMaskingNet(classes=7)
    zeros = {
        key: torch.zeros(()).expand(tensor.shape) for key, tensor in published(ours.state_dict()).items()
    }
    assert len(zeros) == 740
    torch.save({"net": zeros, "best_vacc": 74.1}, tmp_path / "resmasking.pth")
    assert start_from(ours, tmp_path / "resmasking.pth") == []


def test_a_training_that_cannot_begin_leaves_no_settings_behind(snapshot: Path, tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match=r"there is no .*nowhere\.pth"):
        run_training(snapshot, tmp_path / "run", small(starting_weights="nowhere.pth"))
    assert not (tmp_path / "run" / "config.json").exists()
    assert run_training(snapshot, tmp_path / "run", small(epochs=1))["best_epoch"] == 1


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (
            lambda weight: weight.index_fill(0, torch.tensor([0]), torch.nan),
            "some of conv1.weight is no finite",
        ),
        (
            lambda weight: weight.index_fill(0, torch.tensor([0]), torch.inf),
            "some of conv1.weight is no finite",
        ),
        (lambda weight: weight.to(torch.int8), "has conv1.weight as torch.int8"),
        (lambda weight: weight.to(torch.complex64), "has conv1.weight as torch.complex64"),
        (lambda weight: weight.to_sparse(), "has conv1.weight as torch.float32, torch.sparse_coo"),
    ],
)
def test_weights_that_are_no_plain_numbers_are_refused(
    tmp_path: Path, spoil: Callable[[torch.Tensor], torch.Tensor], said: str
) -> None:
    network = resnet18(1)
    weights = network.state_dict()
    torch.save({**weights, "conv1.weight": spoil(weights["conv1.weight"])}, tmp_path / "spoilt.pth")
    with pytest.raises(BadConfig, match=said):
        start_from(network, tmp_path / "spoilt.pth")


def test_half_as_exact_weights_will_do(tmp_path: Path) -> None:
    before, after = resnet18(1), resnet18(2)
    torch.save(before.half().state_dict(), tmp_path / "half.pth")
    assert start_from(after, tmp_path / "half.pth") == []
    assert torch.equal(after.state_dict()["conv1.weight"], before.state_dict()["conv1.weight"].float())
