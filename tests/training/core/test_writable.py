"""What is named to be written into: a file, also by a link, and nothing else."""

import os
import sys
from pathlib import Path

import pytest

from training.core.refusals import BadConfig
from training.core.run_folder import write_json
from training.core.writable import refuse_unwritable


def test_no_file_takes_the_place_of_a_device_or_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    for place in (Path("/dev/null"), tmp_path / "pipe.json"):
        with pytest.raises(BadConfig, match=f"{place} is a device or a pipe"):
            refuse_unwritable(place)
    refuse_unwritable(tmp_path / "new.json")


def test_a_link_stays_and_what_it_names_is_written(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    link = tmp_path / "link.json"
    link.symlink_to(tmp_path / "there" / "real.json")
    refuse_unwritable(link)
    write_json(link, [1])
    assert link.is_symlink()
    assert (tmp_path / "there" / "real.json").read_text() == "[\n  1\n]\n"
    assert [file.name for file in tmp_path.rglob("*.json")] == ["link.json", "real.json"]


def test_a_link_into_nowhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link.json").symlink_to(tmp_path / "gone" / "real.json")
    with pytest.raises(BadConfig, match=f"There is no folder {tmp_path / 'gone'}"):
        refuse_unwritable(tmp_path / "link.json")


@pytest.mark.skipif(
    sys.version_info >= (3, 13), reason="Python takes such a link for a file that is not there"
)
def test_a_link_to_itself_is_refused(tmp_path: Path) -> None:
    (tmp_path / "round").symlink_to("round")
    with pytest.raises(BadConfig, match="is a link that leads round in a circle"):
        refuse_unwritable(tmp_path / "round")
