"""Near-duplicates in FER2013, where it is at hand."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from labeling.vision import duplicates, neighbours
from labeling.vision.fingerprint import phash

UNPACK = Path(__file__).resolve().parents[4] / "shared" / "data" / "fer2013" / "unpack.py"
pytestmark = [
    pytest.mark.shared_data,
    pytest.mark.slow,
    pytest.mark.skipif(not UNPACK.is_file(), reason=f"{UNPACK} is not there; it unpacks FER2013."),
]
TRAINING = 0


def test_pictures_of_the_tests_that_are_in_training_too_are_found(tmp_path: Path) -> None:
    subprocess.run([sys.executable, str(UNPACK), str(tmp_path)], check=True, capture_output=True)
    with np.load(tmp_path / "fer2013.npz") as file:
        images, usage = file["images"], file["usage"]
    hashes, whole = phash(images), np.array([image.tobytes() for image in images])
    groups = duplicates.groups(hashes)
    for test, identical in ((1, 280), (2, 288)):
        copies = (usage == test) & np.isin(whole, whole[usage == TRAINING])
        assert copies.sum() == identical
        linked = (usage == test) & np.isin(groups, groups[usage == TRAINING])
        assert linked[copies].all()
        near = [
            block.left
            for block in neighbours.near_to(
                hashes[usage == test], hashes[usage == TRAINING], duplicates.RADIUS
            )
        ]
        assert identical < len(np.unique(np.concatenate(near))) <= linked.sum() < 600
    assert np.unique(groups, return_counts=True)[1].max() < 50
