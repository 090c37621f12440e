"""Files on their way from a browser: announced, received piece by piece, made a source, forgotten.

How much of a file has come is the length of the file itself; `Upload.received` follows it and may lag behind after a
kill. Every verb that hands out an offset reads the file, so no byte is lost or written twice.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, BinaryIO
from uuid import UUID

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import Count, F, Max, Min, Q, Sum
from django.utils import timezone
from django.utils.translation import gettext as _

from labeling import upload_files
from labeling.models import Source, Upload
from labeling.refusals import Refusal
from labeling.sources import ingest
from labeling.upload_files import BadPath, Busy, NoRoom

__all__ = [
    "AlreadySource",
    "BadPath",
    "Busy",
    "Clash",
    "NoRoom",
    "NotThere",
    "OverQuota",
    "TooLong",
    "Unfinished",
    "WrongOffset",
]

MOST_FILES = 500_000
"""Files of one person that are no source yet."""
MOST_AT_ONCE = 1000
"""Files of one `receive_several`."""
MOST_BYTES_OF_SMALL = 4 * 1024**2
"""One of these is held in memory."""
_BLOCK = 256 * 1024
_LIVELY = timedelta(hours=1)
"""Room is kept for files that were touched so recently; a file left alone must not keep others out."""

Read = Callable[[int], bytes]
"""At most so many bytes of what is sent, b"" once nothing more comes. May raise OSError."""


class NotThere(Refusal):
    """There is no such upload, or it is somebody else's."""


class TooLong(Refusal):
    """The file, or what was sent of it, is longer than allowed."""


class OverQuota(Refusal):
    """One person may not have so much lying about."""


class Clash(Refusal):
    """Something else has this name in these files."""


class WrongOffset(Refusal):
    """What was sent does not begin where the file ends."""


class AlreadySource(Refusal):
    """The files have become a source; nothing is added to or taken from them any more."""


class Unfinished(Refusal):
    """Not all files have come yet."""


@dataclass(frozen=True)
class Batch:
    """Files sent together that are no source yet."""

    batch: UUID
    files: int
    finished: int
    bytes: int
    received: int
    begun_at: datetime


def begin(*, by: Any, batch: UUID, path: str, length: int) -> Upload:
    """Announce a file of `length` bytes; one that was announced already is found again.

    Raises BadPath, TooLong, OverQuota, NoRoom, Clash, AlreadySource, NotThere (the batch is somebody else's).
    """
    path = upload_files.safe_path(path)
    if not 0 <= length <= settings.MAX_RESUMABLE_BYTES:
        raise TooLong(
            _("A file may have {most} bytes, not {length}.").format(
                most=settings.MAX_RESUMABLE_BYTES, length=length
            )
        )
    with transaction.atomic():
        _hold(by)
        _check_batch(batch, by)
        there = Upload.objects.filter(batch=batch, path=path).first()
        if there is not None:
            if there.bytes != length:
                raise Clash(_("“{path}” was announced with another length.").format(path=path))
            return there
        _check_room(by, [length])
        upload = Upload.objects.create(batch=batch, path=path, bytes=length, by=by)
    # From here on a file and a folder of one name are told apart; a file of no bytes has come with that.
    try:
        with upload_files.locked(batch, path):
            pass
    except Refusal:
        upload.delete()
        raise
    return upload


def find(*, by: Any, key: UUID) -> Upload:
    """The upload, `received` being what lies on the disk. Raises NotThere."""
    upload = _mine(by, key)
    there = min(upload.bytes, upload_files.length(upload.batch, upload.path))
    if upload.source_id is None and there != upload.received:
        _note(upload, there)
    return upload


