"""Snapshots and exports in the storage: there whole or not at all.

snapshots/DIGEST/          manifest.json and the rows' shards
snapshots/packs/NAME       images, shared by the snapshots that hold them
"""

import errno
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pyarrow as pa
from django.conf import settings
from django.core.files import File
from django.core.files.storage import default_storage

from labeling import work
from labeling.models import Snapshot, WorkState
from labeling.sayings import gettext_noop, said, told
from labeling.snapshots import format as snapshots
from labeling.storage_paths import local_path

_MAKING = "making"
_LEFTOVER_S = 24 * 3600
_BLOCK = 1024**2
_OTHER_DIGEST = gettext_noop("Its digest is not the one this snapshot was frozen with.")
_DAMAGED = gettext_noop(
    "The stored snapshot is damaged. {where}: {reason} Put the file back from a backup; or have the snapshot "
    "verified and freeze the campaign again, for a new version that is whole."
)
_NOT_FROZEN = gettext_noop("The snapshot “{name}” is {state}, not frozen yet.")
_UNREADABLE = gettext_noop("A version cannot be read: {reason} Verify it.")
_NOT_REPLACED = gettext_noop(
    "The storage does not replace “{name}”. Let it overwrite files (file_overwrite)."
)
for _sentence in snapshots.SENTENCES:
    gettext_noop(_sentence)

Alive = Callable[[], None]
"""Called now and then in long work; keeps a claim and may raise to stop."""


def folder_of(digest: str) -> str:
    """A snapshot's name in the storage."""
    return f"snapshots/{digest}"


def pack_of(name: str) -> str:
    """A pack's name in the storage."""
    return f"snapshots/{snapshots.PACKS}/{name}"


@contextmanager
def making(prefix: str, root: Path | None = None) -> Iterator[Path]:
    """A path at which to make a file or folder; whatever is left there goes at the end.

    On the storage's own disk where that can be, so that what is ready moves into place by one rename.
    """
    root = root or _making_root()
    root.mkdir(parents=True, exist_ok=True)
    _sweep(root, prefix)
    # The place inside is made by its maker, with the usual permissions: mkdtemp's own are for one user only.
    place = Path(tempfile.mkdtemp(prefix=f"{prefix}-", dir=root))
    try:
        yield place / "made"
    finally:
        shutil.rmtree(place, ignore_errors=True)


def forget_attempts(prefix: str) -> None:
    """Remove what killed attempts at the same thing left."""
    for left in _making_root().glob(f"{prefix}-*"):
        shutil.rmtree(left, ignore_errors=True)


def _making_root() -> Path:
    return local_path(_MAKING) or Path(settings.WORK_ROOT)


def _sweep(root: Path, prefix: str) -> None:
    for left in root.glob(f"{prefix.split('-')[0]}-*"):
        with suppress(FileNotFoundError):
            if left.stat().st_mtime < time.time() - _LEFTOVER_S:
                shutil.rmtree(left, ignore_errors=True)


def is_elsewhere() -> bool:
    """Whether the storage is not a folder of this machine."""
    return local_path("") is None


def put_snapshot(made: Path, digest: str, *, alive: Alive) -> None:
    """Store a snapshot under its digest, in the place of what may be there: first its packs, its manifest last.

    In a local folder it appears by one rename. Elsewhere nothing counts as there before the manifest is.
    alive: called before and after each file.
    """
    packs = made / snapshots.PACKS
    if packs.is_dir():
        for file in sorted(packs.iterdir()):
            alive()
            put_file(file, pack_of(file.name))
            alive()
        shutil.rmtree(packs, ignore_errors=True)
    name = folder_of(digest)
    target = local_path(name)
    if target is None:
        for file in sorted(made.iterdir(), key=lambda file: (file.name == snapshots.MANIFEST, file.name)):
            alive()
            _upload(file, f"{name}/{file.name}")
            alive()
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    _move(made, target, _replace_folder)
    alive()


def put_file(made: Path, name: str) -> None:
    """Store a file under the name, in the place of what may be there; never half of it."""
    target = local_path(name)
    if target is None:
        _upload(made, name)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    _move(made, target, os.replace)


@contextmanager
def local_file(name: str, to: Path, alive: Alive) -> Iterator[Path]:
    """A stored file as a path on this machine; fetched to `to` for the while if the storage is elsewhere."""
    path = local_path(name)
    if path is not None:
        yield path
        return
    _download(name, to, alive)
    yield to
    to.unlink()


