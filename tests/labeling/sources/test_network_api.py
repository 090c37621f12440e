"""Sources from the network by the API: held to the same as in the browser."""

from pathlib import Path

import pytest
from rest_framework.test import APIClient

from labeling.models import Source
from tests.factories import make_user

pytestmark = pytest.mark.django_db
SOURCES = "/api/v1/sources/"
ALBUM = "https://www.flickr.com/photos/ada/albums/721"


@pytest.fixture
def client(settings, tmp_path: Path) -> APIClient:
    settings.IMPORT_ROOTS = [tmp_path]
    settings.FLICKR_API_KEY = "key"
    one = APIClient()
    one.force_authenticate(make_user("manager"))
    return one


def test_a_page_of_flickr_and_a_list_become_sources(client: APIClient, tmp_path: Path) -> None:
    options = {"basis": "own", "most": 10}
    made = client.post(SOURCES, {"location": ALBUM, "options": options}, format="json")
    assert (made.status_code, made.json()["kind"], made.json()["options"]) == (201, "flickr", options)
    (tmp_path / "list.txt").write_text("https://a.example.com/1.jpg\n")
    wanted = {"location": str(tmp_path / "list.txt"), "options": {"basis": "open"}}
    assert client.post(SOURCES, wanted, format="json").json()["kind"] == "web"


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"location": ALBUM}, "say on what basis"),
        ({"location": "/etc/passwd", "kind": "flickr"}, "neither http:// nor https://"),
        ({"location": "file:///etc/passwd", "kind": "flickr"}, "neither http:// nor https://"),
        ({"location": ALBUM, "kind": "folder"}, "is not a whole path"),
        ({"location": "/etc/passwd", "kind": "web"}, "outside the folders this site may read from"),
        ({"location": "http://169.254.169.254/latest/"}, "a page of none of the sites"),
        (
            {"location": "http://127.0.0.1/photos/ada/", "kind": "flickr", "options": {"basis": "own"}},
            "is no page of Flickr",
        ),
    ],
)
def test_other_places_are_refused(client: APIClient, wanted: dict[str, object], said: str) -> None:
    refused = client.post(SOURCES, wanted, format="json")
    assert refused.status_code == 409
    assert said in refused.json()["error"]
    assert not Source.objects.exists()
