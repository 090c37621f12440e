"""Several views of an image, each against making the view by hand, and the commands that judge."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.snapshot_folders import make_snapshot_folder
from tests.training.core.conftest import CLASSES, small, tampered
from training.core.__main__ import main
from training.core.augmentation import Turns, turned
from training.core.augmented_judging import judge_again
from training.core.judging import Views, plain, probabilities
from training.core.pixels import prepare
from training.core.refusals import BadRunFolder, BadSnapshot
from training.core.views import flip, ten_copies, ten_crop

CONFIG = small(image_size=32, augment_order="resize-then-rotate", normalisation="none")()


def images(number: int = 5) -> Tensor:
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (number, 1, 32, 32), np.uint8))


def views_of(views: Views, rows: Tensor | None = None) -> list[Tensor]:
    return list(views(images(), torch.arange(5) if rows is None else rows, CONFIG))


class Corner(nn.Module):
    """Says what the upper left pixel is."""

    def forward(self, pixels: Tensor) -> Tensor:
        bright = pixels[:, 0, 0, 0]
        return torch.stack([bright, 1 - bright], dim=1).log()


def test_the_plain_view_is_the_image() -> None:
    (view,) = views_of(plain)
    assert torch.equal(view, prepare(images(), CONFIG))


def test_flipped_views_are_the_image_and_its_mirror() -> None:
    image, mirror = views_of(flip)
    assert torch.equal(image, prepare(images(), CONFIG))
    assert torch.equal(mirror, torch.from_numpy(image.numpy()[..., ::-1].copy()))


def test_probabilities_are_averaged_over_the_views() -> None:
    found = probabilities(Corner(), images(), torch.tensor([3, 1]), CONFIG, torch.device("cpu"), views=flip)
    for row, image in zip(found, (3, 1), strict=True):
        left, right = (int(images()[image, 0, 0, column]) / 255 for column in (0, -1))
        assert row[0] == pytest.approx((left + right) / 2, abs=1e-6)


def test_ten_crops_are_corners_centre_and_their_mirrors() -> None:
    found = views_of(ten_crop)
    assert [view.shape for view in found] == [(5, 3, 32, 32)] * 10
    whole = prepare(images(), CONFIG)
    # 28 of 32 pixels, grown again: the outermost pixel of a crop stays what it was.
    firsts = [whole[..., top, left] for top, left in ((0, 0), (0, 4), (4, 0), (4, 4), (2, 2))]
    for view, mirror, first in zip(found[::2], found[1::2], firsts, strict=True):
        torch.testing.assert_close(view[..., 0, 0], first)
        assert torch.equal(mirror, view.flip(-1))
    torch.testing.assert_close(found[6][..., -1, -1], whole[..., -1, -1])


def test_the_authors_copies_are_drawn_anew_for_each_and_the_same_for_a_seed() -> None:
    found = views_of(ten_copies(seed=3))
    assert len(found) == 10
    assert all(
        torch.equal(one, other) for one, other in zip(found, views_of(ten_copies(seed=3)), strict=True)
    )
    assert not any(
        torch.equal(one, other) for one, other in zip(found, views_of(ten_copies(seed=4)), strict=True)
    )
    assert not torch.equal(found[0], found[1])


def test_a_copy_is_decided_by_the_row_not_by_its_company() -> None:
    together = views_of(ten_copies())
    alone = list(ten_copies()(images()[2:3], torch.tensor([2]), CONFIG))
    for one, whole in zip(alone, together, strict=True):
        torch.testing.assert_close(one[0], whole[2])


def test_the_authors_copies_turn_by_up_to_thirty_degrees_whatever_the_run_did(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn: list[Turns] = []

    def noted(pixels: Tensor, turns: Turns) -> Tensor:
        drawn.append(turns)
        return turned(pixels, turns)

    monkeypatch.setattr("training.core.pixels.turned", noted)
    many = torch.zeros(200, 1, 32, 32, dtype=torch.uint8)
    list(ten_copies()(many, torch.arange(200), CONFIG))
    angles = torch.rad2deg(torch.cat([turns.angles for turns in drawn]))
    mirrored = torch.cat([turns.mirrored for turns in drawn]).float()
    assert 29 < angles.max() <= 30
    assert -30 <= angles.min() < -29
    assert mirrored.mean() == pytest.approx(0.5, abs=0.05)


@pytest.fixture
def copy(finished: Path, tmp_path: Path) -> Path:
    """A finished run to write into."""
    shutil.copytree(finished, tmp_path / "run")
    return tmp_path / "run"


def test_looking_again_says_the_same_and_restores_the_files(copy: Path, snapshot: Path) -> None:
    before = json.loads((copy / "result.json").read_text())
    (copy / "predictions-validation.parquet").unlink()
    found = judge_again(snapshot=snapshot, run=copy, ways=["flip", "ten-copies"])
    assert list(found) == ["plain", "flip", "ten-copies"]
    assert found["plain"]["splits"]["test"]["confusion"] == before["splits"]["test"]["confusion"]
    assert found["flip"]["splits"]["test"]["nll"] != found["plain"]["splits"]["test"]["nll"]
    assert found["flip"]["splits"]["test"]["images"] == 15
    assert (copy / "predictions-validation.parquet").exists()


def test_another_snapshot_and_an_unfinished_run_are_refused(
    copy: Path, snapshot: Path, tmp_path: Path
) -> None:
    make_snapshot_folder(tmp_path / "other", images_per_class=5, size=32, classes=CLASSES, seed=9)
    with pytest.raises(BadSnapshot, match="was trained on the snapshot"):
        judge_again(snapshot=tmp_path / "other", run=copy)
    (copy / "result.json").unlink()
    with pytest.raises(BadRunFolder, match=r"no readable result\.json"):
        judge_again(snapshot=snapshot, run=copy)


def test_the_judge_command(
    finished: Path, copy: Path, snapshot: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = json.loads((finished / "result.json").read_text())
    assert main(["judge", str(finished)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == {"plain": {"splits": result["splits"], "groups": result["groups"]}}
    assert main(["judge", str(copy), "--snapshot", str(snapshot), "--augmented", "ten-crop"]) == 0
    assert list(json.loads(capsys.readouterr().out)) == ["plain", "ten-crop"]
    assert main(["judge", str(finished), "--augmented", "flip"]) == 2
    assert "Name their --snapshot" in capsys.readouterr().err


def test_the_compare_and_ensemble_commands(
    finished: Path, copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", str(finished), str(copy)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["split"], told["difference"], told["mcnemar"]["p"]) == ("test", 0.0, 1.0)
    out = tmp_path / "ensemble.json"
    assert main(["ensemble", str(finished), str(copy), "--most", "2", "--out", str(out)]) == 0
    written = json.loads(out.read_text())
    # Twice the same run: one member says as much.
    assert written["members"] == [str(finished)]
    assert written["against_best"] is None
    assert f"{out} written." in capsys.readouterr().out
    assert main(["ensemble", str(finished), str(tmp_path)]) == 2
    assert "is no run folder" in capsys.readouterr().err


def test_a_tampered_snapshot_is_not_looked_at_and_the_predictions_stay(
    finished: Path, snapshot: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, other = shutil.copytree(finished, tmp_path / "run"), tampered(snapshot, tmp_path / "tampered")
    before = {file.name: file.read_bytes() for file in run.iterdir()}
    for command in (
        ["judge", str(run), "--snapshot", str(other)],
        ["evaluate", str(other), str(run), "--split", "test"],
        ["explain", str(run), str(other), str(tmp_path / "grids")],
    ):
        assert main(command) == 2
        assert "is damaged. faces-00000.parquet" in capsys.readouterr().err
    assert {file.name: file.read_bytes() for file in run.iterdir()} == before
    assert not (tmp_path / "grids").exists()
