"""A trained run's opinion of images: any Parquet file of them, or a split of a snapshot."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from training.core import faces as snapshot_faces
from training.core.metrics import Figures, figures
from training.core.predictor import Predictor
from training.core.refusals import BadImages, BadSnapshot
from training.core.run_folder import write_atomically
from training.core.together import judge_named
from training.core.writable import refuse_unwritable

_ROWS_AT_ONCE = 1024


def predict(*, run: Path, images: Path, out: Path, bf16: bool | None = None, device: str = "auto") -> int:
    """Judge a Parquet file with the columns key (text) and image (encoded bytes); return the number of rows.

    run: its folder, or the file of an ensemble.

    `out` gets key and probabilities (float32, in class order), rows in the order given, and appears whole or
    not at all; its schema's metadata have the classes and the device. bf16, device: as of `Predictor`. Raises
    BadRunFolder, BadImages, or BadConfig where `out` cannot be written or the device is not here.
    """
    refuse_unwritable(out)
    predictor = judge_named(run, bf16=bf16, device=device)
    schema = pa.schema([("key", pa.string()), ("probabilities", pa.list_(pa.float32()))])
    schema = schema.with_metadata({"classes": "\n".join(predictor.classes), "device": str(predictor.device)})
    rows = 0

    def write(part: Path) -> None:
        nonlocal rows
        with pq.ParquetWriter(part, schema) as writer:
            for keys, encoded in _batches(images):
                found = predictor.probabilities(encoded, keys)
                writer.write_table(pa.table({"key": keys, "probabilities": list(found)}, schema=schema))
                rows += len(keys)

    write_atomically(out, write)
    return rows


def evaluate(*, snapshot: Path, run: Path, split: str, device: str = "auto") -> Figures:
    """The run's figures on a split of any snapshot with its classes, and as `device` where they were found. device: as
    of `Predictor`. Raises BadRunFolder, BadSnapshot or BadConfig.
    """
    predictor = Predictor(run, quick=False, device=device)
    opened = snapshot_faces.open_snapshot(snapshot)
    if opened.classes != predictor.classes:
        raise BadSnapshot(
            f"The snapshot's classes ({', '.join(opened.classes)}) are not the run's "
            f"({', '.join(predictor.classes)})."
        )
    chosen = opened.splits[split]
    if not len(chosen):
        raise BadSnapshot(f"The snapshot has no face in its {split} split.")
    snapshot_faces.verify(opened)
    with tempfile.TemporaryDirectory() as cache:
        faces = snapshot_faces.load(opened, predictor.config, predictor.made.stored_size, Path(cache))
        found = figures(chosen.labels, predictor.judge(faces.images[chosen.rows]), opened.classes)
    return {**found, "device": str(predictor.device)}


def _batches(images: Path) -> Iterator[tuple[list[str], list[bytes]]]:
    try:
        with pq.ParquetFile(images) as file:
            _refuse_other_kinds(images, file.schema_arrow)
            for batch in file.iter_batches(batch_size=_ROWS_AT_ONCE, columns=["key", "image"]):
                keys, encoded = batch.column("key").to_pylist(), batch.column("image").to_pylist()
                if None in encoded:
                    raise BadImages(f"{images}: the row of key {keys[encoded.index(None)]} has no image.")
                yield keys, encoded
    except (OSError, KeyError, pa.ArrowException) as error:
        raise BadImages(
            f"{images} cannot be read as Parquet with the columns key and image: {error}"
        ) from error


def _refuse_other_kinds(images: Path, schema: pa.Schema) -> None:
    kinds = pa.types
    for name, called, right in (
        ("key", "text", (kinds.is_string, kinds.is_large_string)),
        ("image", "encoded bytes", (kinds.is_binary, kinds.is_large_binary)),
    ):
        kind = schema.field(name).type
        plain_kind = kind.value_type if kinds.is_dictionary(kind) else kind
        # A column of nothing but nulls has no kind.
        if not any(is_right(plain_kind) for is_right in (*right, kinds.is_null)):
            raise BadImages(f"{images}: the column {name} holds {kind}, not {called}.")
