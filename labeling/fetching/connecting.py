"""Every connection goes to an address that was checked: a name is looked up once, and what was checked is connected to.

So a name whose owner changes its address between the check and the connection (DNS rebinding) gains nothing.
"""

import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import certifi
import httpcore

from labeling.fetching.addresses import Address, Rules
from labeling.fetching.refusals import CannotFetch, Passing, TookTooLong
from labeling.fetching.targets import address_of
from labeling.sayings import gettext_noop

Resolver = Callable[[str, int], Sequence[str]]
"""The addresses of a host; raises OSError if there is none."""
LOOKUP_S = 10.0
MOST_ADDRESSES = 3
"""As many of a host's addresses are tried, one after the other."""
_NO_SUCH_HOST = gettext_noop("The host “{host}” is not known ({error}).")
_NO_ANSWER_OF_DNS = gettext_noop("The host “{host}” could not be looked up within {seconds:,} seconds.")
_NO_CONNECTION = gettext_noop("No connection to “{host}” came about ({error}).")
_NO_ANSWER = gettext_noop("For {seconds:,} seconds nothing came of the server’s answer.")
_CERTIFICATE = gettext_noop("The connection is not safe ({error}).")
_NO_SOCKETS = gettext_noop("Sockets of this machine are not fetched from.")


def system_resolver(host: str, port: int) -> Sequence[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


@cache
def trusting() -> ssl.SSLContext:
    """Certificates are checked against the system's authorities and those of certifi."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


class Deadline:
    """When all has to be over that is done for one item, and sooner, when its answer has to have come forward."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._sooner: tuple[float, float] | None = None
        self.begin()

    def begin(self) -> None:
        self._until = time.monotonic() + self._seconds

    @contextmanager
    def sooner(self, seconds: float) -> Iterator[Callable[[], None]]:
        """Within the block less time is left, until the function it gives is called."""

        def over() -> None:
            self._sooner = None

        self._sooner = time.monotonic() + seconds, seconds
        try:
            yield over
        finally:
            over()

    def left(self, most: float | None = None) -> float:
        """The seconds left, at most so many. Raises TookTooLong, or Passing for an answer that does not come."""
        now = time.monotonic()
        left = self._until - now
        if left <= 0:
            raise TookTooLong(self._seconds)
        if self._sooner is not None:
            at, seconds = self._sooner
            if at <= now:
                raise Passing(_NO_ANSWER.format(seconds=round(seconds)))
            left = min(left, at - now)
        return left if most is None else min(left, most)


class GuardedBackend(httpcore.NetworkBackend):
    """Connects to addresses the rules allow, within the deadline. Raises CannotFetch."""

    def __init__(self, rules: Rules, resolve: Resolver, deadline: Deadline) -> None:
        self._rules = rules
        self._resolve = resolve
        self._deadline = deadline
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        last: Exception | None = None
        addresses = self.checked(host, port)[:MOST_ADDRESSES]
        for address in addresses:
            seconds = self._deadline.left(None if timeout is None else timeout / len(addresses))
            try:
                stream = self._sockets.connect_tcp(str(address), port, seconds, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                last = error
            else:
                return _Stream(stream, self._deadline)
        raise Passing(_NO_CONNECTION.format(host=host, error=last)) from last

    def connect_unix_socket(self, *args: Any, **kwargs: Any) -> httpcore.NetworkStream:
        raise CannotFetch(_NO_SOCKETS)

    def checked(self, host: str, port: int) -> list[Address]:
        """The host's addresses. Not one of them may be closed: a name that has both kinds is up to no good."""
        literal = address_of(host)
        texts = [str(literal)] if literal else self._looked_up(host, port)
        addresses = [ipaddress.ip_address(text) for text in texts]
        for address in addresses:
            if reason := self._rules.why_not(address, port):
                raise CannotFetch(reason)
        return addresses

    def _looked_up(self, host: str, port: int) -> Sequence[str]:
        """In a thread of its own: looking up has no time limit, and cannot be broken off."""
        answer: list[Sequence[str] | OSError | UnicodeError] = []

        def look() -> None:
            try:
                answer.append(self._resolve(host, port))
            except (OSError, UnicodeError) as error:
                answer.append(error)

        thread = threading.Thread(target=look, daemon=True)
        thread.start()
        thread.join(self._deadline.left(LOOKUP_S))
        if not answer:
            raise Passing(_NO_ANSWER_OF_DNS.format(host=host, seconds=round(LOOKUP_S)))
        found = answer[0]
        if isinstance(found, socket.gaierror) and found.errno == socket.EAI_AGAIN:
            raise Passing(_NO_SUCH_HOST.format(host=host, error=found.strerror))
        if isinstance(found, Exception) or not found:
            error = found.strerror if isinstance(found, OSError) else found
            raise CannotFetch(_NO_SUCH_HOST.format(host=host, error=error or "no address"))
        return found


class _Stream(httpcore.NetworkStream):
    """Reads and writes within the deadline, however slowly the other side drips."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        with self._told_apart():
            return self._stream.read(max_bytes, self._deadline.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        with self._told_apart():
            self._stream.write(buffer, self._deadline.left(timeout))

    @contextmanager
    def _told_apart(self) -> Iterator[None]:
        """Whether the other side was silent for too long, or only the time left was short."""
        try:
            yield
        except httpcore.TimeoutException:
            self._deadline.left()
            raise

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        seconds = self._deadline.left(timeout)
        try:
            with self._told_apart():
                stream = self._stream.start_tls(ssl_context, server_hostname, seconds)
        except httpcore.ConnectError as error:
            if isinstance(error.__cause__, ssl.SSLCertVerificationError):
                raise CannotFetch(_CERTIFICATE.format(error=error.__cause__.verify_message)) from error
            raise
        return _Stream(stream, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
