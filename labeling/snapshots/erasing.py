"""Take erased faces out of the stored snapshots.

Each step may be cut off anywhere and done again. First the rows go, then the images: a reader in between finds the
image of a face that its snapshot no longer names. Versions share packs, so only one may change them at a time.

A version that cannot be opened, its folder gone or damaged, is told of and keeps nobody's face in the others: what is
left of it is erased when the same is done again with the folder back in its place.
"""

import errno
import os
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from threading import Event
from typing import TypeVar

import pyarrow as pa
from django.conf import settings
from django.core.files.storage import default_storage

from labeling import clock
from labeling.models import Pulse, Snapshot, WorkState
from labeling.snapshots import carried, stored
from labeling.snapshots import format as snapshots
from labeling.snapshots.format.packs import Spot
from labeling.snapshots.stored import Alive

_TURN = "erasing from snapshots"
_FREE = datetime(2000, 1, 1, tzinfo=UTC)
_WAIT_S = 0.2
AT_ONCE = min(4, os.cpu_count() or 1)
"""Snapshots, or packs, that are rewritten side by side; each takes a few megabytes."""
_T = TypeVar("_T")


@dataclass(frozen=True)
class Held:
    """What frozen snapshots hold, or held, of some faces; each by its primary key."""

    rows: dict[int, int] = field(default_factory=dict)
    """Snapshot → how many rows; those that hold none are left out."""
    unopened: dict[int, str] = field(default_factory=dict)
    """Snapshot that cannot be opened, so that nobody knows → why, in English."""


class _Unopened(Exception):
    """The stored rows cannot be read; the text says why, by their names in the storage."""


def touched(keys: Collection[str], alive: Alive = lambda: None) -> Held:
    """Which frozen snapshots hold such faces that are not erased yet."""
    held = Held()
    keys = sorted(keys)
    for digest, pks in _frozen().items():
        try:
            with _opened(digest, alive) as folder:
                count = snapshots.find(folder, keys, alive).count
        except _Unopened as reason:
            held.unopened.update(dict.fromkeys(pks, str(reason)))
            continue
        if count:
            held.rows.update(dict.fromkeys(pks, count))
    return held


@contextmanager
def _opened(digest: str, alive: Alive) -> Iterator[Path]:
    """The stored rows. Raises _Unopened where they turn out to be gone or damaged; not for a disk that fails."""
    with stored.rows_of(digest, alive) as folder:
        try:
            yield folder
        except (snapshots.NotASnapshot, pa.ArrowInvalid, OSError) as error:
            # Of damaged bytes pyarrow tells by an OSError without a number; the system gives one.
            if getattr(error, "errno", None) not in (None, errno.ENOENT):
                raise
            said, name = stored.named(str(error), folder, digest), stored.folder_of(digest)
            raise _Unopened(said if name in said else f"{name}: {said}") from error


def erase(keys: Collection[str], alive: Alive = lambda: None) -> Held:
    """Take the faces with these keys out of all frozen snapshots, and their images out of the packs.

    Returns which snapshots lost how many rows by this call, and which could not be opened. Whoever erases at the same
    time waits. Snapshots that hold none of the faces are not changed by a bit.
    """
    lost = Held()
    frozen, keys = _frozen(), sorted(keys)
    with _in_turn(alive) as beat, stored.making("erasing") as made:
        made.mkdir()
        wanted: dict[str, set[Spot]] = defaultdict(set)
        rows = [partial(_erase_rows, digest, keys, made / digest) for digest in frozen]
        with closing(_side_by_side(rows, beat)) as done:
            for digest, found in zip(frozen, done, strict=True):
                if isinstance(found, _Unopened):
                    lost.unopened.update(dict.fromkeys(frozen[digest], str(found)))
                    stored.forget_cached(digest)
                    continue
                if found.count:
                    lost.rows.update(dict.fromkeys(frozen[digest], found.count))
                for name, places in found.places().items():
                    wanted[name].update(places)
        images = [partial(_erase_images, name, places, made) for name, places in wanted.items()]
        with closing(_side_by_side(images, beat)) as done_too:
            list(done_too)
        for digest, pks in frozen.items():
            beat()
            if lost.unopened.keys() & set(pks):
                continue
            if Snapshot.objects.filter(pk__in=pks).exclude(erased=stored.manifest_of(digest).erased).exists():
                _tell(digest)
                stored.forget_cached(digest)
    # Last: a freezing that was told to begin again may have been about to leave something.
    carried.forget()
    return lost


