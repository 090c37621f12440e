"""Pictures that explain: they point where the network's answer really comes from."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from training.core.__main__ import main
from training.core.config import resolve
from training.core.explaining import _enlarged, _last_map, _seen, grad_cam, masking
from training.core.predictor import Predictor
from training.core.refusals import BadConfig
from training.core.run_folder import Made, RunFolder
from training.core.train import build


def untrained(run: Path, name: str, size: int = 32) -> Predictor:
    config = resolve("quick", name, {"image_size": size, "device": "cpu", "threads": 1})
    made = Made(config=config, snapshot_digest="0" * 64, classes=("happy", "sad"), stored_size=size)
    run.mkdir()
    RunFolder(run).write_made(made)
    RunFolder(run).save_best(build(made, start=False).state_dict())
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
    layer = _last_map(predictor, faces[:1])
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
