"""The door through which every long job's state moves."""

import errno
import os
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import OperationalError, connection
from django.db.utils import IntegrityError
from django.utils import timezone
from django.utils.translation import override

from labeling import clock, work
from labeling.models import Source, WorkState
from labeling.sayings import said

pytestmark = pytest.mark.django_db


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """What would have been told to the broker: the far end of a network."""
    messages: list[tuple[str, int]] = []
    monkeypatch.setattr(work, "_send", lambda row: messages.append((row.task, row.pk)))
    return messages


def make_source(**fields: object) -> Source:
    return Source.objects.create(name="s", kind="folder", location="/nowhere", **fields)


def make_dead(**fields: object) -> Source:
    """A source whose worker fell silent an hour ago."""
    long_ago = timezone.now() - timedelta(hours=1)
    return make_source(
        **{"state": "running", "worker": "gone", "heartbeat_at": long_ago, "attempt": 1, **fields}
    )


def test_a_waiting_row_is_claimed_once() -> None:
    source = make_source()
    job = work.claim(Source, source.pk)
    assert (job.row.state, job.row.attempt) == (WorkState.RUNNING, 1)
    with pytest.raises(work.AlreadyClaimed):
        work.claim(Source, source.pk)


def test_a_second_delivery_has_nothing_to_do() -> None:
    source = make_source()
    work.claim(Source, source.pk)
    with work.ignoring_second_deliveries():
        work.claim(Source, source.pk)
    source.refresh_from_db()
    assert source.attempt == 1


def test_leaving_the_block_finishes_the_row() -> None:
    source = make_source()
    with work.claimed(Source, source.pk) as job:
        job.beat(force=True, done=3, total=4)
    source.refresh_from_db()
    assert (source.state, source.worker, source.done, source.total) == ("done", "", 3, 4)
    assert source.ended_at is not None


def test_a_refusal_fails_the_row_with_its_text() -> None:
    source = make_source()
    with work.claimed(Source, source.pk):
        raise work.Refused("This folder is empty. Put pictures in it.")
    source.refresh_from_db()
    assert (source.state, source.error) == ("failed", "This folder is empty. Put pictures in it.")


def test_what_is_written_into_a_row_is_english_whatever_its_writer_speaks() -> None:
    source = make_source()
    with override("de"), work.claimed(Source, source.pk):
        raise work.Refused(said("Yes"))
    source.refresh_from_db()
    assert source.error == "Yes"


def test_an_unforeseen_error_fails_the_row_and_is_raised_on() -> None:
    source = make_source()
    with pytest.raises(ZeroDivisionError), work.claimed(Source, source.pk):
        raise ZeroDivisionError("division by zero")
    source.refresh_from_db()
    assert (source.state, source.error) == ("failed", "ZeroDivisionError: division by zero")


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (errno.ENOSPC, "A disk is full"),
        (errno.EDQUOT, "A disk is full"),
        (errno.EROFS, "A disk can only be read"),
        (errno.EACCES, "The worker may not use a file"),
    ],
)
def test_a_disk_that_refuses_is_told_with_what_to_do(number: int, sentence: str) -> None:
    source = make_source()
    with pytest.raises(OSError, match="making"), work.claimed(Source, source.pk):
        raise OSError(number, os.strerror(number), "/srv/media/making")
    source.refresh_from_db()
    assert source.error.startswith(sentence)
    assert source.error.endswith(", then go on.")
    assert f"{os.strerror(number)}: '/srv/media/making'" in source.error
    assert source.state == "failed"


def test_a_database_that_is_busy_is_told_with_what_to_do() -> None:
    source = make_source()
    with pytest.raises(OperationalError), work.claimed(Source, source.pk):
        raise OperationalError("database is locked")
    source.refresh_from_db()
    assert source.state == "failed"
    assert source.error.startswith("The database had other work for too long (database is locked).")
    assert "go on" in source.error


def test_when_it_ended_is_the_database_s_word(monkeypatch: pytest.MonkeyPatch) -> None:
    before = timezone.now() - timedelta(seconds=1)
    source = make_source()
    monkeypatch.setattr(timezone, "now", lambda: before + timedelta(days=1))
    with work.claimed(Source, source.pk):
        pass
    source.refresh_from_db()
    assert before < source.ended_at < before + timedelta(hours=1)


