"""A large import that is killed: `python -m bench.flickr [--photos N] [--failures SHARE] [--kills N] [--json FILE]`.

A server on loopback speaks Flickr's dialect and has an album of so many photos; of its answers that share fails at
first (429, 500, 503, a connection cut in the middle), and of the photos that fail one in ten fails so often that it is
refused, until somebody asks for it again. The site's own processes bring it in: a worker for the import, another for
short work, the clock that sends the sweeps. The first is killed by SIGKILL at random moments and started again, as a
supervisor would; the sweep finds that it has died. At the end every photo must be there once, with its very bytes and
rights, and nothing half. The import's memory is looked at five times a second.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import django
import psutil

ROOT = Path(__file__).resolve().parents[1]
ALBUM = "https://www.flickr.com/photos/ada/albums/721"
FIRST = 1_000_000
"""The number of the first photo."""
AIM_GROWTH = 1.2
"""Peak memory in the second half over that in the first."""
AIM_REQUESTS = 1.1
"""Requests for a photo's bytes, per photo: one, the failed ones again, and the one a kill cuts off."""
MOST_KILLS = 4
"""A fifth would be the last: work that kills its worker so often is given up."""


@dataclass
class Killed:
    """A worker that is killed and comes back."""

    start: Callable[[], "subprocess.Popen[bytes]"]
    process: "subprocess.Popen[bytes]" = field(init=False)
    peaks: list[float] = field(default_factory=list)
    """MB, five times a second."""
    times: int = 0

    def __post_init__(self) -> None:
        self.process = self.start()

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.times += 1
        self.process = self.start()

    def look(self) -> None:
        with suppress(psutil.Error):
            self.peaks.append(psutil.Process(self.process.pid).memory_info().rss / 1e6)


def environment(home: Path) -> dict[str, str]:
    return {
        "PYTHONPATH": os.pathsep.join([str(ROOT / "platform"), str(ROOT)]),
        "DJANGO_SETTINGS_MODULE": "vemo.settings",
        "VEMO_HOME": str(home),
        "DATABASE_URL": f"sqlite:///{home}/bench.sqlite3",
        "STORAGE_URL": f"file://{home}/storage",
        "CELERY_BROKER_URL": "embedded://",
        "HEARTBEAT_TIMEOUT_S": "5",
        "SWEEP_EVERY_S": "1",
        "FETCH_ALLOW_ADDRESSES": "127.0.0.1",
        "FETCH_PER_SECOND": "1000",
        "FLICKR_PER_SECOND": "1000",
        "FLICKR_API_KEY": "0123456789abcdef" * 2,
        "LOG_LEVEL": "WARNING",
    }


@contextmanager
def processes(home: Path) -> Iterator[Killed]:
    """The site's own: one that will be killed, one for short work, the clock."""
    log = (home / "log.txt").open("ab")

    def begun(*words: str) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "celery", "-A", "vemo", *words]
        return subprocess.Popen(command, cwd=home, stdout=log, stderr=subprocess.STDOUT)

    worker = ["worker", "--pool=solo", "--without-gossip", "--without-mingle", "--loglevel=WARNING"]
    rest = [
        begun(*worker, "-Q", "default", "-n", "short@%h"),
        begun("beat", "--loglevel=WARNING", "--schedule", str(home / "beat")),
    ]
    killed = Killed(lambda: begun(*worker, "-Q", "ingest", "-n", "ingest@%h"))
    try:
        yield killed
    finally:
        for process in [killed.process, *rest]:
            process.terminate()
            process.wait(30)
        log.close()


def upset(flickr: Any, photos: int, share: float, chance: random.Random) -> int:
    """Make the share of the answers fail; returns how many photos will be refused."""
    from tests.labeling.sources.flickr_server import Busy

    refused = 0
    for n in range(photos):
        if chance.random() < share:
            for_good = chance.random() < 0.1
            refused += for_good
            path = f"/{FIRST + n}_o.png"
            if chance.random() < 0.25 and not for_good:
                _cut_once(flickr, path)
            else:
                flickr.busy[path] = Busy(4 if for_good else 1, chance.choice([500, 503]))
    flickr.busy["flickr.photosets.getPhotos"] = Busy(1, 429, {"Retry-After": "1"})
    return refused


def _cut_once(flickr: Any, path: str) -> None:
    whole = flickr.answers[path]

    def cut(far: Any) -> None:
        flickr.answers[path] = whole
        far.close_connection = True
        far.send_response(200)
        far.send_header("Content-Length", "100000")
        far.end_headers()
        far.wfile.write(b"\x89PNG\r\n\x1a\n" + bytes(500))

    flickr.answers[path] = cut


def bring_in(source: Any, worker: Killed, at: list[int], most_s: float) -> None:
    """Wait until the source is done; kill its worker when so many items are dealt with."""
    left, begun, shown = list(at), time.monotonic(), 0.0
    while True:
        source.refresh_from_db()
        worker.look()
        if source.is_over:
            return
        if left and source.items.exclude(state="found").count() >= left[0]:
            left.pop(0)
            worker.kill()
        if time.monotonic() - begun > most_s:
            raise SystemExit(f"Not done in {most_s:,.0f} s: {source.state}, {source.message}")
        if time.monotonic() - shown > 15:
            shown = time.monotonic()
            print(f"  {source.state}: {source.done:,} of {source.total or 0:,}", flush=True)
        time.sleep(0.2)


