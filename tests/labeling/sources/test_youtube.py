"""Videos of YouTube: what a server on loopback stands in for is fetched through yt-dlp to its end."""

import fcntl
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.files.storage import default_storage
from django.core.management import call_command

from labeling import work
from labeling.fetching.addresses import networks
from labeling.models import Media, Source
from labeling.sources import ingest, places, store
from labeling.sources.base import CannotAdd
from tests.labeling.fetching.servers import serving
from tests.labeling.sources.places import again, kept, reasons, states, taken_in
from tests.labeling.sources.test_watching import ended, looked, minutes_to
from tests.labeling.sources.youtube_server import FakeTube

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).resolve().parents[3]
OWN = {"basis": "own"}


@pytest.fixture
def tube(settings, tmp_path: Path) -> Iterator[FakeTube]:
    settings.FETCH_ALLOW_ADDRESSES = networks(["127.0.0.1"])
    settings.YOUTUBE_PAUSE_S = 0.0
    with serving(FakeTube(tmp_path)) as one:
        settings.YOUTUBE_STAND_IN = one.url
        yield one


def alone(*, message: str = "") -> None:
    """Nobody waits or watches."""


def leftovers() -> list[str]:
    return default_storage.listdir("parts")[1] if default_storage.exists("parts") else []


def test_a_video_comes_in_with_its_page_and_title(tube: FakeTube) -> None:
    body = tube.add("one")
    source = taken_in(tube.watch("one"), options=OWN, licence="CC BY 4.0", author="Ada")
    media = Media.objects.get()
    assert source.kind == "youtube"
    assert kept(media.stored_as) == body
    assert (media.kind, media.mime, media.licence, media.author) == ("video", "video/mp4", "CC BY 4.0", "Ada")
    assert (media.page_url, media.given["title"]) == (tube.watch("one"), "Film one (1)")
    assert leftovers() == []


def test_a_list_brings_its_videos_and_a_refresh_only_what_is_new(tube: FakeTube) -> None:
    for name in ("one", "two"):
        tube.add(name, frames=5 if name == "one" else 6)
    source = taken_in(tube.feed, options=OWN)
    assert states(source) == {tube.watch("one"): "ingested", tube.watch("two"): "ingested"}
    tube.add("three", frames=7)
    tube.asked.clear()
    again(source)
    assert states(source)[tube.watch("three")] == "ingested"
    assert {path for path in tube.asked if path.startswith("/files/")} == {"/files/three.mp4"}


def test_a_watched_list_brings_only_what_is_new_and_outlives_a_site_that_fails(tube: FakeTube) -> None:
    for name in ("one", "two"):
        tube.add(name, frames=5 if name == "one" else 6)
    source = taken_in(tube.feed, options=OWN, watch_minutes=60)
    tube.add("three", frames=7)
    tube.asked.clear()
    assert looked(source) == 0
    assert not tube.asked
    ended(source, minutes_ago=60)
    assert looked(source) == 1
    assert states(source) == dict.fromkeys(map(tube.watch, ("one", "two", "three")), "ingested")
    pages_and_files = {path for path in tube.asked if path != "/feed.xml"}
    assert pages_and_files == {"/watch/three.html", "/files/three.mp4"}
    # The list cannot be had, and then one video cannot; nothing that is in is lost or asked for again.
    feed = tube.answers.pop("/feed.xml")
    tube.add("four", frames=8)
    tube.add("five", frames=9)
    film = tube.answers.pop("/watch/four.html")
    ended(source, minutes_ago=60)
    assert looked(source) == 1
    assert (source.state, minutes_to(source), len(states(source))) == ("failed", 5, 3)
    tube.answers["/feed.xml"] = feed
    tube.asked.clear()
    ended(source, minutes_ago=5)
    assert looked(source) == 1
    assert (source.state, source.error, minutes_to(source)) == ("done", "", 60)
    assert states(source)[tube.watch("five")] == "ingested"
    assert "404" in reasons(source)[tube.watch("four")]
    assert {path for path in tube.asked if path.startswith("/files/")} == {"/files/five.mp4"}
    tube.answers["/watch/four.html"] = film
    ingest.retry_refused(source=source)
    looked(source)
    assert set(states(source).values()) == {"ingested"}
    assert Media.objects.count() == 5


