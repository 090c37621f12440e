"""A trained run's opinion of images: any Parquet file of them, or a split of a snapshot."""

import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray

from training.core import faces as snapshot_faces
from training.core.device import device_for
from training.core.judging import Probabilities, Views, plain, probabilities
from training.core.metrics import Figures, figures
from training.core.pixels import decode_many
from training.core.refusals import BadImages, BadRunFolder, BadSnapshot
from training.core.run_folder import RunFolder, write_atomically
from training.core.train import build

_ROWS_AT_ONCE = 1024


class Predictor:
    """A run's best weights, ready to judge images: `Predictor(run).probabilities([png_bytes, …])`."""

    def __init__(self, run: Path) -> None:
        """Raises BadRunFolder for a folder without a config or weights."""
        folder = RunFolder(run)
        made = folder.made()
        if made is None:
            raise BadRunFolder(f"{run} is no run folder: it has no config.json.")
        self.made, self.config, self.classes = made, made.config, made.classes
        self._device = device_for(self.config)
        network = build(made, start=False)
        network.load_state_dict(folder.load_best())
        layout = torch.channels_last if self.config.channels_last else torch.contiguous_format
        self._network = network.to(device=self._device, memory_format=layout).eval()  # type: ignore[call-overload]

    def probabilities(self, images: list[bytes], names: list[str] | None = None) -> Probabilities:
        """(N, classes) from N encoded images. Raises BadImages, naming the image, for bytes that are none."""
        names = names or [f"image {number}" for number in range(1, len(images) + 1)]
        if not images:
            return np.zeros((0, len(self.classes)), np.float32)
        side, colour = self.made.stored_size, self.config.colour
        with ThreadPoolExecutor() as pool:
            return self.judge(decode_many(images, names, side=side, colour=colour, pool=pool))

    def judge(self, pixels: NDArray[np.uint8]) -> Probabilities:
        """(N, classes) from decoded images (N, C, S, S) of the run's stored size."""
        return self.look(pixels, np.arange(len(pixels)), plain)

    def look(self, pixels: NDArray[np.uint8], rows: NDArray[np.int64], views: Views) -> Probabilities:
        """(len(rows), classes) of pixels[rows], the mean over the views of each image."""
        images, where = torch.from_numpy(pixels), torch.from_numpy(rows)
        return probabilities(self._network, images, where, self.config, self._device, views=views)


def predict(*, run: Path, images: Path, out: Path) -> int:
    """Judge a Parquet file with the columns key (text) and image (encoded bytes); return the number of rows.

    `out` gets key and probabilities (float32, in class order), rows in the order given, and appears whole or
    not at all. Raises BadRunFolder or BadImages.
    """
    predictor = Predictor(run)
    schema = pa.schema([("key", pa.string()), ("probabilities", pa.list_(pa.float32()))])
    schema = schema.with_metadata({"classes": "\n".join(predictor.classes)})
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


def evaluate(*, snapshot: Path, run: Path, split: str) -> Figures:
    """The run's figures on a split of any snapshot with its classes. Raises BadRunFolder or BadSnapshot."""
    predictor = Predictor(run)
    opened = snapshot_faces.open_snapshot(snapshot)
    if opened.classes != predictor.classes:
        raise BadSnapshot(
            f"The snapshot's classes ({', '.join(opened.classes)}) are not the run's "
            f"({', '.join(predictor.classes)})."
        )
    chosen = opened.splits[split]
    if not len(chosen):
        raise BadSnapshot(f"The snapshot has no face in its {split} split.")
    with tempfile.TemporaryDirectory() as cache:
        faces = snapshot_faces.load(opened, predictor.config, predictor.made.stored_size, Path(cache))
        return figures(chosen.labels, predictor.judge(faces.images[chosen.rows]), opened.classes)


def _batches(images: Path) -> Iterator[tuple[list[str], list[bytes]]]:
    try:
        with pq.ParquetFile(images) as file:
            for batch in file.iter_batches(batch_size=_ROWS_AT_ONCE, columns=["key", "image"]):
                yield batch.column("key").to_pylist(), batch.column("image").to_pylist()
    except (OSError, KeyError, pa.ArrowException) as error:
        raise BadImages(
            f"{images} cannot be read as Parquet with the columns key and image: {error}"
        ) from error
