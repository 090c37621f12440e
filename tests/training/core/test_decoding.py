"""A snapshot's images, decoded once into an array that later trainings find."""

from pathlib import Path

import numpy as np

from labeling.snapshots import format as snapshots
from tests.snapshot_folders import make_snapshot_folder
from tests.training.core.conftest import CLASSES, small
from training.core.faces import load, open_snapshot, stored_size


def test_images_of_one_small_size_are_kept_as_they_are(snapshot: Path, tmp_path: Path) -> None:
    opened = open_snapshot(snapshot)
    config = small(image_size=64)()
    side = stored_size(opened, config)
    faces = load(opened, config, side, tmp_path)
    assert side == 32
    assert faces.images.shape == (75, 1, 32, 32)
    assert stored_size(opened, small(network="resnet18", image_size=32)()) == 32


def test_images_of_several_sizes_are_kept_as_the_network_wants_them(snapshot: Path, tmp_path: Path) -> None:
    make_snapshot_folder(tmp_path / "large", images_per_class=5, size=40, classes=CLASSES)
    rows = [
        row for folder in (snapshot, tmp_path / "large") for row in snapshots.read_table(folder).to_pylist()
    ]
    rows.sort(key=lambda row: row["face_key"])
    snapshots.write(tmp_path / "mixed", rows, classes=CLASSES, rule={})
    assert stored_size(open_snapshot(tmp_path / "mixed"), small(image_size=64)()) == 64


def test_decoding_happens_once(snapshot: Path, tmp_path: Path) -> None:
    opened, config, told = open_snapshot(snapshot), small()(), []
    first = load(opened, config, 32, tmp_path, told.append)
    second = load(opened, config, 32, tmp_path, told.append)
    assert told == [75]
    assert np.array_equal(first.images, second.images)


def test_what_a_killed_process_has_half_decoded_goes_but_not_what_a_living_one_decodes(
    snapshot: Path, tmp_path: Path
) -> None:
    opened, config = open_snapshot(snapshot), small()()
    left = tmp_path / ".images-digest-75-grey-32.npy.1.part"
    left.touch()

    def beside(done: int) -> None:
        assert not left.exists()
        left.touch()
        assert list(tmp_path.glob("images-*.npy")) == []
        load(opened, small(colour="rgb")(), 32, tmp_path)
        assert left.exists()
        assert len(list(tmp_path.glob(".images-*.part"))) == 2

    load(opened, config, 32, tmp_path, beside)
    assert left.exists()
    load(opened, config, 32, tmp_path)
    assert not left.exists()
