"""Servers on loopback that stand in for the internet: well-behaved ones, and ones that do what they like."""

import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from labeling.fetching.addresses import Rules, networks
from labeling.fetching.fetcher import Fetcher, Limits

LOOPBACK = Rules(allowed=networks(["127.0.0.1"]))
BRISK = Limits(total_s=20, connect_s=2, silence_s=2, first_pause_s=0.01, longest_pause_s=2, per_second=10_000)
"""As the default, but nobody waits long in a test."""
Answer = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "Server"

    def do_GET(self) -> None:
        self.server.asked[self.path] += 1
        self.server.headers_seen.append(dict(self.headers.items()))
        answer = self.server.answers.get(self.path.partition("?")[0])
        with suppress(BrokenPipeError, ConnectionResetError):
            if answer is None:
                self.say(404, b"nothing here")
            else:
                answer(self)

    def say(self, status: int, body: bytes = b"", **headers: str) -> None:
        """A whole answer. Headers are named with _ for -; Content_Length overrides the true one."""
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **_named(headers)}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def begin(self, status: int = 200, **headers: str) -> None:
        """Only the head; the body is whatever is written afterwards, and the connection ends with it."""
        self.close_connection = True
        self.send_response(status)
        for name, value in _named(headers).items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Not into the tests' output."""


def _named(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: str = "127.0.0.1", port: int = 0) -> None:
        self.answers: dict[str, Answer] = {}
        self.asked: Counter[str] = Counter()
        self.headers_seen: list[dict[str, str]] = []
        super().__init__((address, port), Handler)

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is what these tests are about."""


@contextmanager
def serving(server: Server) -> Iterator[Server]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def speaking(talk: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server that reads a request and then does with the socket what it likes. Gives its port."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.05)
    over = threading.Event()

    def serve() -> None:
        while not over.is_set():
            try:
                client, _ = listener.accept()
            except TimeoutError:
                continue
            with client, suppress(OSError):
                client.settimeout(5)
                client.recv(65536)
                talk(client)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        over.set()
        thread.join()
        listener.close()


def dripping(client: socket.socket, head: bytes, *, every_s: float, times: int = 1000) -> None:
    client.sendall(head)
    for _ in range(times):
        client.sendall(b"x")
        time.sleep(every_s)


@contextmanager
def fetcher(rules: Rules = LOOPBACK, **more: object) -> Iterator[Fetcher]:
    limits = more.pop("limits", BRISK)
    with Fetcher(rules, limits, **more) as one:  # type: ignore[arg-type]
        yield one
