"""A real gunicorn on the test's own database, and the tus protocol spoken to it over a socket."""

import http.client
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
from django.conf import settings

from tests.labeling.uploads.sending import PIECE, TUS, URL, encoded
from tests.worker import ROOT, environment


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """Two workers of threads, as `make run` starts them; killed and started again at the same port."""

    def __init__(self, log: Path, port: int) -> None:
        self._log, self.port = log, port
        self._process: psutil.Popen | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "gunicorn", "vemo.wsgi", "-b", f"127.0.0.1:{self.port}"]
        told = environment(
            UPLOAD_ROOT=str(settings.UPLOAD_ROOT), UPLOAD_KEEP_FREE_BYTES="0", STATIC_FROM_TREE="1"
        )
        with self._log.open("ab") as out:
            self._process = psutil.Popen(
                [*command, "--workers", "2", "--threads", "8"],
                cwd=ROOT,
                env=told,
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        for _ in range(300):
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.1)
        raise AssertionError(self._log.read_text()[-2000:])

    def kill(self) -> None:
        """SIGKILL to all of it at once: nobody puts anything in order."""
        assert self._process is not None
        family = [self._process, *self._process.children(recursive=True)]
        for process in family:
            process.kill()
        psutil.wait_procs(family, 30)


@contextmanager
def serving(log: Path) -> Iterator[Server]:
    server = Server(log, free_port())
    server.start()
    try:
        yield server
    finally:
        server.kill()


class Sender:
    def __init__(self, server: Server, token: str) -> None:
        self._server, self._token = server, token

    def _headers(self, **more: str) -> dict[str, str]:
        return {**TUS, "Authorization": f"Token {self._token}", **more}

    def ask(self, method: str, url: str, body: Any = None, **headers: str) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection("127.0.0.1", self._server.port, timeout=60)
        connection.request(method, url, body, self._headers(**headers))
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer

    def announce(self, path: str, length: int) -> str:
        told = encoded(filename=path, batch=str(uuid4()))
        answer = self.ask("POST", URL, **{"Upload-Length": str(length), "Upload-Metadata": told})
        assert answer.status == 201
        location = answer.headers["Location"]
        return location[location.index("/api/") :]

    def offset(self, url: str) -> int:
        return int(self.ask("HEAD", url).headers["Upload-Offset"])

    def piece(self, url: str, offset: int, content: bytes) -> http.client.HTTPResponse:
        return self.ask("PATCH", url, content, **{"Content-Type": PIECE, "Upload-Offset": str(offset)})

    def begin_piece(self, url: str, offset: int, length: int) -> http.client.HTTPConnection:
        """The head of a piece; its bytes are the caller's to send."""
        connection = http.client.HTTPConnection("127.0.0.1", self._server.port, timeout=60)
        connection.putrequest("PATCH", url)
        wanted = {"Content-Type": PIECE, "Upload-Offset": str(offset), "Content-Length": str(length)}
        for name, value in self._headers(**wanted).items():
            connection.putheader(name, value)
        connection.endheaders()
        return connection
