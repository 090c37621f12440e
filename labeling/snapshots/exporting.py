"""Write a snapshot in somebody's format, as one file in the storage, and beside it where it was asked for."""

import errno
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC
from functools import partial
from pathlib import Path

import pyarrow.compute as pc
from django.core.files.storage import default_storage
from django.db import transaction
from django.utils.translation import gettext as _

from labeling import work
from labeling.models import Export, Snapshot, WorkState
from labeling.models.work import OVER
from labeling.refusals import Refusal
from labeling.sayings import gettext_noop, told
from labeling.snapshots import delivering, room, stored
from labeling.snapshots import format as snapshots
from labeling.snapshots.ballots import Ballots
from labeling.snapshots.exports import ENDING, FORMATS, card, write
from labeling.snapshots.exports.format import Format, Given
from labeling.snapshots.facts import AboutMedia
from labeling.snapshots.telling import Tell, Telling, nobody
from labeling.storage_paths import local_path

__all__ = ["FORMATS", "CannotExport", "export", "room_for", "run_export"]

_MESSAGE = 500
_CHECKING = gettext_noop("Checking")
_WRITING = gettext_noop("Writing")
_STORING = gettext_noop("Storing")
_NO_ROOM = gettext_noop(
    "The file takes some {wanted:,} MB, and on the disk where it is made {free:,} MB may be used. Make room and go on."
)
_FULL_STORAGE = gettext_noop(
    "The disk with the storage became full while the file was made in its folder “making”. Make room there, then make "
    "the file again."
)
_FULL_WORK = gettext_noop(
    "The disk with WORK_ROOT became full while the file was made. Make room there, then make the file again."
)
_FIXED_BYTES = 4 * 1024**2
"""The card, its pictures, and what else is in every export."""
_MB = 1_000_000


class CannotExport(Refusal):
    """No file will be made; the text says why."""


def export(
    *,
    snapshot: Snapshot,
    format: str,
    words: Mapping[str, str] | None = None,
    to: str = "",
    profile: str = "",
    from_outside: bool = False,
    wake: bool = True,
) -> Export:
    """Queue the making of a file; one per snapshot and format, so asking again returns the one there is.

    Where the making failed or was stopped, or the file is gone from the storage, it is made again; and where other
    words are asked for, or a place. words: answers to card.QUESTIONS; left out: those it has. to: a folder on the
    worker's disk, or s3://bucket/prefix of the profile, to which the files are written besides this time; where they
    went before stays known (see places). from_outside: the folder must be in settings.EXPORT_ROOTS. wake: tell a
    worker; without it the caller does the work. Raises CannotExport.
    """
    _demand(snapshot, format)
    if unknown := (words or {}).keys() - card.QUESTIONS.keys():
        raise CannotExport(
            _("The card asks {known}; not {unknown}.").format(
                known=", ".join(card.QUESTIONS), unknown=", ".join(sorted(unknown))
            )
        )
    if any(len(answer) > card.LONGEST for answer in (words or {}).values()):
        raise CannotExport(
            _("An answer for the dataset card has at most {most} characters.").format(most=card.LONGEST)
        )
    options = {"to": to, "profile": profile} if to else {}
    try:
        delivering.demand(to, profile, from_outside=from_outside)
    except delivering.CannotDeliver as refusal:
        raise CannotExport(str(refusal)) from refusal
    with transaction.atomic():
        row, made = Export.objects.get_or_create(snapshot=snapshot, format=format)
        told_before = dict(row.options)
        said_before = told_before.get("words", {})
        said = card.words_of(said_before if words is None else words)
        wanted = options | ({"words": said} if said else {})
        changed = wanted != told_before
        if changed:
            Export.objects.filter(pk=row.pk).update(options=wanted)
            row.options = wanted
        if made and wake:
            work.enqueue(row)
    if row.state in (WorkState.FAILED, WorkState.STOPPED):
        work.restart(row, wake=wake)
    elif row.state == WorkState.DONE and (
        to or said != said_before or not row.sha256 or not default_storage.exists(row.stored_as)
    ):
        work.restart(row, also_done=True, wake=wake)
    elif row.state == WorkState.RUNNING and changed:
        work.begin_again(row, wake=wake)
    return row


def _demand(snapshot: Snapshot, format: str) -> None:
    if format not in FORMATS:
        raise CannotExport(
            _("There is no format “{format}”; choose one of {known}.").format(
                format=format, known=", ".join(FORMATS)
            )
        )
    if snapshot.state in (WorkState.FAILED, WorkState.STOPPED):
        raise CannotExport(
            _("This snapshot is {state}; press “Go on” on its page, or freeze the campaign again.").format(
                state=snapshot.get_state_display()
            )
        )
    if snapshot.state != WorkState.DONE:
        raise CannotExport(
            _("This snapshot is {state}; wait until it is frozen.").format(state=snapshot.get_state_display())
        )
    if problem := FORMATS[format].problem(snapshot.counts.get("classes", snapshot.campaign.expressions)):
        raise CannotExport(told(problem))


