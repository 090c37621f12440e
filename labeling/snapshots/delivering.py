"""Write the files of an export into a folder or a bucket, unpacked as others read them.

Where to is configured: folders by settings.EXPORT_ROOTS, buckets by settings.S3_PROFILES. In a folder everything
appears by one rename. In a bucket nothing can, so SHA256SUMS comes last: a prefix without it is not whole. Where files
ever went is kept in the row (see places), and written anew after an erasure.
"""

import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from django.conf import settings
from django.utils.translation import gettext as _

from labeling import work
from labeling.fetching.buckets import Bucket, BucketAway, Patience
from labeling.fetching.refusals import CannotFetch
from labeling.models import Export
from labeling.refusals import Refusal
from labeling.sayings import gettext_noop, told
from labeling.snapshots import places, room
from labeling.snapshots.exports.tree import SUMS, unpacked
from labeling.snapshots.places import Place
from labeling.snapshots.telling import Telling
from labeling.sources.base import CannotRead
from labeling.sources.s3 import SCHEME, bucket_of, parsed

_DELIVERING = gettext_noop("Writing the files to where they were asked for")
_NO_ROOM = gettext_noop("“{folder}” has room for {free:,} MB, and the files take {wanted:,} MB.")
_FULL = gettext_noop(
    "“{folder}” became full while the files were written there. Make room there, then make the file again."
)
_NOT_WRITTEN = gettext_noop("“{folder}” could not be written: {error}.")
_PART = ".part-"
_MB = 1_000_000


class CannotDeliver(Refusal):
    """Nothing can be written there; the text says why."""


def demand(to: str, profile: str, *, from_outside: bool) -> None:
    """Raises CannotDeliver unless files may be written there. Empty: there is nothing to write.

    from_outside: a browser or the API names it, so it must be below one of settings.EXPORT_ROOTS.
    """
    if not to:
        return
    if to.lower().startswith(SCHEME):
        try:
            bucket_of(to, profile)
        except CannotRead as reason:
            raise CannotDeliver(told(str(reason))) from reason
        inside = any(_is_below(to, root) for root in settings.EXPORT_ROOTS)
    elif not Path(to).is_absolute():
        raise CannotDeliver(_("“{to}” is not a whole path; begin it with a /.").format(to=to))
    else:
        inside = _is_inside(to)
    if from_outside and not inside:
        raise CannotDeliver(
            _(
                "“{to}” is outside the places this site may write to ({named}). An operator can add it to EXPORT_ROOTS."
            ).format(to=to, named=", ".join(settings.EXPORT_ROOTS) or _("none"))
        )


def _is_inside(to: str) -> bool:
    folders = [Path(root).resolve() for root in settings.EXPORT_ROOTS if not root.startswith(SCHEME)]
    try:
        return any(Path(to).resolve().is_relative_to(folder) for folder in folders)
    except (OSError, ValueError):
        # A name that no disk can hold.
        return False


def _is_below(address: str, root: str) -> bool:
    if not root.startswith(SCHEME):
        return False
    bucket, prefix = parsed(address)
    allowed, above = parsed(root)
    return bucket == allowed and prefix.startswith(above) and ".." not in prefix.split("/")


def deliver(row: Export, archive: Path, scratch: Path, erased: int, telling: Telling) -> None:
    """Write what is in the zip to where it is asked for, and to all places where faces lie that were erased since.

    erased: how many were erased of the snapshot it was made from. scratch: a file that may be written meanwhile. What
    was begun elsewhere and is asked for no more goes. A place that cannot be reached keeps no other from being written.
    Raises Refused.
    """
    book = _Book(row, erased, telling)
    wanted = places.asked(row, book.places, erased)
    problems = []
    for place in list(book.places):
        try:
            if place.state == places.BEGUN and place is not wanted:
                _clear(place, book)
            if place is wanted or place.is_due(erased):
                _write(place, archive, scratch, book)
        except work.Refused as refusal:
            problems.append(str(refusal))
    if problems:
        raise work.Refused(" ".join(problems))


def forget_parts(row: Export) -> None:
    """Remove from folders what killed attempts left there; whatever lies there whole stays."""
    for part in parts_of(row):
        shutil.rmtree(part, ignore_errors=True)


def parts_of(row: Export) -> list[Path]:
    """What attempts have in folders that is not whole: of the one that runs, and of those that were killed."""
    found: list[Path] = []
    for place in places.of(row):
        # A disk that is away just now is told about when it is written to.
        with suppress(OSError):
            if not _is_bucket(place):
                found += Path(place.to).glob(f"{_PART}{_name_of(row)}-*")
    return found


class _Book:
    """The row's places, kept as they change; whoever lost the row is told so before anything appears anywhere."""

    def __init__(self, row: Export, erased: int, telling: Telling) -> None:
        self.row, self.erased, self.telling = row, erased, telling
        self.name = _name_of(row)
        self.places = places.of(row)

    def keep(self) -> None:
        self.telling(_DELIVERING, written=places.as_written(self.places))

    def is_whole(self, place: Place) -> None:
        place.state, place.erased = places.WHOLE, self.erased
        self.keep()


