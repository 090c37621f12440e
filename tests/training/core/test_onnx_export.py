"""An ONNX file answers as the run it was made of."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from labeling.snapshots import format as snapshots
from training.core import Predictor
from training.core.__main__ import main
from training.core.checkpoints import save_best
from training.core.config import resolve
from training.core.networks.torchvision_classifiers import last_layer
from training.core.onnx_export import export
from training.core.refusals import BadRunFolder, TrainingFailed
from training.core.run_folder import Made, RunFolder
from training.core.train import build

pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")


def session_of(file: Path) -> "onnxruntime.InferenceSession":
    return onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])


def test_it_answers_as_the_run_does(
    finished: Path, snapshot: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "network.onnx"
    assert main(["export-onnx", str(finished), str(out)]) == 0
    assert "differ from torch's by" in capsys.readouterr().out
    images = snapshots.read_table(snapshot, columns=["image"], split="test")["image"].to_pylist()
    # The file computes in 32 bits, and a predictor may not.
    predictor, session = Predictor(finished, bf16=False), session_of(out)
    pixels = predictor.pixels(images)
    for some in (pixels, pixels[:1]):
        (found,) = session.run(["probabilities"], {"faces": some})
        np.testing.assert_allclose(found, predictor.predict(images[: len(some)]).probabilities, atol=1e-5)
    told = session.get_modelmeta().custom_metadata_map
    assert json.loads(told["classes"]) == ["happy", "sad", "surprise"]
    assert (told["colour"], told["side"]) == ("grey", "32")
    assert told["snapshot_digest"] == snapshots.read_manifest(snapshot).digest


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("resnet18-small", {"image_size": 24, "normalisation": "none", "colour": "rgb"}),
        ("densenet121", {"image_size": 48, "in_channels": 1}),
        ("efficientnet-b2b", {"image_size": 48, "channels_last": True}),
        ("cbam-resnet50", {"image_size": 48}),
        ("vgg19", {"image_size": 48}),
        ("resmasking", {"image_size": 48, "mask_activation": "sigmoid"}),
        ("torchvision:vit_b_32", {"image_size": 64}),
    ],
)
def test_other_networks_answer_as_torch_does(name: str, changes: dict[str, object], tmp_path: Path) -> None:
    config = resolve("quick", name, {**changes, "device": "cpu", "threads": 1})
    made = Made(config=config, snapshot_digest="0" * 64, classes=("happy", "sad", "angry"), stored_size=24)
    run = tmp_path / "run"
    run.mkdir()
    fresh = build(made, start=False)
    for module in fresh.modules():
        # Masks begin as ones times nothing; with other numbers each layer shows in the answer.
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1)
    # A vision transformer's head begins as zeros.
    torch.nn.init.normal_(fresh.get_submodule(last_layer(fresh)).weight, std=0.02)
    RunFolder(run).write_made(made)
    save_best(RunFolder(run), fresh.state_dict())
    done = export(run, tmp_path / "network.onnx")
    assert torch.backends.mha.get_fastpath_enabled()
    assert done.difference < 1e-4
    faces = np.random.default_rng(1).integers(
        0, 256, (5, 3 if config.colour == "rgb" else 1, 24, 24), np.uint8
    )
    (found,) = session_of(tmp_path / "network.onnx").run(None, {"faces": faces})
    np.testing.assert_allclose(found, Predictor(run).judge(faces), atol=1e-4)


def test_what_differs_too_much_is_not_written(finished: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingFailed, match="Nothing was written"):
        export(finished, tmp_path / "network.onnx", most_difference=-1)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadRunFolder, match="no run folder"):
        export(tmp_path, tmp_path / "network.onnx")


def test_a_place_for_no_file_is_refused_before_anything_is_built(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.core.onnx_export.Predictor", None)
    assert main(["export-onnx", str(finished), str(tmp_path)]) == 2
    assert f"{tmp_path} is a folder. Name a file" in capsys.readouterr().err
    assert main(["export-onnx", str(finished), str(tmp_path / "nodir" / "x.onnx")]) == 2
    assert f"There is no folder {tmp_path / 'nodir'}." in capsys.readouterr().err
    assert main(["export-onnx", str(finished), "/proc/1/x.onnx"]) == 2
    assert "Nothing can be written into /proc/1: " in capsys.readouterr().err


def test_a_network_that_onnx_cannot_hold_is_refused_in_a_sentence(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Winding(torch.nn.Module):
        def forward(self, faces: torch.Tensor) -> torch.Tensor:
            return torch.special.bessel_j0(faces).mean(dim=(2, 3))

    class Windy(Predictor):
        def __init__(self, run: Path, **settings: bool) -> None:
            super().__init__(run, **settings)
            self.network = Winding()

    monkeypatch.setattr("training.core.onnx_export.Predictor", Windy)
    assert main(["export-onnx", str(finished), str(tmp_path / "x.onnx")]) == 2
    said = capsys.readouterr()
    assert said.err.startswith("error: resnet18 cannot be written as ONNX 17: ")
    assert "bessel_j0" in said.err
    assert len((said.out + said.err).splitlines()) == 1
    assert not list(tmp_path.iterdir())
