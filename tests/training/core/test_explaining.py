"""Pictures that explain: they point where the network's answer really comes from."""

import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
import torch
from PIL import Image

from labeling.snapshots import format as snapshots
from training.core.__main__ import main
from training.core.checkpoints import save_best
from training.core.config import resolve
from training.core.explaining import _enlarged, _seen, grad_cam, last_map, masking
from training.core.networks import NETWORKS, network
from training.core.networks.torchvision_classifiers import last_layer
from training.core.predictor import Predictor
from training.core.refusals import BadConfig
from training.core.run_folder import Made, RunFolder
from training.core.train import build


def untrained(run: Path, name: str, size: int = 32) -> Predictor:
    config = resolve("quick", name, {"image_size": size, "device": "cpu", "threads": 1})
    made = Made(config=config, snapshot_digest="0" * 64, classes=("happy", "sad"), stored_size=size)
    run.mkdir()
    RunFolder(run).write_made(made)
    save_best(RunFolder(run), build(made, start=False).state_dict())
    return Predictor(run)


def noise(faces: int, side: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (faces, 1, side, side), np.uint8)


@pytest.mark.parametrize("name", ["resnet18-small", "vgg19", "densenet121"])
def test_grad_cam_has_a_map_for_each_face_and_leaves_the_network_as_it_was(name: str, tmp_path: Path) -> None:
    predictor = untrained(tmp_path / "run", name, 64)
    faces = noise(3, 64)
    before = predictor.judge(faces)
    maps = grad_cam(predictor, faces, [0, 1, 0])
    assert maps.shape == (3, 64, 64)
    assert maps.min() >= 0
    assert maps.max() <= 1
    assert np.array_equal(predictor.judge(faces), before)


def test_grad_cam_finds_the_spot_that_speaks_for_a_class(tmp_path: Path) -> None:
    predictor = untrained(tmp_path / "run", "resnet18-small")

    class Brightness(torch.nn.Module):
        """The brighter anything is, the more it is class 1."""

        def __init__(self) -> None:
            super().__init__()
            self.map = torch.nn.AvgPool2d(4)
            self.weight = torch.nn.Parameter(torch.ones(1))

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            light = self.map(images).clamp(min=0).mean(dim=(1, 2, 3)) * self.weight
            return torch.stack([-light, light], dim=1)

    predictor.network = Brightness()
    face = np.zeros((1, 1, 32, 32), np.uint8)
    face[:, :, 4:8, 20:24] = 255
    (seen,) = grad_cam(predictor, face, [1])
    assert np.unravel_index(seen.argmax(), seen.shape)[0] in range(3, 9)
    assert np.unravel_index(seen.argmax(), seen.shape)[1] in range(19, 25)
    assert seen[20:, :12].max() < 0.1
    (against,) = grad_cam(predictor, face, [0])
    assert against[3:9, 19:25].max() < against[20:, :12].min()


def bare(name: str, side: int) -> Predictor:
    """A network with random weights as Grad-CAM wants it, without a folder."""
    torch.manual_seed(0)
    built = network(name)(classes=2, in_channels=3, image_size=side).eval()
    # A vision transformer's head begins as zeros: nothing speaks for any class.
    torch.nn.init.normal_(built.get_submodule(last_layer(built)).weight)
    config = resolve("quick", name, {"image_size": side, "device": "cpu", "threads": 1})
    return cast(Predictor, SimpleNamespace(network=built, config=config))


def path_of(predictor: Predictor, module: torch.nn.Module) -> str:
    return next(path for path, each in predictor.network.named_modules() if each is module)


