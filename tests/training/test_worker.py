"""A real worker process trains, is killed with no warning, and another one ends the training."""

import signal
from pathlib import Path

import psutil
import pytest

from labeling.models import WorkState
from tests.training.making import FAST, make_real_snapshot, make_run
from tests.worker import wait_until, worker
from training import metrics, queries, runs
from training.models import Evaluation, TrainingRun

pytestmark = [pytest.mark.worker, pytest.mark.slow, pytest.mark.django_db(transaction=True)]
GPU = ("-Q", "gpu,default", "-B")
WHY = {
    "the process that trains": "The training's process was killed by signal 9; it goes on from its last checkpoint.",
    "the pool's process": "Its worker died; another one goes on with it.",
}
FAST_SWEEP = {"HEARTBEAT_TIMEOUT_S": "4", "SWEEP_EVERY_S": "1"}


def epochs(run: TrainingRun) -> list[dict]:
    return [event for event in metrics.read(runs.folder(run)) if event["event"] == "epoch"]


def trainers(run: TrainingRun) -> list[psutil.Process]:
    """Processes of the core that work in the run's folder."""
    home = str(runs.folder(run))
    found = []
    for process in psutil.process_iter(["cmdline"]):
        if home in (process.info["cmdline"] or []):
            found.append(process)
    return found


def test_a_training_outlives_the_kill_of_its_worker(tmp_path: Path):
    log = tmp_path / "worker.log"
    run = make_run(make_real_snapshot(images_per_class=15), settings={**FAST, "epochs": 6})
    with worker(log, "-Q", "gpu", **FAST_SWEEP) as first:
        wait_until(lambda: len(epochs(run)) >= 2, log=log)
        first.send_signal(signal.SIGKILL)
        first.wait()
    # Nobody told the child; it saw its parent go, wrote a checkpoint and left.
    wait_until(lambda: not trainers(run), seconds=30)
    run.refresh_from_db()
    assert run.state == WorkState.RUNNING
    before = epochs(run)
    assert len(before) < 6

    with worker(log, *GPU, "-s", str(tmp_path / "beat"), **FAST_SWEEP):

        def done() -> bool:
            run.refresh_from_db()
            return run.is_over

        wait_until(done, seconds=90, log=log)
    assert (run.state, run.error) == (WorkState.DONE, "")
    assert [taken.why for taken in queries.taken_up(run)] == ["Its worker died; another one goes on with it."]
    after = epochs(run)
    assert [event["epoch"] for event in after] == [1, 2, 3, 4, 5, 6]
    assert after[: len(before)] == before
    assert sorted(Evaluation.objects.values_list("split", flat=True)) == ["test", "validation"]
    assert trainers(run) == []


@pytest.mark.parametrize("victim", ["the process that trains", "the pool's process"])
def test_a_training_goes_on_by_itself_when_one_of_its_processes_alone_is_killed(tmp_path: Path, victim: str):
    log = tmp_path / "worker.log"
    run = make_run(make_real_snapshot(images_per_class=15), settings={**FAST, "epochs": 6})
    pool = ("--pool=prefork", "-c", "1")
    with worker(log, *GPU, *pool, "-s", str(tmp_path / "beat"), **FAST_SWEEP) as main:
        wait_until(lambda: len(epochs(run)) >= 2, log=log)
        [trainer] = trainers(run)
        killed = trainer if victim == "the process that trains" else trainer.parent()
        assert killed.pid != main.pid
        killed.kill()

        def done() -> bool:
            run.refresh_from_db()
            return run.is_over

        wait_until(done, seconds=120, log=log)
        assert main.poll() is None
    assert (run.state, run.error) == (WorkState.DONE, "")
    assert [event["epoch"] for event in epochs(run)] == [1, 2, 3, 4, 5, 6]
    assert [taken.why for taken in queries.taken_up(run)] == [WHY[victim]]
    assert trainers(run) == []


def test_a_worker_told_to_end_puts_its_training_back_into_the_queue(tmp_path: Path):
    log = tmp_path / "worker.log"
    run = make_run(make_real_snapshot(images_per_class=15), settings={**FAST, "epochs": 1000})
    with worker(log, "-Q", "gpu", "--pool=prefork", "-c", "1") as ending:
        wait_until(lambda: epochs(run), log=log)
        ending.send_signal(signal.SIGTERM)
        wait_until(lambda: ending.poll() is not None, seconds=40, log=log)
    run.refresh_from_db()
    assert (run.state, run.worker, run.error) == (WorkState.WAITING, "", "")
    assert run.message == "Interrupted; goes on from its last checkpoint."
    assert (runs.folder(run) / "last.pt").exists()
    assert trainers(run) == []
