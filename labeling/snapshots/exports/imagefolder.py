"""A zip of split/class/face.png, as torchvision's ImageFolder and most others read it."""

import csv
import io
import zipfile
from pathlib import Path

from labeling.snapshots import format as snapshots
from labeling.snapshots.exports.format import Progress

ATTRIBUTION = "attribution.csv"
_WANTED = ["face_key", "image", "label", "split", "licence", "author", "page_url", "source", "media_sha256"]


def write(folder: Path, target: Path, progress: Progress) -> str:
    """Write the zip: the pictures as they are, whose they are, and the snapshot's manifest. Same input, same bytes."""
    attribution = io.StringIO()
    rows = csv.writer(attribution, lineterminator="\n")
    rows.writerow(["file", "licence", "author", "page_url", "source", "media_sha256"])
    done = 0
    with zipfile.ZipFile(target, "w", allowZip64=True) as archive:
        for batch in snapshots.iter_batches(folder, _WANTED):
            for face in batch.to_pylist():
                name = f"{face['split']}/{face['label']}/{face['face_key']}.png"
                archive.writestr(_entry(name), face["image"])
                whose = (face[key] for key in ("licence", "author", "page_url", "source", "media_sha256"))
                rows.writerow([name, *map(_harmless, whose)])
            done += batch.num_rows
            progress(done)
        archive.writestr(_entry(ATTRIBUTION), attribution.getvalue())
        archive.writestr(_entry(snapshots.MANIFEST), (folder / snapshots.MANIFEST).read_bytes())
    return ""


def _entry(name: str) -> zipfile.ZipInfo:
    """An entry without a clock in it. PNG does not compress further, so it is stored as it is."""
    entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    entry.external_attr = 0o644 << 16
    entry.create_system = 3
    return entry


def _harmless(text: str) -> str:
    """A licence or author somebody typed must not run as a formula in a spreadsheet."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