def test_of_a_list_no_more_than_asked_for(tube: FakeTube) -> None:
    for n, name in enumerate(("one", "two", "three")):
        tube.add(name, frames=5 + n)
    source = taken_in(tube.feed, options={**OWN, "most": 2})
    assert list(states(source)) == sorted([tube.watch("one"), tube.watch("two")])


def test_what_an_earlier_source_brought_in_is_not_fetched_again(tube: FakeTube) -> None:
    tube.add("one")
    taken_in(tube.watch("one"), options=OWN)
    tube.asked.clear()
    source = taken_in(tube.feed, options=OWN)
    assert states(source) == {tube.watch("one"): "known"}
    assert source.items.get().media == Media.objects.get()
    assert not any(path.startswith(("/watch/", "/files/")) for path in tube.asked)


def test_the_same_file_under_another_name_is_known_by_its_bytes(tube: FakeTube) -> None:
    for name in ("one", "two"):
        tube.add(name)
    source = taken_in(tube.feed, options=OWN)
    assert sorted(states(source).values()) == ["ingested", "known"]
    assert Media.objects.count() == 1


def test_what_is_known_but_not_openly_licensed_is_refused_where_only_that_is_wanted(tube: FakeTube) -> None:
    tube.add("one")
    taken_in(tube.watch("one"), options=OWN)
    source = taken_in(tube.feed, options={"basis": "open"}, licence="CC BY 4.0")
    assert "Creative Commons" in reasons(source)[tube.watch("one")]


def test_where_only_openly_licensed_is_wanted_nothing_else_is_fetched(tube: FakeTube) -> None:
    """The licence written beside the source does not stand in for what the page says."""
    tube.add("one")
    source = taken_in(tube.feed, options={"basis": "open"}, licence="CC BY 4.0")
    assert "it says “Standard YouTube License”" in reasons(source)[tube.watch("one")]
    assert "/files/one.mp4" not in tube.asked


def test_a_refused_video_comes_in_when_it_is_tried_again(tube: FakeTube) -> None:
    tube.add("one")
    page = tube.answers.pop("/watch/one.html")
    source = taken_in(tube.feed, options=OWN)
    assert "404" in reasons(source)[tube.watch("one")]
    tube.answers["/watch/one.html"] = page
    ingest.retry_refused(source=source)
    ingest.ingest(source.pk)
    assert states(source) == {tube.watch("one"): "ingested"}
    assert leftovers() == []


def test_a_video_longer_than_allowed_is_broken_off(tube: FakeTube, settings) -> None:
    tube.add("one", padding=12_000_000)  # more than the sockets between the two can hold
    settings.MAX_MEDIA_BYTES = 100_000
    source = taken_in(tube.feed, options=OWN)
    assert "MAX_MEDIA_BYTES" in reasons(source)[tube.watch("one")]
    assert tube.bytes_sent < 12_000_000
    assert leftovers() == []


def test_a_page_in_the_place_of_a_video_is_refused(tube: FakeTube) -> None:
    tube.add("one")
    tube.answers["/files/one.mp4"] = lambda far: far.say(
        200, b"<html>" + bytes(5000), Content_Type="video/mp4"
    )
    source = taken_in(tube.feed, options=OWN)
    assert states(source) == {tube.watch("one"): "refused"}
    assert leftovers() == []


def test_a_server_that_falls_silent_in_the_middle_is_asked_for_the_rest(tube: FakeTube) -> None:
    body = tube.add("one", padding=200_000)
    whole, cut = tube.answers["/files/one.mp4"], [True]

    def cutting(far) -> None:
        if cut.pop() if cut else False:
            far.begin(200, Content_Type="video/mp4", Content_Length=str(len(body)))
            far.wfile.write(body[:100_000])
        else:
            whole(far)

    tube.answers["/files/one.mp4"] = cutting
    taken_in(tube.watch("one"), options=OWN)
    assert kept(Media.objects.get().stored_as) == body
    assert tube.bytes_sent < len(body)


