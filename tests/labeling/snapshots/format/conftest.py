"""A small snapshot folder."""

from pathlib import Path

import pytest

from tests.snapshot_folders import make_snapshot_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_snapshot_folder(tmp_path / "made", images_per_class=5, size=16)
    return tmp_path / "made"
