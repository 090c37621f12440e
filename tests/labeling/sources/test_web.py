"""Media of the web by a list of their addresses, from a real server on loopback."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from django.core.files.storage import default_storage
from django.core.management import call_command

from labeling import work
from labeling.fetching.addresses import networks
from labeling.models import Item, Media
from labeling.sources import ingest
from labeling.sources.base import CannotAdd
from labeling.sources.places import guess_kind
from tests.labeling.fetching.servers import Server, serving
from tests.labeling.sources.places import again, png, reasons, states, taken_in
from tests.labeling.vision.films import write_film

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).resolve().parents[3]
OWN = {"basis": "own"}


@pytest.fixture
def server(settings) -> Iterator[Server]:
    settings.FETCH_ALLOW_ADDRESSES = networks(["127.0.0.1"])
    settings.FETCH_PER_SECOND = 10_000.0
    with serving(Server()) as one:
        for n in range(5):
            one.answers[f"/{n}.png"] = lambda far, n=n: far.say(200, png(n))
        yield one


def listed(folder: Path, server: Server, *names: str) -> Path:
    path = folder / "list.txt"
    path.write_text("".join(f"{server.url}/{name}\n" for name in names))
    return path


def paths(named: dict[str, str]) -> dict[str, str]:
    """By the last part of each address."""
    return {locator.rpartition("/")[2]: value for locator, value in named.items()}


def test_a_list_is_fetched_and_kept_with_its_rights(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text(
        "url,licence,author,page,title\n"
        f"{server.url}/0.png,CC BY 4.0,Ada,https://example.com/0,Ada at work\n"
        f"{server.url}/1.png?size=large,,,,\n"
    )
    source = taken_in(path, options=OWN, licence="CC0", author="The museum")
    assert source.kind == "web"
    told = Media.objects.order_by("pk").values_list("original_name", "licence", "author", "page_url", "given")
    assert list(told) == [
        (
            "0.png", "CC BY 4.0", "Ada", "https://example.com/0",
            {"title": "Ada at work", "url": f"{server.url}/0.png"},
        ),
        (
            "1.png", "CC0", "The museum", f"{server.url}/1.png?size=large",
            {"url": f"{server.url}/1.png?size=large"},
        ),
    ]  # fmt: skip


def test_what_is_there_is_not_fetched_again(server: Server, tmp_path: Path) -> None:
    path = listed(tmp_path, server, "0.png", "1.png")
    source = taken_in(path, options=OWN)
    listed(tmp_path, server, "0.png", "1.png", "2.png")
    again(source)
    assert server.asked == {"/0.png": 1, "/1.png": 1, "/2.png": 1}
    assert Media.objects.count() == 3


def test_what_fails_is_named_with_its_reason_and_tried_again_on_request(
    server: Server, tmp_path: Path
) -> None:
    server.answers["/html.jpg"] = lambda far: far.say(200, b"<html>login</html>", Content_Type="image/jpeg")
    server.answers["/lies.txt"] = lambda far: far.say(200, png(7), Content_Type="text/html")
    server.answers["/cut.png"] = lambda far: far.say(200, png(8)[:100])
    server.answers["/in.png"] = lambda far: far.say(302, Location="http://10.0.0.7/")
    names = ["0.png", "gone.png", "html.jpg", "lies.txt", "cut.png", "in.png"]
    path = listed(tmp_path, server, *names)
    path.write_text(path.read_text() + "gopher://127.0.0.1/\n")
    source = taken_in(path, options=OWN)
    assert paths(states(source)) == {
        "": "refused", "0.png": "ingested", "gone.png": "refused", "html.jpg": "refused",
        "lies.txt": "ingested", "cut.png": "refused", "in.png": "refused",
    }  # fmt: skip
    told = paths(reasons(source))
    assert told["gone.png"] == "The server has nothing at this address (status 404)."
    assert told["html.jpg"].startswith("The content is text, not an image or a video")
    assert told["in.png"] == ("The address leads to a private network (10.0.0.7). It is not fetched.")
    assert not list(Path(default_storage.path("parts")).iterdir())
    server.answers["/gone.png"] = server.answers["/4.png"]
    ingest.retry_refused(source=source)
    ingest.ingest(source.pk)
    assert paths(states(source))["gone.png"] == "ingested"
    assert server.asked["/0.png"] == 1


def test_a_video_and_one_picture_at_two_addresses(server: Server, tmp_path: Path) -> None:
    film = write_film(tmp_path / "film.mp4", rate=10, count=5).read_bytes()
    server.answers["/film"] = lambda far: far.say(200, film)
    server.answers["/0-again.png"] = server.answers["/0.png"]
    source = taken_in(listed(tmp_path, server, "film", "0.png", "0-again.png"), options=OWN)
    assert sorted(states(source).values()) == ["ingested", "ingested", "known"]
    assert sorted(Media.objects.values_list("kind", flat=True)) == ["image", "video"]


def test_a_picture_longer_than_any_may_be_is_not_fetched_to_its_end(
    server: Server, tmp_path: Path, settings
) -> None:
    settings.MAX_MEDIA_BYTES = 5000

    def endless(far) -> None:
        far.begin()
        far.wfile.write(png(0))
        while True:
            far.wfile.write(bytes(65536))

    server.answers["/endless.png"] = endless
    source = taken_in(listed(tmp_path, server, "endless.png"), options=OWN)
    assert paths(reasons(source)) == {"endless.png": "It is longer than the 5,000 bytes allowed."}


# ---- on what basis -------------------------------------------------------------------------------------------
@pytest.mark.parametrize("options", [{}, {"basis": ""}, {"basis": "everybody does"}])
def test_nothing_is_fetched_before_somebody_says_why_it_may_be(
    server: Server, tmp_path: Path, options: dict[str, str]
) -> None:
    with pytest.raises(CannotAdd, match="say on what basis these media may be used"):
        ingest.add(location=listed(tmp_path, server, "0.png"), options=options)
    assert not server.asked


def test_as_openly_licensed_only_what_has_an_open_licence_is_fetched(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    licences = {"0.png": "CC BY 4.0", "1.png": "", "2.png": "All rights reserved", "3.png": "© Ada 2020"}
    licences |= {
        "4.png": "Alle Rechte vorbehalten",
        "5.png": "Getty Images RF-123 private",
        "6.png": "by contract",
    }
    lines = [f"{server.url}/{name},{licence}" for name, licence in licences.items()]
    path.write_text("\n".join(["url,licence", *lines]))
    source = taken_in(path, options={"basis": "open"})
    assert {name: reason[:35] for name, reason in paths(reasons(source)).items()} == {
        "1.png": "It names no licence, so it cannot b",
        "2.png": "Its licence is “All rights reserved",
        "3.png": "Its licence is “© Ada 2020”, which ",
        "4.png": "Its licence is “Alle Rechte vorbeha",
        "5.png": "Its licence “Getty Images RF-123 pr",
        "6.png": "Its licence is “by contract”, which",
    }
    assert "is not understood" in paths(reasons(source))["5.png"]
    assert server.asked == {"/0.png": 1}


def test_a_list_is_known_for_one(server: Server, tmp_path: Path) -> None:
    assert guess_kind(listed(tmp_path, server, "0.png")) == "web"
    (tmp_path / "words.txt").write_text("words")
    with pytest.raises(CannotAdd, match="a list of web addresses"):
        guess_kind(tmp_path / "words.txt")
    with pytest.raises(CannotAdd, match="This is no list of web addresses"):
        ingest.add(kind="web", location=tmp_path / "words.txt", options=OWN)


def test_by_command(server: Server, tmp_path: Path) -> None:
    path = listed(tmp_path, server, "0.png", "1.png")
    call_command("ingest", str(path), "--basis", "own", "--in-process")
    assert Item.objects.filter(state="ingested").count() == 2


# ---- killed --------------------------------------------------------------------------------------------------
@pytest.mark.once
@pytest.mark.slow
def test_a_process_killed_for_good_is_succeeded_by_another(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with serving(Server()) as server:
        for n in range(60):
            server.answers[f"/{n}.png"] = lambda far, n=n: far.say(200, png(n % 50, (640, 480)))
        path = listed(tmp_path, server, *(f"{n}.png" for n in range(60)))
        environment = {
            **{name: value for name, value in os.environ.items() if name != "DATABASE_URL"},
            "VEMO_HOME": str(home),
            "HEARTBEAT_TIMEOUT_S": "1",
            "FETCH_ALLOW_ADDRESSES": "127.0.0.1",
            "FETCH_PER_SECOND": "100",
        }
        command = [sys.executable, "manage.py", "ingest", str(path), "--basis", "own", "--in-process"]
        migrate = [sys.executable, "manage.py", "migrate", "-v0"]
        subprocess.run(migrate, cwd=ROOT, env=environment, check=True, timeout=120)
        for wanted in (5, 30):
            child = subprocess.Popen(command, cwd=ROOT, env=environment)
            wait_for_items(home / "vemo.sqlite3", wanted)
            child.send_signal(signal.SIGKILL)
            assert child.wait(30) == -signal.SIGKILL
        last = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
        assert last.returncode == 0, last.stderr
        assert "50 media, 0 faces; 10 items were known already, 0 refused." in last.stdout
        assert len(list((home / "storage" / "media").rglob("*.png"))) == 50
        # Of each kill at most the one that was on its way is fetched again.
        assert 60 <= server.asked.total() <= 62


def wait_for_items(database: Path, count: int) -> None:
    deadline = time.monotonic() + 60
    with closing(sqlite3.connect(database, timeout=30)) as connection:
        query = "SELECT count(*) FROM labeling_item WHERE state IN ('ingested', 'known')"
        while connection.execute(query).fetchone()[0] < count:
            assert time.monotonic() < deadline
            time.sleep(0.005)


def test_stop_is_heard_in_the_middle_of_a_file(server: Server, tmp_path: Path) -> None:
    body = png(3, (640, 480))
    gone = []

    def slow(far) -> None:
        far.begin(Content_Length=str(len(body)))
        for start in range(0, len(body), len(body) // 40 + 1):
            far.wfile.write(body[start : start + len(body) // 40 + 1])
            time.sleep(0.05)
        gone.append("whole")

    server.answers["/slow.png"] = slow
    source = ingest.add(location=listed(tmp_path, server, "slow.png", "0.png"), options=OWN)
    ingest.ingest(source.pk, tell=lambda done, total, message: work.stop(source))
    source.refresh_from_db()
    assert (source.state, gone) == ("stopped", [])
    assert set(states(source).values()) == {"found"}
    ingest.refresh(source=source)
    ingest.ingest(source.pk)
    assert set(states(source).values()) == {"ingested"}
