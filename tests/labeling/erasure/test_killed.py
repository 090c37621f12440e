"""A worker killed in the middle of an erasure, anywhere: the next attempt ends it, and no byte is left."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.core.files.storage import default_storage
from django.utils import timezone

from labeling import erasure, storage_sweep, work
from labeling.models import AuditEntry, CampaignFace, Erasure, Face, Item, Media, Pulse, Snapshot, Source
from labeling.snapshots import exporting, freezing
from labeling.snapshots.stored import folder_of, local_path
from labeling.sources import pictures
from tests.labeling.snapshots.making import frozen, make_settled
from tests.worker import environment, wait_until, worker

pytestmark = [pytest.mark.slow, pytest.mark.race, pytest.mark.django_db(transaction=True)]
KILLS = 6
FORKS = """
import os, signal, sys, time, django
django.setup()
from labeling import erasure
print("ready", flush=True)
for line in sys.stdin:
    pk, *kill_after_s = line.split()
    child = os.fork()
    if child == 0:
        erasure.carry_out(int(pk))
        os._exit(0)
    for seconds in kill_after_s:
        time.sleep(float(seconds))
        os.kill(child, signal.SIGKILL)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.fixture
def forks() -> Iterator["subprocess.Popen[str]"]:
    """Django is set up once; each attempt is a fork of that process, which is what gets killed."""
    process = subprocess.Popen(
        [sys.executable, "-c", FORKS],
        env=environment(WORK_ROOT=str(settings.WORK_ROOT), HEARTBEAT_TIMEOUT_S="1"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "ready"
        yield process


def attempt(process: "subprocess.Popen[str]", row: Erasure, kill_after_s: float | None = None) -> float:
    assert process.stdin is not None
    assert process.stdout is not None
    begun = time.monotonic()
    process.stdin.write(f"{row.pk} {'' if kill_after_s is None else kill_after_s}\n")
    process.stdin.flush()
    assert process.stdout.readline().strip() in ("0", f"-{signal.SIGKILL.value}")
    row.refresh_from_db()
    return time.monotonic() - begun


def free_again(row: Erasure) -> None:
    """What the sweeper does once the heartbeat is too old."""
    long_ago = timezone.now() - timedelta(hours=1)
    Erasure.objects.filter(pk=row.pk, state="running").update(heartbeat_at=long_ago, attempt=1)
    Pulse.objects.update(at=long_ago)
    work.sweep()
    row.refresh_from_db()


def world(faces: int = 40) -> tuple[Source, Snapshot, Snapshot, list[bytes]]:
    """A source whose faces were voted on, frozen and exported; a snapshot of others; the bytes that must go."""
    source = Source.objects.create(name=f"S {timezone.now()}", kind="web", location="https://a.example/")
    campaign, others = make_settled(faces, per_media=2), make_settled(20)
    mine = Face.objects.filter(campaign_faces__campaign=campaign).select_related("media")
    for number, media in enumerate({face.media_id: face.media for face in mine}.values()):
        Item.objects.create(source=source, locator=str(number), state="ingested", media=media)
        pictures.kept(media=media, longest_side=40)
    snapshot, untouched = frozen(campaign), frozen(others)
    export = exporting.export(snapshot=snapshot, format="imagefolder", wake=False)
    exporting.run_export(export.pk)
    names = {face.crop for face in mine} | {face.media.stored_as for face in mine}
    return source, snapshot, untouched, [Path(default_storage.path(name)).read_bytes() for name in names]


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def assert_gone(source: Source, snapshot: Snapshot, content: list[bytes]) -> None:
    roots = [Path(default_storage.path("")), Path(settings.WORK_ROOT), Path(settings.RUNS_ROOT)]
    files = [path.read_bytes() for root in roots for path in root.rglob("*") if path.is_file()]
    assert not any(one in file for one in content for file in files)
    assert not Media.objects.filter(items__source=source).exists()
    assert set(source.items.values_list("state", flat=True)) == {"refused"}
    lost = CampaignFace.objects.filter(campaign=snapshot.campaign)
    assert set(lost.values_list("state", flat=True)) == {"erased"}
    snapshot.refresh_from_db()
    assert freezing.verify(snapshot=snapshot) == []
    assert snapshot.erased == lost.count()
    assert [name for name in storage_sweep.ownerless() if not name.startswith("making/")] == []
    assert list(storage_sweep.missing()) == []
    assert AuditEntry.objects.filter(campaign=snapshot.campaign, verb="faces_erased").count() == 1


def test_killed_anywhere_it_ends_complete(forks: "subprocess.Popen[str]") -> None:
    draw = random.Random(4)
    source, snapshot, untouched, content = world()
    took = attempt(forks, erasure.demand("source", [source.pk], reason="Asked to", wake=False))
    assert_gone(source, snapshot, content)
    met = 0
    while met < KILLS:
        source, snapshot, untouched, content = world()
        folder = local_path(folder_of(untouched.digest))
        assert folder is not None
        before = everything(folder)
        row = erasure.demand("source", [source.pk], reason="Asked to", wake=False)
        while row.state != "done":
            attempt(forks, row, kill_after_s=draw.uniform(0, took))
            met += row.state == "running"
            free_again(row)
            if met >= KILLS:
                attempt(forks, row)
        assert_gone(source, snapshot, content)
        assert row.touched["faces"] == 40
        assert everything(folder) == before


def test_a_worker_does_it_and_another_ends_what_one_killed_began(tmp_path: Path, settings) -> None:
    settings.HEARTBEAT_TIMEOUT_S = 2
    source, snapshot, _untouched, content = world(200)
    row = erasure.demand("source", [source.pk], reason="Asked to")
    options = ("-Q", "erasure,export", "-B", "-s", str(tmp_path / "beat"))
    variables = {"HEARTBEAT_TIMEOUT_S": "2", "SWEEP_EVERY_S": "1"}
    log = tmp_path / "worker.log"

    def begun() -> bool:
        row.refresh_from_db()
        return row.state != "waiting"

    with worker(log, *options, **variables) as process:
        wait_until(begun, log=log)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()

    def over() -> bool:
        work.sweep()
        row.refresh_from_db()
        return row.is_over

    with worker(log, *options, **variables):
        wait_until(over, log=log, seconds=90)
        export = snapshot.exports.get()
        wait_until(lambda: type(export).objects.get(pk=export.pk).state == "done", log=log)
    assert row.state == "done"
    assert_gone(source, snapshot, content)
