"""What sending files costs: `python -m bench.uploads [--mb N] [--small N] [--json FILE]`.

Starts the real server (gunicorn, 2 workers of 8 threads) on a database of its own, on SQLite and, if DATABASE_URL
names a PostgreSQL server, there too, and sends: one file of N MB (1,024 unless told) in pieces of 8 and 16 MB by tus;
the same file in one go by the form without JavaScript; small files of 2 kB (5,000 unless told), many in one request,
as the page sends them, and 200 of them one by one. Beside it: `cp` of the same file on the same disk, before and
after. The sender runs on the same machine, and what arrived is held against what was sent by sha256.

Peak memory is the largest sum of the server's processes' resident private bytes (USS) seen every 50 ms, less that
before. Prints a table; --json FILE writes {figure: {value, unit, aim, holds}}.
"""

import argparse
import hashlib
import http.client
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from bench.signed_in import session_of
from bench.voting import ROOT, Site, postgresql, run_module, serve, sqlite

MB = 1024**2
SMALL_BYTES = 2000
PACK = 500
AIM_PEAK_MB = 64.0
"""More than before, whatever is sent."""
AIM_SMALL_S = 60.0
"""5,000 small files."""


class Memory:
    """The server's private bytes, looked at until told to stop."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._stop = threading.Event()
        self.before = self.peak = self._now()
        self._thread = threading.Thread(target=self._look)

    def _now(self) -> int:
        total = 0
        for process in [self._site.server, *self._site.server.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                total += process.memory_full_info().uss
        return total

    def _look(self) -> None:
        while not self._stop.wait(0.05):
            self.peak = max(self.peak, self._now())

    def __enter__(self) -> "Memory":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def grown_mb(self) -> float:
        return (self.peak - self.before) / MB


class Sender:
    """One connection that is kept, as a browser keeps its own."""

    def __init__(self, site: Site, token: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=600)
        self._said = 0.0
        self._headers = {"Authorization": f"Token {token}", "Tus-Resumable": "1.0.0"}

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> http.client.HTTPResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        # A server hangs up on who has said nothing for two seconds.
        if time.monotonic() - self._said > 1:
            self._connection.close()
        self._connection.request(method, path, body, {**self._headers, **named})
        answer = self._connection.getresponse()
        answer.read()
        self._said = time.monotonic()
        if answer.status >= 300:
            raise SystemExit(f"{method} {path}: {answer.status}")
        return answer

    def announce(self, name: str, batch: str, length: int) -> str:
        told = f"filename {_b64(name)},batch {_b64(batch)}"
        answer = self.ask("POST", "/api/v1/uploads/", Upload_Length=str(length), Upload_Metadata=told)
        location = answer.headers["Location"]
        return location[location.index("/api/") :]

    def piece(self, url: str, offset: int, content: bytes) -> None:
        kind = "application/offset+octet-stream"
        self.ask("PATCH", url, content, Content_Type=kind, Upload_Offset=str(offset))

    def several(self, batch: str, files: list[tuple[str, bytes]]) -> None:
        index = json.dumps([[name, len(content)] for name, content in files]).encode() + b"\n"
        body = index + b"".join(content for _name, content in files)
        told = f"batch {_b64(batch)}"
        kind = "application/vnd.vemo.files"
        self.ask("POST", "/api/v1/uploads/several/", body, Content_Type=kind, Upload_Metadata=told)


def _b64(text: str) -> str:
    return b64encode(text.encode()).decode()


def sha(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def in_pieces(sender: Sender, file: Path, home: Path, piece_bytes: int) -> None:
    batch = str(uuid.uuid4())
    url = sender.announce(file.name, batch, file.stat().st_size)
    with file.open("rb") as source:
        at = 0
        while block := source.read(piece_bytes):
            sender.piece(url, at, block)
            at += len(block)
    _hold_against(file, home / batch / file.name)


def in_one_go(site: Site, session: str, file: Path, home: Path) -> None:
    """As a browser without JavaScript sends the form."""
    page = http.client.HTTPConnection("127.0.0.1", site.port, timeout=600)
    page.request("GET", "/sources/new/", headers={"Cookie": f"sessionid={session}"})
    answer = page.getresponse()
    text = answer.read().decode()
    cookie = answer.headers["Set-Cookie"].split(";")[0]
    token = text.split('name="csrfmiddlewaretoken" value="')[1].split('"')[0]
    edge = uuid.uuid4().hex
    head = (
        f'--{edge}\r\nContent-Disposition: form-data; name="csrfmiddlewaretoken"\r\n\r\n{token}\r\n'
        f'--{edge}\r\nContent-Disposition: form-data; name="basis"\r\n\r\nown\r\n'
        f'--{edge}\r\nContent-Disposition: form-data; name="upload"; filename="{file.name}"\r\n\r\n'
    ).encode()
    tail = f"\r\n--{edge}--\r\n".encode()
    length = len(head) + file.stat().st_size + len(tail)
    headers = {
        "Cookie": f"sessionid={session}; {cookie}",
        "Content-Type": f"multipart/form-data; boundary={edge}",
        "Content-Length": str(length),
    }

    def body() -> Iterator[bytes]:
        yield head
        with file.open("rb") as source:
            while block := source.read(MB):
                yield block
        yield tail

    before = set(home.iterdir())
    page.request("POST", "/sources/new/", body(), headers)
    answer = page.getresponse()
    answer.read()
    if answer.status not in (302, 400):
        raise SystemExit(f"The form was answered with {answer.status}.")
    # A file of noise is no media: no source is made of it, but it lies there whole.
    (made,) = set(home.iterdir()) - before
    _hold_against(file, made / file.name)


def _hold_against(sent: Path, came: Path) -> None:
    if sha(sent) != sha(came):
        raise SystemExit(f"{came} is not what was sent.")
    came.unlink()


def many_small(sender: Sender, count: int, *, at_once: int) -> None:
    batch = str(uuid.uuid4())
    files = [(f"d/{n:05}.bin", os.urandom(SMALL_BYTES)) for n in range(count)]
    for first in range(0, count, at_once):
        if at_once > 1:
            sender.several(batch, files[first : first + at_once])
        else:
            name, content = files[first]
            sender.piece(sender.announce(name, batch, len(content)), 0, content)


@contextmanager
def folder_with(megabytes: int) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "noise.bin"
        with file.open("wb") as target:
            for _ in range(megabytes):
                target.write(os.urandom(MB))
        yield file


def copied(file: Path) -> float:
    """Seconds that `cp` takes, until the copy is on the disk, as the server's last word on a file promises."""
    target = file.with_suffix(".copy")
    begun = time.monotonic()
    shutil.copyfile(file, target)
    with target.open("rb") as written:
        os.fsync(written.fileno())
    took = time.monotonic() - begun
    target.unlink()
    return took


