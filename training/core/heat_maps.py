"""Where a run looked in the faces it was wrong about, as heat-maps-SPLIT.parquet keeps it: small maps by Grad-CAM, and
no picture. Nothing here needs torch, for the site's pages read these files too.
"""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from training.core.run_folder import RunFolder, write_atomically

SIDE = 24
"""Pixels of a map. The feature maps behind it are coarser: ResMaskingNet's last has 7 × 7 places at 224 px."""
_UNREADABLE = (OSError, ValueError, KeyError, TypeError, pa.ArrowException)


@dataclass(frozen=True)
class HeatMaps:
    """maps: (N, SIDE, SIDE) in 0–255, how strongly each place of a face spoke for the class the run answered."""

    keys: tuple[str, ...]
    face_ids: NDArray[np.int64]
    maps: NDArray[np.uint8]


def write_heat_maps(file: Path, found: HeatMaps) -> None:
    """One row per face: key, face_id, and the map, row by row."""
    columns: dict[str, Any] = {
        "key": pa.array(found.keys, pa.string()),
        "face_id": pa.array(found.face_ids, pa.int64()),
        "heat": pa.array([one.tobytes() for one in found.maps], pa.binary(SIDE * SIDE)),
    }
    write_atomically(file, lambda part: pq.write_table(pa.table(columns), part))


def read_heat_maps(run: Path, split: str, faces: Collection[int]) -> dict[int, NDArray[np.uint8]]:
    """Of these faces, by face_id, the maps (SIDE, SIDE) that a run has of them. None where it keeps none
    that can be read.
    """
    try:
        table = pq.read_table(RunFolder(run).heat_maps(split), columns=["face_id", "heat"])
        wanted = table.filter(pc.is_in(table.column("face_id"), pa.array(list(faces), pa.int64())))
        return {
            row["face_id"]: np.frombuffer(row["heat"], np.uint8).reshape(SIDE, SIDE)
            for row in wanted.to_pylist()
        }
    except _UNREADABLE:
        return {}
