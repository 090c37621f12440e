"""A training fills its run folder, chooses on validation, and tells what goes wrong on the way."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import save_file

from labeling.snapshots import format as snapshots
from tests.training.core.conftest import CLASSES, events, run_training, small
from training.core import train as train_module
from training.core.batches import epoch_batches
from training.core.device import explained_memory
from training.core.model_card import card
from training.core.networks import network
from training.core.progress import Display
from training.core.refusals import BadRunFolder, Stopped, TrainingFailed
from training.core.run_folder import read_events
from training.core.stepping import Pending, Stepper
from training.core.stopping import Stopper
from training.core.train import train


def test_a_finished_run_folder_holds_its_contract(finished: Path) -> None:
    files = {path.name for path in finished.iterdir()}
    assert files == {
        "MODEL_CARD.md",
        "config.json",
        "metrics.jsonl",
        "last.pt",
        "best.safetensors",
        "result.json",
        "predictions-validation.parquet",
        "predictions-test.parquet",
        "heat-maps-test.parquet",
        "lock",
    }


def test_a_run_remembers_what_it_was_made_of(finished: Path, snapshot: Path) -> None:
    made = json.loads((finished / "config.json").read_text())
    assert made["config"] == small()().to_json()
    assert made["classes"] == list(CLASSES)
    assert made["snapshot_digest"] == snapshots.read_manifest(snapshot).digest
    assert made["stored_size"] == 32


def test_a_small_training_learns(finished: Path) -> None:
    result = json.loads((finished / "result.json").read_text())
    assert result["classes"] == list(CLASSES)
    assert result["splits"]["test"]["images"] == 15
    assert result["splits"]["test"]["accuracy"] > 0.6


def test_every_epoch_is_told_once_with_its_figures(finished: Path) -> None:
    told = events(finished, "epoch")
    assert [event["epoch"] for event in told] == [1, 2, 3, 4]
    assert set(told[0]) == {
        "event",
        "time",
        "epoch",
        "epochs",
        "train_loss",
        "train_accuracy",
        "validation_loss",
        "validation_accuracy",
        "learning_rate",
        "gradient_norm",
        "largest_gradient_norm",
        "seconds",
        "eta_seconds",
        "images_per_second",
        "best",
    }
    assert 0 < told[0]["gradient_norm"] <= told[0]["largest_gradient_norm"]  # type: ignore[operator]
    assert told[-1]["eta_seconds"] == 0


def test_the_best_epoch_is_chosen_on_validation(finished: Path) -> None:
    told = events(finished, "epoch")
    best = max(told, key=lambda event: (event["validation_accuracy"], -event["validation_loss"]))
    result = json.loads((finished / "result.json").read_text())
    assert result["best_epoch"] == best["epoch"]
    assert result["splits"]["validation"]["accuracy"] == best["validation_accuracy"]
    assert result["splits"]["validation"]["nll"] == pytest.approx(best["validation_loss"])
    (end,) = events(finished, "end")
    assert end["best_epoch"] == best["epoch"]


def test_test_predictions_name_each_face(finished: Path, snapshot: Path) -> None:
    told = pq.read_table(finished / "predictions-test.parquet").to_pydict()
    faces = snapshots.read_table(snapshot, columns=["face_key", "face_id", "label"], split="test").to_pydict()
    assert told["key"] == faces["face_key"]
    assert told["face_id"] == faces["face_id"]
    assert told["label"] == faces["label"]
    probabilities = np.array(told["probabilities"])
    assert [CLASSES[index] for index in probabilities.argmax(axis=1)] == told["predicted"]
    result = json.loads((finished / "result.json").read_text())["splits"]["test"]
    assert np.mean(np.array(told["predicted"]) == told["label"]) == result["accuracy"]


def test_a_finished_run_is_left_alone(
    finished: Path, snapshot: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (finished / "metrics.jsonl").read_bytes()
    result = run_training(snapshot, finished, None)
    assert result == json.loads((finished / "result.json").read_text())
    assert "is finished; nothing to do" in capsys.readouterr().out
    assert (finished / "metrics.jsonl").read_bytes() == before


def test_a_loss_that_is_no_number_stops_with_the_faces(snapshot: Path, tmp_path: Path) -> None:
    weights = network("resnet18")(classes=3).state_dict()
    weights["fc.1.bias"].copy_(torch.tensor([3e38, -3e38, 0]))
    save_file(weights, tmp_path / "extreme.safetensors")
    choose = small(starting_weights=str(tmp_path / "extreme.safetensors"))
    with pytest.raises(TrainingFailed, match=r"no number any more \(epoch 1, step 1\)"):
        run_training(snapshot, tmp_path / "run", choose)
    (error,) = events(tmp_path / "run", "error")
    train_keys = snapshots.read_table(snapshot, columns=["face_key"], split="train")["face_key"].to_pylist()
    first = epoch_batches(np.arange(len(train_keys)), 8, seed=0, epoch=0)[0]
    assert (error["epoch"], error["step"]) == (1, 1)
    assert error["face_keys"] == [train_keys[place] for place in first]
    assert not (tmp_path / "run" / "last.pt").exists()


def test_stopping_before_the_first_step_leaves_something_to_go_on_from(
    snapshot: Path, tmp_path: Path
) -> None:
    stopper = Stopper()
    stopper.ask("enough")
    run = tmp_path / "run"
    with pytest.raises(Stopped, match="enough"):
        train(snapshot=snapshot, run=run, choose=small(epochs=1), stopper=stopper, display=Display())
    assert run_training(snapshot, run, None)["best_epoch"] == 1


class MovesAway(Display):
    """Moves a folder when the first epoch is over."""

    def __init__(self, folder: Path, to: Path) -> None:
        super().__init__()
        self.folder, self.to = folder, to

    def say(self, text: str) -> None:
        super().say(text)
        if text.startswith("Epoch 1/"):
            self.folder.rename(self.to)


def test_a_snapshot_that_goes_while_it_is_learnt_costs_no_epoch(snapshot: Path, tmp_path: Path) -> None:
    here, away, run = tmp_path / "snapshot", tmp_path / "away", tmp_path / "run"
    shutil.copytree(snapshot, here)
    moving = MovesAway(here, away)
    with pytest.raises(TrainingFailed, match=r"cannot be read any more: .*Put it back; the same command"):
        train(snapshot=here, run=run, choose=small(epochs=1), stopper=Stopper(), display=moving)
    assert "cannot be read any more" in read_events(run / "metrics.jsonl")[-1]["message"]
    away.rename(here)
    assert run_training(here, run, None)["best_epoch"] == 1
    assert [event["event"] for event in read_events(run / "metrics.jsonl")].count("epoch") == 1


def test_no_progress_for_too_long_ends_a_training_early(snapshot: Path, tmp_path: Path) -> None:
    # Without a step worth the name the validation accuracy stays as it is.
    choose = small(epochs=50, early_stopping=1, learning_rate=1e-12, schedule="constant")
    run_training(snapshot, tmp_path / "run", choose)
    told = [event["validation_accuracy"] for event in events(tmp_path / "run", "epoch")]
    best = told.index(max(told))
    assert len(told) == best + 3
    assert len(told) < 50


def test_out_of_memory_says_what_to_lower() -> None:
    with (
        pytest.raises(TrainingFailed, match=r"batch_size 8 at image_size 32\. Lower batch_size"),
        explained_memory(small()()),
    ):
        torch.empty(1 << 50)


def test_other_errors_are_not_taken_for_a_lack_of_memory() -> None:
    with pytest.raises(RuntimeError, match="cannot be multiplied"), explained_memory(small()()):
        torch.zeros(2, 3) @ torch.zeros(2, 3)


def test_every_face_is_seen_once_an_epoch_in_a_new_order() -> None:
    rows = np.arange(100, 141)
    first, again, second = (epoch_batches(rows, 8, seed=1, epoch=epoch) for epoch in (0, 0, 1))
    assert [len(batch) for batch in first] == [8, 8, 8, 8, 9]
    assert np.array_equal(np.sort(np.concatenate(first)), rows)
    assert np.array_equal(np.concatenate(first), np.concatenate(again))
    assert not np.array_equal(np.concatenate(first), np.concatenate(second))


def test_the_card_is_there_before_the_run_counts_as_finished(
    snapshot: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(run: Path, result: object) -> Path:
        raise KeyboardInterrupt

    run = tmp_path / "run"
    with monkeypatch.context() as patched:
        patched.setattr(train_module, "write_card", killed)
        with pytest.raises(KeyboardInterrupt):
            run_training(snapshot, run, small(epochs=1))
    run_training(snapshot, run, None)
    assert (run / "MODEL_CARD.md").read_text("utf-8") == card(run)


def test_lost_weights_at_the_end_are_told_with_what_helps(
    finished: Path, snapshot: Path, tmp_path: Path
) -> None:
    run = shutil.copytree(finished, tmp_path / "run")
    for name in ("best.safetensors", "result.json"):
        (run / name).unlink()
    with pytest.raises(BadRunFolder, match=r"is lost, .* delete .*last\.pt to train from the beginning"):
        run_training(snapshot, run, None)
    (run / "last.pt").unlink()
    assert run_training(snapshot, run, None)["classes"] == list(CLASSES)


def test_validation_output_that_is_no_number_is_told_with_step_and_faces(
    snapshot: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The losses of all steps are numbers; the last one's update is what spoils the weights.
    whole = Stepper.step

    def spoil(self: Stepper, step: int, *rest: Any) -> Pending:
        done = whole(self, step, *rest)
        if step == 5:
            with torch.no_grad():
                next(self.network.parameters()).fill_(float("nan"))
        return done

    monkeypatch.setattr(Stepper, "step", spoil)
    with pytest.raises(TrainingFailed, match=r"15 validation faces is no number \(epoch 1, after step 6\)"):
        run_training(snapshot, tmp_path / "run", small())
    (error,) = events(tmp_path / "run", "error")
    train_keys = snapshots.read_table(snapshot, columns=["face_key"], split="train")["face_key"].to_pylist()
    last = epoch_batches(np.arange(len(train_keys)), 8, seed=0, epoch=0)[-1]
    assert error["step"] == 6
    assert error["face_keys"] == [train_keys[place] for place in last]
    assert len(error["validation_face_keys"]) == 15  # type: ignore[arg-type]


class NotesCheckpoints(Display):
    """Notes which checkpoints have lain in the folder whenever something was said."""

    def __init__(self, run: Path) -> None:
        super().__init__()
        self.file, self.seen = run / "last.pt", set[int]()

    def say(self, text: str) -> None:
        super().say(text)
        self.look()

    def look(self) -> None:
        if self.file.exists():
            self.seen.add(self.file.stat().st_mtime_ns)


@pytest.mark.parametrize("share", [1e9, 1e-9])
def test_an_epoch_too_quick_for_a_checkpoint_writes_one_only_where_it_must(
    snapshot: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: float
) -> None:
    monkeypatch.setattr("training.core.loop._SAVING", share)
    run = tmp_path / "run"
    display = NotesCheckpoints(run)
    train(snapshot=snapshot, run=run, choose=small(epochs=8), stopper=Stopper(), display=display)
    display.look()
    best = {event["epoch"] for event in events(run, "epoch") if event["best"]}
    assert len(display.seen) == (8 if share > 1 else len(best | {8}))
