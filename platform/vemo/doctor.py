"""What could be wrong with this installation, and the cure for each: `manage.py doctor` and /doctor/."""

import shutil
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from celery import current_app
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.timesince import timesince
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, ngettext
from kombu.utils.url import maybe_sanitize_url

from labeling import attendance

ENOUGH_DISK_BYTES = 2 * 1024**3


@dataclass(frozen=True)
class Finding:
    """ok True: fine; False: broken; None: works, but you may want to know."""

    name: str
    ok: bool | None
    what: str
    cure: str = ""

    @property
    def word(self) -> str:
        """The name as people read it; `name` itself is for programs."""
        return _(WORDS.get(self.name, self.name))


def examine(names: Collection[str] = ()) -> list[Finding]:
    """Look at everything, or at what is named; an examination that breaks is itself a finding."""
    return list(_examine(names or EXAMINATIONS))


def _examine(names: Collection[str]) -> Iterator[Finding]:
    for name in names:
        try:
            yield EXAMINATIONS[name](name)
        except Exception as error:  # noqa: BLE001  whatever is broken shall be told, not raised
            yield Finding(name, False, f"{type(error).__name__}: {error}", _(CURES[name]))


def _database(name: str) -> Finding:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return Finding(name, True, _("{what} answers.").format(what=connection.vendor))


def _migrations(name: str) -> Finding:
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if missing:
        count = len(missing)
        what = ngettext("{count} migration is not applied.", "{count} migrations are not applied.", count)
        return Finding(name, False, what.format(count=count), _(CURES[name]))
    return Finding(name, True, _("All applied."))


def _storage(name: str) -> Finding:
    stored = default_storage.save("doctor/probe", ContentFile(b"probe"))
    with default_storage.open(stored) as file:
        same = file.read() == b"probe"
    default_storage.delete(stored)
    if not same:
        return Finding(name, False, _("What was written is not what was read."), _(CURES[name]))
    place = settings.STORAGE_URL.partition("?")[0]
    return Finding(name, True, _("Can write, read and delete ({place}).").format(place=place))


def _disk(name: str) -> Finding:
    folder = Path(settings.VEMO_HOME)
    free = shutil.disk_usage(folder).free
    what = _("{number} GB free below {folder}.").format(
        number=number_format(free / 1024**3, 1), folder=folder
    )
    return Finding(name, free > ENOUGH_DISK_BYTES, what, "" if free > ENOUGH_DISK_BYTES else _(CURES[name]))


def _broker(name: str) -> Finding:
    with current_app.connection_for_write() as link:
        link.ensure_connection(max_retries=1, timeout=2)
    where = maybe_sanitize_url(settings.CELERY_BROKER_URL)
    return Finding(name, True, _("{what} answers.").format(what=where))


def _seen(moment: datetime) -> str:
    if timezone.now() - moment < timedelta(minutes=1):
        return _("Last seen just now.")
    return _("Last seen {time} ago.").format(time=timesince(moment))


def _worker(name: str) -> Finding:
    seen_at = attendance.seen_at()
    if seen_at is None:
        return Finding(name, False, _("No worker has ever been seen."), _(CURES[name]))
    what = _seen(seen_at)
    if attendance.is_silent():
        return Finding(name, False, what, _(CURES[name]))
    unserved = attendance.unserved()
    if unserved:
        lacking = _("None is there for the queues: {queues}.").format(queues=", ".join(unserved))
        # Without sweeps nothing is mended; what else has no worker only waits.
        ok = False if attendance.SHORT in unserved else None
        return Finding(name, ok, f"{what} {lacking}", _(CURES[name]))
    swept_at = attendance.swept_at()
    if not attendance.is_swept():
        return Finding(name, None, f"{what} {_no_sweep(swept_at)}", _(NO_SWEEPS_CURE))
    return Finding(name, True, what)


def _no_sweep(last: datetime | None) -> str:
    if last is None:
        return _("Nothing was swept yet.")
    return _("The last sweep was {time} ago.").format(time=timesince(last))


def _gpu(name: str) -> Finding:
    import torch

    if torch.cuda.is_available():
        return Finding(name, True, torch.cuda.get_device_name(0))
    return Finding(name, None, _("No CUDA device here: networks train on the CPU."), _(CURES[name]))


def _cascade(name: str) -> Finding:
    import cv2

    path = Path(cv2.__file__).parent / "data" / "haarcascade_frontalface_default.xml"
    if not path.exists():
        return Finding(name, False, _("{path} is missing.").format(path=path), _(CURES[name]))
    return Finding(name, True, _("The cascade of OpenCV {version}.").format(version=cv2.__version__))


def _yunet(name: str) -> Finding:
    if not settings.YUNET_MODEL:
        return Finding(name, None, _("Not configured: only the cascade is offered."), _(CURES[name]))
    if not Path(settings.YUNET_MODEL).is_file():
        return Finding(
            name, False, _("{path} is not a file.").format(path=settings.YUNET_MODEL), _(CURES[name])
        )
    return Finding(name, True, settings.YUNET_MODEL)


def _languages(name: str) -> Finding:
    files = sorted(settings.LOCALE_PATHS[0].glob("*/LC_MESSAGES/django.po"))
    missing = [file.parents[1].name for file in files if not file.with_suffix(".mo").exists()]
    if missing:
        what = _("Not compiled, so not spoken: {languages}.").format(languages=", ".join(missing))
        return Finding(name, False, what, _(CURES[name]))
    return Finding(name, True, ", ".join(own for _code, own in settings.LANGUAGES))


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
    "languages": _languages,
}
WORDS = {
    "database": gettext_noop("database"),
    "migrations": gettext_noop("migrations"),
    "storage": gettext_noop("storage"),
    "disk": gettext_noop("disk"),
    "broker": gettext_noop("broker"),
    "worker": gettext_noop("worker"),
    "gpu": gettext_noop("graphics card"),
    "detector haar": gettext_noop("detector haar"),
    "detector yunet": gettext_noop("detector yunet"),
    "languages": gettext_noop("languages"),
}
VITAL = ("database", "storage", "broker")
"""Without these no page and no work; what /health/ looks at."""
NO_SWEEPS_CURE = gettext_noop(
    "Is beat running, exactly once? Is the worker of the queue default kept busy by something else?"
)
CURES = {
    "database": gettext_noop("Check DATABASE_URL and that the server runs."),
    "migrations": gettext_noop("Run `python manage.py migrate`."),
    "storage": gettext_noop("Check STORAGE_URL, the folder's owner or the bucket's keys."),
    "disk": gettext_noop("Free some space or move VEMO_HOME."),
    "broker": gettext_noop("Check CELERY_BROKER_URL and that the broker runs."),
    "worker": gettext_noop("Start one with `make worker` (or the worker service of docker-compose.yml)."),
    "gpu": gettext_noop("If there is one: a CUDA build of torch and its driver."),
    "detector haar": gettext_noop("Install opencv-python 4.14; version 5 has no cascades."),
    "languages": gettext_noop("Run `make setup`, or `python platform/compile_words.py`."),
    "detector yunet": gettext_noop(
        "Run `manage.py fetch_yunet`, or set YUNET_MODEL to the path of a face_detection_yunet .onnx file."
    ),
}
