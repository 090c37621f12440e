"""Write the files of an export into a folder or a bucket, unpacked as others read them.

Where to is configured: folders by settings.EXPORT_ROOTS, buckets by settings.S3_PROFILES. In a folder everything
appears by one rename. In a bucket nothing can, so SHA256SUMS comes last: a prefix without it is not whole.
"""

import os
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from labeling import work
from labeling.fetching.buckets import Bucket, BucketAway, Patience
from labeling.fetching.refusals import CannotFetch
from labeling.refusals import Refusal
from labeling.sayings import gettext_noop, told
from labeling.snapshots.exports.tree import SUMS, unpacked
from labeling.snapshots.telling import Telling
from labeling.sources.base import CannotRead
from labeling.sources.s3 import SCHEME, bucket_of, parsed

_DELIVERING = gettext_noop("Writing the files to where they were asked for")
_NO_ROOM = gettext_noop("“{folder}” has room for {free:,} MB, and the files take {wanted:,} MB.")
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


def deliver(archive: Path, options: Mapping[str, Any], name: str, telling: Telling) -> None:
    """Write what is in the zip to options["to"]/name, in the place of what may be there. Raises Refused."""
    to = str(options["to"])
    if to.lower().startswith(SCHEME):
        _to_bucket(archive, to, str(options.get("profile", "")), name, telling)
    else:
        _to_folder(archive, Path(to), name, telling)


def _to_folder(archive: Path, folder: Path, name: str, telling: Telling) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.glob(f"{_PART}{name}-*"):
            shutil.rmtree(left, ignore_errors=True)
        _demand_room(archive, folder)
        part = Path(tempfile.mkdtemp(prefix=f"{_PART}{name}-", dir=folder))
        try:
            _unpack(archive, part / name, telling)
            with suppress(FileNotFoundError):
                os.rename(folder / name, part / "replaced")
            os.rename(part / name, folder / name)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    except OSError as error:
        raise work.Refused(_NOT_WRITTEN.format(folder=folder, error=error.strerror or error)) from error


def _demand_room(archive: Path, folder: Path) -> None:
    wanted = archive.stat().st_size
    free = shutil.disk_usage(folder).free - settings.EXPORT_KEEP_FREE_BYTES
    if wanted > free:
        raise work.Refused(_NO_ROOM.format(folder=folder, free=max(0, free) // _MB, wanted=-(-wanted // _MB)))


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


def _to_bucket(archive: Path, to: str, profile: str, name: str, telling: Telling) -> None:
    try:
        known, bucket_name, prefix = bucket_of(to, profile)
        patience = Patience(total_s=settings.FETCH_MAX_S, first_pause_s=settings.S3_FIRST_PAUSE_S)
        bucket = Bucket(known, bucket_name, patience)
        alive = telling.alive(_DELIVERING)
        below = f"{prefix}{name}/"
        bucket.remove(f"{below}{SUMS}", alive)
        one = archive.with_name("one file")
        written: set[str] = set()
        with archive.open("rb") as file:
            for member, blocks in unpacked(file):
                with one.open("wb") as out:
                    out.writelines(blocks)
                if member == SUMS:
                    # What faces erased since have left of an earlier delivery: a whole export has nothing of it.
                    for other in bucket.listed(below, alive):
                        if other.key not in written:
                            bucket.remove(other.key, alive)
                bucket.put(f"{below}{member}", one, alive)
                written.add(f"{below}{member}")
    except (CannotRead, BucketAway, CannotFetch) as reason:
        raise work.Refused(str(reason)) from reason
