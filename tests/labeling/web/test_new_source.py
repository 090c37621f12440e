"""A manager names a path or sends a file; what comes of it is a source."""

from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.test import Client
from django.utils.html import escape

from labeling.models import Source
from labeling.sources import ingest, rights
from labeling.sources.base import CannotAdd
from tests.factories import make_png, make_user

pytestmark = pytest.mark.django_db
NEW = "/sources/new/"


@pytest.fixture
def manager(client: Client) -> Client:
    client.force_login(make_user("manager", name="maria"))
    return client


@pytest.fixture
def photos(settings, tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "one.png").write_bytes(make_png())
    settings.IMPORT_ROOTS = [tmp_path]
    settings.UPLOAD_ROOT = tmp_path / "uploads"
    return folder


def test_the_form_offers_the_network_only_where_its_model_is(
    manager: Client, settings, tmp_path: Path
) -> None:
    assert "yunet" not in manager.get(NEW).content.decode()
    settings.YUNET_MODEL = str(tmp_path / "yunet.onnx")
    assert "yunet" not in manager.get(NEW).content.decode()
    (tmp_path / "yunet.onnx").write_bytes(b"model")
    assert "yunet" in manager.get(NEW).content.decode()


def test_a_path_becomes_a_source_that_waits(manager: Client, photos: Path) -> None:
    wanted = {
        "location": str(photos),
        "licence": "CC0",
        "author": "Ada",
        "detectors": ["haar"],
        "basis": "own",
    }
    response = manager.post(NEW, wanted)
    source = Source.objects.get()
    assert response.url == f"/sources/{source.pk}/"
    assert (source.kind, source.location, source.licence, source.author, source.state) == (
        "folder",
        str(photos),
        "CC0",
        "Ada",
        "waiting",
    )
    assert source.options == {"basis": "own", "detect": ["haar"]}
    assert source.created_by is not None
    assert source.created_by.username == "maria"


def test_a_file_sent_is_kept_where_the_worker_finds_it(manager: Client, photos: Path) -> None:
    content = make_png(seed=5)
    upload = SimpleUploadedFile("../../me & you.png", content)
    manager.post(NEW, {"upload": upload, "detectors": ["haar"], "basis": "own"})
    path = Path(Source.objects.get().location)
    assert path.is_relative_to(photos.parent / "uploads")
    assert (path.name, path.read_bytes()) == ("me__you.png", content)


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"location": "/etc"}, "outside the folders this site may read from"),
        ({"location": "photos"}, "begin it with a /"),
        ({}, "one of these"),
        ({"location": "HERE", "ferplus": "/etc/passwd"}, "outside the folders this site may read from"),
        ({"location": "HERE", "first_row": 9, "last_row": 3}, "The last row comes before the first."),
        ({"location": "HERE", "kind": "film"}, "Select a valid choice"),
        ({"location": "HERE", "detectors": ["yunet"]}, "Select a valid choice"),
    ],
)
def test_what_cannot_be_added_is_said_beside_the_field(
    manager: Client, photos: Path, wanted: dict[str, object], said: str
) -> None:
    wanted = {name: str(photos) if value == "HERE" else value for name, value in wanted.items()}
    response = manager.post(NEW, {**wanted, "basis": "own"})
    assert response.status_code == 400
    assert said in response.content.decode()
    assert not Source.objects.exists()


def test_an_upload_too_large_is_turned_away_before_it_is_read(
    manager: Client, photos: Path, settings
) -> None:
    settings.MAX_UPLOAD_BYTES = 1000
    slightly = manager.post(NEW, {"upload": SimpleUploadedFile("a.zip", b"x" * 1001)})
    assert (slightly.status_code, Source.objects.count()) == (400, 0)
    assert "Put it on the server" in slightly.content.decode()
    grossly = manager.post(NEW, {"upload": SimpleUploadedFile("a.zip", b"x" * 100_000)})
    assert (grossly.status_code, Source.objects.count()) == (400, 0)
    assert not (photos.parent / "uploads").exists()


def test_web_addresses_become_a_list_once_it_is_said_why_they_may_be_used(
    manager: Client, photos: Path
) -> None:
    wanted = {
        "addresses": "https://a.example.com/1.jpg\r\nhttps://a.example.com/2.jpg",
        "detectors": ["haar"],
    }
    without = manager.post(NEW, wanted)
    assert (without.status_code, Source.objects.count()) == (400, 0)
    assert "nothing is taken in before" in without.content.decode()
    response = manager.post(NEW, {**wanted, "basis": "licensed"})
    source = Source.objects.get()
    assert (source.kind, source.name, source.state) == ("web", "Web addresses", "waiting")
    assert source.options == {"basis": "licensed", "detect": ["haar"]}
    assert Path(source.location).read_text().split() == wanted["addresses"].split()
    assert "has given us a licence" in manager.get(response.url).content.decode()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({}, "Say why these media may be used"),
        ({"basis": "own", "addresses": "https://a.example.com/"}, "one of these"),
        ({"basis": "stolen"}, "Select a valid choice"),
    ],
)
def test_a_list_sent_as_a_file_is_held_to_the_same(
    manager: Client, photos: Path, more: dict[str, str], said: str
) -> None:
    upload = SimpleUploadedFile("list.csv", b"url,licence\nhttps://a.example.com/1.jpg,CC0\n")
    response = manager.post(NEW, {"upload": upload, **more})
    assert (response.status_code, Source.objects.count()) == (400, 0)
    assert said in response.content.decode()


