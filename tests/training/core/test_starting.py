"""How a training begins: what it asks of its snapshot, its folder and its starting weights, and what it refuses."""

import fcntl
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file, save_file

from labeling.snapshots import format as snapshots
from tests.snapshot_folders import make_snapshot_folder
from tests.training.core.conftest import CLASSES, StopAfter, events, run_training, small, tampered
from training.core.__main__ import main
from training.core.config import read_config
from training.core.model_card import card
from training.core.networks import network
from training.core.refusals import BadConfig, BadRunFolder, BadSnapshot, Stopped
from training.core.stopping import Stopper
from training.core.train import train


def test_other_settings_want_another_folder(finished: Path, snapshot: Path) -> None:
    before = (finished / "metrics.jsonl").read_bytes()
    with pytest.raises(BadRunFolder, match="made with other settings: seed was 0, now 5"):
        run_training(snapshot, finished, small(seed=5))
    assert (finished / "metrics.jsonl").read_bytes() == before


def test_another_snapshot_wants_another_folder(finished: Path, tmp_path: Path) -> None:
    make_snapshot_folder(tmp_path / "other", images_per_class=5, size=32, classes=CLASSES, seed=9)
    with pytest.raises(BadRunFolder, match="was trained on another snapshot"):
        run_training(tmp_path / "other", finished, None)


