"""Freezing, exporting and verifying, killed with no warning at any moment, again and again."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.core.files.storage import default_storage
from django.utils import timezone

from labeling import work
from labeling.models import Export, Snapshot, Verification, Work
from labeling.snapshots import exporting, freezing, stored, verification
from labeling.snapshots import format as snapshots
from tests.labeling.snapshots.making import frozen, make_settled
from tests.worker import environment, wait_until, worker

pytestmark = [pytest.mark.slow, pytest.mark.race, pytest.mark.django_db(transaction=True)]
KILLS = 10

# Django is set up once; each job is done by a fork of that process, which is what gets killed.
FORKS = """
import os, signal, sys, time, django
django.setup()
from labeling.snapshots.exporting import run_export
from labeling.snapshots.freezing import run_freeze
from labeling.snapshots.verification import run_verification
print("ready", flush=True)
for line in sys.stdin:
    verb, pk, *kill_after_s = line.split()
    child = os.fork()
    if child == 0:
        {"freeze": run_freeze, "export": run_export, "verify": run_verification}[verb](int(pk))
        os._exit(0)
    for seconds in kill_after_s:
        time.sleep(float(seconds))
        os.kill(child, signal.SIGKILL)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Forks:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        assert self._said() == "ready"

    def do(self, verb: str, row: Work, kill_after_s: float | None = None) -> float:
        """Returns how long it took until it ended by itself, or was killed."""
        assert self._process.stdin is not None
        begun = time.monotonic()
        kill = "" if kill_after_s is None else f" {kill_after_s}"
        self._process.stdin.write(f"{verb} {row.pk}{kill}\n")
        self._process.stdin.flush()
        assert self._said() in (["0"] if kill_after_s is None else ["0", f"-{signal.SIGKILL.value}"])
        row.refresh_from_db()
        return time.monotonic() - begun

    def _said(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


@contextmanager
def forks() -> Iterator[Forks]:
    process = subprocess.Popen(
        [sys.executable, "-c", FORKS],
        env=environment(WORK_ROOT=str(settings.WORK_ROOT)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        yield Forks(process)


def free_again(row: Work) -> None:
    """What the sweeper does once the heartbeat is too old."""
    rows = type(row).objects.filter(pk=row.pk, state="running")
    rows.update(heartbeat_at=timezone.now() - timedelta(hours=1), attempt=1)
    work.sweep()
    row.refresh_from_db()


def kill_often(child: Forks, verb: str, make: Callable[[int], Work], check: Callable[[Work], None]) -> None:
    """Kill it KILLS times in the middle, at random moments, each time letting the next attempt go on."""
    draw = random.Random(0)
    row = make(0)
    took = child.do(verb, row)
    check(row)
    met, row = 0, make(1)
    for number in range(2, 100):
        moment = draw.uniform(0, took)
        child.do(verb, row, kill_after_s=moment)
        check(row)
        met += row.state == "running"
        if met == KILLS:
            break
        if row.state == "done":
            took, row = max(moment, took / 2), make(number)
        free_again(row)
    assert met == KILLS
    free_again(row)
    child.do(verb, row)
    assert row.state == "done"
    check(row)


def left_being_made() -> list[str]:
    root = Path(default_storage.path("making"))
    return sorted(path.name for path in root.iterdir())


def others() -> set[Path]:
    """What lies beside snapshots."""
    return {Path(default_storage.path(f"snapshots/{name}")) for name in ("carried", "packs")}


def test_a_freezing_killed_anywhere_is_whole_or_not_there() -> None:
    campaign = make_settled(300, per_media=2)

    def check(row: Work) -> None:
        for folder in set(Path(default_storage.path("snapshots")).iterdir()) - others():
            assert snapshots.verify(folder) == []
        for done in Snapshot.objects.filter(state="done"):
            assert freezing.verify(snapshot=done) == []

    with forks() as child:
        kill_often(child, "freeze", lambda number: freezing.freeze(campaign=campaign, seed=number), check)
    assert left_being_made() == []
    kept = {path.name for path in Path(default_storage.path("snapshots")).iterdir()}
    assert kept == {"carried", "packs", *Snapshot.objects.exclude(digest="").values_list("digest", flat=True)}
    packs = {path.name for path in Path(default_storage.path("snapshots/packs")).iterdir()}
    assert packs == {pack for packs in Snapshot.objects.values_list("packs", flat=True) for pack in packs}


@pytest.mark.parametrize("format", ["imagefolder", "parquet"])
def test_an_export_killed_anywhere_is_whole_or_not_there(format: str, tmp_path: Path) -> None:
    snapshot = frozen(make_settled(300))
    whole: set[tuple[str, int]] = set()

    def make(number: int) -> Export:
        Export.objects.all().delete()
        return exporting.export(snapshot=snapshot, format=format, to=str(tmp_path / "out"))

    def check(row: Work) -> None:
        assert isinstance(row, Export)
        if row.state == "done":
            whole.add((row.sha256, row.bytes))
        stored = Path(default_storage.path(f"exports/{snapshot.digest}"))
        assert {path.stat().st_size for path in stored.iterdir()} <= {size for _, size in whole}
        for folder in (tmp_path / "out").glob("[!.]*"):
            subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=folder, check=True)

    with forks() as child:
        kill_often(child, "export", make, check)
    assert len(whole) == 1
    assert left_being_made() == []
    assert [path.name for path in (tmp_path / "out").iterdir()] == [f"{snapshot.digest[:12]}-{format}"]


def pack_of(snapshot: Snapshot) -> Path:
    (name,) = snapshot.packs
    return Path(default_storage.path(stored.pack_of(name)))


def test_a_verification_killed_anywhere_finds_in_the_end_what_has_changed() -> None:
    snapshot = frozen(make_settled(300))
    pack = pack_of(snapshot)
    content = bytearray(pack.read_bytes())
    content[len(content) // 2] ^= 1
    pack.write_bytes(content)
    (damaged,) = freezing.verify(snapshot=snapshot)
    found = [{"where": damaged.where, "what": damaged.what}]

    def check(row: Work) -> None:
        assert isinstance(row, Verification)
        assert row.problems == (found if row.state == "done" else [])

    with forks() as child:
        kill_often(child, "verify", lambda number: verification.verify_later(snapshot=snapshot), check)


@pytest.mark.worker
def test_the_next_worker_takes_up_a_verification_whose_worker_was_killed(tmp_path: Path, settings) -> None:
    settings.CELERY_BROKER_URL = "embedded://"
    snapshot = frozen(make_settled(40))
    row = verification.verify_later(snapshot=snapshot)
    pack, log = pack_of(snapshot), tmp_path / "worker.log"
    fast = {"HEARTBEAT_TIMEOUT_S": "3", "SWEEP_EVERY_S": "1"}

    def is_(state: str) -> bool:
        row.refresh_from_db()
        return row.state == state

    # Who opens a pipe that nobody writes to waits: the first worker gets as far as the images and no further.
    whole = pack.rename(tmp_path / "whole.pack")
    os.mkfifo(pack)
    with worker(log, "-Q", "export", **fast) as first:
        wait_until(lambda: is_("running"), log=log)
        first.send_signal(signal.SIGKILL)
        first.wait()
    pack.unlink()
    whole.rename(pack)
    assert is_("running")
    with worker(log, "-Q", "default,export", "-B", "-s", str(tmp_path / "beat"), **fast):
        wait_until(lambda: is_("done"), seconds=90, log=log)
    assert (row.attempt, row.problems, row.error) == (2, [], "")
    assert snapshot.verifications.count() == 1
