"""What a network would be shown first is what it then is shown."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.training.core.conftest import small
from tests.training.core.test_stepping import stepper
from training.core.__main__ import main
from training.core.batches import epoch_batches
from training.core.config import Config
from training.core.preview import _said, first_batch, viewable

SMALL = ["--network", "resnet18", "--preset", "quick", "--set", "image_size=32", "--set", "batch_size=20"]
SHOWN = {"batch_size": 20, "rotation": 20.0, "flip": 0.5, "crop": 0.2, "translate": 0.1, "contrast": 0.3}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"mixup": 0.3, "erase": 0.5, "normalisation": "image"},
        {"augment_order": "resize-then-rotate", "image_size": 48, "colour": "rgb", "mixup": 0.3},
    ],
)
def test_the_pixels_are_those_of_the_first_step(
    snapshot: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    one = stepper(snapshot, tmp_path, **SHOWN, **changes)
    given: list[torch.Tensor] = []
    # The layers behind it have no use for images of other sides.
    one._forward = lambda pixels: given.append(pixels) or one.network(pixels[:, :, :32, :32])  # type: ignore[func-returns-value]
    one.step(0, epoch_batches(one._train_rows.numpy(), 20, 0, 0)[0], epoch=0, rate=0.1)
    shown = first_batch(snapshot, one.config, most=12)
    assert torch.equal(shown.pixels, given[0][:12])
    assert not torch.equal(shown.pixels[0], shown.pixels[1])


def test_targets_are_what_the_loss_is_taken_by(snapshot: Path) -> None:
    plain = first_batch(snapshot, small(label_smoothing=0.0)(), most=8).targets
    assert plain.amax(dim=1).tolist() == [1.0] * 8
    mixed = first_batch(snapshot, small(label_smoothing=0.0, mixup=0.5)(), most=8).targets
    torch.testing.assert_close(mixed.sum(dim=1), torch.ones(8))
    assert ((mixed > 0.01).sum(dim=1) > 1).any()
    # The snapshot's votes are 8 to 2 on every face.
    votes = first_batch(snapshot, small(label_smoothing=0.0, target="distribution")(), most=8).targets
    torch.testing.assert_close(votes.amax(dim=1), torch.full((8,), 0.8))
    several = first_batch(
        snapshot, small(label_smoothing=0.0, target="multi-label", accepted_share=0.2)(), most=8
    ).targets
    assert several.sum(dim=1).tolist() == [2.0] * 8


@pytest.mark.parametrize(
    ("target", "changes", "said"),
    [
        ([0.0, 1.0, 0.0], {}, "sad"),
        ([0.9, 0.07, 0.03], {}, "happy 90%, sad 7%"),
        ([0.96, 0.02, 0.02], {}, "happy 96%"),
        ([1.0, 0.0, 1.0], {"target": "multi-label", "label_smoothing": 0.0}, "happy or surprise"),
    ],
)
def test_the_largest_shares_stand_below_a_face(
    target: list[float], changes: dict[str, object], said: str
) -> None:
    assert _said(target, ("happy", "sad", "surprise"), small(**changes)()) == said


def test_normalised_images_are_stretched_to_what_can_be_seen() -> None:
    config: Config = small(normalisation="image")()
    pixels = torch.tensor([-2.0, 0.0, 2.0, 1.0]).reshape(1, 1, 2, 2)
    assert viewable(pixels, config).flatten().tolist() == [0, 128, 255, 191]
    assert viewable(pixels.clamp(0, 1), small()()).flatten().tolist() == [0, 0, 255, 255]


def test_a_grid_is_written_and_nothing_else(
    snapshot: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "batch.png"
    before = {path.stat().st_mtime_ns for path in snapshot.parent.rglob("*")}
    assert main(["preview", str(snapshot), str(out), *SMALL]) == 0
    assert capsys.readouterr().out == f"{out} written: 20 faces.\n"
    assert [path.name for path in tmp_path.iterdir()] == ["batch.png"]
    assert {path.stat().st_mtime_ns for path in snapshot.parent.rglob("*")} == before
    with Image.open(out) as picture:
        assert picture.size == (8 * 180, 3 * 198)
        # Twenty faces in rows of eight leave the last four places empty.
        assert np.ptp(np.asarray(picture)[2 * 198 : 2 * 198 + 176, 4 * 180 :]) < 20
        assert np.ptp(np.asarray(picture)[:176, :176]) > 20


def test_what_cannot_be_shown_is_refused(
    snapshot: Path, finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = shutil.copytree(finished, tmp_path / "run")
    for words, said in (
        ([str(snapshot), str(tmp_path / "a.jpg")], "Name a .png file."),
        ([str(snapshot), str(tmp_path / "no" / "a.png")], "There is no folder"),
        ([str(snapshot), str(run / "a.png")], "is a run folder, which holds no pictures of faces"),
        ([str(tmp_path / "none"), str(tmp_path / "a.png")], "cannot be read"),
        ([str(snapshot), str(tmp_path / "a.png"), "--faces", "0"], "--faces is a number from 1 to 1024."),
        ([str(snapshot), str(tmp_path / "a.png"), "--set", "epoch=3"], "Did you mean epochs?"),
    ):
        assert main(["preview", *words, *SMALL]) == 2
        assert said in capsys.readouterr().err
    assert not list(tmp_path.rglob("*.png"))
