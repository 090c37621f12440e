"""Write a snapshot in somebody's format, as one file in the storage."""

import hashlib
from pathlib import Path

from django.conf import settings
from django.core.files import File
from django.core.files.storage import default_storage
from django.db import transaction

from labeling import work
from labeling.models import Export, Snapshot, WorkState
from labeling.refusals import Refusal
from labeling.snapshots import format as snapshots
from labeling.snapshots.exports import FORMATS
from labeling.snapshots.freezing import local_folder


class CannotExport(Refusal):
    """No file will be made; the text says why."""


def export(*, snapshot: Snapshot, format: str) -> Export:
    """Queue the making of a file; one per snapshot and format, so asking again returns the one there is."""
    if format not in FORMATS:
        raise CannotExport(f"There is no format “{format}”; choose one of {', '.join(FORMATS)}.")
    if snapshot.state != WorkState.DONE:
        raise CannotExport(f"This snapshot is {snapshot.get_state_display()}; wait until it is frozen.")
    with transaction.atomic():
        row, made = Export.objects.get_or_create(snapshot=snapshot, format=format)
        if made:
            work.enqueue(row)
    if row.state in (WorkState.FAILED, WorkState.STOPPED):
        work.restart(row)
    return row


def run_export(export_id: int) -> None:
    """Make the file. Killed at any instruction, the next attempt begins anew."""
    with work.claimed(Export, export_id) as job:
        row, snapshot = job.row, job.row.snapshot
        chosen = FORMATS[row.format]
        folder = local_folder(snapshot)
        total = snapshots.read_manifest(folder).rows
        target = Path(settings.WORK_ROOT) / f"export-{row.pk}{chosen.ending}"
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            note = chosen.write(
                folder, target, lambda done: job.beat(done=done, total=total, message="Writing")
            )
            job.beat(force=True, done=total, total=total, message="Storing")
            stored_as = f"exports/{snapshot.digest}/{row.format}{chosen.ending}"
            sha256 = _store(target, stored_as)
            size = target.stat().st_size
        finally:
            target.unlink(missing_ok=True)
        job.leave(WorkState.DONE, stored_as=stored_as, sha256=sha256, bytes=size, message=note)


def _store(target: Path, name: str) -> str:
    with target.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    if default_storage.exists(name):
        default_storage.delete(name)
    with target.open("rb") as file:
        default_storage.save(name, File(file))
    return sha256