def make_manager() -> None:
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vemo.settings")
    django.setup()
    from rest_framework.authtoken.models import Token

    from vemo.accounts.models import User

    user = User.objects.create_user("sender", password=None, is_manager=True)
    json.dump({"token": Token.objects.create(user=user).key, "session": session_of(user)}, sys.stdout)


def measured(site: Site, deed: Callable[[], None]) -> dict[str, float]:
    cpu, begun = site.cpu_s(), time.monotonic()
    with Memory(site) as memory:
        deed()
        seconds = time.monotonic() - begun
    return {"s": seconds, "cpu_s": site.cpu_s() - cpu, "peak_mb": memory.grown_mb}


def bench(engine: str, database: Any, file: Path, small: int) -> dict[str, dict[str, Any]]:
    figures: dict[str, dict[str, Any]] = {}
    megabytes = file.stat().st_size / MB

    def note(what: str, saw: dict[str, float], count: float, unit: str) -> None:
        name = f"{engine}, {what}"
        print(
            f"  {what}: {saw['s']:.1f} s, {count / saw['s']:.0f} {unit}, CPU {saw['cpu_s']:.1f} s, "
            f"memory +{saw['peak_mb']:.0f} MB",
            flush=True,
        )
        figures[f"{name}: {unit}"] = {
            "value": round(count / saw["s"], 1),
            "unit": unit,
            "aim": None,
            "holds": None,
        }
        figures[f"{name}: memory"] = _aimed(saw["peak_mb"], "MB", AIM_PEAK_MB)
        if what == "small files":
            figures[f"{name}: seconds"] = _aimed(saw["s"], "s", AIM_SMALL_S)

    with database as (named, backends):
        home = Path(named["VEMO_HOME"]) / "uploads"
        home.mkdir()
        prepared(named)
        with serve({**named, "MAX_UPLOAD_BYTES": str(4 * 1024**3)}, backends) as site:
            who = run_module(site.environment, "bench.uploads", "--make-manager")
            sender = Sender(site, who["token"])
            print(f"\n{engine}: load average {os.getloadavg()[0]:.1f}", flush=True)
            for size in (8, 16):
                saw = measured(site, lambda size=size: in_pieces(sender, file, home, size * MB))
                note(f"tus, pieces of {size} MB", saw, megabytes, "MB/s")
            saw = measured(site, lambda: in_one_go(site, who["session"], file, home))
            note("form in one go", saw, megabytes, "MB/s")
            saw = measured(site, lambda: many_small(sender, small, at_once=PACK))
            note("small files", saw, small, "files/s")
            few = min(small, 200)
            saw = measured(site, lambda: many_small(sender, few, at_once=1))
            note("small files one by one", saw, few, "files/s")
    return figures


def prepared(named: dict[str, str]) -> None:
    """The tables."""
    command = [sys.executable, "manage.py", "migrate", "-v0"]
    subprocess.run(command, cwd=ROOT, env={**os.environ, **named}, check=True)


def _aimed(value: float, unit: str, aim: float) -> dict[str, Any]:
    return {"value": round(value, 1), "unit": unit, "aim": aim, "holds": value <= aim}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mb", type=int, default=1024)
    parser.add_argument("--small", type=int, default=5000)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--make-manager", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.make_manager:
        return make_manager()
    figures: dict[str, dict[str, Any]] = {}
    with folder_with(given.mb) as file:
        _note_copy(figures, file, "before")
        figures |= bench("SQLite", sqlite(), file, given.small)
        if url := os.environ.get("DATABASE_URL"):
            figures |= bench("PostgreSQL", postgresql(url), file, given.small)
        _note_copy(figures, file, "after")
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1))
    return None


def _note_copy(figures: dict[str, dict[str, Any]], file: Path, when: str) -> None:
    seconds = copied(file)
    speed = file.stat().st_size / MB / seconds
    print(f"cp and fsync, {when}: {seconds:.1f} s, {speed:.0f} MB/s", flush=True)
    figures[f"cp, {when}: MB/s"] = {"value": round(speed, 1), "unit": "MB/s", "aim": None, "holds": None}


if __name__ == "__main__":
    main()
