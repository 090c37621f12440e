"""A small snapshot and a small finished training, made once."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from tests.snapshot_folders import make_snapshot_folder
from training.core.config import Config, resolve
from training.core.progress import Display
from training.core.run_folder import read_events
from training.core.stopping import Stopper
from training.core.train import train

CLASSES = ("happy", "sad", "surprise")


def small(**changes: object) -> Callable[[], Config]:
    """A config that trains in a second or two."""
    fast = {
        "image_size": 32,
        "batch_size": 8,
        "epochs": 4,
        "threads": 1,
        "device": "cpu",
        "rotation": 5,
        "flip": 0,
    }
    return lambda: resolve("quick", "resnet18", {**fast, **changes})


def run_training(snapshot: Path, run: Path, choose: Callable[[], Config] | None) -> dict[str, object]:
    return train(snapshot=snapshot, run=run, choose=choose, stopper=Stopper(), display=Display())


def events(run: Path, kind: str) -> list[dict[str, object]]:
    return [event for event in read_events(run / "metrics.jsonl") if event["event"] == kind]


class StopAfter(Display):
    """Asks for an end once so many lines were said."""

    def __init__(self, stopper: Stopper, lines: int) -> None:
        super().__init__()
        self.stopper, self.left = stopper, lines

    def say(self, text: str) -> None:
        super().say(text)
        self.left -= 1
        if not self.left:
            self.stopper.ask("enough")


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("snapshots") / "small"
    make_snapshot_folder(folder, images_per_class=25, size=32, classes=CLASSES)
    return folder


@pytest.fixture(scope="session")
def finished(snapshot: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder whose training is over. Tests only read it."""
    run = tmp_path_factory.mktemp("runs") / "finished"
    run_training(snapshot, run, small())
    return run


def tampered(snapshot: Path, folder: Path) -> Path:
    """A copy of the snapshot in which another label stands for each test face, and nothing else is different."""
    shutil.copytree(snapshot, folder)
    shard = folder / "faces-00000.parquet"
    table = pq.read_table(shard)
    rows = table.to_pylist()
    for row in rows:
        if row["split"] == "test":
            row["label_index"] = (row["label_index"] + 1) % len(CLASSES)
            row["label"] = CLASSES[row["label_index"]]
    pq.write_table(pa.Table.from_pylist(rows, table.schema), shard)
    return folder
