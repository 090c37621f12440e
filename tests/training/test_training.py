"""Trainings for real: the core as a child process, followed, stopped, killed, gone on with."""

import fcntl
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import torch

from labeling import work
from labeling.models import WorkState
from labeling.snapshots import freezing
from tests.factories import make_over
from tests.training.making import FAST, make_real_snapshot, make_run
from training import child, metrics, queries, runs, tasks
from training.core.quick import quick_in_bf16
from training.models import TrainingRun

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


def start(**settings):
    return make_run(make_real_snapshot(), settings={**FAST, **settings})


def epochs_done(run: TrainingRun) -> list[int]:
    return [event["epoch"] for event in metrics.read(runs.folder(run)) if event["event"] == "epoch"]


def children() -> list[psutil.Process]:
    return [process for process in psutil.Process().children() if "training.core" in process.cmdline()]


def once(do: Callable[[], None], *, after_epoch: int = 1) -> Callable[[metrics.Progress], None]:
    """A `tell` that does something the first time so many epochs are done."""
    left = [do]

    def tell(progress: metrics.Progress) -> None:
        if progress.epoch >= after_epoch and left:
            left.pop()()

    return tell


def test_a_training_ends_with_its_figures_taken_in_once_however_often_it_is_begun():
    run = start()
    runs.train(run.pk)
    run.refresh_from_db()
    assert (run.state, run.epoch, run.epochs, run.done, run.error) == (WorkState.DONE, 2, 2, 2, "")
    assert 0 <= run.validation_accuracy <= 1
    assert sorted(run.evaluations.values_list("split", "images")) == [("test", 14), ("validation", 14)]
    assert len(run.evaluations.get(split="test").figures["confusion"]) == 7
    assert "Epoch 2/2" in runs.log_tail(run)
    assert children() == []

    # A broker may deliver the message again.
    tasks.train(run.pk)
    run.refresh_from_db()
    assert (run.state, run.attempt, epochs_done(run)) == (WorkState.DONE, 1, [1, 2])

    # A worker that died between the result and its row leaves the run to be done again.
    make_over(run, WorkState.STOPPED)
    runs.resume(run=run)
    runs.train(run.pk)
    run.refresh_from_db()
    assert (run.state, epochs_done(run), run.evaluations.count()) == (WorkState.DONE, [1, 2], 2)


def test_a_fast_run_shows_what_its_machine_chose():
    run = make_run(make_real_snapshot(), settings={**FAST, "epochs": 1}, fast=True)
    runs.train(run.pk)
    run.refresh_from_db()
    chosen = quick_in_bf16(torch.device("cpu"))
    assert run.state == WorkState.DONE
    assert (run.config["bf16"], run.config["channels_last"]) == (chosen, chosen)
    assert run.config["epochs"] == 1


def test_stop_checkpoints_and_resume_goes_on_from_there():
    run = start(epochs=4)
    runs.train(run.pk, tell=once(lambda: runs.stop(run=TrainingRun.objects.get(pk=run.pk))))
    run.refresh_from_db()
    assert run.state == WorkState.STOPPED
    assert (runs.folder(run) / "last.pt").exists()
    assert children() == []
    runs.resume(run=run)
    runs.train(run.pk)
    run.refresh_from_db()
    assert run.state == WorkState.DONE
    assert epochs_done(run) == [1, 2, 3, 4]
    begins = [event["resumed"] for event in metrics.read(runs.folder(run)) if event["event"] == "begin"]
    assert begins == [False, True]


def test_a_child_ended_by_others_puts_the_run_back_into_the_queue():
    run = start(epochs=3)
    runs.train(run.pk, tell=once(lambda: children()[0].send_signal(signal.SIGTERM)))
    run.refresh_from_db()
    assert (run.state, run.worker, run.attempt) == (WorkState.WAITING, "", 1)
    runs.train(run.pk)
    run.refresh_from_db()
    assert run.state == WorkState.DONE
    assert epochs_done(run) == [1, 2, 3]
    assert [taken.why for taken in queries.taken_up(run)] == [
        "Interrupted; goes on from its last checkpoint."
    ]


def kill() -> None:
    children()[0].send_signal(signal.SIGKILL)


def test_a_child_that_is_killed_puts_the_run_back_into_the_queue_and_the_next_attempt_says_so():
    run = start(epochs=3)
    runs.train(run.pk, tell=once(kill))
    run.refresh_from_db()
    killed = "The training's process was killed by signal 9; it goes on from its last checkpoint."
    assert (run.state, run.worker, run.error, run.message) == (WorkState.WAITING, "", "", killed)
    assert run.taken_up == []
    runs.train(run.pk)
    run.refresh_from_db()
    assert run.state == WorkState.DONE
    assert epochs_done(run) == [1, 2, 3]
    [taken] = queries.taken_up(run)
    assert (taken.at, taken.why) == (run.started_at, killed)
    # It was killed once its first epoch was told of; it may have ended another until then.
    assert taken.epoch in (1, 2)


