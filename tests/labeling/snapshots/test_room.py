"""A disk that is full, or would be."""

import errno
import os
import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from labeling.models import Export
from labeling.snapshots import exporting, freezing, room
from labeling.snapshots.exports import FORMATS
from tests.labeling.snapshots.making import frozen, make_settled
from tests.labeling.snapshots.test_exporting import made

pytestmark = pytest.mark.django_db


def test_what_one_export_is_about_to_take_another_does_not_get(settings, monkeypatch) -> None:
    settings.EXPORT_KEEP_FREE_BYTES = 0
    one, two = frozen(make_settled(6)), frozen(make_settled(6))
    wanted = exporting.room_for(FORMATS["votes"], freezing.local_folder(one))
    disk = namedtuple("disk", "free")(wanted * 3 // 2)
    monkeypatch.setattr(room.shutil, "disk_usage", lambda place: disk)
    first = exporting.export(snapshot=one, format="votes")
    others: list[Export] = []

    def meanwhile(done: int, total: int | None, message: str) -> None:
        if message == "Writing" and not others:
            others.append(first)
            others.append(made(two, "votes"))

    exporting.run_export(first.pk, tell=meanwhile)
    first.refresh_from_db()
    assert (first.state, first.taking, others[1].state) == ("done", {}, "failed")
    assert others[1].error.startswith(
        "The file takes some 5 MB, and on the disk where it is made 2 MB may be used"
    )
    assert made(two, "votes").state == "done"


def test_what_is_written_already_is_counted_once(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "file").write_bytes(bytes(400))
    device = tmp_path.stat().st_dev
    taking = {"folder": str(tmp_path), "bytes": 1_000}
    assert room._still_wanted(taking, device) == 600
    assert room._still_wanted(taking | {"bytes": 300}, device) == 0
    assert room._still_wanted(taking, device + 1) == 0
    assert room._still_wanted(taking | {"folder": str(tmp_path / "gone")}, device) == 0


def test_a_disk_that_becomes_full_on_the_way_is_named_and_what_to_do(monkeypatch, tmp_path: Path) -> None:
    def full(*ignored: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    snapshot = frozen(make_settled(6))
    with monkeypatch.context() as patch:
        patch.setattr(exporting, "write", full)
        row = made(snapshot, "votes")
    assert (row.state, row.error) == (
        "failed",
        "The disk with the storage became full while the file was made in its folder “making”. Make room there, then "
        "make the file again.",
    )
    place = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr("labeling.snapshots.delivering._unpack", full)
        row = made(snapshot, "votes", to=str(place))
    assert row.error == (
        f"“{place}” became full while the files were written there. Make room there, then make the file again."
    )
    assert list(place.iterdir()) == []
    shutil.rmtree(place)
