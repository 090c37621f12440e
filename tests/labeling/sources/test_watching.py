"""Sources that are looked through again and again."""

import os
import threading
import time
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from labeling import work
from labeling.models import Detection, Source
from labeling.sources import ingest, watching
from tests.factories import make_user
from tests.labeling.fetching.servers import Server, serving
from tests.labeling.sources.places import again, bomb, png, states, taken_in, write, zipped

pytestmark = pytest.mark.django_db


def quiet(folder: Path) -> Path:
    """As if nobody had written to the files for a minute."""
    before = time.time() - 60
    for path in folder.rglob("*"):
        os.utime(path, (before, before))
    return folder


def ended(source: Source, minutes_ago: float) -> None:
    Source.objects.filter(pk=source.pk).update(ended_at=timezone.now() - timedelta(minutes=minutes_ago))
    source.refresh_from_db()


def looked(source: Source) -> int:
    """What the clock does, and then the worker."""
    queued = watching.look_again()
    for row in Source.objects.filter(state="waiting"):
        ingest.ingest(row.pk)
    source.refresh_from_db()
    return queued


def minutes_to(source: Source) -> float:
    at = watching.next_look(source)
    assert at is not None
    assert source.ended_at is not None
    return (at - source.ended_at).total_seconds() / 60


def test_what_is_due_is_looked_at_again_and_only_that_is_new_comes_in(tmp_path: Path) -> None:
    folder = quiet(write(tmp_path / "in", {"a.png": png(1)}))
    source = taken_in(folder, watch_minutes=15)
    quiet(write(folder, {"b.png": png(2)}))
    assert looked(source) == 0
    ended(source, minutes_ago=15)
    assert looked(source) == 1
    assert states(source) == {"a.png": "ingested", "b.png": "ingested"}
    assert looked(source) == 0


def test_what_is_not_watched_or_was_stopped_rests(tmp_path: Path) -> None:
    folder = quiet(write(tmp_path / "in", {"a.png": png(1)}))
    source = taken_in(folder)
    ended(source, minutes_ago=10_000)
    assert watching.next_look(source) is None
    assert looked(source) == 0
    watching.watch(source=source, minutes=1)
    work.restart(source, also_done=True)
    assert watching.next_look(source) is None
    work.stop(source)
    ended(source, minutes_ago=10_000)
    assert looked(source) == 0
    ingest.refresh(source=source)
    assert looked(source) == 0
    ended(source, minutes_ago=1)
    watching.unwatch(source=source)
    assert looked(source) == 0


def test_a_look_that_fails_is_told_and_tried_again_less_and_less_often(tmp_path: Path) -> None:
    folder = quiet(write(tmp_path / "in", {"a.png": png(1)}))
    source = taken_in(folder, watch_minutes=20)
    folder.rename(tmp_path / "away")
    pauses = []
    for _ in range(6):
        ended(source, minutes_ago=10_000)
        assert looked(source) == 1
        assert source.state == "failed"
        assert "no folder" in source.error
        pauses.append(minutes_to(source))
    assert pauses == [5, 10, 20, 40, 60, 60]
    (tmp_path / "away").rename(folder)
    ended(source, minutes_ago=61)
    looked(source)
    assert (source.state, source.error, minutes_to(source)) == ("done", "", 20)
    assert states(source) == {"a.png": "ingested"}


def test_a_rarely_watched_source_that_fails_is_tried_soon_and_at_last_as_rarely_as_usual(
    tmp_path: Path,
) -> None:
    source = taken_in(quiet(write(tmp_path / "in", {"a.png": png(1)})), watch_minutes=1440)
    Source.objects.filter(pk=source.pk).update(state="failed", attempt=1)
    source.refresh_from_db()
    assert minutes_to(source) == 5
    source.attempt = 50
    assert minutes_to(source) == 1440
    source.watch_minutes, source.attempt = 1, 1
    assert minutes_to(source) == 1


@pytest.mark.slow
def test_a_file_that_is_being_written_waits_for_the_next_look(tmp_path: Path) -> None:
    folder = quiet(write(tmp_path / "in", {"old.png": png(1), "film.mp4.part": b"half", "x.TMP": b""}))
    write(folder, {"fresh.png": png(2)[:50]})
    # As if written to all the while; the look itself waits a little for what was just copied.
    os.utime(folder / "fresh.png", (time.time() + 9, time.time() + 9))
    source = taken_in(folder, watch_minutes=15)
    assert states(source) == {"old.png": "ingested"}
    assert source.message == "1 items in; 3 are still being written and wait for the next look"
    write(folder, {"fresh.png": png(2)})
    quiet(folder)
    again(source)
    assert states(source) == {"fresh.png": "ingested", "old.png": "ingested"}


@pytest.mark.slow
def test_what_was_just_copied_there_need_not_wait_for_the_next_look(tmp_path: Path) -> None:
    source = taken_in(write(tmp_path / "in", {"fresh.png": png(1)}), watch_minutes=1440)
    assert states(source) == {"fresh.png": "ingested"}
    assert source.message == "1 items in"


def test_a_folder_that_is_looked_at_once_takes_what_is_there(tmp_path: Path) -> None:
    source = taken_in(write(tmp_path / "in", {"fresh.png": png(1), "film.part": b"half"}))
    assert states(source) == {"film.part": "refused", "fresh.png": "ingested"}


