"""split/class/face.png, as torchvision's ImageFolder and most others read it."""

import re
import unicodedata
from collections.abc import Iterator, Sequence

import pyarrow as pa

from labeling.sayings import gettext_noop
from labeling.snapshots import format as snapshots
from labeling.snapshots.exports import attribution
from labeling.snapshots.exports.format import Given
from labeling.snapshots.exports.tree import Tree

ATTRIBUTION = "attribution.csv"
_RENAMED = gettext_noop("Folders of classes whose name a folder cannot have: {folders}")
_WHOSE = ["licence", "author", "page_url", "source", "media_sha256"]
_PLACE = ["face_key", "label_index", "split"]
_UNSAFE = re.compile(r'[\x00-\x1f\x7f%/\\:*?"<>|]|^[. ]|[. ]$')
_RESERVED = re.compile(
    r"(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$) *(?:\..*)?", re.IGNORECASE | re.DOTALL
)
"""What Windows takes for a device, also with an ending."""


def write(given: Given, tree: Tree) -> str:
    """The pictures as they are, whose they are picture by picture, and the snapshot's manifest.

    Returns a note where a class's folder is not called as the class.
    """
    folders = folder_names(given.classes)
    done = 0
    for batch in given.batches([*_PLACE, "image", "image_sha256"]):
        tree.add_many(
            _names(batch, folders),
            batch.column("image").to_pylist(),
            batch.column("image_sha256").to_pylist(),
        )
        done += batch.num_rows
        given.progress(done)
    with tree.open(ATTRIBUTION, 600 * given.faces) as file:
        for lines in _attribution(given, folders):
            file.write(lines)
            given.progress(done)
    tree.add(snapshots.MANIFEST, (given.folder / snapshots.MANIFEST).read_bytes())
    renamed = [f"{name}: {own}" for name, own in zip(given.classes, folders, strict=True) if own != name]
    return _RENAMED.format(folders=", ".join(renamed)) if renamed else ""


def folder_names(labels: Sequence[str]) -> list[str]:
    """The labels as names of folders on any system and never outside the zip: %2F for /, and so on, as in addresses.

    They differ also where big and small letters are the same: of Happy and happy the second is %68appy.
    """
    found: list[str] = []
    taken: set[str] = set()
    for label in labels:
        name = next(name for name in _possible(label) if _caseless(name) not in taken)
        taken.add(_caseless(name))
        found.append(name)
    return found


def _possible(label: str) -> Iterator[str]:
    """With as little of it written otherwise as can be, and more and more of it."""
    for letters in range(len(label) + 1):
        name = _escaped(label[:letters]) + _UNSAFE.sub(lambda found: _escaped(found[0]), label[letters:])
        if not _RESERVED.fullmatch(name):
            yield name


def _escaped(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode())


def _caseless(name: str) -> str:
    """What is the same of names that some system does not tell apart."""
    plain = unicodedata.normalize("NFD", name).upper().casefold()
    return unicodedata.normalize("NFD", plain)


def _names(batch: pa.RecordBatch, folders: Sequence[str]) -> list[str]:
    return [
        f"{split}/{folders[index]}/{key}.png"
        for key, index, split in zip(*(batch.column(name).to_pylist() for name in _PLACE), strict=True)
    ]


def _attribution(given: Given, folders: Sequence[str]) -> Iterator[bytes | memoryview]:
    """The table of whose the pictures are, some lines at a time, in the order of the pictures."""
    yield b"file,licence,author,page_url,source,media_sha256\n"
    for batch in given.batches([*_PLACE, *_WHOSE]):
        names = pa.array(_names(batch, folders), pa.string())
        yield attribution.csv_lines([names, *(batch.column(name) for name in _WHOSE)])
