"""The faces of a snapshot, decoded once into one memory-mapped array."""

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from labeling.snapshots import format as snapshots
from training.core.config import Config
from training.core.pixels import decode_many, size_of
from training.core.refusals import BadImages, BadSnapshot
from training.core.run_folder import write_atomically

SPLITS = ("train", "validation", "test")
_UNREADABLE = (OSError, ValueError, KeyError, TypeError, pa.ArrowException)
_AT_ONCE = 256
UNUSED_DAYS = 30


@dataclass(frozen=True)
class Split:
    """The faces of one split, in the snapshot's order. rows: (N,) int64 into the images. labels: (N,) class
    indices. shares: (N, K) float32, of the votes by class, each row adding up to one.
    """

    rows: NDArray[np.int64]
    labels: NDArray[np.int64]
    keys: tuple[str, ...]
    face_ids: NDArray[np.int64]
    shares: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class Faces:
    """A snapshot to learn from. images: (N, C, S, S) uint8, every face of the snapshot, mapped from disk."""

    digest: str
    classes: tuple[str, ...]
    images: NDArray[np.uint8]
    splits: dict[str, Split]

    def warnings(self) -> list[str]:
        """What a person should know before trusting the figures."""
        missing = [
            f"The {name} split has no face of class {label}."
            for name, split in self.splits.items()
            if len(split)
            for index, label in enumerate(self.classes)
            if not (split.labels == index).any()
        ]
        return missing + (
            ["The test split is empty: there will be no test figures."]
            if not len(self.splits["test"])
            else []
        )


@dataclass(frozen=True)
class Snapshot:
    """A snapshot folder, its labels read, its images not yet."""

    folder: Path
    digest: str
    classes: tuple[str, ...]
    splits: dict[str, Split]

    @property
    def rows(self) -> int:
        return sum(len(split) for split in self.splits.values())


def open_snapshot(folder: Path) -> Snapshot:
    """Read the labels of a snapshot. Raises BadSnapshot where they cannot be read."""
    try:
        manifest = snapshots.read_manifest(folder)
        columns = ["face_key", "face_id", "label_index", "soft_label", "split"]
        table = snapshots.read_table(folder, columns=columns)
        return Snapshot(
            folder, manifest.digest, tuple(manifest.classes), _split(table, len(manifest.classes))
        )
    except _UNREADABLE as error:
        raise BadSnapshot(f"The snapshot {folder} cannot be read: {error}") from error


def verify(snapshot: Snapshot) -> None:
    """Raises BadSnapshot unless the folder holds exactly what its manifest says."""
    try:
        problems = snapshots.verify(snapshot.folder)
    except _UNREADABLE as error:
        raise BadSnapshot(f"The snapshot {snapshot.folder} cannot be read: {error}") from error
    if problems:
        first = problems[0]
        raise BadSnapshot(
            f"The snapshot {snapshot.folder} is damaged. {first.where}: {first.what} "
            f"({len(problems)} such problems.) Fetch or freeze it again."
        )


def refuse_too_small(snapshot: Snapshot) -> None:
    """Raises BadSnapshot where there is not enough to train on."""
    for name, least in (("train", 2), ("validation", 1)):
        if len(snapshot.splits[name]) < least:
            raise BadSnapshot(
                f"The snapshot has {len(snapshot.splits[name])} faces in its {name} split; training needs "
                f"at least {least}. Settle more faces, or freeze with other fractions."
            )


def stored_size(snapshot: Snapshot, config: Config) -> int:
    """The side at which images are kept: their own where all are squares of one size and no larger than the
    network wants (growing them is cheaper on the device), else image_size.
    """
    with _of_snapshot():
        sizes = {
            size_of(*pair) for keys, images in _images(snapshot) for pair in zip(images, keys, strict=True)
        }
    if len(sizes) == 1:
        width, height = sizes.pop()
        if width == height <= config.image_size:
            return width
    return config.image_size


def load(
    snapshot: Snapshot,
    config: Config,
    side: int,
    cache: Path,
    between: Callable[[int], None] = lambda done: None,
) -> Faces:
    """All faces, from the array in `cache` where it was made before, else decoded into it now.

    `between` is called now and then with the number of images done, and may raise to stop. The array appears
    whole or not at all, so any number of processes may share a cache folder; one that was cut short since is made
    anew, and arrays that nobody has used for UNUSED_DAYS go when another is made. Raises BadSnapshot for an image
    that is none.
    """
    # With the number of rows: after an erasure there are fewer, and they stand elsewhere.
    file = cache / f"images-{snapshot.digest}-{snapshot.rows}-{config.colour}-{side}.npy"
    cache.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(cache)
    shape = (snapshot.rows, 1 if config.colour == "grey" else 3, side, side)
    if _mapped(file, shape) is None:
        _remove_unused(cache)
        with (cache / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH)
            write_atomically(file, lambda part: _decode_into(part, shape, snapshot, config, between))
    file.touch()
    images = _mapped(file, shape)
    if images is None:
        raise BadSnapshot(f"{file} was changed while it was read. Start once more.")
    return Faces(snapshot.digest, snapshot.classes, images, snapshot.splits)


