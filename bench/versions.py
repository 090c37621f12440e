"""Compare two versions of many faces: `python -m bench.versions [--faces 1000000] [--json FILE]`.

Writes two snapshot folders of drawn rows without images (1 % of the faces of each are only in it, 1 % have another
label, 2 % more votes), compares them, and prints seconds and peak memory of a process of its own.
"""

import argparse
import hashlib
import json
import multiprocessing
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from labeling.expressions import SEVEN
from labeling.snapshots import diff
from labeling.snapshots.format import SCHEMA, SHARD_ROWS, SPLITS
from labeling.snapshots.format.manifest import MANIFEST, Manifest, Shard
from labeling.snapshots.format.writing import GROUP_ROWS, open_shard, shard_of

AIM_S, AIM_MB = 30.0, 600.0


def write(folder: Path, faces: int, *, version: int) -> None:
    folder.mkdir()
    rng = np.random.default_rng(1)
    label = rng.integers(0, 7, faces)
    gone = rng.integers(0, 100, faces) == version
    if version:
        label = np.where(rng.integers(0, 100, faces) == 9, (label + 1) % 7, label)
    more = (rng.integers(0, 50, faces) == 9) & bool(version)
    keys = sorted(hashlib.sha256(str(number).encode()).hexdigest() for number in range(faces))
    shards: list[Shard] = []
    for start in range(0, faces, SHARD_ROWS):
        which = [row for row in range(start, min(faces, start + SHARD_ROWS)) if not gone[row]]
        path = folder / f"faces-{len(shards):05d}.parquet"
        with open_shard(path) as file:
            for first in range(0, len(which), GROUP_ROWS):
                rows = which[first : first + GROUP_ROWS]
                file.write_table(_table([keys[row] for row in rows], label[rows], more[rows]))
        shards.append(shard_of(path, len(which)))
    manifest = Manifest(
        tuple(SEVEN), {}, {}, {}, sum(shard.rows for shard in shards), "0" * 64, tuple(shards)
    )
    (folder / MANIFEST).write_text(manifest.to_json(), encoding="utf-8")


def _table(keys: list[str], label: Any, more: Any) -> pa.Table:
    n = len(keys)
    votes = [
        [int(each == one) * 8 + int(gain) for each in range(9)] for one, gain in zip(label, more, strict=True)
    ]
    known = {
        "face_key": keys,
        "image_sha256": keys,
        "media_sha256": keys,
        "label": [SEVEN[each] for each in label],
        "label_index": label.astype(np.int16),
        "label_origin": ["votes"] * n,
        "votes": votes,
        "split": [SPLITS[int(key[:2], 16) % 3] for key in keys],
        "erased": [False] * n,
    }
    return pa.table(
        [pa.array(known.get(each.name, _blank(each, n)), each.type) for each in SCHEMA], schema=SCHEMA
    )


def _blank(column: pa.Field, n: int) -> list[Any]:
    return ["" if pa.types.is_string(column.type) else [] if pa.types.is_list(column.type) else 0] * n


def compare(old: str, new: str, told: Any) -> None:
    begun = time.perf_counter()
    found = diff.difference(Path(old), Path(new))
    counted = time.perf_counter() - begun
    begun = time.perf_counter()
    listed = sum(1 for _ in diff.changes(Path(old), Path(new)))
    told.send(
        {
            "count_s": counted,
            "list_s": time.perf_counter() - begun,
            "listed": listed,
            "peak_mb": _peak_mb(),
            **{kind: found.count(kind) for kind in diff.KINDS},
        }
    )


def _peak_mb() -> float:
    """Of this process alone: what getrusage says begins with the peak of the one that started it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    [peak] = [int(line.split()[1]) for line in lines if line.startswith("VmHWM:")]
    return peak / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faces", type=int, default=1_000_000)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        for version, name in enumerate(("old", "new")):
            write(Path(place) / name, asked.faces, version=version)
        ours, theirs = multiprocessing.Pipe()
        process = multiprocessing.get_context("spawn").Process(
            target=compare, args=(f"{place}/old", f"{place}/new", theirs)
        )
        process.start()
        found = ours.recv()
        process.join()
    for name, value in found.items():
        print(f"{name:>12}: {value:,.1f}")
    if asked.json:
        figures = {
            "diff_count_s": {
                "value": found["count_s"],
                "unit": "s",
                "aim": AIM_S,
                "holds": found["count_s"] < AIM_S,
            },
            "diff_peak_mb": {
                "value": found["peak_mb"],
                "unit": "MB",
                "aim": AIM_MB,
                "holds": found["peak_mb"] < AIM_MB,
            },
        }
        asked.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