def _name_of(row: Export) -> str:
    return f"{row.snapshot.digest[:12]}-{row.format}"


def _is_bucket(place: Place) -> bool:
    return place.to.lower().startswith(SCHEME)


def _write(place: Place, archive: Path, scratch: Path, book: _Book) -> None:
    """In the place of what may be there."""
    if _is_bucket(place):
        _to_bucket(place, archive, scratch, book)
    else:
        _to_folder(place, archive, book)


def _to_folder(place: Place, archive: Path, book: _Book) -> None:
    folder = Path(place.to)
    book.keep()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f"{_PART}{book.name}-", dir=folder))
        try:
            _take_room(archive, folder, part, book)
            _unpack(archive, part / book.name, book.telling)
            book.keep()
            with suppress(FileNotFoundError):
                os.rename(folder / book.name, part / "replaced")
            os.rename(part / book.name, folder / book.name)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    except OSError as error:
        raise work.Refused(_refusal(folder, error)) from error
    book.is_whole(place)


def _refusal(folder: Path, error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return _FULL.format(folder=folder)
    return _NOT_WRITTEN.format(folder=folder, error=error.strerror or error)


def _take_room(archive: Path, folder: Path, part: Path, book: _Book) -> None:
    wanted = archive.stat().st_size

    def no(free: int) -> str:
        return _NO_ROOM.format(folder=folder, free=free // _MB, wanted=-(-wanted // _MB))

    room.take(book.row, part, wanted, _DELIVERING, book.telling, no)


def _unpack(archive: Path, target: Path, telling: Telling) -> None:
    known: set[PurePosixPath] = set()
    target.mkdir()
    with archive.open("rb") as file:
        for name, blocks in unpacked(file):
            above = PurePosixPath(name).parent
            if above not in known:
                (target / above).mkdir(parents=True, exist_ok=True)
                known.add(above)
            with (target / name).open("wb") as out:
                for block in blocks:
                    out.write(block)
            telling(_DELIVERING)


def _to_bucket(place: Place, archive: Path, scratch: Path, book: _Book) -> None:
    alive = book.telling.alive(_DELIVERING)
    if place.state == places.WHOLE:
        place.state = places.HALF
    book.keep()
    with _refusing():
        bucket, folder = _bucket_folder(place, book)
        bucket.remove(f"{folder}{SUMS}", alive)
        ours = set()
        with archive.open("rb") as file:
            for member, blocks in unpacked(file):
                ours.add(f"{folder}{member}")
                if member == SUMS:
                    # Pictures of before may be of faces that were erased since.
                    _remove_below(bucket, folder, ours, alive)
                with scratch.open("wb") as out:
                    out.writelines(blocks)
                bucket.put(f"{folder}{member}", scratch, alive)
    book.is_whole(place)


def _remove_below(bucket: Bucket, folder: str, but: Collection[str], alive: Callable[[], None]) -> None:
    for each in bucket.listed(folder, alive):
        if each.key not in but:
            bucket.remove(each.key, alive)


def _clear(place: Place, book: _Book) -> None:
    """Of a place that nothing is known to be finished at: what is whole is known from now on, the rest goes.

    What cannot be reached is tried again the next time, and refused only where erased faces may lie.
    """
    try:
        whole = _is_whole_in_bucket(place, book) if _is_bucket(place) else _is_whole_in_folder(place, book)
    except work.Refused:
        if place.erased < book.erased:
            raise
        return
    if whole:
        place.state = places.WHOLE
    else:
        book.places.remove(place)
    book.keep()


def _is_whole_in_folder(place: Place, book: _Book) -> bool:
    try:
        return (Path(place.to) / book.name).exists()
    except OSError as error:
        raise work.Refused(_refusal(Path(place.to), error)) from error


def _is_whole_in_bucket(place: Place, book: _Book) -> bool:
    alive = book.telling.alive(_DELIVERING)
    with _refusing():
        bucket, folder = _bucket_folder(place, book)
        if any(each.key == f"{folder}{SUMS}" for each in bucket.listed(f"{folder}{SUMS}", alive)):
            return True
        _remove_below(bucket, folder, (), alive)
    return False


def _bucket_folder(place: Place, book: _Book) -> tuple[Bucket, str]:
    """The bucket, and how the names of this export's files in it begin."""
    known, bucket_name, prefix = bucket_of(place.to, place.profile)
    patience = Patience(total_s=settings.FETCH_MAX_S, first_pause_s=settings.S3_FIRST_PAUSE_S)
    return Bucket(known, bucket_name, patience), f"{prefix}{book.name}/"


@contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except (CannotRead, BucketAway, CannotFetch) as reason:
        raise work.Refused(str(reason)) from reason
