"""A zip of split/class/face.png, as torchvision's ImageFolder and most others read it."""

import csv
import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

from labeling.sayings import gettext_noop
from labeling.snapshots import format as snapshots
from labeling.snapshots.exports import attribution
from labeling.snapshots.exports.format import About, Progress

ATTRIBUTION = "attribution.csv"
MEDIA = "media.csv"
_RENAMED = gettext_noop("Folders of classes whose name a folder cannot have: {folders}")
_WHOSE = ["licence", "author", "page_url", "source", "media_sha256"]
_UNSAFE = re.compile(r'[\x00-\x1f\x7f%/\\:*?"<>|]|^[. ]|[. ]$')


def write(folder: Path, target: Path, progress: Progress, about: About) -> str:
    """Write the zip: the pictures as they are, whose they are, and the snapshot's manifest. Same input, same bytes.

    Whose they are stands there by picture and, with title and licence in full, by media.

    Returns a note where a class's folder is not called as the class.
    """
    done = 0
    with zipfile.ZipFile(target, "w") as archive:
        for batch in snapshots.iter_batches(folder, ["face_key", "image", "label", "split"]):
            for face in batch.to_pylist():
                archive.writestr(_entry(_name(face)), face["image"])
            done += batch.num_rows
            progress(done)
        with archive.open(_entry(ATTRIBUTION), "w", force_zip64=True) as file:
            for lines in _attribution(folder):
                file.write(lines)
                progress(done)
        with archive.open(_entry(MEDIA), "w", force_zip64=True) as file:
            for lines, _faces in attribution.table(folder, about):
                file.write(lines)
                progress(done)
        archive.writestr(_entry(snapshots.MANIFEST), (folder / snapshots.MANIFEST).read_bytes())
    classes = snapshots.read_manifest(folder).classes
    renamed = [f"{name}: {folder_name(name)}" for name in classes if folder_name(name) != name]
    return _RENAMED.format(folders=", ".join(renamed)) if renamed else ""


def folder_name(label: str) -> str:
    """The label as a folder name on any system and never outside the zip: %2F for /, and so on, as in addresses."""
    return _UNSAFE.sub(lambda found: f"%{ord(found[0]):02X}", label)


def _name(face: dict[str, str]) -> str:
    return f"{face['split']}/{folder_name(face['label'])}/{face['face_key']}.png"


def _attribution(folder: Path) -> Iterator[bytes]:
    """The table of whose the pictures are, some lines at a time, in the order of the pictures."""
    yield b"file,licence,author,page_url,source,media_sha256\n"
    for batch in snapshots.iter_batches(folder, ["face_key", "label", "split", *_WHOSE]):
        text = io.StringIO()
        rows = csv.writer(text, lineterminator="\n")
        for face in batch.to_pylist():
            rows.writerow([_name(face), *(attribution.harmless(face[key]) for key in _WHOSE)])
        yield text.getvalue().encode()


def _entry(name: str) -> zipfile.ZipInfo:
    """An entry without a clock in it. PNG does not compress further, so it is stored as it is."""
    entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    entry.external_attr = 0o644 << 16
    entry.create_system = 3
    return entry
