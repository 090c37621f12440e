"""The queue in a folder: every message once, whoever is killed."""

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from queue import Empty

import pytest
from kombu import Connection, Consumer, Exchange, Producer, Queue

from vemo.broker import Folder
from vemo.celery import app

FORK = multiprocessing.get_context("fork")
assert app  # knows the scheme embedded://


@pytest.fixture
def link(tmp_path: Path) -> Iterator[Connection]:
    with Connection("embedded://", transport_options={"root": str(tmp_path)}) as connection:
        yield connection


def produce(root: Path, who: int, count: int) -> None:
    folder = Folder(root)
    for n in range(count):
        folder.put("vision", {"text": f"{who}:{n}"})


def consume(root: Path, into: Path, expected: int) -> None:
    """Take and acknowledge until all consumers together have had the expected number."""
    folder = Folder(root)
    while len(list(into.iterdir())) < expected:
        try:
            message, claim = folder.take("vision")
        except Empty:
            time.sleep(0.01)
            continue
        with (into / message["text"]).open("x"):  # a second delivery would fail here
            claim.unlink()


def take_and_hang(root: Path, taken: Path) -> None:
    Folder(root).take("gpu")
    taken.touch()
    time.sleep(60)


def wait_for(path: Path) -> None:
    for _ in range(1000):
        if path.exists():
            return
        time.sleep(0.01)
    pytest.fail(f"{path.name} never came")


def test_what_is_put_is_taken_in_order_of_time(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    for text in ("one", "two", "три 😐"):
        folder.put("vision", {"text": text})
    assert folder.size("vision") == 3
    assert [folder.take("vision")[0]["text"] for _ in range(3)] == ["one", "two", "три 😐"]
    with pytest.raises(Empty):
        folder.take("vision")


def test_a_queue_may_have_any_name(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    for name in ("../../etc", "..", "a/b", "имя"):
        folder.put(name, {"text": name})
        assert folder.take(name)[0]["text"] == name
    assert sorted(path.name for path in tmp_path.iterdir()) == ["claims", "drafts", "ready"]


def test_five_hundred_messages_of_five_producers_arrive_once_each(tmp_path: Path) -> None:
    root, into = tmp_path / "broker", tmp_path / "arrived"
    into.mkdir()
    workers = [FORK.Process(target=produce, args=(root, who, 100)) for who in range(5)]
    workers += [FORK.Process(target=consume, args=(root, into, 500)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0] * 8
    assert len(list(into.iterdir())) == 500
    assert Folder(root).size("vision") == 0


def test_what_a_killed_consumer_held_goes_back_to_its_queue(tmp_path: Path) -> None:
    root = tmp_path / "broker"
    survivor = Folder(root)
    survivor.put("gpu", {"text": "train run 7"})
    victim = FORK.Process(target=take_and_hang, args=(root, tmp_path / "taken"))
    victim.start()
    wait_for(tmp_path / "taken")

    assert survivor.put_back_claims_of_the_dead() == 0  # it lives and may keep it
    assert victim.pid
    os.kill(victim.pid, signal.SIGKILL)
    victim.join()

    assert survivor.put_back_claims_of_the_dead() == 1
    assert survivor.take("gpu")[0]["text"] == "train run 7"
    assert [path.name for path in (root / "claims").glob("*.alive")] == [f"{survivor._owner}.alive"]


def test_a_process_does_not_take_itself_for_dead(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.put("gpu", {"text": "x"})
    folder.take("gpu")
    assert folder.put_back_claims_of_the_dead() == 0


def test_half_a_message_is_set_aside_and_the_next_is_read(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.put("vision", {"text": "whole"})
    (tmp_path / "ready" / "vision" / "0-torn").write_text('{"text": "ha')
    assert folder.take("vision")[0]["text"] == "whole"
    assert [path.name for path in (tmp_path / "unreadable").iterdir()] == ["0-torn"]


def test_an_acknowledged_message_is_gone(link: Connection, tmp_path: Path) -> None:
    with link.SimpleQueue("export") as queue:
        queue.put({"snapshot": 1})
        message = queue.get(timeout=5)
        assert message.payload == {"snapshot": 1}
        message.ack()
    assert [path for path in tmp_path.rglob("*-*") if path.is_file() and path.suffix != ".alive"] == []


def test_a_refused_message_comes_again_and_an_unacknowledged_one_too(link: Connection) -> None:
    with link.clone() as other, other.SimpleQueue("export") as queue:
        queue.put("first")
        queue.get(timeout=5).requeue()
        assert queue.get(timeout=5).payload == "first"
    # That link was closed with the message in hand.
    with link.SimpleQueue("export") as queue:
        assert queue.get(timeout=5).payload == "first"


def test_a_message_by_way_of_an_exchange_reaches_its_queue(link: Connection) -> None:
    got: list[object] = []

    def receive(body: object, message: object) -> None:
        got.append(body)
        message.ack()  # type: ignore[attr-defined]

    queue = Queue("vision", Exchange("faces"), routing_key="found")
    with Consumer(link, [queue], callbacks=[receive]):
        Producer(link).publish({"faces": 3}, exchange=queue.exchange, routing_key="found", declare=[queue])
        link.drain_events(timeout=5)
    assert got == [{"faces": 3}]


def test_a_consumer_without_acknowledgement_leaves_no_claim(link: Connection, tmp_path: Path) -> None:
    queue = Queue("vision", Exchange("faces"), routing_key="found", no_ack=True)
    with Consumer(link, [queue], callbacks=[lambda body, message: None], no_ack=True):
        Producer(link).publish("x", exchange=queue.exchange, routing_key="found", declare=[queue])
        link.drain_events(timeout=5)
    assert [path for path in (tmp_path / "claims").rglob("*/*/*") if path.is_file()] == []


def test_purging_empties_a_queue(link: Connection) -> None:
    channel = link.default_channel
    with link.SimpleQueue("export") as queue:
        queue.put("a")
        queue.put("b")
        assert channel.queue_purge("export") == 2
        assert queue.qsize() == 0


def test_an_idle_consumer_hardly_costs_anything(link: Connection) -> None:
    """Five queues polled for two seconds: below 5 % of one core."""
    queues = [Queue(name) for name in ("default", "ingest", "vision", "export", "gpu")]
    with Consumer(link, queues, callbacks=[lambda body, message: None]):
        before = time.process_time()
        with pytest.raises(TimeoutError):
            link.drain_events(timeout=2)
        assert time.process_time() - before < 0.1
