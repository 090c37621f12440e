"""Read the rows of a snapshot folder."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from labeling.snapshots.format.digits import digits_of, hex_digits, sha256s
from labeling.snapshots.format.manifest import read_manifest
from labeling.snapshots.format.order import located
from labeling.snapshots.format.packs import Packs
from labeling.snapshots.format.rows import COLUMNS, READ_SCHEMA, SCHEMA

BATCH_ROWS = 1024
IMAGE = "image"
PLACE = ("pack", "offset", "image_bytes")


class ImageChanged(Exception):
    """An image is not the one that was frozen; `verify` tells which."""


def iter_batches(
    folder: Path,
    columns: Sequence[str] | None = None,
    split: str | None = None,
    rows: int = BATCH_ROWS,
    *,
    checked: bool = False,
) -> Iterator[pa.RecordBatch]:
    """The rows in order of face_key, `rows` at a time at most. Memory stays at one batch.

    columns: of COLUMNS, or of SCHEMA. checked: each image is compared with the sha256 of its row before it is handed
    out. Faces that were erased since are not among them. Raises NotASnapshot, ImageChanged.
    """
    wanted = list(COLUMNS if columns is None else columns)
    read = dict.fromkeys([*wanted, "erased", *(("split",) if split is not None else ())])
    if IMAGE in read:
        del read[IMAGE]
        read |= dict.fromkeys([*PLACE, "image_sha256"] if checked else PLACE)
    manifest = read_manifest(folder)
    with Packs(folder, manifest.packs) as packs:
        kept = (_kept(some.batch, split) for some in located(folder, manifest, list(read), rows))
        for batch in kept if split is None else _filled(kept, rows):
            if batch.num_rows:
                yield _with_images(batch, wanted, packs, checked)


def _filled(batches: Iterator[pa.RecordBatch], rows: int) -> Iterator[pa.RecordBatch]:
    """The same rows, so many in each but the last: of a small split a batch has few."""
    waiting: list[pa.RecordBatch] = []
    count = 0
    for batch in batches:
        while batch.num_rows:
            waiting.append(batch.slice(0, rows - count))
            count += waiting[-1].num_rows
            batch = batch.slice(waiting[-1].num_rows)
            if count == rows:
                yield _one(waiting)
                waiting, count = [], 0
    if waiting:
        yield _one(waiting)


def _one(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    return pa.Table.from_batches(batches).combine_chunks().to_batches()[0]


def _kept(batch: pa.RecordBatch, split: str | None) -> pa.RecordBatch:
    if split is not None:
        batch = batch.filter(pc.equal(batch.column("split"), split))
    erased = batch.column("erased")
    return batch.filter(pc.invert(erased)) if erased.true_count else batch


def _with_images(batch: pa.RecordBatch, wanted: Sequence[str], packs: Packs, checked: bool) -> pa.RecordBatch:
    columns = {name: batch.column(name) for name in wanted if name != IMAGE}
    if IMAGE in wanted:
        columns[IMAGE] = _images(batch, packs, checked)
    return pa.RecordBatch.from_arrays([columns[name] for name in wanted], names=list(wanted))


def _images(batch: pa.RecordBatch, packs: Packs, checked: bool) -> pa.BinaryArray:
    places = [batch.column(name).to_numpy() for name in PLACE]
    if not checked:
        return packs.images(*places)
    try:
        images = packs.images(*places)
    except (OSError, IndexError) as error:
        raise ImageChanged(str(error)) from error
    if (digits_of(sha256s(images)) != hex_digits(batch.column("image_sha256"))).any():
        raise ImageChanged("An image is not the one that was frozen.")
    return images


def read_table(folder: Path, columns: Sequence[str] | None = None, split: str | None = None) -> pa.Table:
    """All rows (of a split) with the named columns, in order of face_key. Raises NotASnapshot."""
    names = list(COLUMNS if columns is None else columns)
    fields = [READ_SCHEMA.field(name) if name in COLUMNS else SCHEMA.field(name) for name in names]
    return pa.Table.from_batches(iter_batches(folder, names, split), schema=pa.schema(fields))