def some(snapshot: Snapshot, config: Config, side: int, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
    """(len(rows), C, side, side): the images with these row numbers, which may repeat. Raises BadSnapshot for one that
    is none.
    """
    found: dict[int, NDArray[np.uint8]] = {}
    asked, start = set(rows.tolist()), 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for keys, images in _images(snapshot):
            here = [place for place in range(len(keys)) if start + place in asked]
            if here:
                data, names = [images[place] for place in here], [keys[place] for place in here]
                with _of_snapshot():
                    pixels = decode_many(data, names, side=side, colour=config.colour, pool=pool)
                found.update(zip([start + place for place in here], pixels, strict=True))
            start += len(keys)
    return np.stack([found[row] for row in rows.tolist()])


def _mapped(file: Path, shape: tuple[int, ...]) -> NDArray[np.uint8] | None:
    """The array in the file; None where there is none, or one that was cut short or is of something else."""
    try:
        # Copy-on-write instead of read-only: torch warns about arrays it must not write to.
        images: NDArray[np.uint8] = np.load(file, mmap_mode="c")
    except (FileNotFoundError, EOFError, ValueError):
        return None
    return images if images.shape == shape and images.dtype == np.uint8 else None


def _remove_abandoned(cache: Path) -> None:
    """Remove what killed processes have decoded half, unless somebody decodes: on a shared folder another machine's
    process cannot be asked whether it lives, but its lock can.
    """
    with (cache / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        for part in cache.glob(".images-*.part"):
            part.unlink(missing_ok=True)


def _remove_unused(cache: Path) -> None:
    oldest = time.time() - UNUSED_DAYS * 24 * 3600
    for file in cache.glob("images-*.npy"):
        # Another process may remove it at the same time; who has it open keeps it.
        with contextlib.suppress(FileNotFoundError):
            if file.stat().st_mtime < oldest:
                file.unlink()


def _decode_into(
    file: Path,
    shape: tuple[int, ...],
    snapshot: Snapshot,
    config: Config,
    between: Callable[[int], None],
) -> None:
    header = {
        "descr": np.lib.format.dtype_to_descr(np.dtype(np.uint8)),
        "fortran_order": False,
        "shape": shape,
    }
    done = 0
    # Not through a map of the file: where the disk is full that ends the process without a word.
    with file.open("wb") as out, ThreadPoolExecutor(os.cpu_count()) as pool:
        np.lib.format.write_array_header_1_0(out, header)
        for keys, images in _images(snapshot):
            with _of_snapshot():
                pixels = decode_many(images, keys, side=shape[-1], colour=config.colour, pool=pool)
            out.write(pixels.data)
            done += len(pixels)
            between(done)


@contextlib.contextmanager
def _of_snapshot() -> Iterator[None]:
    try:
        yield
    except BadImages as error:
        raise BadSnapshot(f"The snapshot holds a face that is no image. Face {error}") from error


def _images(snapshot: Snapshot) -> Iterator[tuple[list[str], list[bytes]]]:
    """Keys and encoded images, some at a time, in the snapshot's order."""
    try:
        for batch in snapshots.iter_batches(snapshot.folder, columns=["face_key", "image"], rows=_AT_ONCE):
            yield batch.column("face_key").to_pylist(), batch.column("image").to_pylist()
    except _UNREADABLE as error:
        raise BadSnapshot(f"The snapshot {snapshot.folder} cannot be read: {error}") from error


def _split(table: pa.Table, classes: int) -> dict[str, Split]:
    names = np.array(table.column("split").to_pylist(), dtype=object)
    labels = table.column("label_index").to_numpy().astype(np.int64)
    ids = table.column("face_id").to_numpy().astype(np.int64)
    keys = table.column("face_key").to_pylist()
    soft = table.column("soft_label").combine_chunks().flatten().to_numpy().reshape(len(labels), classes)
    if len(labels) and not (labels.min() >= 0 and labels.max() < classes):
        raise ValueError("a label index is outside the manifest's classes")
    rows = {name: np.flatnonzero(names == name) for name in SPLITS}
    return {
        name: Split(chosen, labels[chosen], tuple(keys[row] for row in chosen), ids[chosen], soft[chosen])
        for name, chosen in rows.items()
    }
