"""A disk that takes no more: said in a sentence, nothing half written, and the same command goes on."""

import contextlib
import json
import resource
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.training.core.conftest import run_training, small
from tests.training.core.test_watching import film, noise
from training.core.__main__ import main
from training.core.refusals import TrainingFailed
from training.core.run_folder import Events, read_events

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits the size of files as Linux does")


@contextlib.contextmanager
def room_for(size: int) -> Iterator[None]:
    """No file may grow beyond so many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_no_room_for_the_decoded_images(snapshot: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    with room_for(20_000), pytest.raises(TrainingFailed, match=r"File too large\. Make room"):
        run_training(snapshot, run, small(epochs=1))
    assert not list(tmp_path.rglob("*.part"))
    assert not list(tmp_path.rglob("*.npy"))
    assert "Make room" in read_events(run / "metrics.jsonl")[-1]["message"]


@pytest.mark.slow
def test_no_room_for_a_checkpoint_loses_no_step(
    finished: Path, snapshot: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    # Enough for the best weights, too little for a checkpoint, which has the optimizer's state as well.
    with room_for(60_000_000), pytest.raises(TrainingFailed, match=r"last\.pt.* could not be written"):
        run_training(snapshot, run, small())
    assert {file.name for file in run.iterdir()} == {
        "best.safetensors",
        "config.json",
        "lock",
        "metrics.jsonl",
    }
    assert main(["train", str(snapshot), str(run)]) == 0
    one, two = (json.loads((folder / "result.json").read_text()) for folder in (finished, run))
    assert two["splits"] == one["splits"]


def test_a_line_that_finds_no_room_leaves_the_lines_before_whole(tmp_path: Path) -> None:
    events = Events(tmp_path / "metrics.jsonl")
    events.write("begin", text="a" * 100)
    with room_for(events.size() + 50), pytest.raises(OSError, match="File too large"):
        events.write("step", text="b" * 100)
    events.write("step", text="c")
    assert [event["text"] for event in read_events(tmp_path / "metrics.jsonl")] == ["a" * 100, "c"]


def test_a_line_cut_short_by_a_kill_is_not_written_on(tmp_path: Path) -> None:
    file = tmp_path / "metrics.jsonl"
    Events(file).write("begin")
    with file.open("a") as out:
        out.write('{"event": "st')
    Events(file).write("error", message="gone")
    assert [event["event"] for event in read_events(file)] == ["begin", "error"]


def test_other_commands_say_it_in_a_line(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with room_for(10):
        assert main(["ensemble", str(finished), str(finished), "--out", str(tmp_path / "e.json")]) == 2
        assert main(["card", str(finished)]) == 1
    card = finished / "MODEL_CARD.md"
    assert f"{card}: File too large. Make room there, then run it again." in capsys.readouterr().err


@pytest.mark.parametrize("room", [10, 3_000])
def test_predict_leaves_no_half_of_a_file(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], room: int
) -> None:
    Image.fromarray(noise(1, (200, 200))).save(tmp_path / "a.png")
    film(tmp_path / "b.mp4", frames=10, size=(200, 200))
    out, copies = tmp_path / "out", tmp_path / "copies"
    out.mkdir()
    for name in ("a.png", "b.mp4"):
        asked = ["predict", str(finished), str(tmp_path / name), "--detector", "none"]
        with room_for(room):
            assert main([*asked, "--annotated", str(copies)]) == 1
        assert f"{copies}/{name[0]}-" in (said := capsys.readouterr().err)
        assert "File too large. Make room there" in said
        assert ".part" not in said
        assert list(copies.iterdir()) == []
        with room_for(10):
            assert main([*asked, "--out", str(out / "faces.json")]) == 1
        assert f"{out / 'faces.json'}: File too large" in capsys.readouterr().err
        assert list(out.iterdir()) == []
        assert main([*asked, "--annotated", str(copies), "--out", str(out / "faces.json")]) == 0
        assert len(list(copies.iterdir())) == len(list(out.iterdir())) == 1
        shutil.rmtree(copies)
        (out / "faces.json").unlink()


def test_a_name_as_long_as_the_disk_takes_can_be_written(finished: Path, tmp_path: Path) -> None:
    Image.new("L", (32, 32), 99).save(tmp_path / "face.png")
    out = tmp_path / f"{'n' * 250}.json"
    assert (
        main(["predict", str(finished), str(tmp_path / "face.png"), "--detector", "none", "--out", str(out)])
        == 0
    )
    assert json.loads(out.read_text())[0]["box"] == [0, 0, 32, 32]
