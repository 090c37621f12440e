"""The cells: `python -m tests.labeling.sources.hostile.cell`, asked by lines of JSON, answers by lines of JSON.

All that is slow to begin is begun once, here; each question is answered by a fork of this process, which has its own
database, storage and limits, and ends with the answer.
"""

import json
import os
import resource
import shutil
import signal
import sys
import traceback
import warnings
from pathlib import Path
from typing import Any

MOST_ADDRESSES = 4 * 1024**3
"""Bytes of address space that a cell may have more than at its start. What it really uses is measured apart."""


def main() -> None:
    warnings.simplefilter("ignore")
    home = Path(os.environ["VEMO_HOME"])
    _prepare(home / "empty.sqlite3")
    for line in sys.stdin:
        print(json.dumps(_apart(json.loads(line), home)), flush=True)  # noqa: T201


def _prepare(database: Path) -> None:
    import django
    from django.conf import settings

    django.setup()
    from django.core.management import call_command
    from django.db import connection

    from labeling.sources import faces, ingest, pictures  # noqa: F401
    from labeling.vision import detectors

    settings.MIGRATION_MODULES = {app.split(".")[-1]: None for app in settings.INSTALLED_APPS}
    call_command("migrate", run_syncdb=True, verbosity=0)
    detectors.make("haar")
    connection.close()
    shutil.copyfile(settings.DATABASES["default"]["NAME"], database)


def _apart(asked: dict[str, Any], home: Path) -> dict[str, Any]:
    cell = Path(asked["cell"])
    shutil.copyfile(home / "empty.sqlite3", cell / "cell.sqlite3")
    child = os.fork()
    if not child:
        _inside(asked, cell)
    _, status, _ = os.wait4(child, 0)
    said = cell / "said.json"
    answer = json.loads(said.read_text()) if said.exists() else {}
    return {**answer, "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0}


def _inside(asked: dict[str, Any], cell: Path) -> None:
    try:
        _limit(asked)
        before = _memory("VmRSS")
        answer = _look(asked, cell)
        answer["grown_mb"] = (_memory("VmHWM") - before) / 1024
    except BaseException:  # noqa: BLE001
        answer = {"raised": traceback.format_exc()}
    (cell / "said.json").write_text(json.dumps(answer))
    os._exit(0)


def _limit(asked: dict[str, Any]) -> None:
    from tests.labeling.sources.hostile import sentry

    signal.alarm(asked["seconds"])
    most = _memory("VmSize") * 1024 + MOST_ADDRESSES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    if sentry.can_watch():
        sentry.forbid(sockets=not asked["network"])


def _memory(name: str) -> int:
    """In KiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def _look(asked: dict[str, Any], cell: Path) -> dict[str, Any]:
    """Take the place in, search it, make the pictures that pages show of it."""
    from django.conf import settings
    from django.db import connections

    connections["default"].settings_dict["NAME"] = str(cell / "cell.sqlite3")
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(cell / "storage")},
        },
    }
    if asked.get("misbehave"):
        return _misbehave(asked["misbehave"])
    return _taken_in(asked)


def _misbehave(how: str) -> dict[str, Any]:
    """So that the tests see that a cell holds."""
    import socket
    import subprocess

    if how == "program":
        subprocess.run(["/bin/true"], check=True)
    elif how == "socket":
        socket.create_connection(("127.0.0.1", 9), 1)
    elif how == "memory":
        bytearray(2 * MOST_ADDRESSES)
    elif how == "time":
        signal.pause()
    return {}


def _taken_in(asked: dict[str, Any]) -> dict[str, Any]:
    from labeling.models import Detection, Media
    from labeling.sources import faces, ingest, pictures
    from labeling.sources.base import CannotAdd

    options = {**asked["options"], "detect": ["haar"]}
    try:
        source = ingest.add(kind=asked["kind"], location=asked["location"], options=options, wake=False)
    except CannotAdd as reason:
        return {"refused": str(reason), "items": {}, "media": {}}
    ingest.ingest(source.pk, wake=False)
    for detection in Detection.objects.all():
        faces.find_faces(detection.pk)
    problems = []
    for media in Media.objects.all():
        try:
            pictures.kept(media=media, longest_side=640)
        except pictures.CannotShow as reason:
            problems.append(f"{media}: {reason}")
    source.refresh_from_db()
    return {
        "refused": source.error,
        "items": {item.locator: [item.state, item.reason] for item in source.items.all()},
        "media": dict(Media.objects.values_list("stored_as", "original_name")),
        "given": {media.original_name: [media.licence, media.author] for media in Media.objects.all()},
        "unsearched": list(Detection.objects.exclude(state="done").values_list("error", flat=True)),
        "not_shown": problems,
    }


if __name__ == "__main__":
    main()
