"""Find out whether a snapshot folder is what was frozen, and if not, where."""

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from labeling.snapshots.format import manifest as manifests
from labeling.snapshots.format.manifest import (
    MANIFEST,
    Manifest,
    NotASnapshot,
    Shard,
    gettext_noop,
    read_manifest,
)
from labeling.snapshots.format.rows import PNG, SCHEMA, SPLITS, BadRow, Digest, check_row
from labeling.snapshots.format.writing import sha256_of

_UNREADABLE = (OSError, ValueError, KeyError, TypeError, pa.ArrowException)
_TOLD = 5
"""Places named per file: a disk that fails spoils thousands."""

Progress = Callable[[int], None]

_OTHER_SIZE = gettext_noop("It has {found} bytes instead of {wanted}.")
_OTHER_BYTES = gettext_noop("Its bytes have changed ({places}): its sha256 is not the manifest's.")
_BAD_ROW = gettext_noop("Row {row}, {error}.")
_NO_ROWS = gettext_noop("It holds no rows of a snapshot: {error}")
_OTHER_ROWS = gettext_noop("It counts {rows} rows in {shard}, but there are others.")
SENTENCES = (*manifests.SENTENCES, _OTHER_SIZE, _OTHER_BYTES, _BAD_ROW, _NO_ROWS, _OTHER_ROWS)
"""What Problem.what may say with its fields still open, for who shows it in another language."""


@dataclass(frozen=True)
class Problem:
    """Something in a snapshot folder that is not as the manifest says. where: a file of the folder."""

    where: str
    what: str


def verify(folder: Path, progress: Progress = lambda rows: None) -> list[Problem]:
    """Read every byte again. Returns what is not as it was frozen; an empty list means nothing has changed.

    progress is called with the number of rows read so far, and may raise to stop.
    """
    try:
        manifest = read_manifest(folder)
    except NotASnapshot as error:
        return [Problem(MANIFEST, str(error))]
    problems = [problem for shard in manifest.shards for problem in _shard(folder, shard, progress)]
    problems += _manifest_text(folder, manifest) + _strangers(folder, manifest)
    return problems or _content(folder, manifest, progress)


def _manifest_text(folder: Path, manifest: Manifest) -> list[Problem]:
    if (folder / MANIFEST).read_bytes() == manifest.to_json().encode():
        return []
    return [
        Problem(MANIFEST, gettext_noop("It has been edited since it was written: its checksum does not fit."))
    ]


def _strangers(folder: Path, manifest: Manifest) -> list[Problem]:
    known = {MANIFEST, *(shard.name for shard in manifest.shards)}
    strangers = sorted(path.name for path in folder.iterdir() if path.name not in known)
    return [Problem(name, gettext_noop("This file is not part of the snapshot.")) for name in strangers]


def _shard(folder: Path, shard: Shard, progress: Progress) -> list[Problem]:
    progress(0)
    path = folder / shard.name
    if not path.is_file():
        return [Problem(shard.name, gettext_noop("This file is missing."))]
    if path.stat().st_size != shard.bytes:
        return [Problem(shard.name, _OTHER_SIZE.format(found=path.stat().st_size, wanted=shard.bytes))]
    if sha256_of(path) != shard.sha256:
        places = list(_damaged_places(path)) or ["outside the rows"]
        told = "; ".join(places[:_TOLD]) + ("; …" if len(places) > _TOLD else "")
        return [Problem(shard.name, _OTHER_BYTES.format(places=told))]
    return []


def _damaged_places(path: Path) -> Iterator[str]:
    """Where in a shard bytes have changed, as near as the CRCs of its pages and pictures tell. Rows count from 0."""
    try:
        file = pq.ParquetFile(path, page_checksum_verification=True)
    except _UNREADABLE:
        yield "in its footer, so that no row can be read"
        return
    with file:
        first = 0
        for group in range(file.num_row_groups):
            rows = file.metadata.row_group(group).num_rows
            for name in SCHEMA.names:
                try:
                    file.read_row_group(group, columns=[name])
                except _UNREADABLE:
                    yield from _in_column(path, group, name, first, rows)
            first += rows


def _in_column(path: Path, group: int, name: str, first: int, rows: int) -> Iterator[str]:
    images = _damaged_images(path, group) if name == "image" else []
    if images:
        yield from (f"row {first + row}, column image, face {key[:12]}…" for row, key in images)
    else:
        yield f"rows {first} to {first + rows - 1}, column {name}"


def _damaged_images(path: Path, group: int) -> list[tuple[int, str]]:
    """Row in the group and face_key of the pictures whose own CRCs do not fit."""
    try:
        with pq.ParquetFile(path) as file:
            images = file.read_row_group(group, columns=["image"]).column(0).to_pylist()
            keys = file.read_row_group(group, columns=["face_key"]).column(0).to_pylist()
    except _UNREADABLE:
        return []
    pairs = enumerate(zip(images, keys, strict=True))
    return [(row, str(key)) for row, (image, key) in pairs if not _png_is_whole(image)]


def _png_is_whole(png: bytes) -> bool:
    """Whether the signature, the chunks' lengths and their CRCs fit (PNG specification, section 5)."""
    place = len(PNG)
    if not png.startswith(PNG):
        return False
    while place < len(png):
        length = int.from_bytes(png[place : place + 4], "big")
        body, crc = png[place + 4 : place + 8 + length], png[place + 8 + length : place + 12 + length]
        if zlib.crc32(body) != int.from_bytes(crc, "big") or len(crc) != 4:
            return False
        place += 12 + length
    return True


def _content(folder: Path, manifest: Manifest, progress: Progress) -> list[Problem]:
    """The files are what the manifest says; is the manifest itself what was frozen?"""
    digest = Digest(manifest.classes, manifest.rule)
    splits = {split: dict.fromkeys(manifest.classes, 0) for split in SPLITS}
    for shard in manifest.shards:
        before = digest.rows
        try:
            for row in _rows_of(folder / shard.name):
                check_row(row, manifest.classes)
                digest.add(row)
                splits[row["split"]][row["label"]] += 1
                progress(digest.rows)
        except BadRow as error:
            return [Problem(shard.name, _BAD_ROW.format(row=digest.rows - before, error=error))]
        except _UNREADABLE as error:
            return [Problem(shard.name, _NO_ROWS.format(error=error))]
        if digest.rows - before != shard.rows:
            return [Problem(MANIFEST, _OTHER_ROWS.format(rows=shard.rows, shard=shard.name))]
    if digest.hex() != manifest.digest:
        return [Problem(MANIFEST, gettext_noop("The digest is not that of the rows, classes and rule."))]
    if digest.rows != manifest.rows or splits != manifest.splits:
        return [Problem(MANIFEST, gettext_noop("The counts are not those of the rows."))]
    return []


def _rows_of(path: Path) -> Iterator[dict[str, Any]]:
    with pq.ParquetFile(path) as file:
        if not file.schema_arrow.equals(SCHEMA):
            raise ValueError(f"its columns are {', '.join(file.schema_arrow.names)}.")
        for batch in file.iter_batches(batch_size=256):
            yield from batch.to_pylist()