def test_two_trainers_do_not_share_a_folder(snapshot: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    with (run / "lock").open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(BadRunFolder, match="Another process is training"):
            run_training(snapshot, run, small())
    assert not (run / "metrics.jsonl").exists()


def test_a_changed_byte_in_the_snapshot_is_found(snapshot: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged"
    shutil.copytree(snapshot, damaged)
    shard = damaged / "faces-00000.parquet"
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    (tmp_path / "run").mkdir()
    with pytest.raises(BadSnapshot, match=r"faces-00000\.parquet"):
        run_training(damaged, tmp_path / "run", small())
    (error,) = events(tmp_path / "run", "error")
    assert "faces-00000.parquet" in str(error["message"])


def test_a_folder_that_is_no_snapshot_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadSnapshot, match=r"has no manifest\.json"):
        run_training(tmp_path, tmp_path / "run", small())


def test_a_face_that_is_no_image_is_named(snapshot: Path, tmp_path: Path) -> None:
    rows = snapshots.read_table(snapshot).to_pylist()
    rows[7]["image"] = rows[7]["image"][:40]
    for row in rows:
        del row["image_sha256"]
    snapshots.write(tmp_path / "odd", rows, classes=CLASSES, rule={})
    with pytest.raises(BadSnapshot, match=rows[7]["face_key"]):
        run_training(tmp_path / "odd", tmp_path / "run", small())


def test_a_snapshot_without_validation_faces_is_refused(snapshot: Path, tmp_path: Path) -> None:
    rows = [{**row, "split": "train"} for row in snapshots.read_table(snapshot).to_pylist()]
    snapshots.write(tmp_path / "all", rows, classes=CLASSES, rule={})
    with pytest.raises(BadSnapshot, match="0 faces in its validation split; training needs at least 1"):
        run_training(tmp_path / "all", tmp_path / "run", small())


def test_a_missing_class_is_told_not_hidden(snapshot: Path, tmp_path: Path) -> None:
    rows = [
        {**row, "split": "train" if row["split"] == "test" else row["split"]}
        for row in snapshots.read_table(snapshot).to_pylist()
        if row["label"] != "sad" or row["split"] == "validation"
    ]
    snapshots.write(tmp_path / "few", rows, classes=CLASSES, rule={})
    result = run_training(tmp_path / "few", tmp_path / "run", small(epochs=1))
    (begin,) = events(tmp_path / "run", "begin")
    assert begin["warnings"] == [
        "The train split has no face of class sad.",
        "The test split is empty: there will be no test figures.",
    ]
    assert list(result["splits"]) == ["validation"]  # type: ignore[call-overload]
    assert pq.read_table(tmp_path / "run" / "predictions-test.parquet").num_rows == 0


def test_a_run_starts_from_given_weights(snapshot: Path, finished: Path, tmp_path: Path) -> None:
    choose = small(starting_weights=str(finished / "best.safetensors"), epochs=1, learning_rate=1e-9)
    result = run_training(snapshot, tmp_path / "run", choose)
    before, after = load_file(finished / "best.safetensors"), load_file(tmp_path / "run" / "best.safetensors")
    torch.testing.assert_close(after["conv1.weight"], before["conv1.weight"], atol=1e-6, rtol=0)
    assert result["best_epoch"] == 1


def test_votes_that_are_to_be_learnt_and_are_not_there_are_told(snapshot: Path, tmp_path: Path) -> None:
    rows = [
        {**row, "votes": [0] * 5, "soft_label": [float(place == row["label_index"]) for place in range(3)]}
        for row in snapshots.read_table(snapshot).to_pylist()
    ]
    snapshots.write(tmp_path / "unvoted", rows, classes=CLASSES, rule={})
    for number, (folder, target, told) in enumerate(
        [
            (
                tmp_path / "unvoted",
                "distribution",
                ["target is distribution, but no training face has votes for more"],
            ),
            (tmp_path / "unvoted", "label", []),
            (snapshot, "distribution", []),
        ]
    ):
        run = tmp_path / f"run{number}"
        run_training(folder, run, small(epochs=1, target=target))
        (begin,) = events(run, "begin")
        assert [warning[: len(told[0])] for warning in begin["warnings"]] == told


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA card here")
def test_a_card_that_is_not_there_is_refused(snapshot: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with pytest.raises(BadConfig, match=r"no CUDA card here\. Set device to cpu"):
        run_training(snapshot, tmp_path / "run", small(device="cuda"))
    assert "no CUDA card" in str(events(tmp_path / "run", "error")[0]["message"])


def test_what_goes_on_checks_the_snapshot_again(snapshot: Path, tmp_path: Path) -> None:
    stopper, run = Stopper(), tmp_path / "run"
    with pytest.raises(Stopped):
        train(
            snapshot=snapshot,
            run=run,
            choose=small(),
            stopper=stopper,
            display=StopAfter(stopper, lines=2),
        )
    with pytest.raises(BadSnapshot, match=r"is damaged. faces-00000\.parquet"):
        run_training(tampered(snapshot, tmp_path / "tampered"), run, None)
    assert (run / "config.json").exists()


def test_a_refused_start_makes_no_folder(snapshot: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.safetensors"
    save_file(network("resnet34")(classes=3).state_dict(), other)
    for refused, choose, folder in (
        (BadConfig, small(starting_weights=str(other)), snapshot),
        (BadSnapshot, small(batch_size=64, accumulation=30), snapshot),
        (BadConfig, small(sync_batch_norm=True, device="auto"), snapshot),
        (BadSnapshot, small(), tmp_path / "nowhere"),
    ):
        with pytest.raises(refused):
            run_training(folder, tmp_path / "run", choose)
        assert not (tmp_path / "run").exists()


def test_a_refused_start_does_not_bind_a_folder_that_was_there(snapshot: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    with pytest.raises(BadSnapshot, match="makes 30 parts"):
        run_training(snapshot, run, small(batch_size=64, accumulation=30))
    assert "makes 30 parts" in str(events(run, "error")[0]["message"])
    assert run_training(snapshot, run, small(epochs=1))["best_epoch"] == 1


@pytest.mark.parametrize("below", ["file", "file/run"])
def test_a_run_folder_that_cannot_be_made_is_refused(snapshot: Path, tmp_path: Path, below: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BadRunFolder, match="cannot be a run folder: "):
        run_training(snapshot, tmp_path / below, small())


def test_weights_of_another_network_are_refused(
    finished: Path, snapshot: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = shutil.copytree(finished, tmp_path / "run")
    save_file(network("resnet34")(classes=3).state_dict(), run / "best.safetensors")
    for command in (
        ["predict", str(run), str(tmp_path / "a.png"), "--detector", "none"],
        ["judge", str(run), "--snapshot", str(snapshot)],
        ["evaluate", str(snapshot), str(run)],
        ["explain", str(run), str(snapshot), str(tmp_path / "grids")],
    ):
        (tmp_path / "a.png").touch()
        assert main(command) == 2
        assert "has the weights of another network than" in capsys.readouterr().err
    (run / "result.json").unlink()
    with pytest.raises(BadRunFolder, match="has the weights of another network than"):
        run_training(snapshot, run, None)


def test_where_a_run_starts_is_kept_so_that_it_is_found_from_anywhere(
    snapshot: Path, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    monkeypatch.chdir(finished.parent)
    choose = small(starting_weights=finished.name, epochs=1)
    run_training(snapshot, first, choose)
    run_training(snapshot, first, choose)
    monkeypatch.chdir(tmp_path)
    run_training(snapshot, second, lambda: read_config(first / "config.json"))
    assert read_config(second / "config.json").starting_weights == str(finished)
    assert f"weights of {finished.parent.name}/{finished.name};" in card(second)