@pytest.mark.parametrize("where", ["page", "file"])
def test_a_redirect_to_another_host_is_not_followed(tube: FakeTube, tmp_path: Path, where: str) -> None:
    tube.add("one")
    with serving(FakeTube(tmp_path / "x")) as other:
        # The same machine under another name, which is not on the list of hosts.
        elsewhere = f"http://localhost:{other.port}/files/one.mp4"
        path = "/watch/one.html" if where == "page" else "/files/one.mp4"
        tube.answers[path] = lambda far: far.say(302, Location=elsewhere)
        source = taken_in(tube.feed, options=OWN)
        assert "localhost, which is not one of the hosts" in reasons(source)[tube.watch("one")]
        assert not other.asked


def test_a_video_file_elsewhere_is_not_fetched(tube: FakeTube) -> None:
    tube.add("one", src="http://169.254.169.254/latest/film.mp4")
    source = taken_in(tube.feed, options=OWN)
    assert "169.254.169.254, which is not one of the hosts" in reasons(source)[tube.watch("one")]


def test_a_private_address_is_not_asked_even_of_the_host_that_is_allowed(tube: FakeTube, settings) -> None:
    settings.FETCH_ALLOW_ADDRESSES = ()
    source = ingest.add(location=tube.feed, options=OWN)
    ingest.ingest(source.pk)
    source.refresh_from_db()
    assert source.state == "failed"
    assert "leads to this machine itself (127.0.0.1)" in source.error
    assert not tube.asked


def test_who_is_turned_away_again_and_again_stops_and_can_go_on(tube: FakeTube) -> None:
    names = ["a", "b", "c", "d", "e"]
    for n, name in enumerate(names):
        tube.add(name, frames=5 + n)
    pages = {name: tube.answers[f"/watch/{name}.html"] for name in names}
    for name in names[1:]:
        tube.answers[f"/watch/{name}.html"] = lambda far: far.say(429)
    source = ingest.add(location=tube.feed, options=OWN)
    ingest.ingest(source.pk)
    source.refresh_from_db()
    assert source.state == "failed"
    assert "turned us away 3 times in a row" in source.error
    assert "fewer requests" in source.error
    assert [state for _, state in sorted(states(source).items())] == [
        "ingested", "refused", "refused", "found", "found",
    ]  # fmt: skip
    for name in names:
        tube.answers[f"/watch/{name}.html"] = pages[name]
    ingest.retry_refused(source=source)
    ingest.ingest(source.pk)
    assert set(states(source).values()) == {"ingested"}


def test_two_at_once_do_not_write_into_the_same_file(tube: FakeTube) -> None:
    """Another worker has half of the video and goes on writing while ours comes to it."""
    body = tube.add("one", padding=50_000)
    with places.opened("youtube", tube.watch("one"), OWN, alone) as place:
        (content,) = place.contents([tube.watch("one")])
        waited = []

        def other_is_done() -> None:
            waited.append(1)
            other.close()

        with store.staged() as part, store.staged() as second:
            content.fetch(part, lambda begin: 10_000_000, alone)
            unfinished = part.parent / "youtube-one-1-0-0-0.part"
            other = unfinished.open("wb")
            fcntl.flock(other, fcntl.LOCK_EX)
            other.write(body[:20_000])
            other.flush()
            content.fetch(second, lambda begin: 10_000_000, other_is_done)
            assert waited
            assert part.read_bytes() == second.read_bytes() == body


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "on what basis"),
        ({**OWN, "height": 100}, "from 144 to 4,320 pixels, not 100"),
        ({**OWN, "height": "720"}, "not '720'"),
        ({**OWN, "most": True}, "not True"),
        ({**OWN, "cookies": "/nowhere/cookies.txt"}, "/nowhere/cookies.txt"),
        ({**OWN, "rows": [1, 2]}, "no option “rows”"),
    ],
)
def test_options_that_cannot_be_are_named(options: dict[str, object], said: str) -> None:
    with pytest.raises(CannotAdd, match=re.escape(said)):
        ingest.add(location="https://www.youtube.com/watch?v=dQw4w9WgXcQ", options=options)


