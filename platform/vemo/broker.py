"""The embedded broker: a Celery queue in a folder, for installations without a Redis or RabbitMQ.

Below settings.EMBEDDED_BROKER_ROOT:

    ready/<queue>/<time>-<unique>           one message; appears whole, by rename
    claims/<owner>/<queue>/<same name>      taken by one process, not acknowledged yet
    claims/<owner>.alive                    locked by that process for as long as it lives
    unreadable/                             what could not be read as a message

Renaming is atomic, so of many processes exactly one gets a message, and nobody sees half of one. The lock of a
process that dies is dropped by the kernel; whoever looks next puts its claims back. Survives any killed process; a
machine that loses power may lose the last messages, which the sweeper then sends again (docs/adr/0002, 0013).
"""

import fcntl
import json
import logging
import os
import threading
import time
import uuid
from collections import defaultdict, deque
from contextlib import suppress
from pathlib import Path
from queue import Empty
from typing import Any
from urllib.parse import quote

from django.conf import settings
from kombu.transport import virtual

logger = logging.getLogger(__name__)

LOOK_FOR_THE_DEAD_EVERY_S = 5.0


class Folder:
    """The files of one broker as one process sees them. Safe for many threads and processes."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._owner = ""
        self._owner_pid = 0
        self._lock = threading.Lock()
        self._listed: dict[str, deque[str]] = defaultdict(deque)

    def put(self, queue: str, message: dict[str, Any]) -> None:
        """Add a message; it is there for consumers when this returns, whole or not at all."""
        name = f"{time.time_ns():020d}-{uuid.uuid4().hex}"
        draft = self._made(self.root / "drafts") / name
        draft.write_bytes(json.dumps(message).encode())
        draft.rename(self._ready(queue) / name)

    def take(self, queue: str) -> tuple[dict[str, Any], Path]:
        """Claim the oldest message: it and its claim. Raises queue.Empty."""
        while True:
            name = self._next_name(queue)
            claim = self._claims(queue) / name
            try:
                (self._ready(queue) / name).rename(claim)
            except FileNotFoundError:  # another process was faster
                continue
            try:
                return json.loads(claim.read_bytes()), claim
            except ValueError:
                logger.exception("%s is no message; it is kept in %s/unreadable.", name, self.root)
                claim.rename(self._made(self.root / "unreadable") / name)

    def put_back(self, claim: Path) -> None:
        """Give a claimed message up, to its old place in its queue. One that is gone already stays gone."""
        try:
            claim.rename(self._made(self.root / "ready" / claim.parent.name) / claim.name)
        except FileNotFoundError:
            logger.debug("%s was acknowledged or put back already", claim.name)

    def size(self, queue: str) -> int:
        return len(os.listdir(self._ready(queue)))

    def purge(self, queue: str) -> int:
        """Throw away what waits in the queue. Returns how many messages."""
        names = os.listdir(self._ready(queue))
        for name in names:
            (self._ready(queue) / name).unlink(missing_ok=True)
        return len(names)

    def put_back_claims_of_the_dead(self) -> int:
        """Returns how many messages went back to their queues."""
        count = 0
        for alive in self._made(self.root / "claims").glob("*.alive"):
            if alive.stem != self._owner and (lock := _locked(alive)) is not None:
                # Only whoever holds the dead one's lock clears up after it.
                count += self._clear_up(alive)
                os.close(lock)
        if count:
            logger.info("Put back %d messages of workers that died.", count)
        return count

    def _clear_up(self, alive: Path) -> int:
        claims = list(alive.with_suffix("").glob("*/*"))
        for claim in claims:
            self.put_back(claim)
        alive.unlink(missing_ok=True)
        for folder in (*alive.with_suffix("").glob("*"), alive.with_suffix("")):
            with suppress(OSError):  # not empty: left for a later look
                folder.rmdir()
        return len(claims)

    def _next_name(self, queue: str) -> str:
        """The oldest name not tried yet. One listing serves until it is used up: listing costs the queue's length."""
        names = self._listed[queue]
        try:
            return names.popleft()
        except IndexError:
            names.extend(sorted(os.listdir(self._ready(queue))))
            if not names:
                raise Empty from None
            return self._next_name(queue)

    def _ready(self, queue: str) -> Path:
        return self._made(self.root / "ready" / _file_name(queue))

    def _claims(self, queue: str) -> Path:
        with self._lock:
            if self._owner_pid != os.getpid():  # a fork is a process of its own
                self._become_an_owner()
        return self._made(self.root / "claims" / self._owner / _file_name(queue))

    def _become_an_owner(self) -> None:
        """Let the others see that this process lives."""
        folder = self._made(self.root / "claims")
        while True:
            owner = f"{os.getpid()}-{uuid.uuid4().hex}"
            alive = folder / f"{owner}.alive"
            # Never closed: the lock is to last until the kernel ends this process.
            fcntl.lockf(os.open(alive, os.O_RDWR | os.O_CREAT), fcntl.LOCK_EX)
            if alive.exists():  # nobody took it for dead before it was locked
                break
        self._owner, self._owner_pid = owner, os.getpid()

    @staticmethod
    def _made(folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        return folder


def _file_name(queue: str) -> str:
    return quote(queue, safe="").replace(".", "%2E")


def _locked(alive: Path) -> int | None:
    """An open, locked descriptor if the process is dead: a POSIX lock dies with its process, and no fork has it."""
    try:
        file = os.open(alive, os.O_RDWR)
    except FileNotFoundError:
        return None
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(file)
        return None
    return file


class QoS(virtual.QoS):
    """Acknowledging deletes the claim."""

    def ack(self, delivery_tag: str) -> None:
        super().ack(delivery_tag)
        self.channel.forget(delivery_tag)

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        super().reject(delivery_tag, requeue=requeue)
        self.channel.forget(delivery_tag)


class Channel(virtual.Channel):
    """Queues by name, as Celery uses them. Bindings of exchanges are known to their own process only."""

    QoS = QoS
    _folders: dict[Path, Folder] = {}

    def __init__(self, connection: Any, **kwargs: Any) -> None:
        super().__init__(connection, **kwargs)
        self._claimed: dict[str, Path] = {}
        self._without_ack: set[str] = set()
        self._looked_for_the_dead = 0.0

    @property
    def folder(self) -> Folder:
        options = self.connection.client.transport_options
        root = Path(options.get("root") or settings.EMBEDDED_BROKER_ROOT)
        return self._folders.setdefault(root, Folder(root))

    def forget(self, delivery_tag: str) -> None:
        """The message is dealt with."""
        if claim := self._claimed.pop(delivery_tag, None):
            claim.unlink(missing_ok=True)

    def basic_consume(self, queue: str, no_ack: bool, *args: Any, **kwargs: Any) -> None:
        if no_ack:
            self._without_ack.add(queue)
        super().basic_consume(queue, no_ack, *args, **kwargs)

    def basic_get(self, queue: str, no_ack: bool = False, **kwargs: Any) -> Any:
        message = super().basic_get(queue, no_ack=no_ack, **kwargs)
        if message is not None and no_ack:
            self.forget(message.delivery_tag)
        return message

    def drain_events(self, timeout: float | None = None, callback: Any = None) -> Any:
        if time.monotonic() - self._looked_for_the_dead > LOOK_FOR_THE_DEAD_EVERY_S:
            self._looked_for_the_dead = time.monotonic()
            self.folder.put_back_claims_of_the_dead()
        return super().drain_events(timeout=timeout, callback=callback)

    def _put(self, queue: str, message: dict[str, Any], **kwargs: Any) -> None:
        self.folder.put(queue, message)

    def _get(self, queue: str, timeout: float | None = None) -> dict[str, Any]:
        message, claim = self.folder.take(queue)
        if queue in self._without_ack:
            claim.unlink()
        else:
            self._claimed[message["properties"]["delivery_tag"]] = claim
        return message

    def _restore(self, message: Any) -> None:
        if claim := self._claimed.pop(message.delivery_tag, None):
            self.folder.put_back(claim)

    def _size(self, queue: str) -> int:
        return self.folder.size(queue)

    def _purge(self, queue: str) -> int:
        return self.folder.purge(queue)


class Transport(virtual.Transport):
    """`embedded://`"""

    Channel = Channel
    global_state = virtual.BrokerState()
    polling_interval = 0.2
    driver_type = "embedded"
    driver_name = "embedded"

    def __init__(self, client: Any, **kwargs: Any) -> None:
        super().__init__(client, **kwargs)
        self.state = self.global_state

    @property
    def default_connection_params(self) -> dict[str, Any]:
        return {}  # a folder has neither host nor port

    def driver_version(self) -> str:
        return "1"
