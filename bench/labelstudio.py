"""Voting here and in Label Studio, side by side: `python -m bench.labelstudio LABEL_STUDIO [--json FILE]`.

LABEL_STUDIO is the interpreter of a virtual environment that has label-studio and gunicorn; DATABASE_URL names a
PostgreSQL server, on which each gets a database of its own. Both run under gunicorn with the same workers and threads,
their people signed in, ten votes a face, pictures asked for by nobody, in turns:

speed: 10 people without a pause for some seconds; each asks for a face, answers, and asks again. Here once as the page
does it, several faces at a time, and once with five at a time.

exactness: a few faces and twice as many people as votes are wanted, all at once, until nothing is left for anybody.
Then the votes on each face are counted in the database. Once so, and once with each answer sent twice, as a double
click does, and a client whose first reply was lost.

Label Studio is asked by its own HTTP API with its defaults, as its labelling page asks it; only its tasks and people
are put in by its models. CPU is that of the server's processes and the database's backends.
"""

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench import voting
from bench.voting import WORKERS_AND_THREADS, Round, Site, percentile, postgresql, run_module, started

WORLD = Path(__file__).with_name("labelstudio_world.py")
VOTES = 10
PEOPLE_AT_ONCE = 2 * VOTES
_ENOUGH_S = 300.0
_COUNTED = {
    "ours": "SELECT count(*), count(DISTINCT annotator_id) FROM labeling_vote GROUP BY campaign_face_id",
    "Label Studio": "SELECT count(*), count(DISTINCT completed_by_id) FROM task_completion"
    " WHERE NOT was_cancelled GROUP BY task_id",
}


@dataclass(frozen=True)
class LabelStudio:
    """One that is running. site: its server."""

    site: Site
    project: int
    sessions: list[str]

    def send(self, people: int, seconds: float, *, twice: bool = False) -> dict[str, Any]:
        order = {"port": self.site.port, "project": self.project, "seconds": seconds, "twice": twice}
        sessions = [self.sessions.pop() for _ in range(people)]
        before = self.site.cpu_s()
        saw = run_module(
            dict(os.environ), "bench.labelstudio_client", said=json.dumps({**order, "sessions": sessions})
        )
        return {**saw, "cpu_s": self.site.cpu_s() - before}


@contextmanager
def label_studio(python: Path, url: str, faces: int, people: int) -> Iterator[LabelStudio]:
    package = _package(python)
    with postgresql(url) as (named, backends):
        parts = urlsplit(named["DATABASE_URL"])
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "core.settings.label_studio",
            "PYTHONPATH": str(package),
            "LABEL_STUDIO_BASE_DATA_DIR": named["VEMO_HOME"],
            "DJANGO_DB": "default",
            "POSTGRE_HOST": parts.hostname or "",
            "POSTGRE_PORT": str(parts.port or 5432),
            "POSTGRE_NAME": parts.path.lstrip("/"),
            "POSTGRE_USER": parts.username or "",
            "POSTGRE_PASSWORD": parts.password or "",
            "COLLECT_ANALYTICS": "False",
            "LATEST_VERSION_CHECK": "False",
            "DEBUG": "False",
            # A backend that ends takes the count of its CPU along.
            "CONN_MAX_AGE": "3600",
        }
        command = [str(python), str(WORLD), str(faces), str(people), str(VOTES)]
        made = subprocess.run(command, env=environment, text=True, capture_output=True)
        if made.returncode:
            raise SystemExit(f"Label Studio could not be filled:\n{made.stderr[-2_000:]}")
        world = json.loads(made.stdout.splitlines()[-1])
        server = [str(python), "-m", "gunicorn", "core.wsgi", *WORKERS_AND_THREADS]
        log = Path(named["VEMO_HOME"]) / "server.log"
        with started(server, environment, package, log, "/health") as (port, process):
            site = Site(port, process, backends, {**environment, **named})
            yield LabelStudio(site, world["project"], world["sessions"])


def _package(python: Path) -> Path:
    asked = [str(python), "-c", "import label_studio; print(label_studio.__path__[0])"]
    found = subprocess.run(asked, text=True, capture_output=True)
    if found.returncode:
        raise SystemExit(f"{python} has no label-studio: {found.stderr.strip().splitlines()[-1]}")
    return Path(found.stdout.strip())


