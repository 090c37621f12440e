"""Take pictures of the site's pages: `python -m bench.screenshots --base http://127.0.0.1:8000 --out docs/screenshots`.

Signs in as each of the demo's people and takes each of their pages at two widths, light and dark; with
--language vi in Vietnamese. A page whose object does not exist (no campaign yet, no run yet) is left out and named.
"""

import argparse
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

WIDTHS = {"desktop": (1280, 860), "phone": (390, 844)}
THEMES = ("light", "dark")


@dataclass(frozen=True)
class Shot:
    """One page: its name, who looks, where it is; `{link}` addresses are found by following a link there."""

    name: str
    who: str
    path: str
    follow: str = ""
    """A regular expression: the first link on the page whose address matches is the page meant."""
    close: str = ""
    """What is pressed first, to put away what lies over the page."""


SHOTS = (
    Shot("signin", "", "/signin/"),
    Shot("home-annotator", "annotator", "/"),
    Shot("vote-examples", "annotator", "/vote/", r"^/vote/\d+/$"),
    Shot("vote", "annotator", "/vote/", r"^/vote/\d+/$", close=".hint-close button"),
    Shot("vote-mine", "annotator", "/vote/", r"^/vote/\d+/$ mine/"),
    Shot("vote-preferences", "annotator", "/vote/preferences/"),
    Shot("home-manager", "manager", "/"),
    Shot("sources", "manager", "/sources/"),
    Shot("source", "manager", "/sources/", r"^/sources/\d+/$"),
    Shot("faces", "manager", "/faces/"),
    Shot("face", "manager", "/faces/", r"^/faces/\d+/"),
    Shot("campaigns", "manager", "/campaigns/"),
    Shot("campaign-new", "manager", "/campaigns/new/"),
    Shot("campaign", "manager", "/campaigns/", r"^/campaigns/1/$"),
    Shot("campaign-edit", "manager", "/campaigns/", r"^/campaigns/1/$ edit/"),
    Shot("campaign-faces", "manager", "/campaigns/", r"^/campaigns/1/$ faces/"),
    Shot("campaign-disputes", "manager", "/campaigns/", r"^/campaigns/1/$ disputes/"),
    Shot("campaign-dispute", "manager", "/campaigns/1/disputes/", r"^/campaigns/\d+/disputes/decide/"),
    Shot("campaign-decide", "manager", "/campaigns/", r"^/campaigns/1/$ disputes/decide/"),
    Shot("campaign-gold", "manager", "/campaigns/", r"^/campaigns/2/$ gold/"),
    Shot("campaign-log", "manager", "/campaigns/", r"^/campaigns/2/$ log/"),
    Shot("campaign-annotator", "manager", "/campaigns/1/annotators/", r"^/campaigns/1/annotators/\d+/"),
    Shot("campaign-annotators", "manager", "/campaigns/", r"^/campaigns/1/$ annotators/"),
    Shot("campaign-integrity", "manager", "/campaigns/", r"^/campaigns/1/$ integrity/"),
    Shot("snapshots", "manager", "/snapshots/"),
    Shot("snapshot", "manager", "/snapshots/", r"^/snapshots/\d+/$"),
    Shot("snapshot-new", "manager", "/snapshots/new/?campaign=1"),
    Shot("snapshot-compare", "manager", "/snapshots/compare/"),
    Shot("lineage", "manager", "/lineage/campaign/1/"),
    Shot("doctor", "manager", "/doctor/"),
    Shot("home-trainer", "trainer", "/"),
    Shot("runs", "trainer", "/runs/"),
    Shot("run-new", "trainer", "/runs/new/"),
    Shot("run", "trainer", "/runs/", r"^/runs/\d+/$"),
    Shot("run-mistakes", "trainer", "/runs/", r"^/runs/\d+/$ mistakes/"),
    Shot("run-doubts", "trainer", "/runs/", r"^/runs/\d+/$ doubts/"),
    Shot("relabel-round", "trainer", "/relabel-rounds/", r"^/relabel-rounds/\d+/$"),
    Shot("account", "manager", "/account/"),
    Shot("admin", "admin", "/admin/"),
    Shot("not-found", "manager", "/no-such-page/"),
)


def chromium() -> str:
    """The browser's path. Raises SystemExit when there is none."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not found:
        raise SystemExit("No Chromium found. Install it (Debian: apt install chromium).")
    return found


def launch(playwright: object) -> Browser:
    args = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    return playwright.chromium.launch(executable_path=chromium(), args=args)  # type: ignore[attr-defined]


def sign_in(page: Page, base: str, who: str, password: str) -> None:
    page.goto(f"{base}/signin/")
    page.fill("#id_username", who)
    page.fill("#id_password", password)
    page.click("main button")
    page.wait_for_url(f"{base}/")


def arrive(page: Page, base: str, shot: Shot) -> bool:
    """Go to the shot's page. False when the object it shows does not exist."""
    page.goto(base + shot.path)
    if not shot.follow:
        return True
    pattern, _, below = shot.follow.partition(" ")
    links = page.eval_on_selector_all("main a[href]", "links => links.map(a => a.getAttribute('href'))")
    found = next((link for link in links if re.match(pattern, link)), None)
    if found is None:
        return False
    page.goto(base + found + below)
    return True


def take(browser: Browser, asked: argparse.Namespace) -> Iterator[str]:
    base, out = asked.base.rstrip("/"), asked.out
    chosen = [shot for shot in SHOTS if re.search(asked.only, shot.name)]
    for theme in THEMES:
        for width, (x, y) in WIDTHS.items():
            for who in sorted({shot.who for shot in chosen}):
                context = browser.new_context(
                    viewport={"width": x, "height": y},
                    color_scheme=theme,  # type: ignore[arg-type]
                    locale=asked.language,
                )
                page = context.new_page()
                if who:
                    sign_in(page, base, who, asked.password)
                for shot in (shot for shot in chosen if shot.who == who):
                    yield _take_one(page, base, shot, out / f"{shot.name}-{width}-{theme}.png", width)
                context.close()


def _take_one(page: Page, base: str, shot: Shot, path: Path, width: str) -> str:
    if not arrive(page, base, shot):
        return f"{path.name}: left out, nothing there yet"
    page.wait_for_load_state("networkidle")
    if shot.close:
        page.click(shot.close)
    page.screenshot(path=path, full_page=width == "desktop" and not shot.name.startswith("vote"))
    return path.name


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", default="http://127.0.0.1:8000")
    parser.add_argument("--password", default="vemo-demo", help="Of the demo's people, all alike.")
    parser.add_argument("--out", type=Path, default=Path("docs/screenshots"))
    parser.add_argument("--language", default="en", help="What the browser asks for.")
    parser.add_argument("--only", default="", help="A regular expression over the pages' names.")
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = launch(playwright)
        for line in take(browser, asked):
            print(line, flush=True)
        browser.close()


if __name__ == "__main__":
    main()
