"""A path named from a browser leads into the import folders or nowhere."""

import os
from pathlib import Path

import pytest

from labeling.sources.roots import OutsideRoots, allowed


@pytest.fixture
def root(settings, tmp_path: Path) -> Path:
    folder = tmp_path / "import"
    folder.mkdir()
    settings.IMPORT_ROOTS = [folder]
    return folder


def test_a_path_inside_is_allowed(root: Path) -> None:
    (root / "photos").mkdir()
    assert allowed(str(root / "photos")) == root / "photos"
    assert allowed(str(root)) == root


@pytest.mark.parametrize("path", ["/etc/passwd", "/nowhere/at/all", "/etc"])
def test_outside_one_cannot_tell_what_exists(root: Path, path: str) -> None:
    with pytest.raises(OutsideRoots) as refusal:
        allowed(path)
    assert str(refusal.value) == (
        f"“{path}” is outside the folders this site may read from ({root}). "
        "Move the files there, or have an operator add the folder to IMPORT_ROOTS."
    )


def test_climbing_out_is_outside(root: Path) -> None:
    with pytest.raises(OutsideRoots, match="outside the folders"):
        allowed(f"{root}/../../etc")


def test_a_link_out_is_outside(root: Path) -> None:
    (root / "link").symlink_to("/etc")
    with pytest.raises(OutsideRoots, match="outside the folders"):
        allowed(str(root / "link" / "passwd"))


def test_a_folder_whose_name_only_begins_alike_is_outside(root: Path) -> None:
    other = root.with_name("import-secret")
    other.mkdir()
    with pytest.raises(OutsideRoots, match="outside the folders"):
        allowed(str(other))


def test_what_is_not_there_is_said(root: Path) -> None:
    with pytest.raises(OutsideRoots, match="There is nothing at"):
        allowed(str(root / "none.zip"))


def test_a_pipe_is_no_source(root: Path) -> None:
    os.mkfifo(root / "pipe")
    with pytest.raises(OutsideRoots, match="neither a file nor a folder"):
        allowed(str(root / "pipe"))


def test_a_path_must_be_whole(root: Path) -> None:
    with pytest.raises(OutsideRoots, match="begin it with a /"):
        allowed("photos")


def test_without_folders_nothing_is_allowed(settings, tmp_path: Path) -> None:
    settings.IMPORT_ROOTS = []
    with pytest.raises(OutsideRoots, match=r"\(none\)"):
        allowed(str(tmp_path))