HUGE = ("resnet50+masks", "resnet101+masks", "resnet152+masks")
MAPS = [
    # name, side of the images, the module whose map is shown, the map's shape
    ("resnet18", 64, "layer3", (256, 4, 4)),
    ("resnet34", 64, "layer3", (256, 4, 4)),
    ("resnet50", 64, "layer3", (1024, 4, 4)),
    ("resnet50", 48, "layer2", (512, 6, 6)),
    ("resnet101", 64, "layer3", (1024, 4, 4)),
    ("resnet152", 48, "layer2", (512, 6, 6)),
    ("resnet18-small", 32, "layer4", (512, 4, 4)),
    ("resmasking", 64, "layer3", (256, 4, 4)),
    ("resnet18+masks", 48, "layer2", (128, 6, 6)),
    ("resnet34+masks", 48, "layer2", (128, 6, 6)),
    ("resnet18-small+masks", 32, "layer4", (512, 4, 4)),
    ("cbam-resnet50", 64, "layer3", (1024, 4, 4)),
    ("bam-resnet50", 64, "layer3", (1024, 4, 4)),
    ("resattnet56", 64, "stages.6.before", (1024, 4, 4)),
    ("vgg19", 48, "features.26", (512, 6, 6)),
    ("googlenet", 48, "inception3b", (480, 6, 6)),
    ("inception_v3", 75, "Mixed_5d", (288, 7, 7)),
    ("densenet121", 48, "features.transition2.conv", (256, 6, 6)),
    ("efficientnet-b2b", 48, "features.4.0.block.0", (288, 6, 6)),
    ("torchvision:mobilenet_v3_small", 48, "features.4.block.0", (96, 6, 6)),
    ("torchvision:convnext_tiny", 48, "features.4.0", (192, 6, 6)),
    ("torchvision:squeezenet1_1", 48, "features.7", (256, 5, 5)),
    ("torchvision:swin_t", 48, "features.3", (6, 6, 192)),
    ("torchvision:swin_t", 64, "features.5", (4, 4, 384)),
    ("torchvision:swin_v2_t", 48, "features.3", (6, 6, 192)),
    ("torchvision:vit_b_32", 128, "encoder.layers.encoder_layer_10", (17, 768)),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "side", "path", "shape"), MAPS)