@pytest.fixture
def clock_off_by(monkeypatch: pytest.MonkeyPatch) -> Callable[[timedelta], None]:
    """From the call on, this process's clock is wrong by so much. The database has its own."""
    right = timezone.now

    def set_off(by: timedelta) -> None:
        monkeypatch.setattr(timezone, "now", lambda: right() + by)
        monkeypatch.setattr(time, "time", lambda: right().timestamp() + by.total_seconds())

    return set_off


AN_HOUR = timedelta(hours=1)


@pytest.mark.parametrize("of_worker", [-AN_HOUR, AN_HOUR])
@pytest.mark.parametrize("of_sweeper", [-AN_HOUR, AN_HOUR])
@pytest.mark.django_db(transaction=True)
def test_workers_whose_clocks_differ_take_nothing_from_each_other_and_leave_nothing_lying(
    of_worker: timedelta,
    of_sweeper: timedelta,
    clock_off_by: Callable[[timedelta], None],
    sent: list[tuple[str, int]],
    settings,
) -> None:
    clock_off_by(of_worker)
    source = make_source()
    job = work.claim(Source, source.pk)
    job.beat(force=True, done=1)
    clock_off_by(of_sweeper)
    assert work.sweep() == 0
    clock_off_by(of_worker)
    job.beat(force=True, done=2)  # raises ClaimLost if it was taken
    # It dies. The sweeper waits as long as always, by the one clock there is.
    settings.HEARTBEAT_TIMEOUT_S = 0.05
    time.sleep(0.1)
    clock_off_by(of_sweeper)
    assert work.sweep() == 1
    source.refresh_from_db()
    assert (source.state, source.done) == ("waiting", 2)
    assert sent == [("labeling.tasks.ingest_source", source.pk)]
    assert abs(source.started_at - source.queued_at) < timedelta(minutes=1)


@pytest.mark.parametrize("of_maker", [-AN_HOUR, AN_HOUR])
@pytest.mark.django_db(transaction=True)
def test_a_lost_message_of_a_machine_whose_clock_is_off_is_sent_again_once(
    of_maker: timedelta, clock_off_by: Callable[[timedelta], None], sent: list[tuple[str, int]]
) -> None:
    clock_off_by(of_maker)
    source = make_source()
    clock_off_by(timedelta())
    assert (work.sweep(), work.sweep()) == (1, 0)
    assert sent == [("labeling.tasks.ingest_source", source.pk)]


@pytest.mark.parametrize("off", [-AN_HOUR, AN_HOUR])
def test_one_asked_to_stop_whose_worker_lives_is_not_ended_by_a_wrong_clock(
    off: timedelta, clock_off_by: Callable[[timedelta], None]
) -> None:
    source = make_source()
    work.claim(Source, source.pk)
    work.stop(source)
    clock_off_by(off)
    assert not work.has_ended(source)


def test_a_running_row_stops_at_its_next_beat() -> None:
    source = make_source()
    with work.claimed(Source, source.pk) as job:
        work.stop(source)
        job.beat(force=True)
        pytest.fail("the beat did not raise")
    source.refresh_from_db()
    assert (source.state, source.stop_asked) == ("stopped", False)


def test_a_waiting_row_stops_at_once() -> None:
    source = make_source()
    work.stop(source)
    assert source.state == "stopped"
    with pytest.raises(work.AlreadyClaimed):
        work.claim(Source, source.pk)


def test_a_worker_whose_claim_was_taken_writes_nothing_more() -> None:
    source = make_source()
    with work.claimed(Source, source.pk) as job:
        Source.objects.filter(pk=source.pk).update(worker="another")
        job.beat(force=True, done=99)
    source.refresh_from_db()
    assert (source.state, source.worker, source.done) == ("running", "another", 0)


@pytest.mark.parametrize(
    "error", [FileNotFoundError("its folder is gone"), work.Refused("no"), work.StopAsked(), None]
)
def test_however_a_worker_ends_whose_claim_was_taken_it_tells_of_that_alone(
    error: Exception | None, caplog
) -> None:
    source = make_source()
    with work.claimed(Source, source.pk):
        Source.objects.filter(pk=source.pk).update(worker="another")
        if error is not None:
            raise error
    source.refresh_from_db()
    assert (source.state, source.worker, source.error) == ("running", "another", "")
    assert "taken over by another worker" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_a_stopped_row_goes_on_when_restarted(sent: list[tuple[str, int]]) -> None:
    source = make_source()
    work.stop(source)
    work.restart(source)
    assert (source.state, source.ended_at) == ("waiting", None)
    assert sent == [("labeling.tasks.ingest_source", source.pk)]


