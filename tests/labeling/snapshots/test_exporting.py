"""Files others can open."""

import csv
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from django.core.files.storage import default_storage
from PIL import Image

from labeling.expressions import SEVEN
from labeling.models import Campaign, Export, Media
from labeling.snapshots import exporting, freezing
from labeling.snapshots import format as snapshots
from labeling.snapshots.exports import FORMATS
from tests.factories import make_campaign
from tests.labeling.snapshots.test_freezing import frozen, make_settled
from tests.snapshot_folders import make_snapshot_folder

pytestmark = pytest.mark.django_db


def exported(campaign: Campaign, format: str) -> Export:
    row = exporting.export(snapshot=frozen(campaign), format=format)
    exporting.run_export(row.pk)
    row.refresh_from_db()
    return row


def test_an_imagefolder_has_every_picture_in_its_class_and_says_whose_it_is() -> None:
    campaign = make_settled(12)
    Media.objects.update(licence="CC-BY-4.0", author="=1+1")
    row = exported(campaign, "imagefolder")
    with default_storage.open(row.stored_as) as file, zipfile.ZipFile(file) as archive:
        names = [name for name in archive.namelist() if name.endswith(".png")]
        whose = list(csv.DictReader(io.StringIO(archive.read("attribution.csv").decode())))
        sizes = {Image.open(io.BytesIO(archive.read(name))).size for name in names}
    assert len(names) == 12
    assert {name.split("/")[1] for name in names} == {"happy", "sad"}
    assert sizes == {(48, 48)}
    assert [line["file"] for line in whose] == names
    assert {(line["licence"], line["author"]) for line in whose} == {("CC-BY-4.0", "'=1+1")}


def test_a_fer2013_csv_has_every_pixel_and_the_usual_columns() -> None:
    row = exported(make_settled(12), "fer2013")
    with default_storage.open(row.stored_as) as file:
        lines = list(csv.DictReader(io.TextIOWrapper(file, "ascii")))
    table = snapshots.read_table(freezing.local_folder(row.snapshot)).to_pylist()
    assert list(lines[0]) == ["emotion", "pixels", "Usage"]
    for line, face in zip(lines, table, strict=True):
        pixels = np.array(line["pixels"].split(), dtype=np.uint8).reshape(48, 48)
        assert (pixels == np.asarray(Image.open(io.BytesIO(face["image"])))).all()
        assert SEVEN[int(line["emotion"])] == face["label"]
        assert {"Training": "train", "PublicTest": "validation", "PrivateTest": "test"}[
            line["Usage"]
        ] == face["split"]


def test_a_csv_of_other_classes_says_which_number_is_which(tmp_path: Path) -> None:
    make_snapshot_folder(tmp_path / "s", images_per_class=5, classes=("yes", "no"))
    note = FORMATS["fer2013"].write(tmp_path / "s", tmp_path / "out.csv", lambda done: None)
    assert note == "emotion: 0 yes, 1 no"


@pytest.mark.parametrize("format", list(FORMATS))
def test_made_again_a_file_has_the_same_bytes(format: str, tmp_path: Path) -> None:
    make_snapshot_folder(tmp_path / "s", images_per_class=5)
    for name in ("one", "two"):
        FORMATS[format].write(tmp_path / "s", tmp_path / name, lambda done: None)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_asking_twice_makes_one_file() -> None:
    snapshot = frozen(make_settled())
    first = exporting.export(snapshot=snapshot, format="fer2013")
    assert exporting.export(snapshot=snapshot, format="fer2013") == first
    exporting.run_export(first.pk)
    assert Export.objects.count() == 1


def test_an_unknown_format_and_an_unfinished_snapshot_are_refused() -> None:
    snapshot = frozen(make_settled())
    with pytest.raises(exporting.CannotExport, match="no format “coco”"):
        exporting.export(snapshot=snapshot, format="coco")
    waiting = freezing.freeze(campaign=make_settled())
    with pytest.raises(exporting.CannotExport, match="This snapshot is waiting"):
        exporting.export(snapshot=waiting, format="fer2013")
    assert make_campaign().snapshots.count() == 0
