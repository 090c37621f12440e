"""What the recipes make of the same few faces in the same few epochs: python -m bench.recipes DATA [--quick]

DATA is a folder with fer2013/ and ferplus/ (FER2013 with the votes of FER+). A face's label is what most of its ten
people said; faces without one, and those that most call no face or cannot tell, stay out. Split as FER2013 splits
itself. Small and short: it says whether a recipe works, not how good it can be.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bench import fer2013
from labeling.snapshots import format as snapshots
from training.core.config import resolve
from training.core.progress import Display
from training.core.stopping import Stopper
from training.core.train import train


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--recipes", nargs="+", default=["quick", "strong", "soft-votes"], metavar="PRESET")
    parser.add_argument("--network", default="resnet18")
    parser.add_argument(
        "--faces", nargs=3, type=int, default=[3000, 1000, 2000], metavar="N", help="of each split"
    )
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="for every recipe")
    parser.add_argument("--quick", action="store_true", help="300 faces, one epoch.")
    parser.add_argument("--json", type=Path, metavar="FILE")
    asked = parser.parse_args()
    faces, epochs = ([200, 50, 50], 1) if asked.quick else (asked.faces, asked.epochs)
    overrides = {"epochs": epochs, **dict(pair.split("=", 1) for pair in asked.set)}
    with tempfile.TemporaryDirectory() as folder:
        snapshot = Path(folder) / "snapshot"
        rows = [
            row
            for split, most in zip(fer2013.SPLITS, faces, strict=True)
            for row in _rows(asked.data, split, most)
        ]
        rows.sort(key=lambda row: row["face_key"])
        snapshots.write(snapshot, rows, classes=fer2013.EIGHT, rule={"label": "plurality of FER+"})
        found = {}
        for recipe in asked.recipes:
            found |= _measured(recipe, asked.network, snapshot, Path(folder) / recipe, overrides)
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=2) + "\n")


def _measured(
    recipe: str, network: str, snapshot: Path, run: Path, overrides: dict[str, object]
) -> dict[str, dict[str, Any]]:
    began = time.process_time()
    result = train(
        snapshot=snapshot,
        run=run,
        choose=lambda: resolve(recipe, network, overrides),
        stopper=Stopper(),
        display=Display(),
    )
    seconds = time.process_time() - began
    told = {name: split["accuracy"] for name, split in result["splits"].items()}
    for way, judged in result.get("augmented", {}).items():
        told[f"test by {way}"] = judged["splits"]["test"]["accuracy"]
    test = result["splits"]["test"]
    print(
        f"{recipe:<12} "
        + "  ".join(f"{name} {share:.1%}" for name, share in told.items())
        + f"  (test {test['accuracy_interval'][0]:.1%}–{test['accuracy_interval'][1]:.1%})"
        + f"  from the votes {test['people']['divergence']:.3f} nats  {seconds:.0f} s of CPU time",
        flush=True,
    )
    return {
        **{
            f"{recipe}, {name}": {"value": share, "unit": "accuracy", "aim": None, "holds": None}
            for name, share in told.items()
        },
        f"{recipe}, divergence": {
            "value": test["people"]["divergence"],
            "unit": "nats",
            "aim": None,
            "holds": None,
        },
        f"{recipe}, CPU": {"value": seconds, "unit": "s", "aim": None, "holds": None},
    }


def _rows(data: Path, split: str, most: int) -> Iterator[dict[str, Any]]:
    images, _, usage, votes = fer2013.load(data)
    left = most
    for number in np.flatnonzero(usage == fer2013.SPLITS.index(split)):
        counts = votes[number].tolist()
        first, second = sorted(counts)[-1:-3:-1]
        if first == second or counts.index(first) >= len(fer2013.EIGHT):
            continue
        label = int(np.argmax(counts))
        yield fer2013.row(images[number], int(number), fer2013.EIGHT, label, counts, split)
        left -= 1
        if not left:
            return


if __name__ == "__main__":
    main()
