"""The bytes of stored crops, read by other processes."""

import hashlib
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import psutil
import pytest
from django.core.exceptions import SuspiciousFileOperation
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from labeling.snapshots import crops
from labeling.snapshots.crops import Crops
from labeling.snapshots.format import Images

NAMES = (
    "crops/a.png",
    "crops/two words.png",
    "crops/ü\n.png",
    "crops/empty.png",
    "crops/large.png",
    "crops/block.png",
)
CONTENT = (b"one", b"two", b"three", b"", os.urandom(200_000), b"x" * 64 * 1024)


@pytest.fixture
def reader() -> Iterator[Crops]:
    for name, content in zip(NAMES, CONTENT, strict=True):
        default_storage.save(name, ContentFile(content))
    with crops.reading() as reader:
        yield reader


def told(images: Images) -> list[bytes | None]:
    """Each image that is there, and whose sha256 is its own."""
    ends = np.cumsum(images.sizes.clip(min=0)).tolist()
    found: list[bytes | None] = []
    for end, size, sha256 in zip(ends, images.sizes.tolist(), images.sha256.tolist(), strict=True):
        image = bytes(images.data[end - size : end]) if size >= 0 else None
        assert image is None or hashlib.sha256(image).digest() == sha256
        found.append(image)
    assert len(images.data) == (ends[-1] if ends else 0)
    return found


def processes() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if "file_reader" in " ".join(child.cmdline())]


def test_what_is_in_the_files_and_its_sha256(reader: Crops) -> None:
    assert told(reader.read(NAMES)) == list(CONTENT)
    assert told(reader.read(NAMES[::-1])) == list(CONTENT[::-1])
    assert len(processes()) == 1


def test_a_crop_that_is_gone(reader: Crops) -> None:
    default_storage.delete(NAMES[1])
    assert told(reader.read(NAMES)) == [CONTENT[0], None, *CONTENT[2:]]


def test_nothing_asked_for_is_nothing(reader: Crops) -> None:
    assert told(reader.read([])) == []
    assert told(reader.read(NAMES[:1])) == [CONTENT[0]]


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "crops/../../secret", "crops/../.."])
def test_nothing_outside_of_the_storage_is_read(reader: Crops, name: str) -> None:
    with pytest.raises(SuspiciousFileOperation):
        reader.read([name])


def test_more_than_the_room_a_reader_begins_with(reader: Crops) -> None:
    large = [os.urandom(3_000_000) for _number in range(2)]
    for number, content in enumerate(large):
        default_storage.save(f"crops/larger-{number}.png", ContentFile(content))
    names = ["crops/a.png", "crops/larger-0.png", "crops/empty.png", "crops/larger-1.png", "crops/block.png"]
    assert told(reader.read(names)) == [b"one", large[0], b"", large[1], CONTENT[-1]]


def test_names_that_hold_a_nul_are_refused(reader: Crops) -> None:
    with pytest.raises((OSError, ValueError)):
        reader.read([NAMES[0], "crops/a\0b.png"])
    assert told(reader.read(NAMES)) == list(CONTENT)


def test_what_cannot_be_read_is_named(reader: Crops) -> None:
    with pytest.raises(IsADirectoryError, match="crops"):
        reader.read(["crops"])


def test_the_process_that_reads_is_killed(reader: Crops) -> None:
    reader.read(NAMES)
    [process] = processes()
    process.send_signal(signal.SIGKILL)
    process.wait()
    for _again in range(3):
        assert told(reader.read(NAMES)) == list(CONTENT)
    assert len(processes()) == 1


def test_from_several_threads(reader: Crops) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _number: told(reader.read(NAMES)), range(200)))
    assert found == [list(CONTENT)] * 200


def test_no_process_is_left_behind() -> None:
    default_storage.save(NAMES[0], ContentFile(CONTENT[0]))
    with crops.reading() as reader:
        reader.read(NAMES[:1])
        assert processes() != []
    assert processes() == []