def _side_by_side(deeds: Sequence[Callable[[Alive], _T]], alive: Alive) -> Generator[_T, None, None]:
    """Do all, AT_ONCE at a time, none of which may ask the database; in their order what each returns.

    Most of the work is outside Python, which lets others go on meanwhile. When `alive` raises, or one of them, or
    nobody wants more, the others end too.
    """
    if AT_ONCE == 1:
        yield from (deed(alive) for deed in deeds)
        return
    given_up = Event()

    def still() -> None:
        if given_up.is_set():
            raise _GivenUp

    with ThreadPoolExecutor(AT_ONCE) as pool:
        doing = [pool.submit(deed, still) for deed in deeds]
        try:
            for one in doing:
                alive()
                while not wait([one], timeout=_WAIT_S).done:
                    alive()
                yield one.result()
        finally:
            given_up.set()
            pool.shutdown(cancel_futures=True)


class _GivenUp(Exception):
    """Nobody waits for this any more."""


def _frozen() -> dict[str, list[int]]:
    """Digest → the snapshots that have it."""
    found: dict[str, list[int]] = {}
    for pk, digest in Snapshot.objects.filter(state=WorkState.DONE).values_list("pk", "digest"):
        found.setdefault(digest, []).append(pk)
    return found


def _erase_rows(digest: str, keys: Collection[str], made: Path, alive: Alive) -> snapshots.Found | _Unopened:
    """Returns what there was of them before."""
    name = stored.folder_of(digest)
    try:
        with _opened(digest, alive) as folder:
            found = snapshots.find(folder, keys, alive)
            after = snapshots.rewritten(folder, keys, made, alive, found)
    except _Unopened as reason:
        return reason
    if after is not None:
        for shard in sorted(made.iterdir()):
            alive()
            stored.put_file(shard, f"{name}/{shard.name}")
        manifest = made / snapshots.MANIFEST
        manifest.write_text(after.to_json(), encoding="utf-8")
        stored.put_file(manifest, f"{name}/{snapshots.MANIFEST}")
    # Old shards, be they of this attempt or of one that was cut off here.
    now = after or found.manifest
    known = {snapshots.MANIFEST, *(file.name for file in now.files)}
    for file in default_storage.listdir(name)[1]:
        if file not in known:
            default_storage.delete(f"{name}/{file}")
    return found


def _erase_images(name: str, places: Collection[Spot], made: Path, alive: Alive) -> None:
    pack = stored.pack_of(name)
    if not default_storage.exists(pack):
        return
    with stored.local_file(pack, made / f"fetched-{name}", alive) as path:
        if snapshots.is_zero(path, places):
            return
        left = snapshots.without(path, places, made / name)
    alive()
    if left:
        stored.put_file(made / name, pack)
    else:
        (made / name).unlink()
        default_storage.delete(pack)


def _tell(digest: str) -> None:
    manifest = stored.manifest_of(digest)
    size = stored.size_of(digest)
    for row in Snapshot.objects.filter(digest=digest, state=WorkState.DONE):
        counts = {**row.counts, "splits": manifest.splits}
        Snapshot.objects.filter(pk=row.pk).update(erased=manifest.erased, counts=counts, bytes=size)


@contextmanager
def _in_turn(alive: Alive) -> Iterator[Callable[[], None]]:
    """Wait until nobody else erases; yields what keeps both this turn and the caller's claim."""
    Pulse.objects.get_or_create(name=_TURN, defaults={"at": _FREE})
    turn = Pulse.objects.filter(name=_TURN)
    while not turn.filter(at__lt=clock.ago(settings.HEARTBEAT_TIMEOUT_S)).update(at=clock.now()):
        alive()
        time.sleep(_WAIT_S)
    last = time.monotonic()

    def beat() -> None:
        nonlocal last
        alive()
        if time.monotonic() - last >= 1:
            last = time.monotonic()
            turn.update(at=clock.now())

    try:
        yield beat
    finally:
        turn.update(at=_FREE)
