"""Freeze, verify, compare and export drawn faces: `python -m bench.snapshots [--quick] [--faces N] [--side 128]`.

Makes a site of its own in a temporary folder, fills it with settled faces, and does each stage in a process of its own,
so that each has its own peak of memory. The crops are also packed by `tar` and hashed by `sha256sum`, once before and
once after the stages: freezing and each export should be at least half as fast as that, and a second version with one
label in a hundred changed take a tenth of the first's time and room. For every stage it says seconds, processor
seconds (its own; a database server's are not among them), MB of crops a second, its peak of memory, the machine's load
when it began, and what its parts took.

SQLite, unless DATABASE_URL names a PostgreSQL database: one that is not there is made, and dropped at the end; one that
holds tables is refused. The temporary folder is made in TMPDIR.

How long and how large, on 2 cores with a load of 4: 20,000 faces of 48 pixels half a minute, 100,000 two minutes; so
1,000,000 some 20 to 30. On the disk a million faces of 48 pixels are reckoned to be at most some 20 GB at once (4 of
crops, 3 of packs, 10 of the FER2013 export; each export is removed once it was measured), of 128 pixels some 50; and 2
in the database.

--json FILE writes {figure: {value, unit, aim, holds}}.
"""

import argparse
import json
import multiprocessing
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench import settled_faces

QUICK, FULL = 20_000, 100_000
AIM_MB = 600.0
AIM_SHARE, AIM_SECOND = 0.5, 0.1
"""Of the speed of tar and sha256sum; of the first version's time and room."""
EXPORTS = ("imagefolder", "fer2013", "parquet")
_MB = 1_000_000


def set_up(home: Path) -> None:
    os.environ |= {"VEMO_HOME": str(home), "STORAGE_URL": f"file://{home / 'storage'}", "LOG_LEVEL": "ERROR"}
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vemo.settings")
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "platform"))
    import django
    from django.core.management import call_command
    from django.db import connection

    django.setup()
    if connection.introspection.table_names():
        sys.exit("The database of DATABASE_URL holds tables. Name an empty one, or one that is not there.")
    call_command("migrate", verbosity=0)
    # As in a worker, which has loaded them long before.
    import cv2  # noqa: F401
    import pyarrow.csv

    from labeling import tasks  # noqa: F401

    # With the first numbers it hands to NumPy Arrow loads pandas, where that is installed: a fifth of a second.
    pyarrow.array([0]).to_numpy()


@contextmanager
def own_database() -> Iterator[None]:
    """The PostgreSQL database that DATABASE_URL names, made if it is not there, and then dropped at the end."""
    url = os.environ.get("DATABASE_URL", "")
    if not url.startswith("postgres"):
        yield
        return
    name = urlsplit(url).path.lstrip("/")
    if _maintained(url, "SELECT 1 FROM pg_database WHERE datname = %s", name):
        yield
        return
    _maintained(url, f'CREATE DATABASE "{name}"')
    try:
        yield
    finally:
        from django.db import connections

        connections.close_all()
        _maintained(url, f'DROP DATABASE "{name}"')


def _maintained(url: str, statement: str, *values: str) -> list[Any]:
    import psycopg2

    server = psycopg2.connect(urlsplit(url)._replace(path="/postgres").geturl())
    try:
        server.autocommit = True
        cursor = server.cursor()
        cursor.execute(statement, values or None)
        return list(cursor.fetchall()) if cursor.description else []
    finally:
        server.close()


@dataclass(frozen=True)
class Measured:
    """peak, before: MB of the process, at its peak and when it began. parts: what a job said it did → seconds."""

    seconds: float
    processor: float
    peak: float
    before: float
    load: float
    answer: Any
    parts: dict[str, float] = field(default_factory=dict)