def test_words_where_addresses_should_be_are_said_so(manager: Client, photos: Path) -> None:
    response = manager.post(NEW, {"addresses": "my holiday", "basis": "own"})
    assert (response.status_code, Source.objects.count()) == (400, 0)
    assert "This is no list of web addresses" in response.content.decode()


@pytest.mark.parametrize("basis", ["own", "licensed", "consent", "contract", "open"])
def test_of_every_kind_it_is_asked_why_it_may_be_used(manager: Client, photos: Path, basis: str) -> None:
    refused = manager.post(NEW, {"location": str(photos)})
    assert (refused.status_code, Source.objects.count()) == (400, 0)
    assert "Say why these media may be used; nothing is taken in before." in refused.content.decode()
    said = {"basis": basis, "basis_note": "<b>No. 17</b>"}
    response = manager.post(NEW, {"location": str(photos), **said})
    assert Source.objects.get().options == said
    page = manager.get(response.url).content.decode()
    assert "&lt;b&gt;No. 17&lt;/b&gt;" in page
    assert escape(str(rights.BASES[basis])) in page


def test_a_source_of_which_nobody_said_it_says_so(manager: Client, photos: Path) -> None:
    source = ingest.add(location=photos)
    assert "Nobody has said why" in manager.get(f"/sources/{source.pk}/").content.decode()


def test_programs_may_say_it_of_every_kind_too(photos: Path) -> None:
    call_command("ingest", str(photos), "--basis", "contract", "--basis-note", "No. 17", "--in-process")
    source = Source.objects.get()
    assert (source.options, source.state) == ({"basis": "contract", "basis_note": "No. 17"}, "done")
    with pytest.raises(CannotAdd, match="on what basis"):
        ingest.add(location=photos, options={"basis": "stolen"})
    with pytest.raises(CannotAdd, match="at most 500 characters"):
        ingest.add(location=photos, options={"basis": "own", "basis_note": "x" * 501})


@pytest.mark.parametrize("service", ["YouTube’s terms", "Flickr’s API terms", "Google’s terms for this API"])
def test_the_form_says_what_a_services_terms_ask(manager: Client, service: str) -> None:
    assert service in manager.get(NEW).content.decode()


ALBUM = "https://www.flickr.com/photos/ada/albums/721"


def test_without_a_key_the_form_says_what_flickr_needs(manager: Client, photos: Path, settings) -> None:
    settings.FLICKR_API_KEY = ""
    assert "FLICKR_API_KEY" in manager.get(NEW).content.decode()
    settings.FLICKR_API_KEY = "key"
    page = manager.get(NEW).content.decode()
    assert "FLICKR_API_KEY" not in page
    assert 'name="flickr_page"' in page


@pytest.mark.parametrize(
    ("wanted", "location", "most"),
    [
        ({"flickr_page": ALBUM}, ALBUM, None),
        ({"location": ALBUM}, ALBUM, None),
        (
            {
                "flickr_text": "a smile",
                "flickr_licences": ["CC BY", "CC0"],
                "flickr_from": "2024-01-31",
                "flickr_place": "105.7, 20.9, 106.0, 21.2",
                "flickr_most": 500,
            },
            "https://www.flickr.com/search/?text=a+smile&license=CC+BY%2CCC0"
            "&min_taken_date=2024-01-31+00%3A00%3A00&bbox=105.7%2C20.9%2C106.0%2C21.2",
            500,
        ),
    ],
)
def test_a_page_or_a_search_of_flickr_becomes_a_source(
    manager: Client, photos: Path, settings, wanted: dict[str, object], location: str, most: int | None
) -> None:
    settings.FLICKR_API_KEY = "key"
    without = manager.post(NEW, wanted)
    assert (without.status_code, Source.objects.count()) == (400, 0)
    assert "these media may be used" in without.content.decode()
    manager.post(NEW, {**wanted, "basis": "open"})
    source = Source.objects.get()
    assert (source.kind, source.location, source.state) == ("flickr", location, "waiting")
    assert source.options == {"basis": "open", **({"most": most} if most else {})}


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"flickr_page": "https://www.flickr.com/explore"}, "is no page of Flickr with photos"),
        ({"flickr_page": "https://example.com/"}, "is no page of Flickr with photos"),
        ({"flickr_page": "http://10.0.0.7\\@flickr.com/"}, "a backslash"),
        ({"flickr_page": ALBUM, "flickr_text": "a", "location": "/etc"}, "outside the folders"),
        ({"flickr_text": "a", "addresses": "https://a.example.com/"}, "one of these"),
        ({"flickr_page": ALBUM, "flickr_text": "a"}, "Name a page or what to search for, not both."),
        (
            {"flickr_page": ALBUM, "flickr_place": "1, 2, 3, 4"},
            "Name a page or what to search for, not both.",
        ),
        ({"flickr_text": "a", "flickr_place": "Hanoi"}, "Name the west, south, east and north edge"),
        (
            {"flickr_text": "a", "flickr_place": "106, 20, 105, 21"},
            "Name the west, south, east and north edge",
        ),
        ({"flickr_licences": ["CC BY"]}, "asks for everything on Flickr"),
        ({"location": "https://example.com/a.jpg"}, "known here (Flickr, Google, YouTube)"),
    ],
)
def test_what_flickr_cannot_be_asked_is_said(
    manager: Client, photos: Path, settings, wanted: dict[str, object], said: str
) -> None:
    settings.FLICKR_API_KEY = "key"
    response = manager.post(NEW, {**wanted, "basis": "own"})
    assert (response.status_code, Source.objects.count()) == (400, 0)
    assert said in response.content.decode()


