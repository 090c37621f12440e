"""The recipes, and what becomes of a training that follows one."""

import json
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.snapshot_folders import make_snapshot_folder
from tests.training.core.conftest import CLASSES, StopAfter, run_training, small
from training.core.__main__ import main
from training.core.config import FIELDS, Config, read_config, resolve
from training.core.faces import load, open_snapshot
from training.core.refusals import BadConfig, BadSnapshot, Stopped
from training.core.run_folder import RunFolder
from training.core.stopping import Stopper
from training.core.train import train

EVERYTHING = {
    "target": "distribution",
    "least_share": 0.15,
    "label_smoothing": 0.05,
    "class_weights": "square-root",
    "mixup": 0.3,
    "crop": 0.2,
    "translate": 0.1,
    "contrast": 0.3,
    "erase": 0.3,
    "flip": 0.5,
    "rotation": 15,
    "ema": 0.9,
    "accumulation": 2,
    "clip_gradient": 1.0,
    "dropout": 0.3,
    "test_views": "ten-crop",
}
"""Every setting that trains otherwise, switched on."""


def test_strong_is_a_recipe_from_random_weights_on_small_images() -> None:
    config = resolve("strong", "resnet18")
    assert (config.image_size, config.starting_weights) == (48, "")
    assert (config.label_smoothing, config.mixup, config.epochs) == (0.1, 0.2, 300)
    assert (config.schedule, config.ema, config.test_views) == ("cosine", 0.999, "ten-crop")
    assert config.warm_up > 0


def test_soft_votes_is_strong_with_the_votes_as_target() -> None:
    strong, soft = resolve("strong", "resnet18").to_json(), resolve("soft-votes", "resnet18").to_json()
    differing = {name: soft[name] for name in soft if soft[name] != strong[name]}
    assert differing == {"target": "distribution", "label_smoothing": 0.0}


def test_the_authors_test_by_ten_copies_and_the_paper_tells_of_none() -> None:
    assert resolve("paper-code").test_views == "ten-copies"
    assert resolve("paper-text").test_views == "plain"


def test_a_config_saved_before_the_later_settings_still_means_the_same() -> None:
    later = [name for name, setting in FIELDS.items() if setting.later]
    values = resolve("quick", "resnet18", {"seed": 3}).to_json()
    earlier = {name: value for name, value in values.items() if name not in later}
    assert len(later) >= 15
    assert Config.from_json(earlier) == resolve("quick", "resnet18", {"seed": 3})


def test_a_run_from_before_the_later_settings_is_still_read(finished: Path, tmp_path: Path) -> None:
    said = json.loads((finished / "config.json").read_text())
    said["config"] = {name: value for name, value in said["config"].items() if not FIELDS[name].later}
    (tmp_path / "config.json").write_text(json.dumps(said))
    made = RunFolder(tmp_path).made()
    assert made is not None
    assert made.config == small()()


def test_a_training_begun_before_the_later_settings_goes_on(snapshot: Path, tmp_path: Path) -> None:
    whole, run, stopper = tmp_path / "whole", tmp_path / "run", Stopper()
    run_training(snapshot, whole, small(epochs=2))
    display = StopAfter(stopper, lines=2)
    with pytest.raises(Stopped):
        train(snapshot=snapshot, run=run, choose=small(epochs=2), stopper=stopper, display=display)
    made, last = json.loads((run / "config.json").read_text()), torch.load(run / "last.pt")
    made["config"] = {name: value for name, value in made["config"].items() if not FIELDS[name].later}
    del last["average"], last["progress"]["parts"], last["progress"]["norms"]
    last |= {"random": torch.get_rng_state(), "random_cuda": None}
    (run / "config.json").write_text(json.dumps(made))
    torch.save(last, run / "last.pt")
    run_training(snapshot, run, None)
    assert (run / "best.safetensors").read_bytes() == (whole / "best.safetensors").read_bytes()


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({"target": "multi-label"}, "multi-label accepts several whole ones"),
        ({"class_weights": "inverse", "logit_adjustment": 1}, "both make up for rare classes"),
        ({"least_share": 0.1}, "least_share is about votes, but target is label"),
        ({"accepted_share": 0.5}, "accepted_share is a setting of multi-label"),
        ({"accumulation": 20}, "batch_size is 32, but accumulation is 20"),
        ({"sync_batch_norm": True, "device": "cpu"}, "sync_batch_norm needs CUDA cards"),
        ({"schedule": "cosine", "lowest_learning_rate": 1}, "above learning_rate"),
        ({"body_rate": 0.1}, "body_rate is 0.1, but starting_weights is empty"),
        (
            {"frozen_epochs": 2},
            "frozen_epochs is 2, but starting_weights is empty: random weights would be kept.",
        ),
        (
            {"frozen_epochs": 12, "starting_weights": "a.pth"},
            "frozen_epochs is 12, but epochs is 12: all but the last layer would never learn.",
        ),
        ({"ema": 1.0}, "ema is 1.0; it must be at most 0.999999."),
    ],
)
def test_contradictions_between_later_settings_are_refused(overrides: dict[str, object], said: str) -> None:
    with pytest.raises(BadConfig) as refused:
        resolve("quick", "resnet18", overrides)
    assert said in str(refused.value)


