"""A finished run keeps where it looked in the test faces that it was wrong about, and no picture of them."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from labeling.snapshots import format as snapshots
from tests.training.core.test_explaining import bare
from training.core import Predictor
from training.core.explaining import grad_cam, heat_of_mistakes
from training.core.heat_maps import SIDE, read_heat_maps, write_heat_maps
from training.core.predictions import Predictions, read_predictions


def test_each_mistake_has_the_map_that_grad_cam_gives(finished: Path, snapshot: Path) -> None:
    kept = pq.read_table(finished / "heat-maps-test.parquet").to_pydict()
    said = read_predictions(finished, "test")
    answers = said.probabilities.argmax(axis=1)
    wrong = [place for place in range(len(said)) if answers[place] != said.labels[place]]
    assert wrong
    wrong.sort(key=lambda place: -said.probabilities[place].max())
    assert kept["key"] == [said.keys[place] for place in wrong]
    assert kept["face_id"] == [said.face_ids[place] for place in wrong]

    table = snapshots.read_table(snapshot, columns=["face_key", "image"], split="test").to_pydict()
    images = dict(zip(table["face_key"], table["image"], strict=True))
    predictor = Predictor(finished, device="cpu")
    pixels = predictor.pixels([images[key] for key in kept["key"]])
    wanted = grad_cam(predictor, pixels, answers[wrong].tolist(), side=SIDE) * 255
    maps = np.stack([np.frombuffer(one, np.uint8) for one in kept["heat"]]).reshape(-1, SIDE, SIDE)
    np.testing.assert_allclose(maps, wanted, atol=1)
    assert maps.max() == 255


def test_the_maps_of_some_faces_are_read_by_their_numbers(finished: Path) -> None:
    kept = pq.read_table(finished / "heat-maps-test.parquet").to_pydict()
    found = read_heat_maps(finished, "test", [kept["face_id"][0], 10**9])
    assert list(found) == [kept["face_id"][0]]
    assert found[kept["face_id"][0]].tobytes() == kept["heat"][0]


def test_a_run_without_maps_or_with_damaged_ones_has_none(tmp_path: Path) -> None:
    assert read_heat_maps(tmp_path, "test", [1]) == {}
    (tmp_path / "heat-maps-test.parquet").write_bytes(b"PAR1 not really")
    assert read_heat_maps(tmp_path, "test", [1]) == {}


def all_wrong(faces: int) -> Predictions:
    return Predictions(
        classes=("happy", "sad"),
        keys=tuple(f"face-{number}" for number in range(faces)),
        face_ids=np.arange(faces),
        labels=np.zeros(faces, np.int64),
        probabilities=np.tile(np.array([0.25, 0.75]), (faces, 1)),
    )


def test_of_images_too_small_for_a_map_none_is_kept() -> None:
    found = heat_of_mistakes(
        bare("torchvision:vit_b_32", 64),
        torch.zeros((2, 1, 64, 64), dtype=torch.uint8),
        np.arange(2),
        all_wrong(2),
    )
    assert found is None


def test_of_a_run_without_mistakes_it_is_an_empty_file(tmp_path: Path) -> None:
    found = heat_of_mistakes(
        bare("resnet18-small", 32), torch.zeros((0, 1, 32, 32), dtype=torch.uint8), np.arange(0), all_wrong(0)
    )
    assert found is not None
    write_heat_maps(tmp_path / "heat-maps-test.parquet", found)
    assert read_heat_maps(tmp_path, "test", [1]) == {}


def test_it_can_be_stopped_between_batches(finished: Path) -> None:
    predictor = Predictor(finished, device="cpu")
    side = predictor.made.stored_size
    asked: list[int] = []

    class Enough(Exception):
        pass

    def between() -> None:
        asked.append(1)
        if len(asked) == 2:
            raise Enough

    images = torch.zeros((20, 1, side, side), dtype=torch.uint8)
    with pytest.raises(Enough):
        heat_of_mistakes(predictor, images, np.arange(20), all_wrong(20), between=between)
