"""What a training begins from: decoded images, weights, settings of another version."""

import json
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from tests.training.core.conftest import run_training, small
from training.core.__main__ import main
from training.core.config import read_config
from training.core.refusals import BadConfig, BadRunFolder
from training.core.run_folder import RunFolder, read_events


@pytest.mark.parametrize("left", [0.5, 0.001, 0])
def test_decoded_images_that_were_cut_short_are_decoded_again(
    snapshot: Path, tmp_path: Path, left: float
) -> None:
    one = run_training(snapshot, tmp_path / "one", small(epochs=1))
    (file,) = tmp_path.glob("decoded-images/*.npy")
    whole = file.read_bytes()
    file.write_bytes(whole[: int(len(whole) * left)])
    two = run_training(snapshot, tmp_path / "two", small(epochs=1))
    assert file.read_bytes() == whole
    assert two["splits"] == one["splits"]


def test_what_starting_weights_leave_at_random_is_told(
    snapshot: Path, finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = load_file(finished / "best.safetensors")
    few = {name: tensor for name, tensor in weights.items() if name.startswith("fc.")}
    save_file(few, tmp_path / "few.safetensors")
    run = tmp_path / "run"
    run_training(snapshot, run, small(epochs=1, starting_weights=str(tmp_path / "few.safetensors")))
    note = (
        f"120 of the network's 122 tensors are not in {tmp_path / 'few.safetensors'}, or of another size there, and "
        f"start at random: bn1.bias, bn1.num_batches_tracked, bn1.running_mean, bn1.running_var …."
    )
    assert f"Note: {note}" in capsys.readouterr().out
    assert read_events(run / "metrics.jsonl")[0]["warnings"] == [note]
    whole = small(epochs=1, starting_weights=str(finished))
    run_training(snapshot, tmp_path / "whole", whole)
    assert read_events(tmp_path / "whole" / "metrics.jsonl")[0]["warnings"] == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"format": "vemo-run/2"},
            "is of the format vemo-run/2, and this version of the core reads vemo-run/1",
        ),
        (
            {"config": {"cutmix": 1.0}},
            "config has a setting nobody reads: cutmix. Take the version that wrote it",
        ),
    ],
)
def test_a_run_of_another_version_is_told_by_its_file(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: dict[str, object], said: str
) -> None:
    told = json.loads((finished / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**told, **change}))
    for command in (["card", str(tmp_path)], ["export-onnx", str(tmp_path), str(tmp_path / "x.onnx")]):
        assert main(command) == 2
        error = capsys.readouterr().err
        assert error.startswith(f"error: {RunFolder(tmp_path).config} ")
        assert said in error


def test_settings_of_another_version_are_told_by_their_file(tmp_path: Path) -> None:
    file = tmp_path / "newer.json"
    file.write_text(json.dumps({"cutmix": 1.0}))
    with pytest.raises(BadConfig, match=f"{file}: config has a setting nobody reads: cutmix"):
        read_config(file)


@pytest.mark.parametrize("left", ["last.pt", "best.safetensors", "result.json"])
def test_nothing_goes_on_from_a_training_whose_settings_are_lost(
    snapshot: Path, finished: Path, tmp_path: Path, left: str
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    shutil.copy(finished / left, run)
    with pytest.raises(BadRunFolder, match=rf"has {left} of a training, but its config\.json is lost"):
        run_training(snapshot, run, small(epochs=1))
    assert (run / left).read_bytes() == (finished / left).read_bytes()
    assert not (run / "config.json").exists()