def remove_folder(name: str) -> None:
    """Remove a stored folder, if it is there."""
    target = local_path(name)
    if target is not None:
        shutil.rmtree(target, ignore_errors=True)
        return
    for file in default_storage.listdir(name)[1]:
        default_storage.delete(f"{name}/{file}")


def manifest_of(digest: str) -> snapshots.Manifest:
    """Of the stored snapshot. Raises NotASnapshot."""
    stored = local_path(folder_of(digest))
    if stored is not None:
        return _manifest_in(stored, digest)
    with making("manifest") as folder:
        folder.mkdir()
        with suppress(FileNotFoundError):
            name = f"{folder_of(digest)}/{snapshots.MANIFEST}"
            _download(name, folder / snapshots.MANIFEST, lambda: None)
        return _manifest_in(folder, digest)


def _manifest_in(folder: Path, digest: str) -> snapshots.Manifest:
    try:
        return snapshots.read_manifest(folder)
    except snapshots.NotASnapshot as error:
        raise snapshots.NotASnapshot(named(str(error), folder, digest)) from error


def size_of(digest: str) -> int:
    """Bytes of the stored snapshot: its rows, and the packs its images lie in."""
    manifest = manifest_of(digest)
    packs = (pack_of(name) for name in manifest.packs)
    images = sum(default_storage.size(name) for name in packs if default_storage.exists(name))
    return sum(file.bytes for file in manifest.files) + images


def problems_of(digest: str, progress: Callable[[int], None] = lambda rows: None) -> list[snapshots.Problem]:
    """Read every byte of the stored snapshot of this digest again, from where it is stored."""
    stored = local_path(folder_of(digest))
    if stored is not None:
        return _problems(stored, digest, progress)
    with making("verify") as folder:
        _fetch_rows(digest, folder, lambda: progress(0))
        _fetch_packs(folder, lambda: progress(0))
        return _problems(folder, digest, progress)


def checked(
    folder: Path, digest: str, progress: Callable[[int], None], *, images: bool = True
) -> list[snapshots.Problem]:
    """What of the snapshot is not as it was frozen, told as people know it: by its name in the storage."""
    found = snapshots.verify(folder, progress, images=images)
    return [snapshots.Problem(each.where, named(each.what, folder, digest)) for each in found]


def named(text: str, folder: Path, digest: str) -> str:
    """The text with the snapshot's name in the storage in the place of where that lies on this machine."""
    # Its packs lie beside it.
    return text.replace(str(folder), folder_of(digest)).replace(str(folder.parent), "snapshots")


def _problems(folder: Path, digest: str, progress: Callable[[int], None]) -> list[snapshots.Problem]:
    problems = checked(folder, digest, progress)
    if problems or snapshots.read_manifest(folder).digest == digest:
        return problems
    return [snapshots.Problem(snapshots.MANIFEST, _OTHER_DIGEST)]


def verify(*, snapshot: Snapshot) -> list[snapshots.Problem]:
    """Read every byte of the stored snapshot again; an empty list means nothing has changed. Raises Refused."""
    demand_frozen(snapshot)
    return problems_of(snapshot.digest)


def local_folder(snapshot: Snapshot, alive: Alive = lambda: None) -> Path:
    """The snapshot as a folder on this machine; fetched once where the storage is elsewhere. Raises Refused."""
    demand_frozen(snapshot)
    stored = local_path(snapshot.folder)
    if stored is not None:
        return stored
    cache = Path(settings.SNAPSHOT_CACHE_ROOT)
    folder = cache / snapshot.digest
    if folder.exists() and _erased_in(folder) != snapshot.erased:
        forget_cached(snapshot.digest)
    if not folder.exists():
        with making("fetching", cache) as made:
            _fetch_rows(snapshot.digest, made, alive)
            _fetch_packs(made, alive, cache / snapshots.PACKS)
            if problems := checked(made, snapshot.digest, lambda rows: alive()):
                raise work.Refused(damaged(problems))
            (cache / snapshots.PACKS).mkdir(exist_ok=True)
            for pack in (made.parent / snapshots.PACKS).iterdir():
                os.replace(pack, cache / snapshots.PACKS / pack.name)
            _rename(made, folder)
    return folder


