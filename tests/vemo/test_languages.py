"""The site in every language it has: which one a page speaks, and that every word of it is marked and translated."""

import pytest
from django.conf import settings as site
from django.urls import reverse
from django.utils.formats import date_format, number_format
from django.utils.translation import override

from tests.factories import make_user

pytestmark = pytest.mark.django_db


def spoken(answer) -> str:
    """The language a page says it is in."""
    code = answer.headers["Content-Language"]
    assert f'<html lang="{code}">' in answer.content.decode()
    return code


def signed_in(client, language: str = ""):
    user = make_user("annotator")
    user.language = language
    user.save()
    client.force_login(user)
    return user


def test_vietnamese_is_there_by_its_own_name() -> None:
    assert ("vi", "Tiếng Việt") in site.LANGUAGES


def test_a_stranger_is_spoken_to_as_the_browser_asks(client) -> None:
    assert spoken(client.get("/signin/")) == "en"
    assert spoken(client.get("/signin/", headers={"accept-language": "vi-VN,vi;q=0.9,en;q=0.5"})) == "vi"
    assert spoken(client.get("/signin/", headers={"accept-language": "tlh"})) == "en"


def test_a_strangers_choice_is_kept_by_the_browser(client) -> None:
    answer = client.post("/language/", {"language": "vi", "next": "/signin/"})
    assert answer.url == "/signin/"
    assert spoken(client.get("/signin/", headers={"accept-language": "en"})) == "vi"


def test_the_profile_goes_before_the_browser_and_its_cookie(client) -> None:
    signed_in(client, "vi")
    client.cookies[site.LANGUAGE_COOKIE_NAME] = "en"
    assert spoken(client.get("/account/", headers={"accept-language": "en"})) == "vi"


def test_at_sign_in_the_cookie_follows_the_profile(client) -> None:
    user = make_user("annotator")
    user.language = "vi"
    user.save()
    client.post("/signin/", {"username": user.username, "password": "secret"})
    assert client.cookies[site.LANGUAGE_COOKIE_NAME].value == "vi"


def test_a_choice_of_the_signed_in_is_kept_in_the_profile(client) -> None:
    user = signed_in(client)
    client.post("/language/", {"language": "vi"})
    user.refresh_from_db()
    assert user.language == "vi"
    assert client.cookies[site.LANGUAGE_COOKIE_NAME].value == "vi"


def test_who_chooses_nothing_is_spoken_to_as_the_browser_asks_again(client) -> None:
    user = signed_in(client, "vi")
    client.get("/account/")
    client.post("/language/", {"language": "", "next": "/account/"})
    user.refresh_from_db()
    assert user.language == ""
    assert client.cookies[site.LANGUAGE_COOKIE_NAME].value == ""
    assert spoken(client.get("/account/")) == "en"


def test_a_language_the_site_does_not_speak_is_refused(client) -> None:
    user = signed_in(client, "vi")
    assert client.post("/language/", {"language": "tlh", "next": "/account/"}).url == "/account/"
    user.refresh_from_db()
    assert user.language == "vi"


def test_a_language_that_was_taken_away_leaves_its_readers_the_browsers(client) -> None:
    signed_in(client, "tlh")
    assert spoken(client.get("/account/")) == "en"


def test_no_choice_of_a_language_leads_to_another_site(client) -> None:
    assert client.post("/language/", {"language": "vi", "next": "https://elsewhere.example/"}).url == "/"


def test_caches_are_told_what_a_page_depends_on(client) -> None:
    vary = client.get("/signin/").headers["Vary"]
    assert {"Accept-Language", "Cookie"} <= set(vary.split(", "))


def test_votes_go_by_the_cookie_and_read_no_profile(client, django_assert_num_queries) -> None:
    client.cookies[site.LANGUAGE_COOKIE_NAME] = "vi"
    with django_assert_num_queries(0):
        answer = client.post(reverse("labeling:vote_next", args=[1]), "{}", content_type="application/json")
    assert answer.status_code == 401
    assert answer.headers["Content-Language"] == "vi"


def test_numbers_and_dates_are_written_as_their_readers_write_them() -> None:
    from datetime import datetime

    moment = datetime(2026, 3, 9, 17, 5)
    with override("en"):
        assert number_format(1234567, force_grouping=True) == "1,234,567"
        assert date_format(moment, "DATETIME_FORMAT") == "9 March 2026, 17:05"
    with override("vi"):
        assert number_format(1234567, force_grouping=True) == "1.234.567"
        assert number_format("0.75") == "0,75"
        assert date_format(moment, "DATETIME_FORMAT") == "17:05 9/3/2026"
