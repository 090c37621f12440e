"""From key press to the next painted face, in a real Chromium: `python -m bench.keypress --base … --campaign 1`.

Signs in, votes through the page with the keyboard, and measures from the key event's own time stamp to the time
the browser says it painted the next face (Element Timing's renderTime, else the frame after). The figure is the
browser's, so it holds whatever this script's own delays are. --json FILE writes {figure: {value, unit, aim, holds}}.
"""

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

from bench.screenshots import launch, sign_in

AIM_MS = 50.0
WATCH = """() => {
    window.pressed = []; window.painted = [];
    document.addEventListener("keydown", (event) => {
        const face = () => document.querySelector("[data-frame] img");
        const before = face();
        const entry = { at: event.timeStamp, frame: null };
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


def vote(page: Page, votes: int, pause_ms: int) -> dict[str, list[float]]:
    """Press keys with a pause between them; milliseconds by frame and by Element Timing."""
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
    return {"frame": by_frame, "paint": by_paint}


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def figures(milliseconds: list[float]) -> dict[str, dict[str, Any]]:
    values = {"median": statistics.median(milliseconds), "p95": percentile(milliseconds, 0.95)}
    return {
        f"key to painted face, {name}": {
            "value": round(value, 1),
            "unit": "ms",
            "aim": AIM_MS,
            "holds": value < AIM_MS,
        }
        for name, value in values.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", default="http://127.0.0.1:8000")
    parser.add_argument("--user", default="annotator")
    parser.add_argument("--password", default="vemo")
    parser.add_argument("--campaign", type=int, required=True, help="With enough faces left for this person.")
    parser.add_argument("--votes", type=int, default=200)
    parser.add_argument("--pause", type=int, default=300, help="Milliseconds between keys.")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    with sync_playwright() as playwright:
        browser = launch(playwright)
        page = browser.new_page(viewport={"width": 1280, "height": 860})
        sign_in(page, asked.base, asked.user, asked.password)
        page.goto(f"{asked.base}/vote/{asked.campaign}/")
        measured = vote(page, asked.votes, asked.pause)
        browser.close()
    for name, values in measured.items():
        if values:
            median, p95 = statistics.median(values), percentile(values, 0.95)
            print(
                f"{name}: {len(values)} votes, median {median:.1f} ms, p95 {p95:.1f}, max {max(values):.1f}"
            )
    result = figures(measured["paint"] or measured["frame"])
    for name, figure in result.items():
        print(
            f"{name}: {figure['value']} ms (aim below {figure['aim']:.0f}) {'holds' if figure['holds'] else 'MISSED'}"
        )
    if asked.json:
        asked.json.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