def speed(python: Path, url: str, faces: int, seconds: float) -> dict[str, dict[str, float]]:
    """Label Studio, and ours by both ways, in turn on as many faces."""
    found = {}
    with label_studio(python, url, faces, 2 * 10) as theirs:
        theirs.send(10, 2.0)
        found["Label Studio"] = _told(theirs.send(10, seconds))
    with (
        postgresql(url) as (named, backends),
        voting.serve_filled(named, backends, faces, 0) as (site, world),
    ):
        voting.knock(site, world, 2.0)
        for name, how in (("ours", Round(10, top_up=True)), ("ours, five at a time", Round(10))):
            sessions = [world["sessions"].pop() for _ in range(how.annotators)]
            found[name] = _told(voting.send(site, world, sessions, seconds, how))
    return found


def _told(saw: dict[str, Any]) -> dict[str, float]:
    votes = max(1, saw["votes"])
    return {
        "votes/s": saw["votes"] / saw["seconds"],
        "CPU ms per vote": 1e3 * saw["cpu_s"] / votes,
        "next p95 ms": 1e3 * percentile(saw["next_s"], 0.95),
        "vote p95 ms": 1e3 * percentile(saw["cast_s"], 0.95),
    }


def exactness(python: Path, url: str, faces: int, *, twice: bool) -> dict[str, dict[str, int]]:
    """Of each how many faces have ten votes, more, fewer, and a person's vote twice."""
    found = {}
    with label_studio(python, url, faces, PEOPLE_AT_ONCE) as theirs:
        theirs.send(PEOPLE_AT_ONCE, _ENOUGH_S, twice=twice)
        found["Label Studio"] = _counted("Label Studio", theirs.site, faces)
    with (
        postgresql(url) as (named, backends),
        voting.serve_filled(named, backends, faces, 0) as (site, world),
    ):
        sessions = [world["sessions"].pop() for _ in range(PEOPLE_AT_ONCE)]
        voting.send(site, world, sessions, _ENOUGH_S, Round(PEOPLE_AT_ONCE, twice=twice))
        found["ours"] = _counted("ours", site, faces)
    return found


def _counted(whose: str, site: Site, faces: int) -> dict[str, int]:
    import psycopg2

    with psycopg2.connect(site.environment["DATABASE_URL"]) as connection, connection.cursor() as cursor:
        cursor.execute(_COUNTED[whose])
        each = list(cursor.fetchall())
    return {
        "ten votes": sum(votes == VOTES for votes, _people in each),
        "more": sum(votes > VOTES for votes, _people in each),
        "fewer": faces - sum(votes >= VOTES for votes, _people in each),
        "most votes on a face": max((votes for votes, _people in each), default=0),
        "a person's vote twice": sum(votes != people for votes, people in each),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("label_studio", type=Path, metavar="LABEL_STUDIO", help="its interpreter")
    parser.add_argument("--faces", type=int, nargs="*", default=[1_000], help="for speed, one row each")
    parser.add_argument("--few", type=int, default=30, help="faces for exactness")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, metavar="FILE")
    asked = parser.parse_args()
    url = os.environ.get("DATABASE_URL", "")
    if not url.startswith("postgres"):
        sys.exit("DATABASE_URL names no PostgreSQL server.")
    figures: dict[str, Any] = {}
    for faces in asked.faces:
        rounds = [speed(asked.label_studio, url, faces, asked.seconds) for _ in range(asked.rounds)]
        figures[f"speed, {faces} faces"] = {
            name: {what: statistics.median(one[name][what] for one in rounds) for what in rounds[0][name]}
            for name in rounds[0]
        }
        _show(f"{faces:,} faces, load {os.getloadavg()[0]:.1f}", figures[f"speed, {faces} faces"])
    for number, twice in itertools.product(range(asked.rounds), (False, True)):
        name = f"exactness, {'each answer twice, ' if twice else ''}{number + 1}"
        figures[name] = exactness(asked.label_studio, url, asked.few, twice=twice)
        _show(f"{asked.few} faces, {PEOPLE_AT_ONCE} people at once, {name}", figures[name])
    if asked.json:
        asked.json.write_text(json.dumps(figures, indent=1) + "\n")


def _show(title: str, rows: dict[str, dict[str, Any]]) -> None:
    print(f"\n{title}")
    for name, row in rows.items():
        told = ", ".join(f"{what} {value:,.1f}".removesuffix(".0") for what, value in row.items())
        print(f"  {name:<22}{told}", flush=True)


if __name__ == "__main__":
    main()
