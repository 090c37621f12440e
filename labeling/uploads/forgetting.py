"""Files that shall be no source are removed: those somebody takes off the list, and those nobody came back for."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext as _

from labeling import upload_files
from labeling.models import Upload
from labeling.uploads import holding
from labeling.uploads.refusals import NotThere


def remove(*, by: Any, key: UUID) -> None:
    """Forget one file, however much of it has come. Raises NotThere, AlreadySource, Busy."""
    upload = holding.mine_by(by, key)
    with upload_files.locked(upload.batch, upload.path):
        holding.still_mine(by, upload)
        if not Upload.objects.filter(pk=upload.pk, source=None).delete()[0]:
            raise holding.already()
        upload_files.remove(upload.batch, upload.path)


def remove_batch(*, by: Any, batch: UUID) -> None:
    """Forget all files sent together. Raises NotThere, AlreadySource."""
    with transaction.atomic():
        holding.hold(by)
        holding.check_batch(batch, by)
        if not Upload.objects.filter(batch=batch).delete()[0]:
            raise NotThere(_("There is no such upload of yours."))
    upload_files.remove_all(batch)


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