def test_a_search_of_google_becomes_a_source_where_there_is_a_key(
    manager: Client, photos: Path, settings
) -> None:
    assert 'name="google_words"' not in manager.get(NEW).content.decode()
    settings.GOOGLE_API_KEY = settings.GOOGLE_CX = "x"
    assert 'name="google_words"' in manager.get(NEW).content.decode()
    wanted = {"google_words": "a smile", "google_rights": "cc_attribute", "google_most": 20, "basis": "open"}
    manager.post(NEW, wanted)
    source = Source.objects.get()
    assert (source.kind, source.location, source.options) == (
        "google",
        "https://www.google.com/search?q=a+smile&rights=cc_attribute",
        {"basis": "open", "most": 20},
    )
    everything = {**wanted, "google_rights": "any"}
    assert "not all are openly licensed" in manager.post(NEW, everything).content.decode()
    manager.post(NEW, {**everything, "basis": "licensed"})
    source = Source.objects.latest("pk")
    assert source.location == "https://www.google.com/search?q=a+smile&rights=any"


WATCH = "https://www.youtube.com/watch?v=dQw4w9WgXcQ"
SEARCH = "https://www.youtube.com/results?search_query=a+smile"


@pytest.mark.parametrize(
    ("wanted", "location", "options"),
    [
        ({"youtube_page": WATCH}, WATCH, {"height": 720}),
        (
            {"youtube_page": WATCH, "youtube_height": 1080, "youtube_most": 5},
            WATCH,
            {"height": 1080, "most": 5},
        ),
        ({"youtube_words": " a smile "}, SEARCH, {"height": 720, "most": 50}),
        ({"youtube_words": "a smile", "youtube_most": 7}, SEARCH, {"height": 720, "most": 7}),
        ({"location": WATCH}, WATCH, {}),
    ],
)
def test_a_page_or_a_search_of_youtube_becomes_a_source(
    manager: Client, photos: Path, wanted: dict[str, object], location: str, options: dict[str, object]
) -> None:
    without = manager.post(NEW, wanted)
    assert (without.status_code, Source.objects.count()) == (400, 0)
    assert "these media may be used" in without.content.decode()
    manager.post(NEW, {**wanted, "basis": "open"})
    source = Source.objects.get()
    assert (source.kind, source.location, source.state) == ("youtube", location, "waiting")
    assert source.options == {"basis": "open", **options}


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"youtube_page": "https://www.youtube.com/feed/you"}, "is no page of YouTube with videos"),
        ({"youtube_page": "https://example.com/"}, "is no page of YouTube with videos"),
        ({"youtube_page": WATCH, "youtube_words": "a"}, "not both"),
        ({"youtube_page": WATCH, "addresses": "https://a.example.com/"}, "one of these"),
        ({"youtube_page": WATCH, "youtube_height": 7}, "Select a valid choice"),
        ({"youtube_page": WATCH, "youtube_cookies": "/etc/passwd"}, "outside the folders"),
        ({"youtube_page": WATCH, "youtube_most": 0}, "greater than or equal to 1"),
    ],
)
def test_what_youtube_cannot_be_asked_is_said(
    manager: Client, photos: Path, wanted: dict[str, object], said: str
) -> None:
    response = manager.post(NEW, {**wanted, "basis": "own"})
    assert (response.status_code, Source.objects.count()) == (400, 0)
    assert said in response.content.decode()


def test_a_file_of_cookies_is_looked_at_before_it_is_used(manager: Client, photos: Path) -> None:
    path = photos / "cookies.txt"
    path.write_text("SID secret-value")
    wanted = {"youtube_page": WATCH, "basis": "own", "youtube_cookies": str(path)}
    page = manager.post(NEW, wanted).content.decode()
    assert "is no file of cookies" in page
    assert "secret-value" not in page
    path.write_text(".youtube.com\tTRUE\t/\tTRUE\t2147483647\tSID\tsecret-value\n")
    manager.post(NEW, wanted)
    assert Source.objects.get().options["cookies"] == str(path)