def append(
    *, by: Any, key: UUID, offset: int, length: int, read: Read, check: "Check | None" = None
) -> Upload:
    """Append what `read` gives, `length` bytes, at the file's end, which must be at `offset`.

    When less comes, as the way was cut, what came stays. check: what all of it must be; else nothing of it stays.
    Raises NotThere, AlreadySource, Busy, WrongOffset, TooLong, NoRoom, Mangled.
    """
    upload = _mine(by, key)
    with upload_files.locked(upload.batch, upload.path) as file:
        upload = _still_mine(by, upload)
        end = os.fstat(file.fileno()).st_size
        if offset != end:
            raise WrongOffset(
                _("{end} bytes of this file are there; go on from there, not from {offset}.").format(
                    end=end, offset=offset
                )
            )
        if end + length > upload.bytes:
            raise TooLong(_("This is more than the {bytes} bytes announced.").format(bytes=upload.bytes))
        if length > upload_files.room():
            raise upload_files.full()
        # A sweep asks when it was touched: not in the middle of a long piece.
        Upload.objects.filter(pk=upload.pk).update(touched_at=timezone.now())
        file.seek(end)
        try:
            _copy(file, read, length, check)
        finally:
            _note(upload, os.fstat(file.fileno()).st_size)
        if upload.received == upload.bytes:
            # A file that is told to be there must outlast a loss of power.
            os.fsync(file.fileno())
    return upload


class Mangled(Refusal):
    """What came is not what was sent: its checksum is another. Nothing of it was kept."""


@dataclass(frozen=True)
class Check:
    """What a piece must hash to."""

    hasher: Any
    digest: bytes


def _copy(file: BinaryIO, read: Read, length: int, check: Check | None) -> None:
    begin, left = file.tell(), length
    for block in _blocks(read, length):
        upload_files.write(file, block)
        left -= len(block)
        if check is not None:
            check.hasher.update(block)
    if check is not None and (left or check.hasher.digest() != check.digest):
        file.truncate(begin)
        raise Mangled(_("This piece did not come as it was sent (another checksum). Send it again."))


def _blocks(read: Read, length: int) -> Iterator[bytes]:
    """What comes of so many bytes; fewer if whoever sends has gone. No answer reaches them then."""
    left = length
    while left:
        try:
            block = read(min(_BLOCK, left))
        except OSError:
            return
        if not block:
            return
        left -= len(block)
        yield block


def receive_several(
    *, by: Any, batch: UUID, files: Sequence[tuple[str, int]], read: Read
) -> list[tuple[str, str]]:
    """Small files in one go: (path, length) of each, and all their bytes one after another.

    All that are whole are finished; sent again they do no harm. Returns (path, why) of those refused.
    Raises TooLong, OverQuota, NoRoom, AlreadySource, NotThere.
    """
    if len(files) > MOST_AT_ONCE or not all(0 <= length <= MOST_BYTES_OF_SMALL for _path, length in files):
        raise TooLong(
            _("At once there may come {files} files of {bytes} bytes each.").format(
                files=MOST_AT_ONCE, bytes=MOST_BYTES_OF_SMALL
            )
        )
    with transaction.atomic():
        _hold(by)
        _check_batch(batch, by)
        _check_room(by, [length for _path, length in files])
    refused, good = _safe([path for path, _length in files])
    announced = dict(Upload.objects.filter(batch=batch, path__in=good).values_list("path", "bytes"))
    whole: dict[str, int] = {}
    for path, length in files:
        content = b"".join(_blocks(read, length))
        if len(content) < length:
            break
        if path not in good:
            continue
        try:
            _keep_whole(batch, path, content, announced.get(path, length))
            whole[path] = length
        except (BadPath, Busy, Clash) as reason:
            refused.append((path, str(reason)))
    _note_whole(by, batch, whole)
    return refused


def _safe(paths: Iterable[str]) -> tuple[list[tuple[str, str]], set[str]]:
    """Those that may not be kept, with the reason, and the others."""
    refused, good = [], set()
    for path in paths:
        try:
            good.add(upload_files.safe_path(path))
        except BadPath as reason:
            refused.append((path, str(reason)))
    return refused, good


def _keep_whole(batch: UUID, path: str, content: bytes, announced: int) -> None:
    if announced != len(content):
        raise Clash(_("“{path}” was announced with another length.").format(path=path))
    with upload_files.locked(batch, path) as file:
        upload_files.write(file, content)
        file.truncate(len(content))


