"""Kill freezing and exporting with no warning: `python -m bench.kills [--times 50] [--seed 0] [--faces N]`.

On a site of its own in a temporary folder (SQLite unless DATABASE_URL names an empty PostgreSQL database), each attempt
a process of its own. Half of the kills meet a freezing, half an export, of each format in turn, at moments drawn from
the whole time it takes. After each: what is stored is whole or not there, the next attempt ends, what it made is
verified, and nothing else is left. A process that was done before its moment came is no kill, and is tried again.
--json FILE writes {figure: {value, unit, aim, holds}}.
"""

import argparse
import hashlib
import json
import multiprocessing
import os
import random
import shutil
import signal
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from bench.settled_faces import fill
from bench.snapshots import set_up

TIMES, FACES = 50, 2_000
_SIDE = 48
BEAT_EVERY_S = 0.05
"""Instead of once a second, so that the row says what it was at when it was killed."""
_TRIES = 20
"""Of one kill: how often a process may be done before its moment comes."""


@dataclass
class Found:
    """Of one kind of work. at: what it was at when it was killed → how often. whole: how often all of it was stored
    already. problems: what was not as it should be."""

    kills: int = 0
    whole: int = 0
    at: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)


class Freezing:
    def __init__(self, campaign: int) -> None:
        self._campaign, self._seed = campaign, 0

    def make(self) -> Any:
        """Another version each time."""
        from labeling.models import Campaign
        from labeling.snapshots import freezing

        self._seed += 1
        campaign = Campaign.objects.get(pk=self._campaign)
        return freezing.freeze(campaign=campaign, seed=self._seed, test_stays=False, wake=False)

    def run(self, pk: int) -> None:
        from labeling.snapshots import freezing

        freezing.run_freeze(pk)

    def stored(self, row: Any) -> bool:
        return bool(row.folder) and _path(row.folder).is_dir()

    def problems(self) -> list[str]:
        """Of every snapshot there is in the storage."""
        from labeling.snapshots import format as snapshots

        folders = [
            path for path in _path("snapshots").glob("*") if path.name not in (snapshots.PACKS, "carried")
        ]
        return [
            f"{folder.name}: {problem.where}: {problem.what}"
            for folder in folders
            for problem in snapshots.verify(folder)
        ]

    def left_over(self) -> list[str]:
        """Files in the storage that no row names."""
        from labeling.models import Snapshot

        named = {"packs", "carried"}
        for folder, packs in Snapshot.objects.values_list("folder", "packs"):
            named |= {Path(folder).name, *packs}
        return [
            str(path)
            for where in ("snapshots", "snapshots/packs")
            for path in _path(where).glob("*")
            if path.name not in named
        ]


class Exporting:
    def __init__(self, snapshot: int, format: str) -> None:
        self._snapshot, self._format = snapshot, format

    def make(self) -> Any:
        from django.core.files.storage import default_storage

        from labeling.models import Export, Snapshot
        from labeling.snapshots import exporting

        for before in Export.objects.all():
            if before.stored_as:
                default_storage.delete(before.stored_as)
            before.delete()
        snapshot = Snapshot.objects.get(pk=self._snapshot)
        return exporting.export(snapshot=snapshot, format=self._format, wake=False)

    def run(self, pk: int) -> None:
        from labeling.snapshots import exporting

        exporting.run_export(pk)

    def stored(self, row: Any) -> bool:
        return bool(row.stored_as) and _path(row.stored_as).is_file()

    def problems(self) -> list[str]:
        """Of every file there is: whole by the sha256 in its name, and by its own SHA256SUMS."""
        return [
            f"{file.name} is not what its name or its SHA256SUMS say"
            for file in _path("exports").glob("*/*")
            if not _is_whole(file)
        ]

    def left_over(self) -> list[str]:
        from labeling.models import Export

        named = set(Export.objects.values_list("stored_as", flat=True))
        root = _path("")
        return [
            str(file)
            for file in _path("exports").glob("*/*")
            if file.relative_to(root).as_posix() not in named
        ]


def _is_whole(file: Path) -> bool:
    with file.open("rb") as content:
        sha256 = hashlib.file_digest(content, "sha256").hexdigest()
    if not file.stem.endswith(sha256[:16]):
        return False
    with zipfile.ZipFile(file) as archive:
        for line in archive.read("SHA256SUMS").decode().splitlines():
            wanted, _, name = line.partition("  ")
            if hashlib.sha256(archive.read(name)).hexdigest() != wanted:
                return False
    return True


