"""What a freezing keeps for the next one of its campaign: what it read, and where what it wrote lies.

One file a campaign, `snapshots/carried/CAMPAIGN.npz` in the storage, some 200 bytes a face; the zip's own checksums
tell whether it is whole. It may be removed at any time: the next freezing then reads everything, as the first one did.
Every erasure removes it, since it knows faces.
"""

import hashlib
import io
import json
import logging
import zipfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from django.core.files.storage import default_storage
from numpy.typing import NDArray

from labeling.moments import Moment
from labeling.snapshots import format as snapshots
from labeling.snapshots import stored
from labeling.snapshots.arrays import Narrow
from labeling.snapshots.candidates import Candidates
from labeling.snapshots.stored import Alive
from labeling.storage_paths import local_path

FORMAT = "vemo-carried/3"
"""Raise the number when freezing reads something else of a face, or makes something else of it."""
_PLACE = "snapshots/carried"
logger = logging.getLogger(__name__)
Whole: TypeAlias = NDArray[np.int64]
Words: TypeAlias = NDArray[np.uint64]
"""(n, 2): the first 128 bits of face_keys, in their order."""


@dataclass(frozen=True, eq=False)
class Read:
    """What was read of the database as it stood at the moment.

    items, labels: (2, rows) in order of their keys: key, and the media of the item, the face of the label; -1 for none.
    """

    moment: Moment
    items: Whole
    labels: Whole
    sources: dict[str, str]
    """Key, as text → name."""


@dataclass(eq=False)
class Carried:
    """What the freezing of a snapshot has left.

    snapshot: its key. expressions: the campaign's. allowed: codes of the licences that the rule let in. versions:
    digests of this and all earlier versions, the newest first. tested: the faces that any of them tests on. split,
    fold, group: as in a Choice. rows: as they were written. manifest: the sha256 of its text. files: of each
    file and pack what tells that nobody wrote to it. similarity: of the certificate.
    """

    snapshot: int
    rule: dict[str, Any]
    expressions: list[str]
    allowed: list[str]
    versions: list[str]
    manifest: str
    files: dict[str, list[int]]
    similarity: dict[str, Any]
    read: Read | None = None
    faces: Candidates | None = None
    """Who has no more use for them may let them go: they take some 100 bytes each."""
    split: Narrow = field(default_factory=lambda: np.empty(0, np.int8))
    fold: Narrow = field(default_factory=lambda: np.empty(0, np.int8))
    group: NDArray[np.uint64] = field(default_factory=lambda: np.empty(0, np.uint64))
    rows: snapshots.Rows = field(default_factory=lambda: np.empty(0, snapshots.ROW))
    tested: Words = field(default_factory=lambda: np.empty((0, 2), np.uint64))

    def untouched(self, digest: str) -> set[str]:
        """The files and packs of the snapshot that nobody has written to since."""
        return {
            name
            for name, signature in self.files.items()
            if _signature(_path(digest, name)) in (signature, _ELSEWHERE)
        }


_HEADER = 4096
"""Bytes; the headers of these arrays take some hundred."""
_ELSEWHERE: list[int] = []
"""What a bucket's files have for a signature: they are believed to be whole."""


def signatures(digest: str, manifest: snapshots.Manifest) -> dict[str, list[int]]:
    """Of the files and packs of a stored snapshot."""
    # Elsewhere files are fetched to be read, and so checked; of packs that would be much.
    files = () if stored.is_elsewhere() else manifest.files
    names = [*(file.name for file in files), *manifest.packs]
    found = {name: _signature(_path(digest, name)) for name in names}
    return {name: signature for name, signature in found.items() if signature is not None}


def _path(digest: str, name: str) -> str:
    is_pack = name.endswith(snapshots.PACK_ENDING)
    return stored.pack_of(name) if is_pack else f"{stored.folder_of(digest)}/{name}"


def _signature(name: str) -> list[int] | None:
    """Size, times and number on the disk; None if it is gone. A link more to it changes its time, too."""
    path = local_path(name)
    if path is None:
        return _ELSEWHERE
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]


def manifest_sha256(folder: Path) -> str:
    return hashlib.sha256((folder / snapshots.MANIFEST).read_bytes()).hexdigest()


def name_of(campaign: int) -> str:
    return f"{_PLACE}/{campaign}.npz"


