"""Where the arithmetic happens: chosen by command, by Python and by setting; told in what comes out, refused where it
is not there.
"""

import csv
import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from torch._inductor import config as inductor

from labeling.snapshots import format as snapshots
from training.core.__main__ import main
from training.core.config import resolve
from training.core.device import device_for, device_to_judge_on, quick_in_bf16, refuse_no_compiler
from training.core.predictor import Predictor
from training.core.refusals import BadConfig
from training.core.run_folder import RunFolder

without_card = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA card here")
without_apple = pytest.mark.skipif(torch.backends.mps.is_available(), reason="there is an Apple GPU here")


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    file = tmp_path / "face.png"
    Image.new("L", (40, 40), 90).save(file)
    return file


def told(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, object]:
    capsys.readouterr()
    assert main([str(each) for each in arguments]) == 0
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


def test_what_judged_is_told_with_the_figures(
    finished: Path, snapshot: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = shutil.copytree(finished, tmp_path / "run")
    assert told(capsys, "evaluate", snapshot, run, "--device", "cpu")["device"] == "cpu"
    judged = told(capsys, "judge", run, "--snapshot", snapshot, "--augmented", "flip", "--device", "cpu")
    assert [way["device"] for way in judged.values()] == ["cpu", "cpu"]  # type: ignore[index]
    assert RunFolder(run).read_result()["device"] == "cpu"
    assert main(["explain", str(run), str(snapshot), str(tmp_path / "grids"), "--device", "cpu"]) == 0


def test_what_judged_is_told_with_every_face(
    finished: Path, snapshot: Path, picture: Path, tmp_path: Path
) -> None:
    def predict(*media: object) -> None:
        arguments = ["predict", finished, *media, "--device", "cpu"]
        assert main([str(each) for each in arguments]) == 0

    rows, table = tmp_path / "out.json", tmp_path / "out.csv"
    predict(picture, "--detector", "none", "--out", rows)
    assert [row["device"] for row in json.loads(rows.read_text())] == ["cpu"]
    predict(picture, "--detector", "none", "--out", table)
    (row,) = csv.DictReader(table.read_text().splitlines())
    assert row["device"] == "cpu"
    images = snapshots.read_table(snapshot, columns=["image"], split="test")["image"].to_pylist()
    keys = [str(number) for number in range(len(images))]
    pq.write_table(pa.table({"key": keys, "image": images}), tmp_path / "in.parquet")
    predict(tmp_path / "in.parquet", tmp_path / "out.parquet")
    assert pq.read_schema(tmp_path / "out.parquet").metadata[b"device"] == b"cpu"


@pytest.mark.parametrize(
    ("device", "said"),
    [
        ("gpu", "device is 'gpu'; it must be one of auto, cpu, cuda, mps, cuda:N"),
        ("cuda:", "device is 'cuda:'; it must be one of"),
        ("cuda:-1", "device is 'cuda:-1'; it must be one of"),
        pytest.param("cuda", "device is cuda, but torch finds no CUDA card here", marks=without_card),
        pytest.param("cuda:1", "device is cuda:1, but torch finds no CUDA card here", marks=without_card),
        pytest.param("mps", "device is mps, but torch finds no Apple GPU here", marks=without_apple),
    ],
)
def test_a_device_that_is_not_there_is_refused_by_every_command(
    finished: Path,
    snapshot: Path,
    picture: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    device: str,
    said: str,
) -> None:
    grids, new = tmp_path / "grids", tmp_path / "new"
    for arguments in (
        ["predict", finished, picture],
        ["predict", finished, tmp_path / "in.parquet", tmp_path / "out.parquet"],
        ["evaluate", snapshot, finished],
        ["judge", finished, "--snapshot", snapshot],
        ["explain", finished, snapshot, grids],
        ["train", snapshot, new],
    ):
        assert main([*map(str, arguments), "--device", device]) == 2
        assert said in capsys.readouterr().err
    assert [file.name for file in tmp_path.iterdir()] == ["face.png"]
    with pytest.raises(BadConfig, match="device is"):
        Predictor(finished, device=device)


def test_judging_from_files_looks_at_nothing(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["judge", str(finished), "--device", "cpu"]) == 2
    assert "Name their --snapshot" in capsys.readouterr().err


def test_train_takes_it_as_the_setting(snapshot: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, "config", "--device", "cuda:1")["device"] == "cuda:1"
    assert main(["config", "--device", "cpu", "--set", "device=cpu"]) == 2
    assert "--device and --set device are one setting" in capsys.readouterr().err


@without_card
def test_a_run_of_another_card_is_used_with_what_is_here(caplog: pytest.LogCaptureFixture) -> None:
    config = resolve("quick", "resnet18", {"device": "cuda:3"})
    assert device_to_judge_on(config) == torch.device("cpu")
    assert "trained with device cuda:3, which is not here: cpu looks instead" in caplog.text
    with pytest.raises(BadConfig, match="no CUDA card"):
        device_to_judge_on(config, "cuda:3")


def test_a_card_beyond_the_last_is_refused_with_their_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(
        BadConfig, match="device is cuda:2, but torch counts 2 CUDA cards here, from cuda:0 on"
    ):
        device_for(resolve("quick", "resnet18", {"device": "cuda:2"}))


def test_one_card_is_not_for_several_processes() -> None:
    with pytest.raises(BadConfig, match="device is cuda:0, one card, but there are several processes"):
        device_for(resolve("quick", "resnet18", {"device": "cuda:0"}), card=0)


def test_an_apple_gpu_is_not_taken_for_a_processor_with_bfloat16() -> None:
    assert not quick_in_bf16(torch.device("mps"))


def test_compiling_without_a_compiler_is_refused() -> None:
    with inductor.patch({"cpp.cxx": (None, "no-such-compiler")}):
        with pytest.raises(BadConfig, match="torch finds no C\\+\\+ compiler here"):
            refuse_no_compiler(resolve(overrides={"compile": True}))
        refuse_no_compiler(resolve())
