"""Find out whether a snapshot folder is what was frozen, and if not, where."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from labeling.snapshots.format import manifest as manifests
from labeling.snapshots.format.digits import digits_of, hex_digits, sha256s
from labeling.snapshots.format.files import sha256_of
from labeling.snapshots.format.manifest import (
    BEFORE,
    MANIFEST,
    Manifest,
    NotASnapshot,
    Shard,
    gettext_noop,
    read_manifest,
)
from labeling.snapshots.format.order import Located, located
from labeling.snapshots.format.packs import FOLDER, Packs, where
from labeling.snapshots.format.reading import PLACE
from labeling.snapshots.format.rows import (
    SCHEMA,
    SPLITS,
    BadRow,
    Digest,
    check,
    is_blank,
    without_erased,
)

_UNREADABLE = (OSError, ValueError, KeyError, TypeError, pa.ArrowException)
_TOLD = 5
"""Places named per file: a disk that fails spoils thousands."""
_ROWS = 2_048

Progress = Callable[[int], None]

_OTHER_SIZE = gettext_noop("It has {found} bytes instead of {wanted}.")
_OTHER_BYTES = gettext_noop("Its bytes have changed ({places}): its sha256 is not the manifest's.")
_OTHER_IMAGES = gettext_noop("Images in it have changed ({places}): their sha256 is not that of their rows.")
_NOT_ERASED = gettext_noop("It still holds images of erased faces ({places}). Go on with their erasure.")
_BAD_ROW = gettext_noop("Row {row}, {error}.")
_NO_ROWS = gettext_noop("It holds no rows of a snapshot: {error}")
_OTHER_ROWS = gettext_noop("It counts {rows} rows in {shard}, but there are others.")
_MISSING = gettext_noop("This file is missing.")
SENTENCES = (
    *manifests.SENTENCES,
    _OTHER_SIZE,
    _OTHER_BYTES,
    _OTHER_IMAGES,
    _NOT_ERASED,
    _BAD_ROW,
    _NO_ROWS,
    _OTHER_ROWS,
)
"""What Problem.what may say with its fields still open, for who shows it in another language."""


@dataclass(frozen=True)
class Problem:
    """Something in a snapshot folder that is not as the manifest says. where: a file of the folder."""

    where: str
    what: str


def verify(folder: Path, progress: Progress = lambda rows: None, *, images: bool = True) -> list[Problem]:
    """Read every byte again. Returns what is not as it was frozen; an empty list means nothing has changed.

    images: without them only the rows are read, for who goes on to read the images `checked` (see iter_batches).
    Erased faces are no change: their rows still prove what they were by a sha256, and their images must be gone.
    progress is called with the number of rows read so far, and may raise to stop.
    """
    try:
        manifest = read_manifest(folder)
    except NotASnapshot as error:
        return [Problem(MANIFEST, str(error))]
    problems = [problem for shard in manifest.files for problem in _shard(folder, shard, progress)]
    problems += _manifest_text(folder, manifest) + _strangers(folder, manifest)
    return problems or _content(folder, manifest, progress, images)


def _manifest_text(folder: Path, manifest: Manifest) -> list[Problem]:
    if (folder / MANIFEST).read_bytes() == manifest.to_json().encode():
        return []
    return [
        Problem(MANIFEST, gettext_noop("It has been edited since it was written: its checksum does not fit."))
    ]


def _strangers(folder: Path, manifest: Manifest) -> list[Problem]:
    known = {MANIFEST, *(file.name for file in manifest.files)}
    inside = folder / FOLDER
    if inside.is_dir():
        known |= {FOLDER, *(f"{FOLDER}/{name}" for name in manifest.packs)}
    there = [*folder.iterdir(), *(inside.iterdir() if inside.is_dir() else ())]
    names = (path.relative_to(folder).as_posix() for path in there)
    return [
        Problem(name, gettext_noop("This file is not part of the snapshot."))
        for name in sorted(name for name in names if name not in known)
    ]


def _shard(folder: Path, shard: Shard, progress: Progress) -> list[Problem]:
    progress(0)
    path = folder / shard.name
    if not path.is_file():
        return [Problem(shard.name, _MISSING)]
    if path.stat().st_size != shard.bytes:
        return [Problem(shard.name, _OTHER_SIZE.format(found=path.stat().st_size, wanted=shard.bytes))]
    if sha256_of(path) != shard.sha256:
        return [
            Problem(
                shard.name, _OTHER_BYTES.format(places=_told(_damaged_places(path)) or "outside the rows")
            )
        ]
    return []


def _told(places: Iterator[str] | list[str]) -> str:
    named = list(places)
    return "; ".join(named[:_TOLD]) + ("; …" if len(named) > _TOLD else "")


def _damaged_places(path: Path) -> Iterator[str]:
    """Where in a shard bytes have changed, as near as the CRCs of its pages tell. Rows count from 0."""
    try:
        file = pq.ParquetFile(path, page_checksum_verification=True)
    except _UNREADABLE:
        yield "in its footer, so that no row can be read"
        return
    with file:
        first = 0
        for group in range(file.num_row_groups):
            rows = file.metadata.row_group(group).num_rows
            for name in SCHEMA.names:
                try:
                    file.read_row_group(group, columns=[name])
                except _UNREADABLE:
                    yield f"rows {first} to {first + rows - 1}, column {name}"
            first += rows


def _content(folder: Path, manifest: Manifest, progress: Progress, images: bool) -> list[Problem]:
    """The shards are what the manifest says; is the manifest itself what was frozen, and are the images?"""
    if problems := [problem for shard in manifest.shards for problem in _columns(folder, shard)]:
        return problems[:1]
    with Packs(folder, manifest.packs) as packs:
        reading = _Reading(manifest, packs if images else None, progress)
        shard = manifest.shards[0].name if manifest.shards else MANIFEST
        try:
            for some in located(folder, manifest, None, _ROWS):
                shard = manifest.shards[some.shard[0]].name
                try:
                    reading.read(some)
                except BadRow as error:
                    name = manifest.shards[some.shard[error.row]].name
                    return [Problem(name, _BAD_ROW.format(row=some.row[error.row], error=error))]
        except _UNREADABLE as error:
            return [Problem(shard, _NO_ROWS.format(error=error))]
    return reading.problems(folder)


def _columns(folder: Path, shard: Shard) -> list[Problem]:
    """What is no shard at all, though its bytes are as the manifest says."""
    try:
        with pq.ParquetFile(folder / shard.name) as file:
            if not file.schema_arrow.equals(SCHEMA):
                names = ", ".join(file.schema_arrow.names)
                return [Problem(shard.name, _NO_ROWS.format(error=f"its columns are {names}."))]
            if file.metadata.num_rows != shard.rows:
                return [Problem(MANIFEST, _OTHER_ROWS.format(rows=shard.rows, shard=shard.name))]
    except _UNREADABLE as error:
        return [Problem(shard.name, _NO_ROWS.format(error=error))]
    return []


class _Reading:
    """All rows and images, once."""

    def __init__(self, manifest: Manifest, packs: Packs | None, progress: Progress) -> None:
        self._manifest = manifest
        self._packs = packs
        self._progress = progress
        self._digest = Digest(manifest.classes, manifest.rule)
        self._counts = np.zeros((len(SPLITS), len(manifest.classes)), np.int64)
        self._erased = 0
        self._changed: dict[int, list[str]] = defaultdict(list)
        """Number of a pack → what in it is not as its row says."""
        self._left: dict[int, list[str]] = defaultdict(list)
        """Number of a pack → images in it that should be gone."""
        self._groups: list[NDArray[np.int64]] = []
        self._of_split: list[NDArray[np.int8]] = []

    @property
    def rows(self) -> int:
        return self._digest.rows

    def read(self, some: Located) -> None:
        """Raises BadRow, and what Arrow raises on files that are none of ours."""
        self._check(some.batch)
        if self._packs is not None:
            self._images(self._packs, some)
        self._progress(self.rows)

    def _check(self, batch: pa.RecordBatch) -> None:
        erased = batch.column("erased")
        if erased.true_count and not is_blank(batch):
            raise BadRow("column erased: a face is gone, but more than its key is left")
        living = without_erased(batch)
        try:
            check(living, self._manifest.classes)
        except BadRow as bad:
            bad.row = int(np.flatnonzero(~erased.to_numpy(zero_copy_only=False))[bad.row])
            raise
        self._digest.add(batch, proved=self._manifest.format != BEFORE)
        split = pc.index_in(living.column("split"), pa.array(SPLITS)).to_numpy().astype(np.int8)
        flat = split.astype(np.int64) * len(self._manifest.classes) + living.column("label_index").to_numpy()
        self._counts += np.bincount(flat, minlength=self._counts.size).reshape(self._counts.shape)
        self._groups.append(np.array(list(map(hash, living.column("group").to_pylist())), np.int64))
        self._of_split.append(split)
        self._erased += erased.true_count

    def _images(self, packs: Packs, some: Located) -> None:
        batch = some.batch
        places = [batch.column(name).to_numpy() for name in PLACE]
        try:
            images = packs.images(*places)
        except (OSError, IndexError):
            # A pack that cannot be read: find out for which rows that matters.
            each = zip(*(place.tolist() for place in places), strict=True)
            images = pa.array([_image(packs, *place) for place in each], pa.binary())
        wrong = digits_of(sha256s(images)) != hex_digits(batch.column("image_sha256"))
        for row in np.flatnonzero(wrong).tolist():
            shard = self._manifest.shards[some.shard[row]].name
            told = f"row {some.row[row]} of {shard}, face {batch.column('face_key')[row].as_py()[:12]}…"
            pack = int(places[0][row])
            if not batch.column("erased")[row].as_py():
                self._changed[pack].append(told)
            elif any(images[row].as_py()):
                self._left[pack].append(told)

    def problems(self, folder: Path) -> list[Problem]:
        manifest = self._manifest
        found = [
            self._about(folder, number, sentence, places)
            for sentence, by_pack in ((_OTHER_IMAGES, self._changed), (_NOT_ERASED, self._left))
            for number, places in sorted(by_pack.items())
        ]
        if found:
            return found
        if self._digest.hex() != manifest.digest:
            return [Problem(MANIFEST, gettext_noop("The digest is not that of the rows, classes and rule."))]
        splits = {
            split: dict(zip(manifest.classes, row, strict=True))
            for split, row in zip(SPLITS, self._counts.tolist(), strict=True)
        }
        if (self.rows, splits, self._erased) != (manifest.rows, manifest.splits, manifest.erased):
            return [Problem(MANIFEST, gettext_noop("The counts are not those of the rows."))]
        if self._straddling():
            return [Problem(MANIFEST, gettext_noop("Faces of one group stand in several splits."))]
        return []

    def _about(self, folder: Path, number: int, sentence: str, places: list[str]) -> Problem:
        names = self._manifest.packs
        if not 0 <= number < len(names):
            return Problem(MANIFEST, sentence.format(places=_told(places)))
        if not where(folder, names[number]).is_file():
            return Problem(f"{FOLDER}/{names[number]}", _MISSING)
        return Problem(f"{FOLDER}/{names[number]}", sentence.format(places=_told(places)))

    def _straddling(self) -> int:
        groups = np.concatenate([np.empty(0, np.int64), *self._groups])
        split = np.concatenate([np.empty(0, np.int8), *self._of_split])
        pairs = pa.table({"group": pa.array(groups), "split": pa.array(split)})
        distinct = pairs.group_by(["group", "split"]).aggregate([])
        return int(distinct.num_rows - len(distinct.column("group").unique()))


def _image(packs: Packs, *place: int) -> bytes:
    try:
        return packs.read(*place)
    except (OSError, IndexError):
        return b""