class Parts:
    """Hears how far a job is, and notes when it begins with something else."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._now, self._since = "", time.perf_counter()

    def __call__(self, done: int, total: int | None, message: str) -> None:
        if message != self._now:
            self.end()
            self._now = message

    def end(self) -> None:
        now = time.perf_counter()
        if self._now:
            self.seconds[self._now] = self.seconds.get(self._now, 0.0) + now - self._since
        self._since = now


def measured(stage: Callable[..., Any], *arguments: Any) -> Measured:
    """Run the stage in a fork of this process; it is handed a Parts and the arguments."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()

    def run() -> None:
        before, load, parts = _peak_mb(), os.getloadavg()[0], Parts()
        begun, used = time.perf_counter(), _processor()
        answer = stage(parts, *arguments)
        seconds = time.perf_counter() - begun
        parts.end()
        theirs.send(Measured(seconds, _processor() - used, _peak_mb(), before, load, answer, parts.seconds))

    from django.db import connections

    connections.close_all()
    child = context.Process(target=run)
    child.start()
    theirs.close()
    found: Measured = ours.recv()
    child.join()
    return found


def _peak_mb() -> float:
    return max(resource.getrusage(who).ru_maxrss for who in _US) / 1024


def _processor() -> float:
    return sum(used.ru_utime + used.ru_stime for used in map(resource.getrusage, _US))


_US = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)


def freeze(parts: Parts, campaign: int) -> int:
    from labeling.models import Campaign
    from labeling.snapshots import freezing

    row = freezing.freeze(campaign=Campaign.objects.get(pk=campaign), wake=False)
    freezing.run_freeze(row.pk, tell=parts)
    row.refresh_from_db()
    assert row.state == "done", row.error
    return int(row.pk)


def verify(parts: Parts, snapshot: int) -> None:
    from labeling.models import Snapshot
    from labeling.snapshots import freezing

    assert freezing.verify(snapshot=Snapshot.objects.get(pk=snapshot)) == []


def diff(parts: Parts, old: int, new: int) -> int:
    """The difference, and every face of it told as the CSV has it; returns how many."""
    from labeling.models import Snapshot
    from labeling.snapshots import comparing

    first, second = Snapshot.objects.get(pk=old), Snapshot.objects.get(pk=new)
    parts(0, None, "counting")
    comparing.compare(first, second)
    parts(0, None, "telling")
    return sum(1 for _told in comparing.every(first, second))


def look_at_nearest(parts: Parts, snapshot: int) -> int:
    """What the page of the nearest faces shows; returns how many pairs."""
    from labeling.models import Snapshot
    from labeling.snapshots.nearest import nearest

    return len(nearest(Snapshot.objects.get(pk=snapshot)))


def export(parts: Parts, snapshot: int, format: str) -> int:
    from labeling.models import Snapshot
    from labeling.snapshots import exporting

    row = exporting.export(snapshot=Snapshot.objects.get(pk=snapshot), format=format, wake=False)
    exporting.run_export(row.pk, tell=parts)
    row.refresh_from_db()
    assert row.state == "done", row.error
    return int(row.bytes)


def tar_and_hash(parts: Parts, storage: Path) -> int:
    """What the machine needs for the bytes alone."""
    archive = storage / "reference.tar"
    for command in (["tar", "-cf", str(archive), "-C", str(storage), "crops"], ["sha256sum", str(archive)]):
        parts(0, None, command[0])
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    size = archive.stat().st_size
    archive.unlink()
    return size


def change(campaign: int, share: float) -> None:
    """Another label for so many of the faces."""
    from labeling.models import CampaignFace

    rows = CampaignFace.objects.filter(campaign=campaign)
    pks = list(rows.order_by("shuffle").values_list("pk", flat=True)[: int(rows.count() * share)])
    for start in range(0, len(pks), 5_000):
        rows.filter(pk__in=pks[start : start + 5_000]).update(
            label="angry", counts={"angry": 10}, agreement=1.0
        )