def test_the_map_is_the_last_large_one_that_all_of_the_image_goes_through(
    name: str, side: int, path: str, shape: tuple[int, ...]
) -> None:
    predictor, faces = bare(name, side), noise(2, side)
    found = last_map(predictor, faces[:1])
    assert path_of(predictor, found.module) == path
    given: list[torch.Tensor] = []
    with found.module.register_forward_hook(lambda _module, _inputs, out: given.append(out)):
        heat = grad_cam(predictor, faces, [0, 1])
    seen = given[len(given) // 2 :][found.call]
    assert seen.shape[1:] == shape
    assert not torch.equal(seen[0], seen[1])
    assert heat.shape == (2, side, side)

    # Whatever the image, the logits are the same once the map is.
    calls: list[None] = []

    def fixed(_module: object, _inputs: object, out: torch.Tensor) -> torch.Tensor | None:
        calls.append(None)
        return seen[:1].expand_as(out) if len(calls) == found.call + 1 else None

    with found.module.register_forward_hook(fixed), torch.inference_mode():
        first, second = predictor.network(_seen(predictor, faces))
    torch.testing.assert_close(first, second)


def test_a_map_of_every_network_by_name_is_looked_at() -> None:
    assert {name for name, *_ in MAPS} >= set(NETWORKS) - set(HUGE)


def after_resnet(net: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    return net.fc(net.avgpool(net.layer4(x)).flatten(1))


def before_resnet(net: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    return net.layer3(net.layer2(net.layer1(net.maxpool(net.relu(net.bn1(net.conv1(x)))))))


def after_swin(net: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    return net.head(net.norm(net.features[4:](x.permute(0, 2, 3, 1))).mean(dim=(1, 2)))


def before_vit(net: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    patches = net.conv_proj(x).flatten(2).transpose(1, 2)
    tokens = torch.cat([net.class_token.expand(len(x), -1, -1), patches], dim=1) + net.encoder.pos_embedding
    net.tokens = net.encoder.layers[:-1](tokens)
    return net.tokens[:, 1:].transpose(1, 2).unflatten(2, (4, 4))


def after_vit(net: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    tokens = torch.cat([net.tokens[:, :1], x.flatten(2).transpose(1, 2)], dim=1)
    return net.heads(net.encoder.ln(net.encoder.layers[-1](tokens))[:, 0])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "side", "before", "after"),
    [
        ("resnet50", 64, before_resnet, after_resnet),
        (
            "torchvision:swin_t",
            48,
            lambda net, x: net.features[:4](x).permute(0, 3, 1, 2),
            after_swin,
        ),
        ("torchvision:vit_b_32", 128, before_vit, after_vit),
    ],
)
def test_grad_cam_is_its_formula_worked_out_by_hand(
    name: str,
    side: int,
    before: Callable[[torch.nn.Module, torch.Tensor], torch.Tensor],
    after: Callable[[torch.nn.Module, torch.Tensor], torch.Tensor],
) -> None:
    predictor, faces, classes = bare(name, side), noise(4, side), [0, 1, 1, 0]
    maps = before(predictor.network, _seen(predictor, faces)).detach().requires_grad_()
    logits = after(predictor.network, maps.clone())
    torch.testing.assert_close(logits, predictor.network(_seen(predictor, faces)), atol=1e-4, rtol=1e-4)
    logits[range(4), classes].sum().backward()
    assert maps.grad is not None
    heat = torch.zeros(4, 1, *maps.shape[2:])
    for face in range(4):
        for channel in range(maps.shape[1]):
            heat[face, 0] += maps.grad[face, channel].mean() * maps.detach()[face, channel]
    assert (heat > 0).any()
    wanted = _enlarged(heat.clamp(min=0), side)
    np.testing.assert_allclose(grad_cam(predictor, faces, classes), wanted, atol=2e-3)


def test_patches_too_few_for_a_map_are_refused() -> None:
    with pytest.raises(BadConfig, match="no feature map of 4 × 4 places at image_size 64"):
        grad_cam(bare("torchvision:vit_b_32", 64), noise(1, 64), [0])


@pytest.mark.skipif(
    find_spec("captum") is None,
    reason="captum is not installed: it brings matplotlib, and only checks Grad-CAM",
)
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("name", ["resnet18-small", "resnet18-small+masks", "densenet121"])
def test_grad_cam_is_that_of_captum(name: str, tmp_path: Path) -> None:
    from captum.attr import LayerGradCam

    predictor = untrained(tmp_path / "run", name, 64)
    faces, classes = noise(3, 64), [0, 1, 0]
    layer = last_map(predictor, faces[:1]).module
    seen = _seen(predictor, faces).requires_grad_()
    raw = LayerGradCam(predictor.network, layer).attribute(seen, target=classes, relu_attributions=True)
    wanted = _enlarged(raw.detach(), 64)
    assert wanted.max() == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(grad_cam(predictor, faces, classes), wanted, atol=1e-4)


def test_masks_are_shown_before_and_after(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="resnet18 has no Masking Blocks"):
        masking(untrained(tmp_path / "bare", "resnet18"), noise(1, 32))
    pairs = masking(untrained(tmp_path / "masked", "resnet18-small+masks"), noise(2, 32))
    assert len(pairs) == 4
    assert all(shares.shape == (2, 32, 32) and shares.max() <= 1 for pair in pairs for shares in pair)
    assert not np.array_equal(*pairs[0])


def test_the_command_writes_grids(
    finished: Path, snapshot: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "grids"
    asked = ["explain", str(finished), str(snapshot), str(out), "--faces", "3"]
    assert main([*asked, "--class", "sad"]) == 0
    with Image.open(out / "grad-cam.png") as picture:
        assert picture.width == 3 * 180
    assert main([*asked, "--class", "bored"]) == 2
    assert "There is no class bored; the run has happy, sad, surprise." in capsys.readouterr().err


def test_where_the_grids_cannot_be_or_images_are_gone_is_told(
    finished: Path, snapshot: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file.png").touch()
    for place in ("file.png", "file.png/grids"):
        assert main(["explain", str(finished), str(snapshot), str(tmp_path / place)]) == 2
        assert "cannot be a folder of pictures" in capsys.readouterr().err
    broken = tmp_path / "broken"
    shutil.copytree(snapshot, broken)
    for pack in broken.rglob("*.pack"):
        pack.unlink()
    assert main(["explain", str(finished), str(broken), str(tmp_path / "grids")]) == 2
    assert capsys.readouterr().err.startswith(f"error: The snapshot {broken} ")


def test_faces_erased_since_are_told(
    finished: Path,
    snapshot: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read_table = snapshots.read_table
    monkeypatch.setattr(snapshots, "read_table", lambda folder, columns: read_table(folder, columns)[:3])
    assert main(["explain", str(finished), str(snapshot), str(tmp_path / "grids"), "--faces", "3"]) == 2
    assert "some were erased. Judge it anew" in capsys.readouterr().err
