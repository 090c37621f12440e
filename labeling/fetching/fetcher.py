"""Fetch one thing: follow redirects, count bytes and seconds, unpack within bounds, write it down."""

import hashlib
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import httpcore

from labeling.fetching import targets
from labeling.fetching.addresses import Rules
from labeling.fetching.bodies import MostBytes, blocks, header
from labeling.fetching.connecting import Deadline, GuardedBackend, Resolver, system_resolver, trusting
from labeling.fetching.patience import Alive, Turns, alone, patiently, retry_after
from labeling.fetching.refusals import CannotFetch, Passing
from labeling.fetching.targets import Target
from labeling.sayings import gettext_noop

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_STATUS = gettext_noop("The server answers with status {status:,}.")
_GONE = gettext_noop("The server has nothing at this address (status {status:,}).")
_NOT_LET_IN = gettext_noop("The server does not let us in (status {status:,}).")
_BUSY = gettext_noop("The server is busy or broken (status {status:,}).")
_NOWHERE = gettext_noop("The server sends us on without saying where to.")
_CIRCLE = gettext_noop("The server sends us in a circle.")
_TOO_FAR = gettext_noop("The server sends us on more than {most:,} times.")
_DOWN = gettext_noop(
    "The server sends us on from https to http, where everybody on the way could change the file."
)
_ELSEWHERE = gettext_noop(
    "The address leads to {host}, which is not one of the hosts this kind of source uses."
)
_SILENT = gettext_noop("The server was silent for too long.")
_BROKE = gettext_noop("The connection broke off ({error}).")

T = TypeVar("T")
Hosts = Callable[[str], bool]


@dataclass(frozen=True)
class Limits:
    """What fetching one thing may take."""

    total_s: float = 3600.0
    """All redirects, pauses and attempts together."""
    connect_s: float = 10.0
    answer_s: float = 45.0
    """Until an answer has begun, looking up, connecting and its head included, and then until each piece of it. Less
    than the heartbeat of work (HEARTBEAT_TIMEOUT_S), for meanwhile nobody is told that we are alive."""
    silence_s: float = 25.0
    least_bytes_per_s: float = 1024.0
    """Who sends less than this, on average over `pace_s` seconds, is not waited for."""
    pace_s: float = 30.0
    redirects: int = 5
    tries: int = 4
    first_pause_s: float = 1.0
    longest_pause_s: float = 120.0
    per_second: float = 2.0
    """Requests to one host."""


@dataclass(frozen=True)
class Fetched:
    url: str
    """Where it was in the end, after all redirects."""
    sha256: str
    bytes: int


