"""What a network makes of images: probabilities, and the figures of a split."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from training.core.config import Config
from training.core.device import autocast
from training.core.faces import Faces, Split
from training.core.pixels import prepare
from training.core.run_folder import write_atomically

Probabilities = NDArray[np.float32]


@torch.inference_mode()
def probabilities(
    network: nn.Module,
    images: Tensor,
    rows: Tensor,
    config: Config,
    device: torch.device,
    between: Callable[[], None] = lambda: None,
) -> Probabilities:
    """(len(rows), classes) probabilities of images[rows], without augmentation; leaves the network in eval
    mode.

    images: uint8 (N, C, S, S), on any device. `between` is called between batches and may raise to stop.
    """
    network.eval()
    if not len(rows):
        return np.zeros((0, 0), np.float32)
    chunks = []
    for some in torch.split(rows, config.evaluation_batch_size):
        between()
        pixels = prepare(images[some.to(images.device)].to(device), config)
        with autocast(device, config):
            logits = network(pixels)
        chunks.append(logits.float().softmax(dim=1))
    found: Probabilities = torch.cat(chunks).cpu().numpy()
    return found


def write_predictions(file: Path, split: Split, faces: Faces, predicted: Probabilities) -> None:
    """The opinion of each face of a split as Parquet: key, face_id, label, predicted, probabilities (class
    order).
    """
    best = predicted.argmax(axis=1) if len(split) else np.zeros(0, np.int64)
    table = pa.table(
        {
            "key": pa.array(split.keys, pa.string()),
            "face_id": pa.array(split.face_ids, pa.int64()),
            "label": pa.array([faces.classes[label] for label in split.labels], pa.string()),
            "predicted": pa.array([faces.classes[label] for label in best], pa.string()),
            "probabilities": pa.array(list(predicted), pa.list_(pa.float32())),
        }
    )
    write_atomically(file, lambda part: pq.write_table(table, part))