def test_what_is_written_to_while_it_is_read_is_no_item_yet(tmp_path: Path) -> None:
    pipe_like = write(tmp_path / "in", {"growing.png": bomb(10) + bytes(8 * 1024 * 1024)})
    path, stop = pipe_like / "growing.png", threading.Event()

    def grow() -> None:
        while not stop.is_set():
            with path.open("ab") as file:
                file.write(b"more")
            time.sleep(0.0005)

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        source = taken_in(pipe_like)
    finally:
        stop.set()
        writer.join()
    assert states(source) == {}
    assert source.message == "0 items in; 1 are still being written and wait for the next look"


def test_searches_for_faces_begin_again_only_for_new_media(tmp_path: Path) -> None:
    from labeling.sources import faces

    folder = quiet(write(tmp_path / "in", {"a.png": png(1)}))
    source = taken_in(folder, watch_minutes=15, options={"detect": ["haar"]})
    faces.find_faces(Detection.objects.get().pk)
    again(source)
    assert Detection.objects.get().state == "done"
    quiet(write(folder, {"b.png": png(2)}))
    again(source)
    assert Detection.objects.get().state == "waiting"


def test_a_list_of_addresses_is_watched_and_nothing_fetched_twice(tmp_path: Path, settings) -> None:
    from labeling.fetching.addresses import networks

    settings.FETCH_ALLOW_ADDRESSES = networks(["127.0.0.1"])
    settings.FETCH_PER_SECOND = 1000.0
    with serving(Server()) as far:
        for name in ("a", "b"):
            far.answers[f"/{name}.png"] = lambda one, name=name: one.say(200, png(ord(name)))
        listed = tmp_path / "list.txt"
        listed.write_text(f"{far.url}/a.png\n")
        source = taken_in(listed, options={"basis": "own"}, watch_minutes=5)
        listed.write_text(f"{far.url}/a.png\n{far.url}/b.png\n")
        ended(source, minutes_ago=5)
        looked(source)
        assert sorted(states(source).values()) == ["ingested", "ingested"]
        assert far.asked["/a.png"] == 1


@pytest.mark.parametrize(
    ("kind", "minutes", "why"),
    [
        ("zip", 15, "is looked through once"),
        ("folder", 0, "every 1 to 43200 minutes"),
        ("youtube", 15, "every 60 to 43200 minutes"),
        ("folder", 50_000, "every 1 to 43200 minutes"),
    ],
)
def test_what_cannot_be_watched_says_why(kind: str, minutes: int, why: str) -> None:
    with pytest.raises(watching.CannotWatch, match=why):
        watching.check(kind, minutes)


def test_the_page_begins_and_ends_the_watching_and_says_when_it_looks_next(client, tmp_path: Path) -> None:
    client.force_login(make_user("manager"))
    folder = quiet(write(tmp_path / "in", {"a.png": png(1)}))
    source = taken_in(folder)
    page = f"/sources/{source.pk}/"
    assert 'value="1440">every day<' in client.get(page).content.decode()
    client.post(f"{page}watch/", {"minutes": "60"})
    source.refresh_from_db()
    assert source.watch_minutes == 60
    shown = " ".join(client.get(page).content.decode().split())
    assert "Watched every hour. The next look is <time" in shown
    assert ">in 59 minutes</time>" in shown
    folder.rename(tmp_path / "away")
    ended(source, minutes_ago=60)
    looked(source)
    shown = " ".join(client.get(page).content.decode().split())
    assert "The last look failed; the next is <time" in shown
    assert "There is no folder at" in shown
    client.post(f"{page}watch/", {"stop": "1"})
    source.refresh_from_db()
    assert source.watch_minutes is None
    answer = client.post(f"{page}watch/", {"minutes": "0"}, follow=True)
    assert "can be looked at every 1 to 43200 minutes, not 0" in answer.content.decode()


def test_a_zip_is_not_offered_to_be_watched(client, tmp_path: Path) -> None:
    client.force_login(make_user("manager"))
    source = taken_in(zipped(tmp_path / "a.zip", {"a.png": png(1)}))
    assert "watch-minutes" not in client.get(f"/sources/{source.pk}/").content.decode()


def test_the_api_and_the_command_watch_too(client, tmp_path: Path, settings) -> None:
    client.force_login(make_user("manager"))
    settings.IMPORT_ROOTS = [tmp_path]
    folder = quiet(write(tmp_path / "in", {"a.png": png(1)}))
    made = client.post(
        "/api/v1/sources/", {"location": str(folder), "watch_minutes": 30}, content_type="application/json"
    )
    assert (made.status_code, made.json()["watch_minutes"], made.json()["next_look"]) == (201, 30, None)
    source = Source.objects.get()
    address = f"/api/v1/sources/{source.pk}/watch/"
    for minutes in (5, None):
        answer = client.post(address, {"watch_minutes": minutes}, content_type="application/json")
        assert answer.json()["watch_minutes"] == minutes
    assert client.post(address, {}, content_type="application/json").status_code == 400
    ingest.ingest(source.pk)

    def told(*words: str) -> str:
        out = StringIO()
        call_command("watch", *words, stdout=out)
        return out.getvalue()

    assert told() == ""
    assert f"Source {source.pk} “in”: every 15 minutes, next look 20" in told(str(source.pk), "--every", "15")
    assert told().startswith(f"Source {source.pk} “in”: every 15 minutes")
    assert told(str(source.pk), "--stop") == f"Source {source.pk} “in”: not watched.\n"
    with pytest.raises(CommandError, match="not 0"):
        told(str(source.pk), "--every", "0")
    with pytest.raises(CommandError, match="There is no source 999999"):
        told("999999")
    with pytest.raises(CommandError, match="Say which source"):
        told("--stop")
    call_command("ingest", str(folder), "--watch", "20", "--in-process", stdout=StringIO())
    source.refresh_from_db()
    assert source.watch_minutes == 20