class Bench:
    def __init__(self, faces: int, side: int) -> None:
        from django.core.files.storage import default_storage

        self._faces, self._side = faces, side
        self._storage = Path(default_storage.path(""))
        self._found: dict[str, Measured] = {}
        self._crops = 0

    def run(self) -> dict[str, dict[str, Any]]:
        from labeling.models import Snapshot

        begun = time.perf_counter()
        campaign = settled_faces.fill(self._faces, self._side)
        self._crops = sum(file.stat().st_size for file in (self._storage / "crops").rglob("*.png"))
        print(
            f"{self._faces:,} settled faces of {self._side} pixels ({self._crops / _MB:,.0f} MB of crops) made in "
            f"{time.perf_counter() - begun:.0f} s; load {os.getloadavg()[0]:.1f}\n"
        )
        print(
            f"{'stage':<32}{'s':>8}{'cpu s':>8}{'faces/s':>10}{'MB/s':>7}{'peak MB':>9}{'grown':>7}{'load':>6}"
            "  parts, in s"
        )
        measured(tar_and_hash, self._storage)  # once for the disk's cache
        self._line("tar and sha256sum, before", tar_and_hash, self._storage)
        first = self._line("freeze", freeze, campaign).answer
        self._line("verify", verify, first)
        change(campaign, 0.01)
        second = self._line("freeze again, 1 % changed", freeze, campaign).answer
        self._line("verify the second", verify, second)
        self._line("diff of the two", diff, first, second)
        self._line("nearest faces of two splits", look_at_nearest, first)
        for name in EXPORTS:
            self._line(f"export {name}", export, first, name)
            shutil.rmtree(self._storage / "exports")
        self._line("tar and sha256sum, after", tar_and_hash, self._storage)
        return self._figures(Snapshot.objects.get(pk=first), Snapshot.objects.get(pk=second))

    def _line(self, name: str, stage: Callable[..., Any], *arguments: Any) -> Measured:
        got = self._found[name] = measured(stage, *arguments)
        parts = ", ".join(f"{part.lower()} {seconds:.1f}" for part, seconds in got.parts.items())
        print(
            f"{name:<32}{got.seconds:>8.2f}{got.processor:>8.2f}{self._faces / got.seconds:>10,.0f}"
            f"{self._crops / _MB / got.seconds:>7,.0f}{got.peak:>9.0f}{got.peak - got.before:>7.0f}"
            f"{got.load:>6.1f}  {parts}",
            flush=True,
        )
        return got

    def _figures(self, first: Any, second: Any) -> dict[str, dict[str, Any]]:
        found = self._found
        tars = [found[f"tar and sha256sum, {when}"].seconds for when in ("before", "after")]
        figures = {}
        for name in ("freeze", *(f"export {name}" for name in EXPORTS)):
            share = sum(tars) / len(tars) / found[name].seconds
            figures[f"{name}: share of tar's speed"] = _figure(share, "", AIM_SHARE, share >= AIM_SHARE)
        for name, got in found.items():
            if "tar" not in name:
                figures[f"{name}: peak"] = _figure(got.peak, "MB", AIM_MB, got.peak <= AIM_MB)
        shares = {
            "time": found["freeze again, 1 % changed"].seconds / found["freeze"].seconds,
            "room": second.counts["added_bytes"] / first.counts["added_bytes"],
        }
        for name, share in shares.items():
            figures[f"second version: share of the first's {name}"] = _figure(
                share, "", AIM_SECOND, share <= AIM_SECOND
            )
        print()
        for name, figure in figures.items():
            print(f"{name:<46}{figure['value']:>9.3f} {figure['unit']:<3} (aim {figure['aim']:g})")
        return figures


def _figure(value: float, unit: str, aim: float, holds: bool) -> dict[str, Any]:
    return {"value": round(value, 3), "unit": unit, "aim": aim, "holds": holds}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help=f"{QUICK:,} faces instead of {FULL:,}")
    parser.add_argument("--faces", type=int)
    parser.add_argument(
        "--side",
        type=int,
        default=settled_faces.SIDES[0],
        help="pixels of a crop's side: 48, or 128 as crops often are",
    )
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="vemo-bench-"))
    try:
        with own_database():
            set_up(home)
            figures = Bench(options.faces or (QUICK if options.quick else FULL), options.side).run()
    finally:
        shutil.rmtree(home)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")
    missed = [name for name, figure in figures.items() if not figure["holds"]]
    print("\n" + ("missed: " + ", ".join(missed) if missed else "every aim holds"))


if __name__ == "__main__":
    main()
