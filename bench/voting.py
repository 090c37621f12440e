"""Voting over HTTP: `python -m bench.voting [--quick] [--million] [--json FILE]`.

Starts the real server (gunicorn, 2 workers of 8 threads) on a database of its own, on SQLite and, if DATABASE_URL
names a PostgreSQL server, there too; puts 20,000 faces × 10 votes in. Then signed-in annotators, in a process of
their own: 10 and 50 without a pause, five faces asked for, five answered, and again; 10 as the page does it, new
faces coming with a reply when few are left; 100 who answer once a second. Before that, somebody who is not signed in
knocks as often as they can: a request that costs no SQL, as a measure of the machine. With --million, PostgreSQL once
more with 1,000,000 faces of which 5,000,000 votes are cast. Prints a table; --json FILE writes
{figure: {value, unit, aim, holds}}.

CPU is what the server's processes and the database's backends used, per vote, leases included. What runs beside
(the client, the database's own writers) is not in it.
"""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[1]
WORKERS_AND_THREADS = ("-k", "gthread", "-w", "2", "--threads", "8")
AIM_CPU_MS = 4.0
"""Per vote on PostgreSQL, leases included, where nobody pauses."""
AIM_GROWTH = 1.5
"""At a million faces at most so many times that."""
AIM_PACED_MS = 50.0
"""The 95th percentile of lease and vote, on PostgreSQL, with 100 annotators who answer once a second."""


@dataclass(frozen=True)
class Site:
    """A running server on a database of its own."""

    port: int
    server: psutil.Process
    backends: Any
    environment: dict[str, str]

    def cpu_s(self) -> float:
        processes = [self.server, *self.server.children(recursive=True), *self.backends()]
        used = 0.0
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                used += sum(process.cpu_times()[:2])
        return used


def run_module(environment: dict[str, str], *command: str, said: str = "") -> Any:
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        env=environment,
        input=said,
        text=True,
        stdout=subprocess.PIPE,
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed.")
    return json.loads(done.stdout)


@contextmanager
def sqlite() -> Iterator[tuple[dict[str, str], Any]]:
    with tempfile.TemporaryDirectory() as home:
        yield {"DATABASE_URL": f"sqlite:///{home}/bench.sqlite3", "VEMO_HOME": home}, list


@contextmanager
def postgresql(url: str) -> Iterator[tuple[dict[str, str], Any]]:
    """A new database on the server of `url`, dropped at the end."""
    import psycopg2

    server, _, _ = url.rpartition("/")
    name = f"vemo_bench_voting_{os.getpid()}"
    connection = psycopg2.connect(f"{server.replace('postgres://', 'postgresql://')}/postgres")
    connection.autocommit = True
    cursor = connection.cursor()
    cursor.execute(f"CREATE DATABASE {name}")

    def backends() -> list[psutil.Process]:
        cursor.execute("SELECT pid FROM pg_stat_activity WHERE datname = %s", [name])
        pids = [pid for (pid,) in cursor.fetchall()]
        return [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]

    try:
        with tempfile.TemporaryDirectory() as home:
            yield {"DATABASE_URL": f"{server}/{name}", "VEMO_HOME": home}, backends
    finally:
        cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")
        connection.close()


@contextmanager
def serve(
    database: dict[str, str], backends: Any, options: Sequence[str] = WORKERS_AND_THREADS
) -> Iterator[Site]:
    """The real server on this database. options: gunicorn's."""
    path = os.pathsep.join([str(ROOT / "platform"), str(ROOT)])
    environment = {
        **os.environ,
        **database,
        "PYTHONPATH": path,
        "LOG_LEVEL": "ERROR",
        "STATIC_FROM_TREE": "1",
        # A backend that ends takes the count of its CPU along.
        "CONN_MAX_AGE": "3600",
    }
    command = [sys.executable, "-m", "gunicorn", "vemo.wsgi", *options]
    log = Path(database["VEMO_HOME"]) / "server.log"
    with started(command, environment, ROOT, log, "/signin/") as (port, server):
        yield Site(port, server, backends, environment)


