"""Whether a disk has room for what an export is about to write, besides what others are writing already."""

import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from labeling import work
from labeling.models import Export, Pulse, WorkState
from labeling.snapshots.telling import Telling

_TURN = "room for exports"


def take(
    row: Export, folder: Path, wanted: int, message: str, telling: Telling, no: Callable[[int], str]
) -> None:
    """Keep so many bytes of the folder's disk for this export, which fills the folder next.

    no: says how few are free. Raises Refused.
    """
    Pulse.objects.get_or_create(name=_TURN, defaults={"at": timezone.now()})
    with transaction.atomic():
        # Of two who ask at once the second waits here, and then sees what the first has taken.
        Pulse.objects.filter(name=_TURN).update(at=timezone.now())
        free = (
            shutil.disk_usage(folder).free - settings.EXPORT_KEEP_FREE_BYTES - _kept_for_others(row, folder)
        )
        if wanted > free:
            raise work.Refused(no(max(0, free)))
        telling(message, taking={"folder": str(folder), "bytes": wanted})


def _kept_for_others(row: Export, folder: Path) -> int:
    running = Export.objects.filter(state=WorkState.RUNNING).exclude(pk=row.pk)
    device = folder.stat().st_dev
    return sum(_still_wanted(taking, device) for taking in running.values_list("taking", flat=True) if taking)


def _still_wanted(taking: Mapping[str, Any], device: int) -> int:
    """What is not written yet; nothing where the folder is on another disk, or another machine's."""
    try:
        if os.stat(taking["folder"]).st_dev != device:
            return 0
    except OSError:
        return 0
    wanted: int = taking["bytes"]
    return max(0, wanted - _size(taking["folder"]))


def _size(folder: str) -> int:
    size = 0
    for above, _, names in os.walk(folder):
        for name in names:
            # It may be moved away this very moment.
            with suppress(FileNotFoundError):
                size += os.lstat(os.path.join(above, name)).st_size
    return size
