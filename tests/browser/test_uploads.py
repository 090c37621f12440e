"""Files dropped or chosen in a real browser come whole, whatever happens on the way."""

import hashlib
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import pytest
from playwright.sync_api import Page, Route, expect

from labeling.models import Source, Upload
from tests.factories import make_png, make_user
from tests.labeling.sources.places import write
from vemo.accounts.models import User

pytestmark = pytest.mark.django_db(transaction=True)
MB = 1024**2
UPLOADS = re.compile(r"/api/v1/uploads/")


@pytest.fixture(autouse=True)
def patience() -> Iterator[None]:
    """Tens of megabytes through a server of one process take their time on a busy machine."""
    expect.set_options(timeout=30_000)
    yield
    expect.set_options(timeout=5_000)


@pytest.fixture(autouse=True)
def folder(settings, tmp_path: Path) -> Path:
    settings.UPLOAD_ROOT = tmp_path / "uploads"
    settings.UPLOAD_KEEP_FREE_BYTES = 0
    return settings.UPLOAD_ROOT


@pytest.fixture
def new(enter: Callable[[User], Page], live_server) -> Page:
    page = enter(make_user("manager"))
    page.goto(f"{live_server.url}/sources/new/")
    expect(page.locator("[data-uploads]")).to_be_visible()
    page.select_option("#id_basis", "own")
    return page


def choose(page: Page, *paths: Path) -> None:
    kind = "[webkitdirectory]" if paths[0].is_dir() else ":not([webkitdirectory])"
    page.locator(f"[data-uploads] input{kind}").set_input_files(list(paths) if len(paths) > 1 else paths[0])


def drop(page: Page, *paths: Path) -> None:
    """As a person drops them; only the browser itself can make folders of it."""
    zone = page.locator("[data-part=zone]")
    zone.scroll_into_view_if_needed()
    box = zone.bounding_box()
    assert box is not None
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    session = page.context.new_cdp_session(page)
    for kind in ("dragEnter", "dragOver", "drop"):
        at = {"x": box["x"] + box["width"] / 2, "y": box["y"] + 10}
        session.send("Input.dispatchDragEvent", {"type": kind, **at, "data": data})


def line(page: Page):
    return page.locator("[data-part=line]")


def sent(folder: Path) -> dict[str, str]:
    """Path → sha256 of everything that lies in the one batch's folder."""
    (batch,) = {upload.batch for upload in Upload.objects.all()}
    top = folder / str(batch)
    files = [path for path in top.rglob("*") if path.is_file()]
    return {path.relative_to(top).as_posix(): sha(path) for path in files}


def sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_files_chosen_become_a_source(new: Page, folder: Path, tmp_path: Path, complaints: list[str]) -> None:
    here = write(
        tmp_path / "in", {"big.bin": os.urandom(20 * MB), "a.png": make_png(), "b & ü.png": make_png(seed=1)}
    )
    choose(new, *sorted(here.iterdir()))
    new.fill("#id_licence", "CC0")
    expect(line(new)).to_contain_text("All files have come: 3")
    assert sent(folder) == {path.name: sha(path) for path in here.iterdir()}
    new.click("text=Start the ingest")
    new.wait_for_url(re.compile(r"/sources/\d+/$"))
    source = Source.objects.get()
    assert (source.kind, source.licence, source.name) == ("folder", "CC0", "3 files")
    assert Upload.objects.filter(source=source).count() == 3
    assert complaints == []


def test_a_folder_dropped_comes_with_all_below_it(new: Page, folder: Path, tmp_path: Path) -> None:
    files = {f"set/{n % 3}/{n}.png": make_png(seed=n % 7) for n in range(250)}
    here = write(
        tmp_path / "in",
        {**files, "set/.DS_Store": b"x", "set/sources.csv": b"file,licence\n", "one.png": make_png()},
    )
    drop(new, here / "set", here / "one.png")
    expect(line(new)).to_contain_text("All files have come: 252")
    expect(new.locator("[data-part=left-out]")).to_have_text("Hidden files left out: 1")
    wanted = {path.relative_to(here).as_posix(): sha(path) for path in here.rglob("*") if path.is_file()}
    del wanted["set/.DS_Store"]
    assert sent(folder) == wanted


