"""From key press to the next painted face, in a real Chromium while others vote: `python -m bench.keypress --load 20`.

Starts gunicorn (2 workers of 8 threads, as `make run`) on a PostgreSQL of its own, with 20,000 faces that share 200
real crops of drawn people. 20 other signed-in annotators, in a process of their own, answer once a second each all the
while, as quick people do; with --flat-out they answer without a pause. Then one more votes through the page with the
keyboard, 200 keys, 300 ms apart, three times over. In the end every key must be a vote in the database, every vote the
others were told is counted too, and the counts of labeling.voting.integrity zero.

`python -m bench.keypress --base http://127.0.0.1:8000 --campaign 1` measures a site that runs already instead.

Times run from the key event's own time stamp to the time the browser says it painted the next face (Element
Timing's renderTime, else the frame after). The figure is the browser's, so it holds whatever this script's own delays
are. --json FILE writes {figure: {value, unit, aim, holds}}.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from bench.postgres import OwnPostgres, own_postgres
from bench.screenshots import launch, sign_in
from bench.voting import ROOT, Site, percentile, run_module, serve

AIM_MS = 50.0
FACES, CROPS = 20_000, 200
PATIENCE_S = 30.0
VIEWPORT = {"width": 1280, "height": 860}
UNSENT = "Object.keys(localStorage).filter(name => name.startsWith('vemo-unsent')).length"
WATCH = """() => {
    window.pressed = []; window.painted = [];
    document.addEventListener("keydown", (event) => {
        const face = () => document.querySelector("[data-frame] img");
        const before = face();
        const entry = { at: event.timeStamp, frame: null, voted: Boolean(before) };
        window.pressed.push(entry);
        requestAnimationFrame(() => { if (face() && face() !== before) {
            const channel = new MessageChannel();
            channel.port1.onmessage = () => { entry.frame = performance.now(); };
            channel.port2.postMessage(0);
        } });
    }, true);
    new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) window.painted.push(entry.renderTime || entry.startTime);
    }).observe({ type: "element", buffered: false });
}"""


@dataclass(frozen=True)
class Sitting:
    """One run of keys: milliseconds by frame and by Element Timing, and how many keys met a face."""

    frame: list[float]
    paint: list[float]
    voted: int

    @property
    def measured(self) -> list[float]:
        return self.paint or self.frame


def vote(page: Page, votes: int, pause_ms: int) -> Sitting:
    """Press keys with a pause between them; returns when nothing waits in the browser any more."""
    page.wait_for_selector("[data-frame] img")
    page.evaluate(WATCH)
    for n in range(votes):
        page.keyboard.press(str(n % 7 + 1))
        page.wait_for_timeout(pause_ms)
        if page.query_selector("[data-done]:not([hidden])"):
            break
    pressed: list[dict[str, Any]] = page.evaluate("window.pressed")
    painted: list[float] = page.evaluate("window.painted")
    by_frame = [entry["frame"] - entry["at"] for entry in pressed if entry["frame"]]
    next_paint = [min((paint for paint in painted if paint > entry["at"]), default=None) for entry in pressed]
    by_paint = [paint - entry["at"] for paint, entry in zip(next_paint, pressed, strict=True) if paint]
    page.wait_for_function(f"{UNSENT} === 0", timeout=1e3 * PATIENCE_S)
    return Sitting(by_frame, by_paint, sum(1 for entry in pressed if entry["voted"]))


def figures(who: str, milliseconds: list[float], aim: float | None) -> dict[str, dict[str, Any]]:
    values = {"median": statistics.median(milliseconds), "p95": percentile(milliseconds, 0.95)}
    return {
        f"key to painted face, {who}{name}": {
            "value": round(value, 1),
            "unit": "ms",
            "aim": aim,
            "holds": None if aim is None else value < aim,
        }
        for name, value in values.items()
    }


def count(name: str, value: int) -> dict[str, dict[str, Any]]:
    return {name: {"value": value, "unit": "count", "aim": 0, "holds": value == 0}}


def tell(sitting: Sitting) -> None:
    for name, values in {"frame": sitting.frame, "paint": sitting.paint}.items():
        if values:
            median, p95 = statistics.median(values), percentile(values, 0.95)
            longest = max(values)
            print(
                f"  {name}: {len(values)} keys, median {median:.1f} ms, p95 {p95:.1f}, longest {longest:.1f}",
                flush=True,
            )


class Others:
    """The annotators who vote meanwhile."""

    def __init__(self, site: Site, world: dict[str, Any], sessions: list[str], pace_s: float) -> None:
        command = [sys.executable, "-m", "bench.voting_client"]
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        order = {
            "port": site.port,
            "campaign": world["campaign"],
            "sessions": sessions,
            "seconds": 3_600,
            "top_up": True,
            "pace_s": pace_s,
        }
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order))
        self._process.stdin.close()
        self._process.stdin = None

    def end(self) -> dict[str, Any]:
        """What they saw; see bench.voting_client."""
        self._process.terminate()
        said, _ = self._process.communicate(timeout=PATIENCE_S)
        saw: dict[str, Any] = json.loads(said)
        return saw

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


@contextmanager
def voting(site: Site, world: dict[str, Any], people: int, pace_s: float) -> Iterator[Others]:
    others = Others(site, world, world["sessions"][1 : people + 1], pace_s)
    try:
        # The first seconds are theirs: sessions are read, statements planned.
        time.sleep(3.0)
        yield others
    finally:
        others.kill()


def votes_of(postgres: OwnPostgres, where: str) -> int:
    ((votes,),) = postgres.rows(
        "SELECT count(*) FROM labeling_vote v JOIN accounts_user u ON u.id = v.annotator_id"
        f" WHERE u.username {where}"
    )
    return int(votes)


def loaded(browser: Browser, asked: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """The whole measurement on a site of its own."""
    pace_s = 0.0 if asked.flat_out else 1.0
    with own_postgres() as postgres:
        path = os.pathsep.join([str(ROOT / "platform"), str(ROOT)])
        environment = {**os.environ, **postgres.environment, "PYTHONPATH": path}
        size = [str(FACES), str(asked.load + 1), "0", "600", str(CROPS)]
        world = run_module(environment, "bench.voting_world", *size)
        with (
            serve(postgres.environment, postgres.backends) as site,
            voting(site, world, asked.load, pace_s) as others,
        ):
            sittings = [sit(browser, site, world, asked) for _ in range(asked.repeats)]
            saw = others.end()
            lost = sum(one.voted for one in sittings) - votes_of(postgres, "= 'bench-0'")
            lost_of_others = saw["votes"] - votes_of(postgres, "<> 'bench-0'")
            not_zero = run_module(site.environment, "bench.voting_world", "check")
    print(
        f"  others: {saw['votes'] / saw['seconds']:.1f} votes/s by {asked.load},"
        f" vote p95 {1e3 * percentile(saw['cast_s'], 0.95):.0f} ms, {saw['refused']} refused"
    )
    who = f"{asked.load} others {'without a pause' if asked.flat_out else 'once a second each'}, "
    return {
        # Without a pause the machine is busy to the brim; that is for looking at, not for holding to.
        **figures(
            who, [ms for one in sittings for ms in one.measured], None if asked.flat_out else asked.aim
        ),
        **count("keys that are not exactly one vote", abs(lost)),
        **count("votes of others lost or too many", abs(lost_of_others)),
        **count("counts that must be zero", not_zero),
    }


def sit(browser: Browser, site: Site, world: dict[str, Any], asked: argparse.Namespace) -> Sitting:
    base = f"http://127.0.0.1:{site.port}"
    context = browser.new_context(viewport=VIEWPORT)  # type: ignore[arg-type]
    context.add_cookies([{"name": "sessionid", "value": world["sessions"][0], "url": base}])
    page = context.new_page()
    page.goto(f"{base}/vote/{world['campaign']}/")
    sitting = vote(page, asked.votes, asked.pause)
    context.close()
    print(f"load average {os.getloadavg()[0]:.1f}")
    tell(sitting)
    return sitting


def running(browser: Browser, asked: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """One sitting at a site that runs already."""
    page = browser.new_page(viewport=VIEWPORT)  # type: ignore[arg-type]
    sign_in(page, asked.base, asked.user, asked.password)
    page.goto(f"{asked.base}/vote/{asked.campaign}/")
    sitting = vote(page, asked.votes, asked.pause)
    tell(sitting)
    return figures("", sitting.measured, asked.aim)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.keypress", description=__doc__)
    parser.add_argument("--load", type=int, default=0, metavar="N", help="A site of its own, with N others.")
    parser.add_argument("--flat-out", action="store_true", help="The others answer without a pause.")
    parser.add_argument("--repeats", type=int, default=3, help="Sittings, with --load.")
    parser.add_argument("--base", default="http://127.0.0.1:8000")
    parser.add_argument("--user", default="annotator")
    parser.add_argument("--password", default="vemo-demo")
    parser.add_argument("--campaign", type=int, help="With enough faces left for this person.")
    parser.add_argument("--votes", type=int, default=200)
    parser.add_argument("--pause", type=int, default=300, help="Milliseconds between keys.")
    parser.add_argument("--aim", type=float, default=AIM_MS, help="Milliseconds.")
    parser.add_argument("--json", type=Path, metavar="FILE")
    asked = parser.parse_args()
    if not asked.load and asked.campaign is None:
        parser.error("Say --load N, or --campaign PK of the site at --base.")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with sync_playwright() as playwright:
        browser = launch(playwright)
        result = loaded(browser, asked) if asked.load else running(browser, asked)
        browser.close()
    for name, figure in result.items():
        holds = {None: "", True: f" (aim {figure['aim']}) holds", False: f" (aim {figure['aim']}) MISSED"}
        print(f"{name}: {figure['value']} {figure['unit']}{holds[figure['holds']]}")
    if asked.json:
        asked.json.write_text(json.dumps(result, indent=1))
    return 0 if all(figure["holds"] is not False for figure in result.values()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
