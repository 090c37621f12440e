"""What could be wrong with this installation, and the cure for each: `manage.py doctor` and /doctor/."""

import shutil
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from celery import current_app
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils.timesince import timesince
from kombu.utils.url import maybe_sanitize_url

from labeling import work

ENOUGH_DISK_BYTES = 2 * 1024**3


@dataclass(frozen=True)
class Finding:
    """ok True: fine; False: broken; None: works, but you may want to know."""

    name: str
    ok: bool | None
    what: str
    cure: str = ""


def examine(names: Collection[str] = ()) -> list[Finding]:
    """Look at everything, or at what is named; an examination that breaks is itself a finding."""
    return list(_examine(names or EXAMINATIONS))


def _examine(names: Collection[str]) -> Iterator[Finding]:
    for name in names:
        try:
            yield EXAMINATIONS[name](name)
        except Exception as error:  # noqa: BLE001  whatever is broken shall be told, not raised
            yield Finding(name, False, f"{type(error).__name__}: {error}", CURES[name])


def _database(name: str) -> Finding:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return Finding(name, True, f"{connection.vendor} answers.")


def _migrations(name: str) -> Finding:
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if missing:
        return Finding(name, False, f"{len(missing)} migrations are not applied.", CURES[name])
    return Finding(name, True, "All applied.")


def _storage(name: str) -> Finding:
    stored = default_storage.save("doctor/probe", ContentFile(b"probe"))
    with default_storage.open(stored) as file:
        same = file.read() == b"probe"
    default_storage.delete(stored)
    if not same:
        return Finding(name, False, "What was written is not what was read.", CURES[name])
    return Finding(name, True, f"Can write, read and delete ({settings.STORAGE_URL.partition('?')[0]}).")


def _disk(name: str) -> Finding:
    folder = Path(settings.VEMO_HOME)
    free = shutil.disk_usage(folder).free
    what = f"{free / 1024**3:.1f} GB free below {folder}."
    return Finding(name, free > ENOUGH_DISK_BYTES, what, "" if free > ENOUGH_DISK_BYTES else CURES[name])


def _broker(name: str) -> Finding:
    with current_app.connection_for_write() as link:
        link.ensure_connection(max_retries=1, timeout=2)
    return Finding(name, True, f"{maybe_sanitize_url(settings.CELERY_BROKER_URL)} answers.")


def _worker(name: str) -> Finding:
    seen_at = work.workers_seen_at()
    if seen_at is None:
        return Finding(name, False, "No worker has ever been seen.", CURES[name])
    what = f"Last seen {timesince(seen_at)} ago."
    return Finding(
        name, not work.workers_are_silent(), what, CURES[name] if work.workers_are_silent() else ""
    )


def _gpu(name: str) -> Finding:
    import torch

    if torch.cuda.is_available():
        return Finding(name, True, torch.cuda.get_device_name(0))
    return Finding(name, None, "No CUDA device here: networks train on the CPU.", CURES[name])


def _cascade(name: str) -> Finding:
    import cv2

    path = Path(cv2.__file__).parent / "data" / "haarcascade_frontalface_default.xml"
    if not path.exists():
        return Finding(name, False, f"{path} is missing.", CURES[name])
    return Finding(name, True, f"The cascade of OpenCV {cv2.__version__}.")


def _yunet(name: str) -> Finding:
    if not settings.YUNET_MODEL:
        return Finding(name, None, "Not configured: only the cascade is offered.", CURES[name])
    if not Path(settings.YUNET_MODEL).is_file():
        return Finding(name, False, f"{settings.YUNET_MODEL} is not a file.", CURES[name])
    return Finding(name, True, settings.YUNET_MODEL)


EXAMINATIONS: dict[str, Callable[[str], Finding]] = {
    "database": _database,
    "migrations": _migrations,
    "storage": _storage,
    "disk": _disk,
    "broker": _broker,
    "worker": _worker,
    "gpu": _gpu,
    "detector haar": _cascade,
    "detector yunet": _yunet,
}
VITAL = ("database", "storage", "broker")
"""Without these no page and no work; what /health/ looks at."""
CURES = {
    "database": "Check DATABASE_URL and that the server runs.",
    "migrations": "Run `python manage.py migrate`.",
    "storage": "Check STORAGE_URL, the folder's owner or the bucket's keys.",
    "disk": "Free some space or move VEMO_HOME.",
    "broker": "Check CELERY_BROKER_URL and that the broker runs.",
    "worker": "Start one with `make worker` (or the worker service of docker-compose.yml).",
    "gpu": "If there is one: a CUDA build of torch and its driver.",
    "detector haar": "Install opencv-python 4.14; version 5 has no cascades.",
    "detector yunet": "Set YUNET_MODEL to the path of a face_detection_yunet .onnx file.",
}