@contextmanager
def started(
    command: Sequence[str], environment: dict[str, str], folder: Path, log: Path, path: str
) -> Iterator[tuple[int, psutil.Process]]:
    """This gunicorn on a free port, once it answers at the path; ended afterwards."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with log.open("wb") as file:
        process = subprocess.Popen(
            [*command, "-b", f"127.0.0.1:{port}"], cwd=folder, env=environment, stdout=file, stderr=file
        )
    try:
        wait_for(f"http://127.0.0.1:{port}{path}")
        yield port, psutil.Process(process.pid)
    except BaseException:
        print(log.read_text()[-3_000:], file=sys.stderr)
        raise
    finally:
        process.terminate()
        process.wait(30)


def wait_for(url: str) -> None:
    for _ in range(300):
        try:
            urllib.request.urlopen(url, timeout=10).close()
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise SystemExit(f"The server did not answer at {url}.")


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))] if values else float("nan")


@dataclass(frozen=True)
class Round:
    """So many annotators at once, and how they vote; see bench.voting_client."""

    annotators: int
    top_up: bool = False
    pace_s: float = 0.0
    twice: bool = False

    def __str__(self) -> str:
        how = ", faces with the replies" if self.top_up else ""
        return f"{self.annotators} annotators{how}{', one answer a second' if self.pace_s else ''}"


ROUNDS = (Round(10), Round(50), Round(10, top_up=True), Round(100, pace_s=1.0))


def send(
    site: Site, world: dict[str, Any], sessions: list[str], seconds: float, how: Round
) -> dict[str, Any]:
    """Let the client run; what it saw, and the CPU the server used meanwhile."""
    order = {
        "port": site.port,
        "campaign": world["campaign"],
        "sessions": sessions,
        "seconds": seconds,
        "top_up": how.top_up,
        "pace_s": how.pace_s,
        "twice": how.twice,
    }
    before = site.cpu_s()
    saw: dict[str, Any] = run_module(site.environment, "bench.voting_client", said=json.dumps(order))
    return {**saw, "cpu_s": site.cpu_s() - before}


def knock(site: Site, world: dict[str, Any], seconds: float) -> dict[str, float]:
    saw = send(site, world, [""] * 10, seconds, Round(10))
    requests = len(saw["next_s"])
    return {"requests/s": requests / saw["seconds"], "CPU ms per request": 1e3 * saw["cpu_s"] / requests}


def measure(site: Site, world: dict[str, Any], seconds: float, how: Round) -> dict[str, float]:
    sessions = [world["sessions"].pop() for _ in range(how.annotators)]
    saw = send(site, world, sessions, seconds, how)
    return {
        "votes/s": saw["votes"] / saw["seconds"],
        "leases/s": saw["leases"] / saw["seconds"],
        "next p50 ms": 1e3 * percentile(saw["next_s"], 0.5),
        "next p95 ms": 1e3 * percentile(saw["next_s"], 0.95),
        "vote p50 ms": 1e3 * percentile(saw["cast_s"], 0.5),
        "vote p95 ms": 1e3 * percentile(saw["cast_s"], 0.95),
        "CPU ms per vote": 1e3 * saw["cpu_s"] / max(1, saw["votes"]),
        "refused": saw["refused"],
        "votes": saw["votes"],
    }


def bench(engine: str, database: Any, faces: int, seconds: float, cast: int = 0) -> dict[str, dict[str, Any]]:
    figures: dict[str, dict[str, Any]] = {}

    def note(who: str, saw: dict[str, float]) -> None:
        print(f"  {who}: " + ", ".join(f"{name} {value:.1f}" for name, value in saw.items()), flush=True)
        figures.update(
            {f"{engine}, {who}: {name}": figure(engine, who, name, value) for name, value in saw.items()}
        )

    with database as (named, backends), serve_filled(named, backends, faces, cast) as (site, world):
        print(
            f"\n{engine}: {faces:,} faces, {cast:,} votes cast, load average {os.getloadavg()[0]:.1f}",
            flush=True,
        )
        knock(site, world, 2.0)
        note("turned away", knock(site, world, min(5.0, seconds)))
        for how in ROUNDS:
            note(str(how), measure(site, world, seconds, how))
        note(
            "afterwards",
            {"counts that must be zero": run_module(site.environment, "bench.voting_world", "check")},
        )
    return figures


def figure(engine: str, who: str, name: str, value: float) -> dict[str, Any]:
    aims = {"refused": 0.0, "counts that must be zero": 0.0}
    aim = aims.get(name)
    paced = "one answer a second" in who
    if engine.startswith("PostgreSQL") and name == "CPU ms per vote" and not paced:
        aim = AIM_CPU_MS * (AIM_GROWTH if "million" in engine else 1.0)
    if engine == "PostgreSQL" and paced and name in ("next p95 ms", "vote p95 ms"):
        aim = AIM_PACED_MS
    unit = "ms" if "ms" in name else name if "/s" in name else "count"
    return {
        "value": round(value, 2),
        "unit": unit,
        "aim": aim,
        "holds": None if aim is None else value <= aim,
    }


@contextmanager
def serve_filled(
    named: dict[str, str], backends: Any, faces: int, cast: int
) -> Iterator[tuple[Site, dict[str, Any]]]:
    path = os.pathsep.join([str(ROOT / "platform"), str(ROOT)])
    people = sum(how.annotators for how in ROUNDS)
    filled = {**os.environ, **named, "PYTHONPATH": path}
    world = run_module(filled, "bench.voting_world", str(faces), str(people), str(cast))
    with serve(named, backends) as site:
        yield site, world


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.voting", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="2,000 faces, 3 seconds a round: within a minute."
    )
    parser.add_argument(
        "--million", action="store_true", help="Also 1,000,000 faces; needs PostgreSQL, 3 GB."
    )
    parser.add_argument("--json", type=Path, metavar="FILE")
    asked = parser.parse_args()
    # Told to end, it still stops its server and drops its database.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    faces, seconds = (2_000, 3.0) if asked.quick else (20_000, 20.0)
    url = os.environ.get("DATABASE_URL", "")
    engines = {"PostgreSQL": postgresql(url)} if url.startswith("postgres") else {}
    figures: dict[str, Any] = {}
    for engine, database in (engines | {"SQLite": sqlite()}).items():
        figures |= bench(engine, database, faces, seconds)
    if asked.million and engines:
        figures |= bench("PostgreSQL with a million", postgresql(url), 1_000_000, seconds, 5_000_000)
    if not engines:
        print("\nDATABASE_URL names no PostgreSQL server; only SQLite was measured.")
    if asked.json:
        asked.json.write_text(json.dumps(figures, indent=1))
    return 0 if figures and all(figure["holds"] is not False for figure in figures.values()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