def _note_whole(by: Any, batch: UUID, whole: dict[str, int]) -> None:
    now = timezone.now()
    rows = [
        Upload(batch=batch, path=path, bytes=length, received=length, by=by, touched_at=now)
        for path, length in whole.items()
    ]
    with transaction.atomic():
        _hold(by)
        _check_batch(batch, by)
        Upload.objects.bulk_create(rows, ignore_conflicts=True)
        mine = Upload.objects.filter(batch=batch, path__in=whole, by=by)
        mine.update(received=F("bytes"), touched_at=now)


def remove(*, by: Any, key: UUID) -> None:
    """Forget one file, however much of it has come. Raises NotThere, AlreadySource, Busy."""
    upload = _mine(by, key)
    with upload_files.locked(upload.batch, upload.path):
        _still_mine(by, upload)
        if not Upload.objects.filter(pk=upload.pk, source=None).delete()[0]:
            raise _already()
        upload_files.remove(upload.batch, upload.path)


def remove_batch(*, by: Any, batch: UUID) -> None:
    """Forget all files sent together. Raises NotThere, AlreadySource."""
    with transaction.atomic():
        _hold(by)
        _check_batch(batch, by)
        if not Upload.objects.filter(batch=batch).delete()[0]:
            raise NotThere(_("There is no such upload of yours."))
    upload_files.remove_all(batch)


def unfinished(*, by: Any) -> list[Batch]:
    """Files of theirs that are no source yet, by batch, the newest first."""
    rows = Upload.objects.filter(by=by, source=None).order_by().values("batch")
    counted = rows.annotate(
        files=Count("pk"),
        finished=Count("pk", filter=Q(received=F("bytes"))),
        all=Sum("bytes"),
        got=Sum("received"),
        begun=Min("begun_at"),
    )
    return [
        Batch(row["batch"], row["files"], row["finished"], row["all"], row["got"], row["begun"])
        for row in counted.order_by("-begun")
    ]


def files_of(*, by: Any, batch: UUID, after: str = "", most: int = 5000) -> list[Upload]:
    """Files of a batch of theirs in the order of their paths, behind `after`."""
    return list(Upload.objects.filter(by=by, batch=batch, path__gt=after).order_by("path")[:most])


def become_source(*, by: Any, batch: UUID, **wanted: Any) -> Source:
    """Make the files sent together one source: a file of its own kind, or a folder. Asked twice, it is one source.

    wanted: as for ingest.add, without a location. Raises Unfinished, NotThere, CannotAdd.
    """
    with transaction.atomic():
        _hold(by)
        rows = list(Upload.objects.select_for_update().filter(batch=batch, by=by).order_by("path"))
        if not rows:
            raise NotThere(_("There is no such upload of yours."))
        if rows[0].source is not None:
            return rows[0].source
        _check_whole(rows)
        upload_files.remove_strays(batch, {row.path for row in rows})
        source = ingest.add(
            location=_location(batch, rows), created_by=by, **{**wanted, **_as_folder(rows, wanted)}
        )
        Upload.objects.filter(batch=batch).update(source=source)
    return source


def location_of(*, by: Any, batch: UUID) -> str:
    """Where the files sent together lie, for a look at them before they are a source. Raises Unfinished, NotThere."""
    rows = list(Upload.objects.filter(batch=batch, by=by, source=None).order_by("path"))
    if not rows:
        raise NotThere(_("There is no such upload of yours."))
    _check_whole(rows)
    return _location(batch, rows)


def _location(batch: UUID, rows: Sequence[Upload]) -> str:
    if len(rows) == 1:
        return str(upload_files.path_of(batch, rows[0].path))
    return str(upload_files.folder_of(batch))


def _as_folder(rows: Sequence[Upload], wanted: dict[str, Any]) -> dict[str, Any]:
    """A folder of ours has a number for a name; people know it by that of the folder they sent."""
    if wanted.get("name") or len(rows) == 1:
        return {}
    tops = {row.path.partition("/")[0] for row in rows}
    return {"name": tops.pop() if len(tops) == 1 else _("{count} files").format(count=len(rows))}


def _check_whole(rows: Iterable[Upload]) -> None:
    left = [row.path for row in rows if upload_files.length(row.batch, row.path) != row.bytes]
    if left:
        raise Unfinished(
            _(
                "{count} of these files have not come whole: {paths}. Send them, or take them off the list."
            ).format(count=len(left), paths=", ".join(left[:3]) + (" …" if left[3:] else ""))
        )


