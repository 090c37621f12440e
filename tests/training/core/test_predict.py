"""A finished run judges any images, whatever company they come in."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from labeling.snapshots import format as snapshots
from tests.snapshot_folders import make_snapshot_folder
from training.core.predict import evaluate, predict
from training.core.predictor import Predictor
from training.core.refusals import BadImages, BadRunFolder, BadSnapshot


def images_file(folder: Path, keys: list[str], images: list[bytes]) -> Path:
    file = folder / "images.parquet"
    pq.write_table(pa.table({"key": keys, "image": pa.array(images, pa.binary())}), file)
    return file


def test_predictions_keep_the_order_and_are_those_of_the_training(
    finished: Path, snapshot: Path, tmp_path: Path
) -> None:
    faces = snapshots.read_table(snapshot, columns=["face_key", "image"], split="test").to_pydict()
    keys, images = faces["face_key"][::-1], faces["image"][::-1]
    rows = predict(run=finished, images=images_file(tmp_path, keys, images), out=tmp_path / "out.parquet")
    found = pq.read_table(tmp_path / "out.parquet").to_pydict()
    told = pq.read_table(finished / "predictions-test.parquet").to_pydict()
    assert rows == len(keys)
    assert found["key"] == keys
    # Where the machine is quick in bfloat16, that answers.
    np.testing.assert_allclose(found["probabilities"][::-1], told["probabilities"], atol=0.02)
    np.testing.assert_allclose(np.sum(found["probabilities"], axis=1), 1, atol=1e-5)


def test_an_image_is_judged_alone_as_in_a_crowd(finished: Path, snapshot: Path) -> None:
    images = snapshots.read_table(snapshot, columns=["image"], split="train")["image"].to_pylist()
    predictor = Predictor(finished, bf16=False)
    together = predictor.probabilities(images)
    alone = np.concatenate([predictor.probabilities([image]) for image in images[:5]])
    np.testing.assert_allclose(alone, together[:5], atol=1e-5)
    assert np.array_equal(predictor.probabilities(images), together)


def test_no_images_are_no_predictions(finished: Path, tmp_path: Path) -> None:
    assert predict(run=finished, images=images_file(tmp_path, [], []), out=tmp_path / "out.parquet") == 0
    assert pq.read_table(tmp_path / "out.parquet").column_names == ["key", "probabilities"]


def test_an_image_that_is_none_is_named_and_nothing_is_written(finished: Path, tmp_path: Path) -> None:
    file = images_file(tmp_path, ["good-name"], [b"\x89PNG broken"])
    with pytest.raises(BadImages, match="good-name is not an image"):
        predict(run=finished, images=file, out=tmp_path / "out.parquet")
    assert [path.name for path in tmp_path.iterdir()] == ["images.parquet"]


def test_a_file_without_the_columns_is_refused(finished: Path, tmp_path: Path) -> None:
    pq.write_table(pa.table({"name": ["x"]}), tmp_path / "images.parquet")
    with pytest.raises(BadImages, match="with the columns key and image"):
        predict(run=finished, images=tmp_path / "images.parquet", out=tmp_path / "out.parquet")


def test_a_folder_that_is_no_run_cannot_judge(tmp_path: Path) -> None:
    with pytest.raises(BadRunFolder, match=r"no run folder: it has no config\.json"):
        Predictor(tmp_path)


def test_evaluating_a_split_again_gives_the_same_figures(finished: Path, snapshot: Path) -> None:
    result = json.loads((finished / "result.json").read_text())
    again = evaluate(snapshot=snapshot, run=finished, split="validation")
    assert again["confusion"] == result["splits"]["validation"]["confusion"]
    assert again["nll"] == pytest.approx(result["splits"]["validation"]["nll"], abs=1e-5)


def test_a_snapshot_of_other_classes_cannot_be_evaluated(finished: Path, tmp_path: Path) -> None:
    make_snapshot_folder(tmp_path / "other", images_per_class=5, size=32, classes=("sad", "happy"))
    with pytest.raises(
        BadSnapshot, match=r"classes \(sad, happy\) are not the run's \(happy, sad, surprise\)"
    ):
        evaluate(snapshot=tmp_path / "other", run=finished, split="test")


@pytest.mark.parametrize(
    ("keys", "images", "said"),
    [
        (pa.array([1]), pa.array([b"x"]), "the column key holds int64, not text"),
        (pa.array(["a"]), pa.array(["x"]), "the column image holds string, not encoded bytes"),
        (pa.array(["a"]), pa.array([None], pa.binary()), "the row of key a has no image"),
    ],
)
def test_columns_of_another_kind_are_refused(
    finished: Path, tmp_path: Path, keys: pa.Array, images: pa.Array, said: str
) -> None:
    pq.write_table(pa.table({"key": keys, "image": images}), tmp_path / "images.parquet")
    with pytest.raises(BadImages, match=said):
        predict(run=finished, images=tmp_path / "images.parquet", out=tmp_path / "out.parquet")
    assert not (tmp_path / "out.parquet").exists()