def run_export(export_id: int, *, tell: Tell = nobody) -> None:
    """Make the file. Killed at any instruction, the next attempt begins anew and leaves no half file in sight."""
    attempts = f"export-{export_id}"
    with work.claimed(Export, export_id) as job:
        row = job.row
        stored.forget_attempts(attempts)
        delivering.forget_parts(row)
        telling = Telling(job, tell)
        chosen = FORMATS[row.format]
        folder = _whole_folder(row.snapshot, telling, images=not chosen.reads_images)
        manifest = snapshots.read_manifest(folder)
        with _telling_of_a_full_disk(), stored.making(attempts) as made:
            _take_room(row, chosen, folder, made.parent, telling)
            given = _given(row, folder, telling, manifest)
            try:
                note, sha256 = write(chosen, given, made)
            except snapshots.ImageChanged:
                _demand_whole(row.snapshot, folder, telling, images=True)
                raise
            archive = _store(row, made, sha256, manifest.rows, telling)
            # Last, as it fails most easily: a place that is away takes the file from nobody.
            delivering.deliver(row, archive, made.with_name("one file"), manifest.erased, telling)
        job.leave(WorkState.DONE, message=note[:_MESSAGE], done=manifest.rows, total=manifest.rows, taking={})


def _store(row: Export, made: Path, sha256: str, total: int, telling: Telling) -> Path:
    """Returns where the file now lies on this machine."""
    size = made.stat().st_size
    # Named by its bytes: the same content written by another version of the code replaces nobody's file.
    name = f"exports/{row.snapshot.digest}/{row.format}-{sha256[:16]}{ENDING}"
    is_other = name != row.stored_as
    # Who was told to stop does so while the file of before is still there.
    telling.now(_STORING, total, total)
    _forget_other_file(row, name)
    # The row names the file before it is there: what a killed attempt stores is never without an owner.
    telling(_STORING, total, total, stored_as=name, **({"sha256": "", "bytes": 0} if is_other else {}))
    stored.put_file(made, name)
    try:
        telling(_STORING, total, total, sha256=sha256, bytes=size, taking={})
    except work.ClaimLost:
        _forget_ownerless(row, name)
        raise
    return local_path(name) or made


@contextmanager
def _telling_of_a_full_disk() -> Iterator[None]:
    """What is reckoned before may come out otherwise, and others write on that disk too."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise work.Refused(_FULL_WORK if stored.is_elsewhere() else _FULL_STORAGE) from error


def left_parts() -> Iterator[Path]:
    """What killed attempts left in folders that files were to go to, of exports nobody works on any more."""
    for row in Export.objects.filter(state__in=OVER).exclude(written=[]).select_related("snapshot"):
        yield from delivering.parts_of(row)


def _given(row: Export, folder: Path, telling: Telling, manifest: snapshots.Manifest) -> Given:
    snapshot = row.snapshot
    return Given(
        folder,
        name=snapshot.name,
        frozen_on=snapshot.ended_at.astimezone(UTC).strftime("%Y-%m-%d") if snapshot.ended_at else "",
        progress=telling.of(manifest.rows, _WRITING),
        about=AboutMedia(),
        ballots=Ballots(snapshot, manifest.classes),
        words=row.options.get("words", {}),
    )


def room_for(format: Format, folder: Path) -> int:
    """How many bytes the file of the snapshot in this folder will take at most, as far as one can tell before."""
    rows = images = 0
    for batch in snapshots.iter_batches(folder, ["image_bytes"]):
        rows += batch.num_rows
        images += pc.sum(batch.column("image_bytes")).as_py() if format.images else 0
    return _FIXED_BYTES + images + rows * format.per_face


def _take_room(row: Export, format: Format, folder: Path, place: Path, telling: Telling) -> None:
    """Raises Refused before a byte is written that the disk has no room for."""
    wanted = room_for(format, folder)

    def no(free: int) -> str:
        return _NO_ROOM.format(wanted=-(-wanted // _MB), free=free // _MB)

    room.take(row, place, wanted, _CHECKING, telling, no)


def _whole_folder(snapshot: Snapshot, telling: Telling, *, images: bool) -> Path:
    """The snapshot on this machine, every byte of its rows checked: what is damaged goes to nobody. Raises Refused.

    images: the images too. Formats that read them check each as they do.
    """
    folder = stored.local_folder(snapshot, telling.alive(gettext_noop("Fetching")))
    _demand_whole(snapshot, folder, telling, images=images)
    return folder


def _demand_whole(snapshot: Snapshot, folder: Path, telling: Telling, *, images: bool) -> None:
    if problems := stored.checked(folder, snapshot.digest, partial(telling, _CHECKING), images=images):
        raise work.Refused(stored.damaged(problems))


def _forget_ownerless(row: Export, name: str) -> None:
    """Remove what was stored after an erasure had the row let go of its file, unless an export has it."""
    with transaction.atomic():
        # Held: the next attempt names its file before it stores it, and waits here to do so.
        Export.objects.select_for_update(of=("self",)).filter(pk=row.pk).first()
        if not Export.objects.filter(stored_as=name).exists():
            default_storage.delete(name)


def _forget_other_file(row: Export, name: str) -> None:
    """Remove what an earlier attempt stored, unless another export has the same bytes."""
    others = Export.objects.exclude(pk=row.pk).filter(stored_as=row.stored_as)
    if row.stored_as and row.stored_as != name and not others.exists():
        default_storage.delete(row.stored_as)