def remove_forgotten() -> int:
    """Remove files that are no source and of whose batch nothing came for UPLOAD_KEEP_DAYS. Returns how many."""
    old = timezone.now() - timedelta(days=settings.UPLOAD_KEEP_DAYS)
    rows = Upload.objects.filter(source=None).order_by().values("batch")
    forgotten = rows.annotate(last=Max("touched_at")).filter(last__lt=old)
    removed = sum(_forget(row["batch"], old) for row in forgotten)
    _remove_strays(old)
    return removed


def _forget(batch: UUID, old: datetime) -> int:
    with transaction.atomic():
        left = Upload.objects.select_for_update().filter(batch=batch)
        if not all(one.source_id is None and one.touched_at < old for one in left):
            return 0
        removed = Upload.objects.filter(batch=batch).delete()[0]
    upload_files.remove_all(batch)
    return removed


def _remove_strays(old: datetime) -> None:
    """Folders of batches that no row knows of, unchanged for as long: what a kill left between a file and its row."""
    if not settings.UPLOAD_ROOT.is_dir():
        return
    for folder in settings.UPLOAD_ROOT.iterdir():
        try:
            batch = UUID(folder.name)
        except ValueError:
            continue  # what a form without JavaScript brought lies here too
        # The one-shot form's folders are named by 16 letters, which are no UUID.
        aged = folder.stat().st_mtime < old.timestamp()
        if aged and not Upload.objects.filter(batch=batch).exists():
            upload_files.remove_all(batch)


def _mine(by: Any, key: UUID) -> Upload:
    upload = Upload.objects.filter(pk=key, by=by).first()
    if upload is None:
        raise NotThere(_("There is no such upload of yours."))
    return upload


def _still_mine(by: Any, upload: Upload) -> Upload:
    """The row as it is now that the file is ours alone. Raises NotThere, AlreadySource."""
    try:
        fresh = _mine(by, upload.pk)
    except NotThere:
        # Opening made the file again that was removed a moment ago.
        upload_files.remove(upload.batch, upload.path)
        raise
    if fresh.source_id is not None:
        raise _already()
    return fresh


def _already() -> AlreadySource:
    return AlreadySource(_("These files are a source already. Begin anew for others."))


def _note(upload: Upload, there: int) -> None:
    upload.received = min(there, upload.bytes)
    Upload.objects.filter(pk=upload.pk).update(received=upload.received, touched_at=timezone.now())


def _hold(by: Any) -> None:
    """One after another: two requests of one person must not both find the last of the room."""
    get_user_model().objects.select_for_update(no_key=True).only("pk").get(pk=by.pk)


def _check_batch(batch: UUID, by: Any) -> None:
    first = Upload.objects.filter(batch=batch).only("by", "source").first()
    if first is not None and first.by_id != by.pk:
        raise NotThere(_("There is no such upload of yours."))
    if first is not None and first.source_id is not None:
        raise _already()


def _check_room(by: Any, lengths: Sequence[int]) -> None:
    more = sum(lengths)
    mine = Upload.objects.filter(by=by, source=None).aggregate(bytes=Sum("bytes"), files=Count("pk"))
    if (mine["bytes"] or 0) + more > settings.UPLOAD_QUOTA_BYTES or mine["files"] + len(lengths) > MOST_FILES:
        raise OverQuota(
            _(
                "Together with what you have sent and made no source of, this is more than the {most} bytes and "
                "{files} files one may have. Make sources of it, or discard it."
            ).format(most=settings.UPLOAD_QUOTA_BYTES, files=MOST_FILES)
        )
    lively = Upload.objects.filter(source=None, touched_at__gte=timezone.now() - _LIVELY)
    coming = lively.aggregate(left=Sum(F("bytes") - F("received")))["left"] or 0
    free = upload_files.room()
    if more > free - coming:
        raise NoRoom(
            _(
                "The server's disk has room for {free} bytes more, and this is {more}. Ask an operator to make room, "
                "or send less."
            ).format(free=max(0, free - coming), more=more)
        )