def test_a_runtime_that_is_not_there_is_named(settings) -> None:
    settings.YOUTUBE_JS_RUNTIME = "/nowhere/deno"
    with pytest.raises(CannotAdd, match="/nowhere/deno"):
        ingest.add(location="https://www.youtube.com/watch?v=dQw4w9WgXcQ", options=OWN)


def test_without_the_setting_no_other_site_is_known(tube: FakeTube, settings) -> None:
    settings.YOUTUBE_STAND_IN = ""
    for kind in ("", "youtube"):
        with pytest.raises(CannotAdd):
            ingest.add(kind=kind, location=tube.watch("one"), options=OWN)


def test_stopped_in_the_middle_it_goes_on_where_it_was(tube: FakeTube) -> None:
    body = tube.add("one", padding=2_000_000)

    said = []

    def a_while(*, message: str = "") -> None:
        said.append(message)
        if len(said) > 8:  # each piece is at most twice the one before it: far from the end
            raise work.StopAsked

    with places.opened("youtube", tube.watch("one"), OWN, a_while) as place, store.staged() as part:
        (content,) = place.contents([tube.watch("one")])
        with pytest.raises(work.StopAsked):
            content.fetch(part, lambda begin: 10_000_000, a_while)
    assert "At Film one (1) (one-1): 0 of 2 MB" in said
    (unfinished,) = leftovers()
    there = default_storage.size(f"parts/{unfinished}")
    assert 0 < there < len(body)
    tube.headers_seen.clear()
    taken_in(tube.watch("one"), options=OWN)
    assert kept(Media.objects.get().stored_as) == body
    ranges = [headers["Range"] for headers in tube.headers_seen if "Range" in headers]
    assert f"bytes={there}-" in ranges
    assert leftovers() == []


def test_the_command_takes_a_video_in(tube: FakeTube, capsys) -> None:
    tube.add("one")
    call_command("ingest", tube.watch("one"), "--basis", "own", "--height", "360", "--in-process")
    assert "1 media, 0 faces; 0 items were known already, 0 refused." in capsys.readouterr().out
    assert Source.objects.get().options == {"basis": "own", "height": 360}


@pytest.mark.slow
@pytest.mark.once
def test_a_process_killed_in_the_middle_of_a_video_is_succeeded_by_another(tmp_path: Path) -> None:
    with serving(FakeTube(tmp_path)) as tube:
        body = tube.add("one", padding=3_000_000)
        tube.pause_s = 0.02
        environment = {
            **{name: value for name, value in os.environ.items() if name != "DATABASE_URL"},
            "VEMO_HOME": str(tmp_path / "home"),
            "HEARTBEAT_TIMEOUT_S": "1",
            "FETCH_ALLOW_ADDRESSES": "127.0.0.1",
            "YOUTUBE_STAND_IN": tube.url,
            "YOUTUBE_PAUSE_S": "0",
        }
        manage = [sys.executable, "manage.py"]
        subprocess.run([*manage, "migrate", "-v0"], cwd=ROOT, env=environment, check=True, timeout=120)
        command = [*manage, "ingest", tube.watch("one"), "--basis", "own", "--in-process"]
        child = subprocess.Popen(command, cwd=ROOT, env=environment)
        deadline = time.monotonic() + 60
        while tube.bytes_sent < 1_500_000:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        child.send_signal(signal.SIGKILL)
        assert child.wait(30) == -signal.SIGKILL
        sent, tube.pause_s = tube.bytes_sent, 0.0
        last = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
        assert last.returncode == 0, last.stderr
        assert "1 media, 0 faces; 0 items were known already, 0 refused." in last.stdout
        storage = tmp_path / "home" / "storage"
        (file,) = (storage / "media").rglob("*.mp4")
        assert file.read_bytes() == body
        assert list((storage / "parts").iterdir()) == []
        # It went on where the first one was, less what had not reached the disk.
        assert tube.bytes_sent - sent < len(body) - 1_000_000
