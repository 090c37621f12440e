"""Photos of Flickr through its API, which a server on loopback stands in for."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import call_command

from labeling.fetching.addresses import networks
from labeling.models import Item, Media, Source
from labeling.sources import ingest
from labeling.sources.base import CannotAdd, CannotRead
from labeling.sources.flickr.addresses import (
    Album,
    Group,
    Person,
    Photo,
    Search,
    parse,
    search_address,
)
from labeling.sources.places import guess_kind
from tests.labeling.fetching.servers import serving
from tests.labeling.sources.flickr_server import BOB, KEY, Busy, FakeFlickr, FakePhoto
from tests.labeling.sources.places import again, kept, png, reasons, states, taken_in
from tests.labeling.sources.test_watching import ended, looked, minutes_to
from tests.labeling.sources.test_web import wait_for_items
from tests.labeling.vision.films import write_film

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).resolve().parents[3]
SITE = "https://www.flickr.com"
ALBUM = f"{SITE}/photos/ada/albums/721"
OWN, OPEN = {"basis": "own"}, {"basis": "open"}


@pytest.fixture
def flickr(settings) -> Iterator[FakeFlickr]:
    settings.FETCH_ALLOW_ADDRESSES = networks(["127.0.0.1"])
    settings.FETCH_PER_SECOND = settings.FLICKR_PER_SECOND = 10_000.0
    with serving(FakeFlickr()) as one:
        settings.FLICKR_API_URL = one.api
        settings.FLICKR_API_KEY = KEY
        yield one


def album(flickr: FakeFlickr, count: int, **fields: object) -> None:
    flickr.albums["721"] = [
        flickr.add(FakePhoto(str(5000 + n), **fields)).photo_id  # type: ignore[arg-type]
        for n in range(count)
    ]


# ---- addresses -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("address", "page"),
    [
        (f"{SITE}/photos/ada/53012345678/in/album-721/", Photo("53012345678")),
        (f"{SITE}/photos/ada/albums/721", Album("721", "ada")),
        ("http://flickr.com/photos/1001@N01/sets/721/", Album("721", "1001@N01")),
        (f"{SITE}/photos/ada/", Person("ada")),
        (f"{SITE}/people/ada/", Person("ada")),
        (f"{SITE}/groups/faces/", Group("faces")),
        (f"{SITE}/groups/faces/pool/with-ada", Group("faces")),
        (f"{SITE}/photos/tags/smile/", Search({"tags": "smile"})),
        (
            f"{SITE}/search/?text=smile&license=4%2C5&view_all=1&advanced=1",
            Search({"text": "smile", "license": "4,5"}),
        ),
        (
            search_address({"text": "a b", "license": "CC BY,CC0", "bbox": "105,20,106,21", "tags": ""}),
            Search({"text": "a b", "license": "CC BY,CC0", "bbox": "105,20,106,21"}),
        ),
    ],
)
def test_a_page_is_known_by_its_address(address: str, page: object) -> None:
    assert guess_kind(address) == "flickr"
    assert parse(address) == page


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        (f"{SITE}/explore", "is no page of Flickr with photos"),
        (f"{SITE}/photos/ada/albums", "is no page of Flickr with photos"),
        ("https://www.flickr.com.example.com/photos/ada/", "is no page of Flickr with photos"),
        (f"{SITE}/search/?license=4", "asks for everything on Flickr"),
        (f"{SITE}/search/?text=a&license=mine", "Names are: CC0, "),
        (f"{SITE}/search/?text=a&bbox=1,2,3", "bbox is the least longitude"),
        (f"{SITE}/search/?text=a&bbox=106,20,105,21", "bbox is the least longitude"),
        (f"{SITE}/search/?text=a&api_key=x", "search by “api_key” is not understood"),
        (f"{SITE}/search/?text=a&method=flickr.photos.delete", "search by “method” is not understood"),
    ],
)
def test_other_addresses_are_refused_before_anything_is_asked(
    flickr: FakeFlickr, address: str, reason: str
) -> None:
    with pytest.raises(CannotRead) as refusal:
        parse(address)
    assert reason in str(refusal.value)
    with pytest.raises(CannotAdd):
        ingest.add(kind="flickr", location=address, options=OWN)
    assert not flickr.calls


def test_without_a_key_or_a_basis_there_is_no_source(flickr: FakeFlickr, settings) -> None:
    with pytest.raises(CannotAdd, match="say on what basis"):
        ingest.add(location=ALBUM)
    with pytest.raises(CannotAdd, match="The option most is a whole number from 1, not 0"):
        ingest.add(location=ALBUM, options={**OWN, "most": 0})
    settings.FLICKR_API_KEY = ""
    with pytest.raises(CannotAdd, match="sets FLICKR_API_KEY"):
        ingest.add(location=ALBUM, options=OWN)
    with pytest.raises(CannotAdd, match="is a page of none of the sites that are known here"):
        ingest.add(location="https://example.com/album/1", options=OWN)
    assert not flickr.calls


# ---- what is taken in ----------------------------------------------------------------------------------------
def test_an_album_comes_in_with_its_rights_and_in_the_largest_size(flickr: FakeFlickr) -> None:
    flickr.add(FakePhoto("5000", title="Ada smiles", licence="4"))
    flickr.add(FakePhoto("5001", licence="9", original=False))
    flickr.albums["721"] = ["5000", "5001"]
    source = taken_in(ALBUM, options=OPEN)
    assert (source.kind, source.location, source.name) == ("flickr", ALBUM, ALBUM.removeprefix("https://"))
    assert states(source) == {"5000": "ingested", "5001": "ingested"}
    told = Media.objects.order_by("pk").values_list("original_name", "licence", "author", "page_url", "given")
    assert list(told) == [
        (
            "Ada smiles (5000)", "CC BY 2.0", "Ada", f"{SITE}/photos/ada/5000/",
            {"title": "Ada smiles", "url": f"{flickr.url}/5000_o.png"},
        ),
        ("5001", "CC0 1.0", "Ada", f"{SITE}/photos/ada/5001/", {"url": f"{flickr.url}/5001_l.png"}),
    ]  # fmt: skip
    assert kept(Media.objects.earliest("pk").stored_as) == png(2 * 5000)


def test_one_photo_a_person_and_a_group(flickr: FakeFlickr) -> None:
    for n in range(4):
        flickr.add(FakePhoto(str(6000 + n), owner=BOB if n % 2 else "1001@N01", licence="10"))
    flickr.groups["faces"] = ["6000", "6003"]
    assert states(taken_in(f"{SITE}/photos/bob/6001/", options=OWN)) == {"6001": "ingested"}
    one = Media.objects.get()
    assert (one.licence, one.author, one.page_url) == (
        "Public Domain Mark 1.0", "bob", f"{SITE}/photos/1002@N01/6001/",
    )  # fmt: skip
    assert kept(one.stored_as) == png(2 * 6001)
    assert states(taken_in(f"{SITE}/photos/bob/", options=OWN)) == {"6001": "known", "6003": "ingested"}
    assert states(taken_in(f"{SITE}/groups/faces/", options=OWN)) == {"6000": "ingested", "6003": "known"}
    assert states(taken_in(f"{SITE}/photos/1001@N01/", options=OWN)) == {"6000": "known", "6002": "ingested"}
    assert flickr.calls["flickr.urls.lookupUser"] == 1


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"text": "smile"}, ["7000", "7001"]),
        ({"tags": "face,hanoi", "tag_mode": "all"}, ["7001"]),
        ({"tags": "face"}, ["7001", "7002"]),
        ({"tags": "face,hanoi", "license": "CC BY"}, ["7001"]),
        ({"text": " ", "tags": "face", "license": "9"}, ["7002"]),
        ({"tags": "face", "min_taken_date": "2024-06-01 00:00:00"}, ["7002"]),
        ({"tags": "face", "max_taken_date": "2024-06-01 23:59:59"}, ["7001"]),
        ({"bbox": "105,20,107,22"}, ["7000", "7001"]),
    ],
)
def test_a_search_by_text_tags_licence_date_and_place(
    flickr: FakeFlickr, wanted: dict[str, str], found: list[str]
) -> None:
    flickr.add(FakePhoto("7000", title="A smile", licence="11", at=(105.8, 21.0)))
    flickr.add(FakePhoto("7001", title="Smiles", tags=("face", "hanoi"), licence="4", at=(105.9, 21.1)))
    flickr.add(FakePhoto("7002", tags=("face",), licence="9", taken="2024-07-01", at=(10.0, 50.0)))
    assert sorted(states(taken_in(search_address(wanted), options=OWN))) == found


def test_as_openly_licensed_a_search_asks_for_nothing_else(flickr: FakeFlickr) -> None:
    flickr.add(FakePhoto("7000", title="smile", licence="0"))
    flickr.add(FakePhoto("7001", title="smile", licence="7"))
    source = taken_in(search_address({"text": "smile"}), options=OPEN)
    assert states(source) == {"7001": "ingested"}
    assert flickr.last["license"] == "1,4,5,7,9,10,11"
    assert states(taken_in(search_address({"text": "smile"}), options=OWN)) == {
        "7000": "ingested",
        "7001": "known",
    }


def test_of_an_album_what_reserves_all_rights_is_refused_and_not_fetched(flickr: FakeFlickr) -> None:
    album(flickr, 2)
    flickr.photos["5001"].licence = "0"
    source = taken_in(ALBUM, options=OPEN)
    assert reasons(source) == {"5001": "Its licence is “All Rights Reserved”, which is not an open one."}
    assert "/5001_o.png" not in flickr.asked


def test_a_video_comes_in_its_largest_size(flickr: FakeFlickr, tmp_path: Path) -> None:
    flickr.add(FakePhoto("8000", media="video"))
    flickr.albums["721"] = ["8000"]
    film = write_film(tmp_path / "film.mp4", rate=10, count=5).read_bytes()
    flickr.answers["/8000_720.mp4"] = lambda far: far.say(200, film)
    taken_in(ALBUM, options=OWN)
    assert Media.objects.get().kind == "video"


def test_at_most_so_many(flickr: FakeFlickr) -> None:
    album(flickr, 5)
    assert len(states(taken_in(ALBUM, options={**OWN, "most": 3}))) == 3


def test_more_than_flickr_lists_of_a_search_is_not_passed_over(flickr: FakeFlickr) -> None:
    flickr.add(FakePhoto("7000", title="smile"))
    flickr.more_than_it_lists = 12_345
    source = ingest.add(location=search_address({"text": "smile"}), options=OWN)
    ingest.ingest(source.pk)
    source.refresh_from_db()
    assert source.state == "failed"
    assert "finds 12,345 photos, and Flickr lists only the first 4,000" in source.error
    assert len(states(taken_in(search_address({"text": "smile"}), options={**OWN, "most": 100}))) == 1


# ---- what goes wrong -----------------------------------------------------------------------------------------
def failed(flickr: FakeFlickr, location: str = ALBUM) -> str:
    source = ingest.add(location=location, options=OWN)
    ingest.ingest(source.pk)
    source.refresh_from_db()
    assert source.state == "failed"
    assert KEY not in source.error
    return source.error


def test_a_key_that_is_not_accepted_is_said_and_not_shown(flickr: FakeFlickr, settings) -> None:
    settings.FLICKR_API_KEY = "wrong-key"
    error = failed(flickr)
    assert error == (
        "Flickr does not accept the key (FLICKR_API_KEY): Invalid API Key (Key has invalid format). "
        "Ask an operator to check it."
    )


def test_what_flickr_does_not_have_is_told(flickr: FakeFlickr) -> None:
    assert failed(flickr) == ("Flickr does not list these photos. Flickr says: Photoset not found (error 1).")
    assert "User not found" in failed(flickr, f"{SITE}/photos/nobody/")
    assert "Group not found" in failed(flickr, f"{SITE}/groups/nothing/")
    assert reasons(taken_in(f"{SITE}/photos/ada/999/", options=OWN)) == {
        "999": "Flickr says: Photo not found (error 1)."
    }


def test_an_answer_that_is_none_is_asked_for_again_and_then_told(flickr: FakeFlickr) -> None:
    flickr.answers["/services/rest/"] = lambda far: far.say(200, b"<html>maintenance</html>")
    assert "something that is no JSON. It was tried 4 times." in failed(flickr)
    assert flickr.asked.total() == 4


def test_a_busy_flickr_is_asked_again(flickr: FakeFlickr) -> None:
    album(flickr, 3)
    flickr.busy = {
        "flickr.photosets.getPhotos": Busy(1, 429, {"Retry-After": "1"}),
        "/5001_o.png": Busy(2),
    }
    flickr.out_of_order = 1
    assert set(states(taken_in(ALBUM, options=OWN)).values()) == {"ingested"}


def test_a_placeholder_is_no_photo(flickr: FakeFlickr) -> None:
    album(flickr, 1)
    flickr.answers["/5000_o.png"] = lambda far: far.say(302, Location="/images/photo_unavailable.png")
    flickr.answers["/images/photo_unavailable.png"] = lambda far: far.say(200, png(1))
    assert "a placeholder instead" in reasons(taken_in(ALBUM, options=OWN))["5000"]
    assert not Media.objects.exists()


def test_photos_are_fetched_from_flickrs_hosts_only(flickr: FakeFlickr) -> None:
    album(flickr, 1)
    flickr.answers["/5000_o.png"] = lambda far: far.say(302, Location="http://photos.example.com/a.png")
    assert "which is not one of the hosts" in reasons(taken_in(ALBUM, options=OWN))["5000"]


def test_what_is_new_comes_in_and_what_left_the_album_stays(flickr: FakeFlickr) -> None:
    album(flickr, 3)
    source = taken_in(ALBUM, options=OWN)
    flickr.albums["721"] = ["5002", flickr.add(FakePhoto("5009")).photo_id]
    again(source)
    assert states(source) == dict.fromkeys(["5000", "5001", "5002", "5009"], "ingested")
    assert flickr.asked["/5002_o.png"] == 1


def test_a_watched_album_brings_only_what_is_new_and_outlives_a_flickr_that_fails(
    flickr: FakeFlickr,
) -> None:
    album(flickr, 2)
    source = taken_in(ALBUM, options=OWN, watch_minutes=60)
    album(flickr, 3)
    flickr.asked.clear()
    assert looked(source) == 0
    assert not flickr.asked
    ended(source, minutes_ago=60)
    assert looked(source) == 1
    assert (source.state, states(source)) == ("done", dict.fromkeys(("5000", "5001", "5002"), "ingested"))
    assert [path for path in flickr.asked if path.endswith(".png")] == ["/5002_o.png"]
    # The whole site answers with an error, and then one file does; nothing that is in is lost or asked for again.
    flickr.busy["flickr.photosets.getPhotos"] = Busy(1000, 500)
    album(flickr, 5)
    ended(source, minutes_ago=60)
    assert looked(source) == 1
    assert (source.state, minutes_to(source)) == ("failed", 5)
    assert "Flickr" in source.error
    assert len(states(source)) == 3
    flickr.busy = {"/5003_o.png": Busy(1000, 500)}
    flickr.asked.clear()
    ended(source, minutes_ago=5)
    assert looked(source) == 1
    assert (source.state, source.error, minutes_to(source)) == ("done", "", 60)
    assert states(source) == {
        **dict.fromkeys(("5000", "5001", "5002", "5004"), "ingested"),
        "5003": "refused",
    }
    assert {path for path in flickr.asked if path.endswith(".png")} == {"/5003_o.png", "/5004_o.png"}
    assert Media.objects.count() == 4


def test_by_command(flickr: FakeFlickr) -> None:
    album(flickr, 3)
    call_command("ingest", ALBUM, "--basis", "own", "--most", "2", "--in-process")
    assert Item.objects.filter(state="ingested").count() == 2
    assert Source.objects.get().options == {"basis": "own", "most": 2}


# ---- killed --------------------------------------------------------------------------------------------------
@pytest.mark.once
@pytest.mark.slow
def test_five_hundred_photos_with_failures_and_a_kill_half_way_are_each_there_once(tmp_path: Path) -> None:
    """2 in 100 photos fail at first, a page of the list too; the process is killed for good half-way."""
    home = tmp_path / "home"
    with serving(FakeFlickr()) as flickr:
        flickr.groups["faces"] = [flickr.add(FakePhoto(str(9000 + n))).photo_id for n in range(500)]
        for n in range(0, 500, 50):
            flickr.busy[f"/{9000 + n}_o.png"] = Busy(1, 500 + 3 * (n % 100 == 0))
        flickr.busy["flickr.groups.pools.getPhotos"] = Busy(1, 429, {"Retry-After": "1"})
        environment = {
            **{name: value for name, value in os.environ.items() if name != "DATABASE_URL"},
            "VEMO_HOME": str(home),
            "HEARTBEAT_TIMEOUT_S": "1",
            "FETCH_ALLOW_ADDRESSES": "127.0.0.1",
            "FETCH_PER_SECOND": "1000",
            "FLICKR_API_URL": flickr.api,
            "FLICKR_API_KEY": KEY,
        }
        command = [sys.executable, "manage.py", "ingest", f"{SITE}/groups/faces/", "--in-process"]
        command += ["--basis", "open"]
        migrate = [sys.executable, "manage.py", "migrate", "-v0"]
        subprocess.run(migrate, cwd=ROOT, env=environment, check=True, timeout=120)
        child = subprocess.Popen(command, cwd=ROOT, env=environment)
        wait_for_items(home / "vemo.sqlite3", 250)
        child.send_signal(signal.SIGKILL)
        assert child.wait(30) == -signal.SIGKILL
        time.sleep(1)
        last = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
        assert last.returncode == 0, last.stderr
        assert "500 media, 0 faces; 0 items were known already, 0 refused." in last.stdout
        assert len(list((home / "storage" / "media").rglob("*.png"))) == 500
        asked = [flickr.asked[f"/{9000 + n}_o.png"] for n in range(500)]
        # Each once; those that failed at first twice; the one on its way when killed once more.
        assert 510 <= sum(asked) <= 511