@pytest.mark.slow
def test_a_saved_config_repeats_its_training_to_the_byte(snapshot: Path, tmp_path: Path) -> None:
    first, again = tmp_path / "first", tmp_path / "again"
    run_training(snapshot, first, small(epochs=2, **EVERYTHING))
    saved = str(first / "config.json")
    assert main(["train", str(snapshot), str(again), "--config", saved]) == 0
    assert read_config(again / "config.json") == read_config(first / "config.json")
    for name in ("best.safetensors", "predictions-test.parquet", "result.json"):
        assert (again / name).read_bytes() == (first / name).read_bytes(), name


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"target": "draw", "logit_adjustment": 1.0},
        {"target": "multi-label", "label_smoothing": 0.0, "class_weights": "inverse"},
        {"mixup": 0.2, "schedule": "cosine", "ema": 0.8},
    ],
    ids=lambda changes: "-".join(map(str, changes.values())),
)
def test_every_way_of_learning_learns(snapshot: Path, tmp_path: Path, changes: dict[str, object]) -> None:
    result = run_training(snapshot, tmp_path / "run", small(**changes))
    assert result["splits"]["test"]["accuracy"] > 0.5  # type: ignore[index]


@pytest.mark.slow
def test_votes_make_a_network_less_sure(snapshot: Path, finished: Path, tmp_path: Path) -> None:
    # The snapshot's votes are 8 to 2 on every face.
    choose = small(target="distribution", label_smoothing=0.0)
    soft = run_training(snapshot, tmp_path / "soft", choose)
    hard = run_training(snapshot, tmp_path / "hard", small(label_smoothing=0.0))
    divergences = [run["splits"]["test"]["people"]["divergence"] for run in (soft, hard)]  # type: ignore[index]
    assert divergences[0] < divergences[1]


def test_the_average_is_what_is_kept(snapshot: Path, tmp_path: Path) -> None:
    run_training(snapshot, tmp_path / "run", small(epochs=1, ema=0.99))
    last = torch.load(tmp_path / "run" / "last.pt", weights_only=True)
    kept = load_file(tmp_path / "run" / "best.safetensors")
    for name, weight in kept.items():
        assert torch.equal(weight, last["average"]["network"][name]), name
    assert not torch.equal(kept["conv1.weight"], last["network"]["conv1.weight"])


def test_several_views_are_told_beside_the_plain_figures(snapshot: Path, tmp_path: Path) -> None:
    result = run_training(snapshot, tmp_path / "run", small(epochs=1, test_views="flip"))
    plain = run_training(snapshot, tmp_path / "plain", small(epochs=1))
    assert result["splits"] == plain["splits"]
    assert list(result["augmented"]) == ["flip"]  # type: ignore[call-overload]
    augmented = result["augmented"]["flip"]["splits"]["test"]  # type: ignore[index]
    assert augmented["images"] == 15
    assert augmented["nll"] != result["splits"]["test"]["nll"]  # type: ignore[index]
    assert "augmented" not in plain


def test_a_gradient_is_clipped(snapshot: Path, tmp_path: Path) -> None:
    """With plain SGD and a tiny norm allowed, no weight can move further than the norm allows."""
    changes = {"optimizer": "sgd", "momentum": 0.0, "weight_decay": 0.0, "schedule": "constant"}
    choose = small(epochs=1, learning_rate=1.0, clip_gradient=1e-4, batch_size=64, **changes)
    run_training(snapshot, tmp_path / "clipped", choose)
    run_training(snapshot, tmp_path / "still", small(epochs=1, learning_rate=1e-12, batch_size=64, **changes))
    moved, still = (load_file(tmp_path / name / "best.safetensors") for name in ("clipped", "still"))
    squares = [
        float((moved[name] - still[name]).square().sum())
        for name in moved
        if name.endswith(("weight", "bias"))
    ]
    # 45 training faces are one step.
    assert 0.5e-4 < sum(squares) ** 0.5 < 1.05e-4


def test_parts_that_would_hold_a_lone_image_are_refused(tmp_path: Path) -> None:
    make_snapshot_folder(tmp_path / "few", images_per_class=5, size=32, classes=CLASSES)
    with pytest.raises(BadSnapshot, match="makes 8 parts of a batch, which need 2 images each"):
        run_training(tmp_path / "few", tmp_path / "run", small(batch_size=16, accumulation=8))


def test_decoded_images_are_shared_by_runs_and_go_when_long_unused(snapshot: Path, tmp_path: Path) -> None:
    run_training(snapshot, tmp_path / "runs" / "one", small(epochs=1))
    (array,) = (tmp_path / "runs" / "decoded-images").glob("images-*")
    before = array.stat().st_ino
    run_training(snapshot, tmp_path / "runs" / "two", small(epochs=1))
    assert array.stat().st_ino == before
    os.utime(array, (0, 0))
    load(open_snapshot(snapshot), small(colour="rgb")(), 32, array.parent)
    assert [path.name.split("-")[3] for path in array.parent.glob("images-*")] == ["rgb"]


def test_a_batch_in_parts_teaches_what_the_whole_batch_would(snapshot: Path, tmp_path: Path) -> None:
    """Without batch norm, whose means are those of a part, the parts' gradients add up to the batch's."""
    kept = []
    for parts in (1, 3):
        sgd = {"optimizer": "sgd", "learning_rate": 0.05, "epochs": 1, "accumulation": parts, "batch_size": 9}
        settings = {**small()().to_json(), **sgd, "network": "torchvision:squeezenet1_1"}
        run_training(snapshot, tmp_path / str(parts), lambda: resolve(overrides=settings))  # noqa: B023
        kept.append(load_file(tmp_path / str(parts) / "best.safetensors"))
    for name, weight in kept[0].items():
        torch.testing.assert_close(weight, kept[1][name], atol=1e-6, rtol=1e-4)