def _path(name: str) -> Path:
    from django.core.files.storage import default_storage

    return Path(default_storage.path(name))


def in_a_process(run: Callable[[int], None], pk: int, kill_after_s: float | None = None) -> float:
    """Returns how long it took until it ended by itself, or was killed."""
    from django.db import connections

    from labeling import work

    connections.close_all()
    work.Job.BEAT_EVERY_S = BEAT_EVERY_S
    child = multiprocessing.get_context("fork").Process(target=run, args=(pk,))
    begun = time.monotonic()
    child.start()
    assert child.pid is not None
    if kill_after_s is not None:
        child.join(kill_after_s)
        if child.is_alive():
            os.kill(child.pid, signal.SIGKILL)
    child.join()
    assert child.exitcode in (0, -signal.SIGKILL), f"ended with {child.exitcode}"
    return time.monotonic() - begun


def _free_again(row: Any) -> None:
    """What the sweeper does once the heartbeat is too old."""
    from django.utils import timezone

    from labeling import work

    type(row).objects.filter(pk=row.pk).update(heartbeat_at=timezone.now() - timedelta(hours=1))
    work.sweep()
    row.refresh_from_db()
    assert row.state == "waiting", f"{row!r} is {row.state}"


def kill_once(kind: Freezing | Exporting, draw: random.Random, took: float, found: Found) -> float:
    """Kill one attempt in the middle, look, and let the next end. Returns how long that one took."""
    for _ in range(_TRIES):
        row = kind.make()
        in_a_process(kind.run, row.pk, kill_after_s=draw.uniform(0, took))
        row.refresh_from_db()
        if row.state == "running":
            break
        if row.state == "done":
            took *= 0.8
    else:
        raise AssertionError("The process always ended before it was to be killed.")
    found.kills += 1
    found.whole += kind.stored(row)
    found.at[row.message or "Beginning"] += 1
    found.problems += kind.problems()
    _free_again(row)
    took = in_a_process(kind.run, row.pk)
    row.refresh_from_db()
    if row.state != "done" or not kind.stored(row):
        found.problems.append(f"the next attempt left it {row.state}: {row.error}")
    making = _path("making")
    left = [str(path) for path in making.iterdir()] if making.is_dir() else []
    found.problems += kind.problems() + [f"left over: {path}" for path in left + kind.left_over()]
    return took


def bench(times: int, seed: int, faces: int) -> dict[str, Found]:
    from labeling.snapshots.exporting import FORMATS

    draw = random.Random(seed)
    freezing = Freezing(fill(faces, _SIDE))
    first = freezing.make()
    took = {"freeze": in_a_process(freezing.run, first.pk)}
    found = {"freeze": Found()}
    for number in range(times):
        if number % 2 == 0:
            took["freeze"] = kill_once(freezing, draw, took["freeze"], found["freeze"])
            continue
        format = list(FORMATS)[number // 2 % len(FORMATS)]
        name, exporting = f"export {format}", Exporting(first.pk, format)
        if name not in took:
            took[name] = in_a_process(exporting.run, exporting.make().pk)
        took[name] = kill_once(exporting, draw, took[name], found.setdefault(name, Found()))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--times", type=int, default=TIMES)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--faces", type=int, default=FACES)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="vemo-bench-"))
    try:
        set_up(home)
        found = bench(options.times, options.seed, options.faces)
    finally:
        shutil.rmtree(home)
    print(f"{'what was killed':<20}{'kills':>6}{'whole':>7}{'not there':>11}{'wrong':>7}  at")
    for name, one in found.items():
        at = ", ".join(f"{message} {count}" for message, count in sorted(one.at.items()))
        print(
            f"{name:<20}{one.kills:>6}{one.whole:>7}{one.kills - one.whole:>11}{len(one.problems):>7}  {at}"
        )
        for problem in one.problems:
            print(f"  {problem}")
    kills, wrong = (
        sum(one.kills for one in found.values()),
        sum(len(one.problems) for one in found.values()),
    )
    print(f"{kills} kills, {wrong} things wrong; seed {options.seed}, {options.faces:,} faces")
    if options.json:
        figures = {
            "kills": {"value": kills, "unit": "", "aim": options.times, "holds": kills == options.times},
            "things wrong": {"value": wrong, "unit": "", "aim": 0, "holds": not wrong},
        }
        options.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
