"""split/class/face.png, as torchvision's ImageFolder and most others read it."""

import re
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


def write(given: Given, tree: Tree) -> str:
    """The pictures as they are, whose they are picture by picture, and the snapshot's manifest.

    Returns a note where a class's folder is not called as the class.
    """
    folders = [folder_name(name) for name in given.classes]
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


def folder_name(label: str) -> str:
    """The label as a folder name on any system and never outside the zip: %2F for /, and so on, as in addresses."""
    return _UNSAFE.sub(lambda found: f"%{ord(found[0]):02X}", label)


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
