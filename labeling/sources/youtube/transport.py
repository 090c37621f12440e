"""How yt-dlp reaches the network here: only named hosts, only addresses that were checked, nothing endless.

yt-dlp sends all its requests through request handlers. This is one of our own, and it is given no other: whatever an
extractor asks for, whatever a page redirects to, ends here before anything is connected to.
"""

import http.client
import socket
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from yt_dlp.networking import Request
from yt_dlp.networking._urllib import (
    HTTPHandler,
    ProxyHandler,
    RedirectHandler,
    UrllibResponseAdapter,
    UrllibRH,
    handle_response_read_exceptions,
)
from yt_dlp.networking.exceptions import IncompleteRead, RequestError

from labeling.fetching.connecting import MOST_ADDRESSES, Deadline, GuardedBackend
from labeling.fetching.refusals import CannotFetch, Passing
from labeling.sayings import gettext_noop
from labeling.sources.base import Alive

MOST_PAGE_BYTES = 64 * 1024**2
"""Of an answer that is read as a whole."""
_PIECE = 64 * 1024
_ELSEWHERE = gettext_noop(
    "The address leads to {host}, which is not one of the hosts this kind of source uses."
)
_PLAIN = gettext_noop("The address is not https: everybody on the way could change what comes.")
_LONG_ANSWER = gettext_noop("What the server sends is longer than the {most:,} bytes allowed.")


class Forbidden(RequestError):  # type: ignore[misc]
    """It is not asked. yt-dlp does not try again after an error of this kind."""


@dataclass(frozen=True)
class Guard:
    """Where yt-dlp may go, and for how long."""

    backend: GuardedBackend
    deadline: Deadline
    hosts: Callable[[str], bool]
    """Which hosts may be asked."""
    plain: frozenset[tuple[str, int | None]] = frozenset()
    """Host and port of servers that may be asked without TLS."""
    proxy: str = ""
    alive: Alive = lambda: None

    def check(self, scheme: str, authority: str) -> None:
        """Raises Forbidden, for the host and port that a request is about to go to."""
        parts = urlsplit(f"//{authority}")
        host = parts.hostname or ""
        if not self.hosts(host):
            raise Forbidden(_ELSEWHERE.format(host=host))
        if scheme != "https" and (host, parts.port) not in self.plain:
            raise Forbidden(_PLAIN)

    def connect(
        self, address: tuple[str, int], timeout: float | None = None, source_address: Any = None, **_: Any
    ) -> socket.socket:
        """Takes the place of socket.create_connection. Raises Forbidden, OSError."""
        host, port = address
        proxy = urlsplit(self.proxy)
        if self.proxy and (host, port) == (proxy.hostname, proxy.port or 80):
            # Chosen by the operator; often on a private network. It looks up the names itself.
            return socket.create_connection(address, timeout, source_address)
        if not self.hosts(host):
            raise Forbidden(_ELSEWHERE.format(host=host))
        try:
            checked = self.backend.checked(host, port)[:MOST_ADDRESSES]
            seconds = self.deadline.left(timeout)
        except Passing as reason:
            raise OSError(str(reason)) from reason
        except CannotFetch as reason:
            raise Forbidden(str(reason)) from reason
        last: OSError | None = None
        for one in checked:
            try:
                return socket.create_connection((str(one), port), seconds / len(checked), source_address)
            except OSError as error:
                last = error
        raise last or OSError(host)

    def go_on(self) -> None:
        """Called between pieces of an answer. Raises TookTooLong, and what alive raises."""
        self.deadline.left()
        self.alive()


class _Handler(HTTPHandler):  # type: ignore[misc]
    """Opens http and https; of each request, also after a redirect, the host is looked at first."""

    def __init__(self, guard: Guard, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._guard = guard

    def http_request(self, req: urllib.request.Request) -> urllib.request.Request:
        made: urllib.request.Request = super().http_request(req)
        self._guard.check(made.type, made.host)
        return made

    https_request = http_request

    def http_open(self, req: urllib.request.Request) -> Any:
        return self.do_open(self._connecting(http.client.HTTPConnection, req), req)

    def https_open(self, req: urllib.request.Request) -> Any:
        return self.do_open(self._connecting(http.client.HTTPSConnection, req), req, context=self._context)

    def _connecting(self, base: type, req: urllib.request.Request) -> Callable[..., Any]:
        kind = self._make_conn_class(base, req)

        def make(*args: Any, **kwargs: Any) -> Any:
            connection = kind(*args, **kwargs)
            connection._create_connection = self._guard.connect
            return connection

        return make


class _Answer(UrllibResponseAdapter):  # type: ignore[misc]
    """Reads what is there instead of waiting for all that was asked for, so that no server holds us by dripping."""

    def __init__(self, answer: UrllibResponseAdapter, guard: Guard) -> None:
        super().__init__(answer.fp)
        self._answer = answer  # which would close the connection once nobody knows it
        self._guard = guard
        self._left: int | None = getattr(answer.fp, "length", None)
        """As many bytes are still to come, if the server said. (HTTPResponse.read1 does not count down.)"""

    def read(self, amt: int | None = None) -> bytes:
        if amt is not None:
            return self._piece(amt)
        pieces, size = [], 0
        while piece := self._piece(_PIECE):
            pieces.append(piece)
            size += len(piece)
            if size > MOST_PAGE_BYTES:
                raise Forbidden(_LONG_ANSWER.format(most=MOST_PAGE_BYTES))
        return b"".join(pieces)

    def _piece(self, most: int) -> bytes:
        if self.closed:
            return b""
        self._guard.go_on()
        try:
            piece: bytes = self.fp.read1(most if self._left is None else min(most, self._left))
        except Exception as error:
            handle_response_read_exceptions(error)
            raise
        if self._left is not None:
            self._left -= len(piece)
        if not piece or self._left == 0:
            self.close()
            if self._left:
                raise IncompleteRead(partial=0, expected=self._left)
        return piece


class GuardedRH(UrllibRH):  # type: ignore[misc]
    """yt-dlp's own handler over urllib, held to a Guard: no ftp, data or file addresses, no other proxy."""

    _SUPPORTED_URL_SCHEMES = ("http", "https")
    _SUPPORTED_PROXY_SCHEMES = ("http", "socks5h")

    def __init__(self, *, guard: Guard, **kwargs: Any) -> None:
        kwargs.pop("enable_file_urls", None)
        super().__init__(**kwargs)
        self._guard = guard
        self._answers: list[_Answer] = []
        """Those that may still be open: an extractor that has seen enough of one just forgets it."""

    def close(self) -> None:
        for answer in self._answers:
            answer.close()
        super().close()

    def _get_proxies(self, request: Request) -> dict[str, Any]:
        return dict(self.proxies)

    def _create_instance(
        self, proxies: Any, cookiejar: Any, legacy_ssl_support: bool | None = None
    ) -> urllib.request.OpenerDirector:
        opener = urllib.request.OpenerDirector()
        for handler in (
            ProxyHandler(proxies),
            _Handler(self._guard, context=self._make_sslcontext(legacy_ssl_support=legacy_ssl_support)),
            urllib.request.HTTPCookieProcessor(cookiejar),
            urllib.request.UnknownHandler(),
            urllib.request.HTTPDefaultErrorHandler(),
            urllib.request.HTTPErrorProcessor(),
            RedirectHandler(),
        ):
            opener.add_handler(handler)
        opener.addheaders = []
        return opener

    def _send(self, request: Request) -> _Answer:
        self._answers = [answer for answer in self._answers if not answer.closed]
        self._answers.append(_Answer(super()._send(request), self._guard))
        return self._answers[-1]
