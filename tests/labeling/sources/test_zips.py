"""Zips: what leads out of one, or is more than it says, does not go in."""

import struct
import zipfile
from pathlib import Path

import pytest

from labeling.models import Media
from tests.labeling.sources.places import (
    link_member,
    png,
    reasons,
    states,
    taken_in,
    zipped,
)

pytestmark = pytest.mark.django_db


def test_a_zip_goes_in_with_its_notes(tmp_path: Path) -> None:
    files: dict[str, bytes | str] = {
        "photos/a.png": png(1),
        "photos/sources.csv": "file,licence\na.png,CC0\n",
        "__MACOSX/photos/._a.png": "x",
    }
    source = taken_in(zipped(tmp_path / "in.zip", files))
    assert (source.kind, states(source)) == ("zip", {"photos/a.png": "ingested"})
    assert Media.objects.get().licence == "CC0"


def test_members_that_lead_out_of_a_zip_are_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "in.zip", {"../up.png": png(1), "/root.png": png(2), "ok.png": png(3)})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("..\\win.png", png(4))
        archive.writestr("C:\\abs.png", png(5))
        archive.writestr(link_member("link.png"), "/etc/passwd")
    source = taken_in(path)
    said = reasons(source)
    assert states(source)["ok.png"] == "ingested"
    assert {name for name, why in said.items() if "leads out of the zip" in why} == {
        "../up.png",
        "/root.png",
        "..\\win.png",
        "C:\\abs.png",
    }
    assert said["link.png"] == "This is a link, not a file."


def test_ten_gigabytes_of_zeros_are_refused_by_what_they_declare(tmp_path: Path) -> None:
    path = tmp_path / "in.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("ok.png", png())
        archive.writestr("zeros.png", bytes(1000))
        archive.filelist[-1].file_size = 10 * 1024**3  # what the directory at the end will say
    source = taken_in(path)
    assert "It would unpack to 10,737,418,240 bytes" in reasons(source)["zeros.png"]
    assert states(source)["ok.png"] == "ingested"


def test_a_member_that_really_is_large_is_never_written_out(tmp_path: Path, settings) -> None:
    settings.MAX_MEDIA_BYTES = 1_000_000
    source = taken_in(zipped(tmp_path / "in.zip", {"ok.png": png(), "zeros.png": bytes(20_000_000)}))
    assert reasons(source) == {
        "zeros.png": "It would unpack to 20,000,000 bytes; 1,000,000 are allowed (MAX_MEDIA_BYTES)."
    }


def test_a_zip_is_bounded_in_all(tmp_path: Path, settings) -> None:
    one = png(1)
    settings.MAX_ZIP_BYTES = 2 * len(one) + 10
    source = taken_in(zipped(tmp_path / "in.zip", {f"{n}.png": png(n) for n in range(4)}))
    assert states(source) == {
        "0.png": "ingested",
        "1.png": "ingested",
        "2.png": "refused",
        "3.png": "refused",
    }
    assert "MAX_ZIP_BYTES" in reasons(source)["2.png"]


def test_a_member_that_holds_more_than_it_declares_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "in.zip", {"liar.png": png(1)})
    data = bytearray(path.read_bytes())
    for at, place in ((data.index(b"PK\x03\x04"), 22), (data.index(b"PK\x01\x02"), 24)):
        data[at + place : at + place + 4] = struct.pack("<I", 500)
    path.write_bytes(data)
    source = taken_in(path)
    assert states(source) == {"liar.png": "refused"}


def test_encrypted_and_damaged_members_are_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "in.zip", {"secret.png": png(1), "hurt.png": png(2), "ok.png": png(3)})
    data = bytearray(path.read_bytes())
    for signature, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + place] |= 1
    second = data.index(b"PK\x03\x04", 10)
    data[second + 600 : second + 700] = bytes(100)
    path.write_bytes(data)
    source = taken_in(path)
    assert "encrypted" in reasons(source)["secret.png"]
    assert "cannot be read to its end" in reasons(source)["hurt.png"]
    assert states(source)["ok.png"] == "ingested"


def test_a_name_a_zip_holds_twice_is_two_items(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        archive.writestr("a.png", png(1))
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("a.png", png(2))
    source = taken_in(tmp_path / "in.zip")
    assert states(source) == {"a.png": "ingested", "a.png #2": "ingested"}
    assert Media.objects.count() == 2