def test_started_early_the_source_is_made_once_all_has_come(new: Page, tmp_path: Path) -> None:
    held: list[Route] = []
    new.route(
        UPLOADS, lambda route: held.append(route) if route.request.method == "PATCH" else route.continue_()
    )
    choose(
        new, *sorted(write(tmp_path / "in", {"big.bin": os.urandom(2 * MB), "a.png": make_png()}).iterdir())
    )
    new.click("text=Start the ingest")
    expect(new.locator("[data-part=armed]")).to_be_visible()
    while not held:
        new.wait_for_timeout(50)
    assert not Source.objects.exists()
    held.pop().continue_()
    new.wait_for_url(re.compile(r"/sources/\d+/$"))
    assert Source.objects.get().uploads.count() == 2


def test_the_network_goes_and_comes(new: Page, folder: Path, tmp_path: Path) -> None:
    pieces: list[Route] = []

    def cut(route: Route) -> None:
        if route.request.method == "PATCH":
            pieces.append(route)
        route.abort() if len(pieces) > 1 else route.continue_()

    new.route(UPLOADS, cut)
    here = write(tmp_path / "in", {"big.bin": os.urandom(30 * MB)})
    choose(new, here / "big.bin")
    expect(line(new)).to_contain_text("The connection is gone")
    new.wait_for_timeout(500)
    new.unroute(UPLOADS)
    expect(line(new)).to_contain_text("All files have come")
    assert sent(folder) == {"big.bin": sha(here / "big.bin")}


def test_after_a_reload_the_same_files_go_on_where_they_were(new: Page, folder: Path, tmp_path: Path) -> None:
    small = {f"d/{n}.txt": b"%d" % n for n in range(20)}
    here = write(tmp_path / "in", {"d/big.bin": os.urandom(30 * MB), **small})
    first: list[Route] = []

    def only_one(route: Route) -> None:
        if route.request.method == "PATCH":
            first.append(route)
        route.continue_() if len(first) <= 1 else None

    new.route(UPLOADS, only_one)
    choose(new, here / "d")
    expect(new.locator("[data-part=small]")).to_have_text("Small files: 20 of 20 have come")
    while not Upload.objects.filter(path="d/big.bin", received__gt=0).exists():
        new.wait_for_timeout(50)
    came = Upload.objects.get(path="d/big.bin").received
    new.on("dialog", lambda dialog: dialog.accept())
    new.reload()
    new.unroute(UPLOADS)
    expect(line(new)).to_contain_text("Unfinished files: 1. Choose them again to go on")
    offsets: list[int] = []
    new.on(
        "request",
        lambda asked: (
            offsets.append(int(asked.headers["upload-offset"])) if asked.method == "PATCH" else None
        ),
    )
    choose(new, here / "d")
    expect(line(new)).to_contain_text("All files have come: 21")
    assert offsets[0] >= came
    assert sent(folder) == {
        path.relative_to(here).as_posix(): sha(path) for path in here.rglob("*") if path.is_file()
    }


def test_a_file_that_changed_meanwhile_is_sent_anew(new: Page, folder: Path, tmp_path: Path) -> None:
    here = write(tmp_path / "in", {"big.bin": os.urandom(20 * MB)})
    new.route(
        UPLOADS,
        lambda route: None if route.request.headers.get("upload-offset", "0") != "0" else route.continue_(),
    )
    choose(new, here / "big.bin")
    while not Upload.objects.filter(received__gt=0).exists():
        new.wait_for_timeout(50)
    new.on("dialog", lambda dialog: dialog.accept())
    new.reload()
    new.unroute(UPLOADS)
    (here / "big.bin").write_bytes(os.urandom(20 * MB))
    os.utime(here / "big.bin", (1_000_000_000, 1_000_000_000))
    expect(line(new)).to_contain_text("Unfinished files: 1")
    choose(new, here / "big.bin")
    expect(line(new)).to_contain_text("All files have come")
    assert sent(folder) == {"big.bin": sha(here / "big.bin")}


def test_paused_nothing_is_sent_until_it_goes_on(new: Page, folder: Path, tmp_path: Path) -> None:
    here = write(tmp_path / "in", {"big.bin": os.urandom(40 * MB)})
    held: list[Route] = []
    new.route(
        UPLOADS, lambda route: held.append(route) if route.request.method == "PATCH" else route.continue_()
    )
    choose(new, here / "big.bin")
    while not held:
        new.wait_for_timeout(50)
    new.click("[data-part=pause]")
    expect(line(new)).to_contain_text("Paused")
    new.unroute(UPLOADS)
    new.wait_for_timeout(1000)
    assert Upload.objects.get().received == 0
    new.click("[data-part=resume]")
    expect(line(new)).to_contain_text("All files have come")
    assert sent(folder) == {"big.bin": sha(here / "big.bin")}