def forget() -> None:
    """Remove what is carried of all campaigns."""
    try:
        names = default_storage.listdir(_PLACE)[1]
    except FileNotFoundError:
        return
    for name in names:
        default_storage.delete(f"{_PLACE}/{name}")


def save(carried: Carried, campaign: int, attempts: str = "carried") -> None:
    """Keep it in the place of what was carried before. attempts: as of `stored.making`."""
    with stored.making(attempts) as path:
        with zipfile.ZipFile(path, "w") as archive:
            for name, array in _arrays(carried):
                with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                    np.lib.format.write_array(file, array, allow_pickle=False)
            archive.writestr("head.json", json.dumps(_head(carried)))
        stored.put_file(path, name_of(campaign))


def load(
    campaign: int, snapshot: int, alive: Alive = lambda: None, attempts: str = "carried"
) -> Carried | None:
    """What the freezing of this snapshot has left; None if it has left nothing, or it is damaged.

    attempts: as of `stored.making`.
    """
    if not default_storage.exists(name_of(campaign)):
        return None
    with (
        stored.making(attempts) as to,
        stored.local_file(name_of(campaign), to, alive) as path,
    ):
        try:
            return _read(path, snapshot)
        except Exception as error:  # noqa: BLE001  # A damaged zip ends in any of a dozen ways; all is read then.
            logger.warning("What snapshot %s has left for the next is damaged: %r", snapshot, error)
            return None


def _read(path: Path, snapshot: int) -> Carried | None:
    with zipfile.ZipFile(path) as archive:
        head = json.loads(archive.read("head.json"))
        if head["format"] != FORMAT or head["snapshot"] != snapshot:
            return None
        arrays = {name.removesuffix(".npy"): _array(archive, name) for name in archive.namelist()[:-1]}
    return _carried(head, arrays)


def _array(archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    """Without the copy that NumPy's own reading makes of what does not come from a file of its own."""
    data = archive.read(name)
    file = io.BytesIO(data[:_HEADER])
    if np.lib.format.read_magic(file) != (1, 0):
        raise ValueError(f"{name} is of another version of NumPy's format.")
    shape, is_fortran, kind = np.lib.format.read_array_header_1_0(file)
    found = np.frombuffer(data, kind, offset=file.tell())
    return found.reshape(shape, order="F" if is_fortran else "C")


_SAME = ("classes", "origins", "given_splits", "reasons")
_FACE_ARRAYS = (
    "face", "media_id", "prefix", "label", "origin", "agreement", "votes", "given", "likeness", "author", "fingerprint",
    "hashed", "source", "out_face", "out_reason", "media", "keys",
)  # fmt: skip
_OWN_ARRAYS = ("split", "fold", "group", "rows")


def _head(carried: Carried) -> dict[str, Any]:
    plain = ("snapshot", "rule", "expressions", "allowed", "versions", "manifest", "files", "similarity")
    head: dict[str, Any] = {"format": FORMAT, **{name: getattr(carried, name) for name in plain}}
    if carried.read is not None and carried.faces is not None:
        head["moment"] = asdict(carried.read.moment)
        head["sources"] = carried.read.sources
        head["faces"] = {name: getattr(carried.faces, name) for name in _SAME}
    return head


def _arrays(carried: Carried) -> Iterable[tuple[str, NDArray[Any]]]:
    yield "tested", carried.tested
    if carried.read is None or carried.faces is None:
        return
    yield "items", carried.read.items
    yield "labels", carried.read.labels
    for name in _OWN_ARRAYS:
        yield name, getattr(carried, name)
    for name in _FACE_ARRAYS:
        yield f"faces.{name}", getattr(carried.faces, name)


def _carried(head: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Carried:
    plain = {
        each.name: head[each.name] for each in fields(Carried) if each.name in head and each.name != "faces"
    }
    plain["tested"] = arrays["tested"]
    if "moment" not in head:
        return Carried(**plain)
    own: dict[str, Any] = {name: arrays[name] for name in _OWN_ARRAYS}
    read = Read(Moment(**head["moment"]), arrays["items"], arrays["labels"], head["sources"])
    of_face: dict[str, Any] = {name: arrays[f"faces.{name}"] for name in _FACE_ARRAYS}
    same: dict[str, Any] = {name: tuple(head["faces"][name]) for name in _SAME}
    faces = Candidates(
        **same,
        **of_face,
        twice=0,
        strange={},
    )
    return Carried(**plain, read=read, faces=faces, **own)
