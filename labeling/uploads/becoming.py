"""Files that have come become a source."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Count, F, Min, Q, Sum
from django.utils.translation import gettext as _

from labeling import upload_files
from labeling.models import Source, Upload
from labeling.sources import ingest
from labeling.uploads import holding
from labeling.uploads.refusals import NotThere, Unfinished


@dataclass(frozen=True)
class Batch:
    """Files sent together that are no source yet."""

    batch: UUID
    files: int
    finished: int
    bytes: int
    received: int
    begun_at: datetime


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
        holding.hold(by)
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