def test_what_is_refused_is_said_beside_the_file_and_can_be_taken_off(
    new: Page, settings, tmp_path: Path
) -> None:
    here = write(
        tmp_path / "in", {"ok.png": make_png(), "CON.png": make_png(), "nul.bin": os.urandom(2 * MB)}
    )
    choose(new, *sorted(here.iterdir()))
    expect(line(new)).to_contain_text("Files that could not be sent: 2")
    rows = new.locator(".upload[data-state=failed]")
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("a name that some systems keep for themselves")
    for left in (1, 0):
        rows.first.locator("[data-forget]").click()
        expect(rows).to_have_count(left)
    expect(line(new)).to_contain_text("All files have come: 1")


def test_discarded_nothing_is_left(new: Page, folder: Path, tmp_path: Path) -> None:
    choose(new, *sorted(write(tmp_path / "in", {"a.png": make_png(), "b.bin": os.urandom(3 * MB)}).iterdir()))
    expect(line(new)).to_contain_text("All files have come: 2")
    new.click("[data-part=discard]")
    expect(new.locator("[data-part=run]")).to_be_hidden()
    assert (Upload.objects.count(), list(folder.iterdir())) == (0, [])
    assert new.locator("[name=batch]").input_value() == ""


def test_another_browser_is_offered_what_is_unfinished(new: Page, tmp_path: Path) -> None:
    user = User.objects.get()
    Upload.objects.create(batch=UUID(int=7), path="film.mp4", bytes=10 * MB, received=0, by=user)
    new.reload()
    expect(new.locator("[data-part=earlier]")).to_contain_text("that are no source yet: 1;")
    new.click("[data-go]")
    expect(line(new)).to_contain_text("Unfinished files: 1")
    new.click("[data-part=discard]")
    expect(new.locator("[data-part=run]")).to_be_hidden()
    assert not Upload.objects.exists()


@pytest.mark.parametrize("received", [0, MB])
def test_an_upload_of_another_day_holds_up_no_other_source(new: Page, tmp_path: Path, received: int) -> None:
    upload = Upload.objects.create(
        batch=UUID(int=7), path="film.mp4", bytes=MB, received=received, by=User.objects.get()
    )
    new.reload()
    new.click("[data-go]")
    expect(line(new)).to_contain_text("All files have come" if received else "Unfinished files: 1")
    new.fill("#id_addresses", "https://example.org/a.png")
    new.select_option("#id_basis", "own")
    new.click("text=Start the ingest")
    new.wait_for_url(re.compile(r"/sources/\d+/$"))
    source = Source.objects.get()
    assert (source.kind, source.uploads.count()) == ("web", 0)
    upload.refresh_from_db()
    assert upload.source is None


def test_in_a_second_tab_another_source_is_made_while_the_first_sends(
    new: Page, live_server, settings, tmp_path: Path
) -> None:
    settings.IMPORT_ROOTS = [tmp_path / "there"]
    held: list[Route] = []
    new.route(
        UPLOADS, lambda route: held.append(route) if route.request.method == "PATCH" else route.continue_()
    )
    choose(new, next(write(tmp_path / "in", {"big.bin": os.urandom(2 * MB)}).iterdir()))
    while not held:
        new.wait_for_timeout(50)
    other = new.context.new_page()
    other.goto(f"{live_server.url}/sources/new/")
    expect(line(other)).to_contain_text("Unfinished files: 1")
    other.fill("#id_location", str(write(tmp_path / "there", {"a.png": make_png()})))
    other.select_option("#id_basis", "own")
    other.click("text=Start the ingest")
    other.wait_for_url(re.compile(r"/sources/\d+/$"))
    assert Source.objects.get().kind == "folder"
    other.close()
    held.pop().continue_()
    expect(line(new)).to_contain_text("All files have come")


def test_by_keyboard_the_pickers_are_reached(new: Page) -> None:
    new.focus("#id_location")
    new.keyboard.press("Shift+Tab")
    assert new.evaluate("document.activeElement.matches('[data-uploads] input[type=file]')")


def test_without_javascript_the_plain_field_is_there(browser, live_server, new: Page) -> None:
    cookies = new.context.cookies()
    context = browser.new_context(java_script_enabled=False)
    context.add_cookies(cookies)
    page = context.new_page()
    page.goto(f"{live_server.url}/sources/new/")
    expect(page.locator("#id_upload")).to_be_visible()
    expect(page.locator("[data-uploads]")).to_be_hidden()
    context.close()
