"""Whose an upload is, whether it may still be written, and whether there is room for more."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db.models import Count, F, Sum
from django.utils import timezone
from django.utils.translation import gettext as _

from labeling import upload_files
from labeling.models import Upload
from labeling.upload_files import NoRoom
from labeling.uploads.refusals import AlreadySource, NotThere, OverQuota

MOST_FILES = 500_000
"""Files of one person that are no source yet."""
_LIVELY = timedelta(hours=1)
"""Room is kept for files that were touched so recently; a file left alone must not keep others out."""


def mine_by(by: Any, key: UUID) -> Upload:
    upload = Upload.objects.filter(pk=key, by=by).first()
    if upload is None:
        raise NotThere(_("There is no such upload of yours."))
    return upload


def still_mine(by: Any, upload: Upload) -> Upload:
    """The row as it is now that the file is ours alone. Raises NotThere, AlreadySource."""
    try:
        fresh = mine_by(by, upload.pk)
    except NotThere:
        # Opening made the file again that was removed a moment ago.
        upload_files.remove(upload.batch, upload.path)
        raise
    if fresh.source_id is not None:
        raise already()
    return fresh


def already() -> AlreadySource:
    return AlreadySource(_("These files are a source already. Begin anew for others."))


def note(upload: Upload, there: int) -> None:
    upload.received = min(there, upload.bytes)
    Upload.objects.filter(pk=upload.pk).update(received=upload.received, touched_at=timezone.now())


def hold(by: Any) -> None:
    """One after another: two requests of one person must not both find the last of the room."""
    get_user_model().objects.select_for_update(no_key=True).only("pk").get(pk=by.pk)


def check_batch(batch: UUID, by: Any) -> None:
    first = Upload.objects.filter(batch=batch).only("by", "source").first()
    if first is not None and first.by_id != by.pk:
        raise NotThere(_("There is no such upload of yours."))
    if first is not None and first.source_id is not None:
        raise already()


def check_room(by: Any, lengths: Sequence[int]) -> None:
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