def _erased_in(folder: Path) -> int | None:
    """None for a copy that cannot be read: it is fetched again."""
    try:
        return snapshots.read_manifest(folder).erased
    except snapshots.NotASnapshot:
        return None


def forget_cached(digest: str) -> None:
    """Remove what this machine fetched of the snapshot, its images too."""
    cache = Path(settings.SNAPSHOT_CACHE_ROOT)
    with suppress(snapshots.NotASnapshot):
        for name in snapshots.read_manifest(cache / digest).packs:
            (cache / snapshots.PACKS / name).unlink(missing_ok=True)
    shutil.rmtree(cache / digest, ignore_errors=True)


@contextmanager
def rows_of(digest: str, alive: Alive = lambda: None) -> Iterator[Path]:
    """The stored snapshot as a folder on this machine; where the storage is elsewhere, without its images."""
    stored = local_path(folder_of(digest))
    if stored is not None:
        yield stored
        return
    with making("rows") as folder:
        _fetch_rows(digest, folder, alive)
        yield folder


@contextmanager
def reading(*versions: Snapshot) -> Iterator[list[Path]]:
    """The rows of frozen versions, a folder each, as of `rows_of`. Raises Refused, also for what cannot be read there
    within the block.
    """
    with ExitStack() as stack:
        for each in versions:
            demand_frozen(each)
        folders = [stack.enter_context(rows_of(each.digest)) for each in versions]
        try:
            yield folders
        except (snapshots.NotASnapshot, OSError, pa.ArrowException) as error:
            reason = str(error)
            for each, folder in zip(versions, folders, strict=True):
                reason = named(reason, folder, each.digest)
            raise unreadable(reason) from error


def unreadable(reason: object) -> work.Refused:
    """What to raise of a frozen version that cannot be read."""
    return work.Refused(_UNREADABLE.format(reason=reason))


def damaged(problems: list[snapshots.Problem]) -> str:
    first = problems[0]
    return said(_DAMAGED, where=first.where, reason=told(first.what))


def demand_frozen(snapshot: Snapshot) -> None:
    """Raises Refused for a snapshot that is not frozen, or not yet."""
    if snapshot.state != WorkState.DONE:
        raise work.Refused(said(_NOT_FROZEN, name=snapshot.name, state=snapshot.get_state_display()))


def _move(made: Path, target: Path, rename: Callable[[Path, Path], None]) -> None:
    """Put it in the place of what may be there, by the rename; where it was made on another disk, by way of a copy."""
    try:
        rename(made, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        with tempfile.TemporaryDirectory(prefix="moving-", dir=target.parent) as place:
            near = Path(place) / "made"
            (shutil.copytree if made.is_dir() else shutil.copyfile)(made, near)
            rename(near, target)


def _replace_folder(made: Path, target: Path) -> None:
    with suppress(FileNotFoundError):
        target.rename(made.with_name("replaced"))
    _rename(made, target)


def _rename(made: Path, target: Path) -> None:
    """Move a folder into place. Where another worker was quicker, its folder has the same content and stays."""
    try:
        made.rename(target)
    except OSError:
        if not target.is_dir():
            raise


def _upload(file: Path, name: str) -> None:
    with file.open("rb") as content:
        stored = default_storage.save(name, File(content))
    if stored != name:
        default_storage.delete(stored)
        raise work.Refused(_NOT_REPLACED.format(name=name))


def _fetch_rows(digest: str, folder: Path, alive: Alive) -> None:
    folder.mkdir()
    name = folder_of(digest)
    for file in default_storage.listdir(name)[1]:
        _download(f"{name}/{file}", folder / file, alive)


def _fetch_packs(folder: Path, alive: Alive, known: Path | None = None) -> None:
    """Bring the snapshot's packs beside it; those that lie in the folder `known` are linked."""
    packs = folder.parent / snapshots.PACKS
    packs.mkdir()
    try:
        names = snapshots.read_manifest(folder).packs
    except snapshots.NotASnapshot:
        # That is for `verify` to tell.
        return
    for name in names:
        if known is not None and (known / name).exists():
            os.link(known / name, packs / name)
        elif default_storage.exists(pack_of(name)):
            _download(pack_of(name), packs / name, alive)


def _download(name: str, target: Path, alive: Alive) -> None:
    with default_storage.open(name) as source, target.open("wb") as file:
        while block := source.read(_BLOCK):
            alive()
            file.write(block)
