"""Parquet with the pictures inside, as `datasets` opens it, and what it is in the words of Croissant."""

import io
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from labeling.snapshots import format as snapshots
from labeling.snapshots.exports import croissant
from labeling.snapshots.exports.format import Given
from labeling.snapshots.exports.tree import Member, Tree

FILE_BYTES = 256 * 1024**2
"""A file is to have about so many, before anything is packed."""
_GROUP_ROWS = 1_024
_BUFFER = 1024**2
_ALIKE = [
    "label_origin", "other_labels", "media_kind", "detector", "licence", "author", "page_url", "source", "given_split",
]  # fmt: skip
_CLASS = "label"
_LEFT_OUT = ("image", "label", "label_index", "split", "face_id")
"""Written otherwise, or of no use to others."""
_REST = [name for name in snapshots.COLUMNS if name not in _LEFT_OUT]
_IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
SCHEMA = pa.schema(
    [("image", _IMAGE), (_CLASS, pa.int64()), *(snapshots.SCHEMA.field(name) for name in _REST)]
)


def write(given: Given, tree: Tree) -> str:
    """data/SPLIT-00000-of-00002.parquet and so on, and croissant.json over them."""
    features = {"huggingface": _features(given.classes)}
    done = 0
    files: list[croissant.File] = []
    for split in given.splits:
        sizes = _parts(given, split)
        batches = given.batches(["image", "label_index", *_REST], split)
        waiting: list[pa.RecordBatch] = []
        for number, rows in enumerate(sizes):
            name = f"data/{split}-{number:05d}-of-{len(sizes):05d}.parquet"
            with tree.open(name) as file, _buffered(file) as out, _writer(out) as writer:
                writer.add_key_value_metadata(features)
                for group in _groups(batches, waiting, rows):
                    writer.write_table(_table(group), row_group_size=_GROUP_ROWS)
                    done += group.num_rows
                    given.progress(done)
            files.append(croissant.File(name, file.sha256(), file.size, split))
    tree.add(croissant.NAME, croissant.text(given, files, SCHEMA))
    return ""


@contextmanager
def _buffered(file: Member) -> Iterator[BinaryIO]:
    """Arrow writes pictures one by one."""
    whole: Any = file
    out: BinaryIO = io.BufferedWriter(whole, _BUFFER)
    yield out
    out.flush()


def _writer(file: BinaryIO) -> pq.ParquetWriter:
    """Nothing is packed: pictures are already, and the rest repeats, which dictionaries see to."""
    # Arrow's own copy of the schema differs with its version, and says nothing that the columns do not.
    return pq.ParquetWriter(
        file,
        SCHEMA,
        compression="NONE",
        use_dictionary=_ALIKE,
        store_schema=False,
        # The smallest and the largest picture are of no use to anybody.
        write_statistics=_REST,
    )


def front(given: Given) -> list[str]:
    """Which files are which split, for `load_dataset(FOLDER)`."""
    lines = ["configs:", "- config_name: default", "  data_files:"]
    for split in given.splits:
        lines += [f"  - split: {split}", f"    path: data/{split}-*.parquet"]
    return lines


def _features(classes: Sequence[str]) -> str:
    """What `datasets` could not tell from the columns' types: the rest it finds out itself."""
    features = {"image": {"_type": "Image"}, _CLASS: {"names": list(classes), "_type": "ClassLabel"}}
    return json.dumps({"info": {"features": features}}, ensure_ascii=False)


def _parts(given: Given, split: str) -> list[int]:
    """How many rows each file of the split gets."""
    rows = size = 0
    for batch in given.batches(["image_bytes"], split):
        rows += batch.num_rows
        size += pc.sum(batch.column("image_bytes")).as_py()
    files = max(1, -(-size // FILE_BYTES))
    each = -(-rows // files)
    return [min(each, rows - first) for first in range(0, rows, each)]


def _groups(
    batches: Iterator[pa.RecordBatch], waiting: list[pa.RecordBatch], rows: int
) -> Iterator[pa.RecordBatch]:
    """The next so many rows, a batch at a time; what is left of the last batch waits for the next call."""
    while rows:
        batch = waiting.pop() if waiting else next(batches)
        if batch.num_rows > rows:
            waiting.append(batch.slice(rows))
            batch = batch.slice(0, rows)
        rows -= batch.num_rows
        yield batch


def _table(batch: pa.RecordBatch) -> pa.Table:
    paths = pc.binary_join_element_wise(batch.column("face_key"), ".png", "")
    image = pa.StructArray.from_arrays([batch.column("image"), paths], fields=list(_IMAGE))
    label = batch.column("label_index").cast(pa.int64())
    rest = [batch.column(name) for name in _REST]
    return pa.Table.from_arrays([image, label, *rest], schema=SCHEMA)
