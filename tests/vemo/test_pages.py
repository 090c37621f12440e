"""Home, account, health, and the pages that say no."""

import re

import pytest
from django.urls import reverse
from django.views.defaults import server_error
from rest_framework.authtoken.models import Token

from labeling.models import Source
from tests.factories import make_campaign, make_media, make_user

pytestmark = pytest.mark.django_db


def rooms(client) -> list[str]:
    return [room.name for room in client.get("/").context["rooms"]]


@pytest.mark.parametrize(
    ("role", "names"),
    [
        ("annotator", ["Vote"]),
        ("manager", ["Sources", "Faces", "Campaigns", "Snapshots", "Doctor"]),
        ("trainer", ["Faces", "Snapshots", "Runs", "Admin"]),
        ("nobody", []),
        ("admin", ["Vote", "Sources", "Faces", "Campaigns", "Snapshots", "Runs", "Doctor", "Admin"]),
    ],
)
def test_each_role_is_led_to_its_rooms(client, role: str, names: list[str]) -> None:
    client.force_login(make_user(role))
    assert rooms(client) == names


def test_every_room_opens_to_whom_it_is_shown(client) -> None:
    client.force_login(make_user("admin"))
    answers = {room.name: client.get(room.url).status_code for room in client.get("/").context["rooms"]}
    assert set(answers.values()) == {200}


@pytest.mark.parametrize(
    ("page", "room"),
    [
        ("labeling:sources", "Sources"),
        ("labeling:source_new", "Sources"),
        ("labeling:licences_changed", "Sources"),
        ("labeling:erasures", "Sources"),
        ("labeling:faces", "Faces"),
        ("labeling:snapshots", "Snapshots"),
        ("training:relabel_rounds", "Runs"),
    ],
)
def test_the_room_a_page_belongs_to_is_marked(client, page: str, room: str) -> None:
    client.force_login(make_user("admin"))
    assert marked(client.get(reverse(page))) == [room]


def test_a_media_and_what_came_of_a_source_belong_to_the_sources(client) -> None:
    client.force_login(make_user("admin"))
    source = Source.objects.create(name="s", kind="folder", location="/x")
    assert marked(client.get(reverse("labeling:media", args=[make_media().pk]))) == ["Sources"]
    assert marked(client.get(reverse("labeling:lineage_source", args=[source.pk]))) == ["Sources"]


def test_home_belongs_to_no_room(client) -> None:
    client.force_login(make_user("admin"))
    assert marked(client.get("/")) == []


def marked(answer) -> list[str]:
    """The rooms that are shown as the current one."""
    navigation = re.search(r'<nav class="site-nav".*?</nav>', answer.content.decode(), re.DOTALL)
    return re.findall(r'aria-current="page">([^<]*)</a>', navigation[0])


def test_home_offers_an_annotator_the_campaigns_with_faces(client) -> None:
    campaign = make_campaign(2)
    client.force_login(make_user("annotator"))
    assert reverse("labeling:vote", args=[campaign.pk]) in client.get("/").content.decode()


def test_home_tells_who_has_no_role_what_to_do(client) -> None:
    client.force_login(make_user("nobody"))
    assert "Ask an admin" in client.get("/").content.decode()


def test_a_stranger_is_led_to_sign_in(client) -> None:
    assert client.get("/").url == "/signin/?next=/"


def test_a_renewed_token_ends_the_old_one(client) -> None:
    user = make_user("trainer")
    old = Token.objects.create(user=user)
    client.force_login(user)
    client.post(reverse("token_renew"))
    assert Token.objects.get(user=user).key != old.key


def test_who_changes_the_password_stays_signed_in(client) -> None:
    user = make_user("annotator")
    client.force_login(user)
    new = "a quiet studio 7"
    client.post("/account/", {"old_password": "secret", "new_password1": new, "new_password2": new})
    user.refresh_from_db()
    assert user.check_password(new)
    assert client.get("/account/").status_code == 200


def test_a_wrong_old_password_changes_nothing(client) -> None:
    user = make_user("annotator")
    client.force_login(user)
    new = "a quiet studio 7"
    answer = client.post("/account/", {"old_password": "wrong", "new_password1": new, "new_password2": new})
    user.refresh_from_db()
    assert answer.status_code == 400
    assert user.check_password("secret")


def test_health_is_good_while_database_storage_and_broker_answer(client) -> None:
    answer = client.get("/health/")
    assert answer.status_code == 200
    assert answer.json() == {"ok": True, "database": True, "storage": True, "broker": True}


def test_health_names_what_does_not_answer(client, settings, tmp_path) -> None:
    (tmp_path / "file").write_text("no folder can be made below a file")
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(tmp_path / "file" / "storage")},
        },
    }
    answer = client.get("/health/")
    assert answer.status_code == 503
    assert answer.json() == {"ok": False, "database": True, "storage": False, "broker": True}


def test_a_page_that_is_not_there_says_so_in_the_sites_frame(client) -> None:
    client.force_login(make_user("annotator"))
    answer = client.get("/no-such-page/")
    assert answer.status_code == 404
    assert "Nothing here" in answer.content.decode()
    assert 'class="site-head"' in answer.content.decode()


def test_a_page_for_another_role_says_whom_to_ask(client) -> None:
    client.force_login(make_user("annotator"))
    answer = client.get("/campaigns/")
    assert answer.status_code == 403
    assert "Ask an admin" in answer.content.decode()


def test_when_the_site_breaks_the_visitor_is_told_so_without_the_frame(rf) -> None:
    answer = server_error(rf.get("/"))
    assert answer.status_code == 500
    assert "Something broke" in answer.content.decode()


def test_the_account_page_begins_at_its_head_not_at_the_old_password(client) -> None:
    client.force_login(make_user("annotator"))
    assert "autofocus" not in client.get("/account/").content.decode()


def test_what_cannot_be_read_is_answered_in_words(client, settings) -> None:
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 1
    client.raise_request_exception = False
    answer = client.post("/signin/", {"username": "a", "password": "b"})
    assert answer.status_code == 400
    assert "nothing was done" in answer.content.decode()