def faults(source: Any, flickr: Any, photos: int, home: Path) -> list[str]:
    """What is not as it must be, for people."""
    from labeling.models import Media
    from tests.labeling.sources.places import png

    found = []
    items = dict(source.items.values_list("locator", "media__sha256"))
    if sorted(items) != sorted(flickr.photos):
        found.append(f"{len(items):,} items for {photos:,} photos")
    if not all(items.values()) or len(set(items.values())) != photos:
        found.append(f"{len(set(items.values())):,} different media behind {photos:,} items")
    if Media.objects.count() != photos:
        found.append(f"{Media.objects.count():,} media for {photos:,} photos")
    for media in Media.objects.prefetch_related("items"):
        photo = media.items.get().locator
        if (home / "storage" / media.stored_as).read_bytes() != png(2 * int(photo)):
            found.append(f"photo {photo} has other bytes")
        if media.licence != "CC BY 2.0" or media.author != "Ada" or not media.page_url.endswith(f"/{photo}/"):
            found.append(f"photo {photo} has other rights")
    files = [path for path in (home / "storage").rglob("*") if path.is_file()]
    if len(files) != photos:
        found.append(f"{len(files):,} files in the storage for {photos:,} photos")
    return found


def run(
    photos: int, share: float, kills: int, seed: int, home: Path
) -> dict[str, tuple[float, str, float | None]]:
    os.environ.update(environment(home))
    django.setup()
    from django.conf import settings
    from django.core.management import call_command

    from labeling.sources import ingest
    from tests.labeling.fetching.servers import serving
    from tests.labeling.sources.flickr_server import FakeFlickr, FakePhoto

    chance = random.Random(seed)
    with serving(FakeFlickr()) as flickr:
        flickr.albums["721"] = [flickr.add(FakePhoto(str(FIRST + n))).photo_id for n in range(photos)]
        will_be_refused = upset(flickr, photos, share, chance)
        at = sorted(chance.sample(range(photos // 20, photos * 19 // 20), kills))
        os.environ["FLICKR_API_URL"] = settings.FLICKR_API_URL = flickr.api
        call_command("migrate", verbosity=0)
        with processes(home) as worker:
            begun = time.monotonic()
            source = ingest.add(location=ALBUM, options={"basis": "open"})
            bring_in(source, worker, at, 3600)
            first_s = time.monotonic() - begun
            refused = source.items.filter(state="refused").count()
            if source.state != "done" or refused != will_be_refused:
                raise SystemExit(f"{source.state}: {source.error}; {refused} refused, not {will_be_refused}.")
            if refused:
                ingest.retry_refused(source=source)
                bring_in(source, worker, [], 600)
        wrong = faults(source, flickr, photos, home)
        for fault in wrong[:20]:
            print(f"WRONG: {fault}", flush=True)
        asked = sum(flickr.asked[f"/{FIRST + n}_o.png"] for n in range(photos))
        calls = flickr.calls.total()
    half = len(worker.peaks) // 2
    # The first tenth is the start of the process.
    first = max(worker.peaks[len(worker.peaks) // 10 : half] or [1.0])
    second = max(worker.peaks[half:] or [1.0])
    return {
        "photos": (photos, "photos", None),
        "killed": (worker.times, "times", None),
        "refused at first, and brought in when asked for again": (refused, "photos", None),
        "the import": (first_s, "s", None),
        "photos a second, deaths and waits and all": (photos / first_s, "photos/s", None),
        "requests for a photo, per photo": (asked / photos, "requests", AIM_REQUESTS),
        "calls of the API": (calls, "calls", None),
        "peak memory, first half": (first, "MB", None),
        "peak memory, second half": (second, "MB", None),
        "growth of the peak": (second / first, "times", AIM_GROWTH),
        "what is not there once, whole and with its rights": (len(wrong), "photos", 0),
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.flickr", description=__doc__)
    parser.add_argument("--photos", type=int, default=5000)
    parser.add_argument("--failures", type=float, default=0.02, metavar="SHARE")
    parser.add_argument("--kills", type=int, default=3, choices=range(MOST_KILLS + 1))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, metavar="FILE")
    asked = parser.parse_args()
    print(f"Load average {os.getloadavg()[0]:.1f}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        measured = run(asked.photos, asked.failures, asked.kills, asked.seed, Path(folder))
    figures: dict[str, Any] = {}
    for name, (value, unit, aim) in measured.items():
        holds = None if aim is None else value <= aim
        figures[name] = {"value": round(value, 3), "unit": unit, "aim": aim, "holds": holds}
        verdict = "" if holds is None else f"   aim {aim:g}: {'holds' if holds else 'missed'}"
        print(f"{name:<56}{value:>10,.2f} {unit}{verdict}", flush=True)
    if asked.json:
        asked.json.write_text(json.dumps(figures, indent=1))
    return 0 if all(figure["holds"] is not False for figure in figures.values()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