class Fetcher:
    """For one thread. No cookies, no credentials, no proxy from the environment, nothing but GET."""

    def __init__(
        self,
        rules: Rules,
        limits: Limits,
        *,
        user_agent: str = "VEMO",
        resolve: Resolver = system_resolver,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        self._limits = limits
        self._user_agent = user_agent
        self._deadline = Deadline(limits.total_s)
        self._turns = Turns(limits.per_second)
        self._pool = httpcore.ConnectionPool(
            ssl_context=trust or trusting(),
            max_connections=4,
            keepalive_expiry=10.0,
            network_backend=GuardedBackend(rules, resolve, self._deadline),
        )

    def __enter__(self) -> "Fetcher":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.close()

    def fetch_file(
        self,
        url: str,
        *,
        to: Path,
        most_bytes: MostBytes,
        alive: Alive = alone,
        hosts: Hosts | None = None,
    ) -> Fetched:
        """Write what is at the address to the path. Raises CannotFetch, and what most_bytes and alive raise.

        most_bytes: told by the first bytes how long such a file may be. hosts: which hosts may be asked, at the start
        and after each redirect; all, if left out.
        """

        def attempt() -> Fetched:
            with self._answer(url, alive, hosts) as (target, response), to.open("wb") as file:
                digest, size = hashlib.sha256(), 0
                for block in self._blocks(response, most_bytes, alive):
                    size += len(block)
                    digest.update(block)
                    file.write(block)
                return Fetched(str(target), digest.hexdigest(), size)

        return self._patiently(attempt, alive)

    def fetch_bytes(self, url: str, *, most: int, alive: Alive = alone, hosts: Hosts | None = None) -> bytes:
        """What is at the address, at most so many bytes. Raises CannotFetch."""

        def attempt() -> bytes:
            with self._answer(url, alive, hosts) as (_, response):
                return b"".join(self._blocks(response, lambda begin: most, alive))

        return self._patiently(attempt, alive)

    def _patiently(self, attempt: Callable[[], T], alive: Alive) -> T:
        self._deadline.begin()
        return patiently(
            attempt,
            tries=self._limits.tries,
            first_pause_s=self._limits.first_pause_s,
            longest_pause_s=self._limits.longest_pause_s,
            alive=alive,
        )

    def _blocks(self, response: httpcore.Response, most_bytes: MostBytes, alive: Alive) -> Iterator[bytes]:
        least, pace = self._limits.least_bytes_per_s, self._limits.pace_s
        sent = self._sent(response)
        return blocks(response, sent, most_bytes, least_bytes_per_s=least, pace_s=pace, alive=alive)

    def _sent(self, response: httpcore.Response) -> Iterator[bytes]:
        """The body as it comes. Each piece has to come soon: remarks on chunks (RFC 9112, 7.1.1) could be endless."""
        pieces = iter(response.iter_stream())
        while True:
            with self._deadline.sooner(self._limits.answer_s):
                piece = next(pieces, None)
            if piece is None:
                return
            yield piece

    @contextmanager
    def _answer(
        self, url: str, alive: Alive, hosts: Hosts | None
    ) -> Iterator[tuple[Target, httpcore.Response]]:
        """The answer with status 200 at the end of all redirects, its body not yet read."""
        target, been = targets.parse(url), set[Target]()
        try:
            while True:
                been.add(target)
                if hosts is not None and not hosts(target.host):
                    raise CannotFetch(_ELSEWHERE.format(host=target.host))
                self._turns.wait(target.host, alive)
                with self._asked(target) as response:
                    alive()
                    if response.status not in _REDIRECTS:
                        _check_status(response)
                        yield target, response
                        return
                    target = self._next(target, response, been)
        except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as error:
            raise _told(error) from error

    @contextmanager
    def _asked(self, target: Target) -> Iterator[httpcore.Response]:
        limits = self._limits
        address = httpcore.URL(scheme=target.scheme, host=target.host, port=target.port, target=target.path)
        headers = [
            ("Host", target.authority),
            ("User-Agent", self._user_agent),
            ("Accept", "*/*"),
            ("Accept-Encoding", "identity"),
        ]
        timeout = {
            "connect": limits.connect_s,
            "read": limits.silence_s,
            "write": limits.silence_s,
            "pool": limits.silence_s,
        }
        with (
            self._deadline.sooner(limits.answer_s) as answered,
            self._pool.stream("GET", address, headers=headers, extensions={"timeout": timeout}) as response,
        ):
            answered()
            yield response

    def _next(self, target: Target, response: httpcore.Response, been: set[Target]) -> Target:
        location = header(response, b"location")
        if not location:
            raise CannotFetch(_NOWHERE)
        to = targets.redirected(target, location.encode("latin-1").decode("utf-8", "replace"))
        if to in been:
            raise CannotFetch(_CIRCLE)
        if len(been) > self._limits.redirects:
            raise CannotFetch(_TOO_FAR.format(most=self._limits.redirects))
        if (target.scheme, to.scheme) == ("https", "http"):
            raise CannotFetch(_DOWN)
        return to


def _told(error: Exception) -> CannotFetch:
    """An error of the transport, for people."""
    if isinstance(error, httpcore.TimeoutException):
        return Passing(_SILENT)
    return Passing(_BROKE.format(error=error))


def _check_status(response: httpcore.Response) -> None:
    status = response.status
    if status == 200:
        return
    if status in _PASSING:
        after_s = retry_after(header(response, b"retry-after"))
        raise Passing(_BUSY.format(status=status), after_s=after_s, status=status)
    if status in (404, 410):
        raise CannotFetch(_GONE.format(status=status), status=status)
    if status in (401, 402, 403, 407, 451):
        raise CannotFetch(_NOT_LET_IN.format(status=status), status=status)
    raise CannotFetch(_STATUS.format(status=status), status=status)
