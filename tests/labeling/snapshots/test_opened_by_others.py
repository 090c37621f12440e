"""Every export opened by the tool it is for. All read local files only."""

import io
import json
import warnings
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from labeling.expressions import SEVEN
from labeling.snapshots import format as snapshots
from labeling.snapshots.exports import FORMATS, write
from labeling.snapshots.exports.format import Given
from tests.snapshot_folders import make_snapshot_folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("snapshot") / "s"
    make_snapshot_folder(place, images_per_class=6)
    return place


@pytest.fixture(scope="module")
def faces(folder: Path) -> dict[str, dict[str, Any]]:
    return {face["face_key"]: face for face in snapshots.read_table(folder).to_pylist()}


def unpacked(name: str, folder: Path, target: Path) -> Path:
    packed = target / f"{name}.zip"
    write(FORMATS[name], Given(folder, name="Made", frozen_on="2026-03-04"), packed)
    with zipfile.ZipFile(packed) as archive:
        archive.extractall(target / name)
    return target / name


def test_torchvision_opens_an_imagefolder(
    folder: Path, faces: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    from training.core.torchvision_ops import make_importable

    make_importable()
    from torchvision.datasets import ImageFolder

    root = unpacked("imagefolder", folder, tmp_path)
    found = {}
    for split in snapshots.SPLITS:
        dataset = ImageFolder(str(root / split))
        assert dataset.classes == sorted(SEVEN)
        for path, index in dataset.samples:
            found[Path(path).stem] = (split, dataset.classes[index], Path(path).read_bytes())
    assert found == {key: (face["split"], face["label"], face["image"]) for key, face in faces.items()}


def test_datasets_opens_the_parquet_with_its_pictures(
    folder: Path, faces: dict[str, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets", exc_type=ImportError)
    root = unpacked("parquet", folder, tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loaded = datasets.load_dataset(str(root), cache_dir=str(tmp_path / "cache"))
        assert set(loaded) == set(snapshots.SPLITS)
        assert loaded["train"].features["label"].names == list(SEVEN)
        for split in snapshots.SPLITS:
            for row in loaded[split]:
                face = faces[row["face_key"]]
                assert (face["split"], face["label_index"]) == (split, row["label"])
                assert (row["votes"], row["group"], row["licence"]) == (
                    face["votes"],
                    face["group"],
                    face["licence"],
                )
                with Image.open(io.BytesIO(face["image"])) as image:
                    assert row["image"].tobytes() == image.tobytes()
    assert sum(len(loaded[split]) for split in loaded) == len(faces)


def test_pandas_opens_the_parquet(folder: Path, faces: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    root = unpacked("parquet", folder, tmp_path)
    files = sorted((root / "data").iterdir())
    table = pandas.concat([pandas.read_parquet(file) for file in files])
    assert {row.face_key: row.image["bytes"] for row in table.itertuples()} == {
        key: face["image"] for key, face in faces.items()
    }


def test_mlcroissant_validates_and_reads_the_croissant(
    folder: Path, faces: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mlcroissant = pytest.importorskip("mlcroissant", exc_type=ImportError)
        root = unpacked("parquet", folder, tmp_path)
        dataset = mlcroissant.Dataset(jsonld=str(root / "croissant.json"))
        assert (dataset.metadata.issues.errors, dataset.metadata.issues.warnings) == (set(), set())
        assert dataset.metadata.data_annotation_platform == ["VEMO"]
        found = {row["faces/face_key"].decode(): row for row in dataset.records("faces")}
        classes = [row["classes/name"] for row in dataset.records("classes")]
    assert (found.keys(), classes) == (faces.keys(), list(SEVEN))
    for key, row in found.items():
        assert (row["faces/label"], list(row["faces/votes"])) == (
            faces[key]["label_index"],
            faces[key]["votes"],
        )
        with Image.open(io.BytesIO(faces[key]["image"])) as image:
            assert row["faces/image"].tobytes() == image.tobytes()


def test_webdataset_streams_the_shards(
    folder: Path, faces: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    webdataset = pytest.importorskip("webdataset")
    root = unpacked("webdataset", folder, tmp_path)
    told = json.loads((root / "classes.json").read_text())
    assert told["classes"] == list(SEVEN)
    found = {}
    for split, shards in told["shards"].items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for shard in shards:
                for sample in webdataset.WebDataset(str(root / shard), shardshuffle=False):
                    face = json.loads(sample["json"])
                    found[sample["__key__"]] = (split, int(sample["cls"]), sample["png"], face["votes"])
    assert found == {
        key: (face["split"], face["label_index"], face["image"], face["votes"]) for key, face in faces.items()
    }


def test_pycocotools_opens_the_boxes(folder: Path, faces: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    coco = pytest.importorskip("pycocotools.coco")
    root = unpacked("coco", folder, tmp_path)
    found = {}
    for split in snapshots.SPLITS:
        told = coco.COCO(str(root / "annotations" / f"instances_{split}.json"))
        assert [told.cats[number]["name"] for number in sorted(told.cats)] == list(SEVEN)
        for one in told.loadAnns(told.getAnnIds()):
            (image,) = told.loadImgs(one["image_id"])
            name = told.cats[one["category_id"]]["name"]
            found[one["face_key"]] = (split, image["media_sha256"], one["bbox"], name)
    assert found == {
        key: (
            face["split"],
            face["media_sha256"],
            [face["x"], face["y"], face["width"], face["height"]],
            face["label"],
        )
        for key, face in faces.items()
    }


def test_pandas_opens_the_fer2013_table(
    folder: Path, faces: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    pandas = pytest.importorskip("pandas")
    root = unpacked("fer2013", folder, tmp_path)
    table = pandas.read_csv(root / "fer2013.csv")
    assert Counter(table["Usage"]) == {"Training": 28, "PublicTest": 7, "PrivateTest": 7}
    for row, face in zip(table.itertuples(), faces.values(), strict=True):
        with Image.open(io.BytesIO(face["image"])) as image:
            assert bytes(map(int, row.pixels.split())) == image.tobytes()
        assert SEVEN[row.emotion] == face["label"]
