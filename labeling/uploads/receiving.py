"""Files are announced and come piece by piece, or small ones many at a time.

How much of a file has come is the length of the file itself; `Upload.received` follows it and may lag behind after a
kill. Every verb that hands out an offset reads the file, so no byte is lost or written twice.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from labeling import upload_files
from labeling.models import Upload
from labeling.refusals import Refusal
from labeling.upload_files import BadPath, Busy
from labeling.uploads import holding
from labeling.uploads.refusals import Clash, Mangled, TooLong, WrongOffset

MOST_AT_ONCE = 1000
"""Files of one `receive_several`."""
MOST_BYTES_OF_SMALL = 4 * 1024**2
"""One of these is held in memory."""
_BLOCK = 256 * 1024

Read = Callable[[int], bytes]
"""At most so many bytes of what is sent, b"" once nothing more comes. May raise OSError."""


@dataclass(frozen=True)
class Check:
    """What a piece must hash to."""

    hasher: Any
    digest: bytes


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
        holding.hold(by)
        holding.check_batch(batch, by)
        there = Upload.objects.filter(batch=batch, path=path).first()
        if there is not None:
            if there.bytes != length:
                raise Clash(_("“{path}” was announced with another length.").format(path=path))
            return there
        holding.check_room(by, [length])
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
    upload = holding.mine_by(by, key)
    there = min(upload.bytes, upload_files.length(upload.batch, upload.path))
    if upload.source_id is None and there != upload.received:
        holding.note(upload, there)
    return upload


def append(*, by: Any, key: UUID, offset: int, length: int, read: Read, check: Check | None = None) -> Upload:
    """Append what `read` gives, `length` bytes, at the file's end, which must be at `offset`.

    When less comes, as the way was cut, what came stays. check: what all of it must be; else nothing of it stays.
    Raises NotThere, AlreadySource, Busy, WrongOffset, TooLong, NoRoom, Mangled.
    """
    upload = holding.mine_by(by, key)
    with upload_files.locked(upload.batch, upload.path) as file:
        upload = holding.still_mine(by, upload)
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
            holding.note(upload, os.fstat(file.fileno()).st_size)
        if upload.received == upload.bytes:
            # A file that is told to be there must outlast a loss of power.
            os.fsync(file.fileno())
    return upload


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
        holding.hold(by)
        holding.check_batch(batch, by)
        holding.check_room(by, [length for _path, length in files])
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
        holding.hold(by)
        holding.check_batch(batch, by)
        Upload.objects.bulk_create(rows, ignore_conflicts=True)
        mine = Upload.objects.filter(batch=batch, path__in=whole, by=by)
        mine.update(received=F("bytes"), touched_at=now)
