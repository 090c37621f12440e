"""Write a snapshot in somebody's format, as one file in the storage."""

import hashlib
from collections.abc import Sequence
from datetime import UTC
from pathlib import Path

from django.core.files.storage import default_storage
from django.db import transaction
from django.utils.translation import gettext as _

from labeling import work
from labeling.models import Export, Media, Snapshot, WorkState
from labeling.refusals import Refusal
from labeling.sayings import gettext_noop
from labeling.snapshots import format as snapshots
from labeling.snapshots import stored
from labeling.snapshots.exports import FORMATS
from labeling.snapshots.exports.format import Facts
from labeling.snapshots.telling import Tell, Telling, nobody

__all__ = ["FORMATS", "CannotExport", "export", "run_export"]

_MESSAGE = 500
_CHECKING = gettext_noop("Checking")


class CannotExport(Refusal):
    """No file will be made; the text says why."""


def export(*, snapshot: Snapshot, format: str, wake: bool = True) -> Export:
    """Queue the making of a file; one per snapshot and format, so asking again returns the one there is.

    Where the making failed or was stopped, or the file is gone from the storage, it is made again. wake: tell a
    worker; without it the caller does the work. Raises CannotExport.
    """
    if format not in FORMATS:
        raise CannotExport(
            _("There is no format “{format}”; choose one of {known}.").format(
                format=format, known=", ".join(FORMATS)
            )
        )
    if snapshot.state != WorkState.DONE:
        raise CannotExport(
            _("This snapshot is {state}; wait until it is frozen.").format(state=snapshot.get_state_display())
        )
    with transaction.atomic():
        row, made = Export.objects.get_or_create(snapshot=snapshot, format=format)
        if made and wake:
            work.enqueue(row)
    if row.state in (WorkState.FAILED, WorkState.STOPPED):
        work.restart(row)
    elif row.state == WorkState.DONE and not default_storage.exists(row.stored_as):
        work.restart(row, also_done=True)
    return row


def run_export(export_id: int, *, tell: Tell = nobody) -> None:
    """Make the file. Killed at any instruction, the next attempt begins anew and leaves no half file in sight."""
    attempts = f"export-{export_id}"
    with work.claimed(Export, export_id) as job:
        stored.forget_attempts(attempts)
        chosen, digest = FORMATS[job.row.format], job.row.snapshot.digest
        telling = Telling(job, tell)
        folder = _whole_folder(job.row.snapshot, telling)
        total = snapshots.read_manifest(folder).rows
        with stored.making(attempts) as made:
            note = chosen.write(folder, made, telling.of(total, gettext_noop("Writing")), _about)
            sha256, size = _sha256(made), made.stat().st_size
            # Named by its bytes: the same content written by another version of the code replaces nobody's file.
            name = f"exports/{digest}/{job.row.format}-{sha256[:16]}{chosen.ending}"
            _forget_other_file(job.row, name)
            # The row names the file before it is there: what a killed attempt stores is never without an owner.
            telling(gettext_noop("Storing"), total, total, stored_as=name)
            stored.put_file(made, name)
        job.leave(WorkState.DONE, stored_as=name, sha256=sha256, bytes=size, message=note[:_MESSAGE])


def _about(sha256s: Sequence[str]) -> dict[str, Facts]:
    """What the site knows of media beside their snapshot: the title its page gives it, else the name of the file."""
    rows = Media.objects.filter(sha256__in=sha256s).values_list(
        "sha256", "given", "original_name", "fetched_at"
    )
    return {
        sha256: Facts(
            title=str(given.get("title") or name),
            fetched_at=fetched_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        )
        for sha256, given, name, fetched_at in rows
    }


def _whole_folder(snapshot: Snapshot, telling: Telling) -> Path:
    """The snapshot on this machine, every byte of it checked: what is damaged goes to nobody. Raises Refused."""
    folder = stored.local_folder(snapshot, telling.alive(gettext_noop("Fetching")))
    if problems := snapshots.verify(folder, lambda rows: telling(_CHECKING, rows)):
        raise work.Refused(stored.damaged(problems))
    return folder


def _forget_other_file(row: Export, name: str) -> None:
    """Remove what an earlier attempt stored, unless another export has the same bytes."""
    others = Export.objects.exclude(pk=row.pk).filter(stored_as=row.stored_as)
    if row.stored_as and row.stored_as != name and not others.exists():
        default_storage.delete(row.stored_as)


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