def test_a_child_that_is_killed_each_time_without_getting_further_fails_the_run_with_its_log(settings):
    settings.MAX_ATTEMPTS = 3
    run = start(epochs=50)
    runs.train(run.pk, tell=once(kill))
    for attempt in (2, 3):
        run.refresh_from_db()
        assert (run.state, run.attempt) == (WorkState.WAITING, attempt - 1)
        # Before its network has seen an image, let alone made a checkpoint.
        runs.train(run.pk, tell=lambda _progress: kill())
    run.refresh_from_db()
    assert (run.state, run.attempt, len(run.taken_up)) == (WorkState.FAILED, 3, 2)
    assert run.error.startswith(
        "The training's process was killed 3 times without getting any further, the last time by signal 9"
    )
    assert "Epoch 1/50" in run.error
    # A person may resume it, and its attempts are counted anew.
    runs.resume(run=run)
    runs.train(run.pk, tell=once(kill))
    run.refresh_from_db()
    assert (run.state, run.attempt, len(run.taken_up)) == (WorkState.WAITING, 1, 2)


def test_a_child_killed_over_and_over_that_gets_further_each_time_ends_its_training(settings):
    settings.MAX_ATTEMPTS = 2
    run = start(epochs=7)
    # The checkpoint of the epoch before is there; its own may not be.
    for epoch in (2, 4, 6):
        runs.train(run.pk, tell=once(kill, after_epoch=epoch))
        run.refresh_from_db()
        assert (run.state, run.attempt) == (WorkState.WAITING, 1)
    runs.train(run.pk)
    run.refresh_from_db()
    assert (run.state, epochs_done(run)) == (WorkState.DONE, [1, 2, 3, 4, 5, 6, 7])


def test_a_child_killed_while_somebody_presses_stop_stays_stopped():
    run = start(epochs=50)

    def stop_and_kill() -> None:
        TrainingRun.objects.filter(pk=run.pk).update(stop_asked=True)
        kill()

    runs.train(run.pk, tell=once(stop_and_kill))
    run.refresh_from_db()
    assert (run.state, run.stop_asked) == (WorkState.STOPPED, False)


def test_a_run_taken_over_by_another_worker_lets_its_child_go():
    run = start(epochs=50)

    def take_over() -> None:
        TrainingRun.objects.filter(pk=run.pk).update(worker="another:1:aa")

    runs.train(run.pk, tell=once(take_over))
    run.refresh_from_db()
    assert (run.state, run.worker) == (WorkState.RUNNING, "another:1:aa")
    assert children() == []


def test_what_the_core_refuses_is_the_runs_error():
    snapshot = make_real_snapshot()
    run = make_run(snapshot, settings=FAST)
    manifest = freezing.local_folder(snapshot) / "manifest.json"
    manifest.write_text(manifest.read_text().replace("vemo-snapshot/3", "vemo-snapshot/9"))
    runs.train(run.pk)
    run.refresh_from_db()
    assert run.state == WorkState.FAILED
    assert "vemo-snapshot" in run.error
    assert "exit code" not in run.error


def test_a_leftover_child_of_a_dead_worker_is_waited_for():
    run = start(epochs=1)
    home = runs.folder(run)
    home.mkdir(parents=True)
    lock = (home / runs.LOCK).open("a")
    fcntl.flock(lock, fcntl.LOCK_EX)
    released = []

    def release() -> None:
        released.append(time.monotonic())
        lock.close()

    timer = threading.Timer(1.5, release)
    timer.start()
    runs.train(run.pk)
    timer.join()
    run.refresh_from_db()
    assert run.state == WorkState.DONE
    assert len(released) == 1


def test_a_folder_that_stays_taken_fails_the_run_in_words(monkeypatch):
    monkeypatch.setattr(child, "LOCK_WAIT_S", 0.2)
    run = start(epochs=1)
    home = runs.folder(run)
    home.mkdir(parents=True)
    with (home / runs.LOCK).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        runs.train(run.pk)
    run.refresh_from_db()
    assert run.state == WorkState.FAILED
    assert "Another process has been training" in run.error


def test_a_child_that_will_not_stop_is_killed(monkeypatch, tmp_path: Path):
    monkeypatch.setattr(child, "STOP_GRACE_S", 0.3)
    deaf = "import signal, time; signal.signal(15, signal.SIG_IGN); print('on', flush=True); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", deaf], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    with process.stdout:
        assert child.end(process, lambda: None) == -signal.SIGKILL


@pytest.mark.once
def test_the_child_is_started_where_django_is_not_needed(tmp_path: Path):
    process = child.start("networks", log=tmp_path / "log.txt")
    assert child.follow(process, lambda: None) == 0
    assert "resmasking" in (tmp_path / "log.txt").read_text()


def test_a_result_that_came_in_time_beats_the_stop(tmp_path: Path):
    process = child.start("networks", log=tmp_path / "log.txt")
    process.wait()

    def stop() -> None:
        raise work.StopAsked

    assert child.follow(process, stop) == 0