def test_a_finished_row_is_restarted_only_on_demand() -> None:
    source = make_source(state="done", ended_at=timezone.now())
    with pytest.raises(work.CannotMove, match="This is done"):
        work.restart(source)
    work.restart(source, also_done=True)
    assert source.state == "waiting"


@pytest.mark.django_db(transaction=True)
def test_the_sweeper_queues_what_a_dead_worker_left(sent: list[tuple[str, int]]) -> None:
    source = make_dead()
    alive = make_dead(heartbeat_at=timezone.now())
    assert work.sweep() == 1
    source.refresh_from_db()
    alive.refresh_from_db()
    assert (source.state, source.worker) == ("waiting", "")
    assert (alive.state, alive.worker) == ("running", "gone")
    assert sent == [("labeling.tasks.ingest_source", source.pk)]


@pytest.mark.django_db(transaction=True)
def test_the_sweeper_sends_a_lost_message_again_but_not_at_every_round(sent: list[tuple[str, int]]) -> None:
    source = make_source()
    Source.objects.filter(pk=source.pk).update(queued_at=timezone.now() - timedelta(hours=1))
    assert (work.sweep(), work.sweep()) == (1, 0)
    assert sent == [("labeling.tasks.ingest_source", source.pk)]


@pytest.mark.django_db(transaction=True)
def test_the_sweeper_sends_out_what_a_worker_gave_up(sent: list[tuple[str, int]], settings) -> None:
    settings.HEARTBEAT_TIMEOUT_S = 0.05
    row = make_source()
    with work.claimed(Source, row.pk) as job:
        job.put_back(message="Later.")
    time.sleep(0.2)
    sent.clear()
    assert work.sweep() == 1
    assert len(sent) == 1


def test_a_time_the_database_wrote_is_found_by_what_was_read_of_it() -> None:
    row = make_source()
    for _ in range(20):
        Source.objects.filter(pk=row.pk).update(queued_at=clock.now())
        row.refresh_from_db()
        assert Source.objects.filter(pk=row.pk, queued_at__gte=row.queued_at).exists()
        if row.queued_at.microsecond:
            assert Source.objects.filter(pk=row.pk, queued_at=row.queued_at).exists()


@pytest.mark.django_db(transaction=True)
def test_a_broker_that_is_down_refuses_nobody_their_work(settings, tmp_path: Path, caplog) -> None:
    (tmp_path / "a-file").write_text("no folder can be made in here")
    settings.EMBEDDED_BROKER_ROOT = tmp_path / "a-file" / "broker"
    source = make_source()
    work.enqueue(source)
    source.refresh_from_db()
    assert source.state == "waiting"
    assert "Error calling" in caplog.text


def test_work_that_kills_its_worker_every_time_fails(settings) -> None:
    source = make_dead(attempt=settings.MAX_ATTEMPTS)
    assert work.sweep() == 0
    source.refresh_from_db()
    assert source.state == "failed"
    assert source.error.startswith(f"The worker died {settings.MAX_ATTEMPTS} times at this")


def test_a_dead_worker_that_was_asked_to_stop_stays_stopped() -> None:
    source = make_dead(stop_asked=True)
    assert work.sweep() == 0
    source.refresh_from_db()
    assert (source.state, source.stop_asked) == ("stopped", False)


def test_the_database_refuses_an_end_without_a_time() -> None:
    source = make_source()
    with pytest.raises(IntegrityError):
        Source.objects.filter(pk=source.pk).update(state="done")


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_of_eight_workers_one_wins() -> None:
    source = make_source()
    won: list[int] = []
    gate = threading.Barrier(8)

    def worker(number: int) -> None:
        gate.wait()
        try:
            work.claim(Source, source.pk)
            won.append(number)
        except work.AlreadyClaimed:
            pass
        finally:
            connection.close()

    threads = [threading.Thread(target=worker, args=[n]) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    source.refresh_from_db()
    assert (len(won), source.attempt) == (1, 1)
