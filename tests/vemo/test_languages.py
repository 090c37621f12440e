"""The site in every language it has: which one a page speaks, and that every word of it is marked and translated."""

import re
import runpy
import shutil
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from babel.messages.catalog import Catalog
from django.conf import settings as site
from django.test import Client
from django.urls import reverse
from django.utils.formats import date_format, number_format
from django.utils.translation import ngettext, override

from tests.factories import make_user
from tests.vemo import every_page, marked
from tests.vemo.test_roles import PAGES
from training.core.networks import NETWORKS
from vemo import doctor, words

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


def test_the_apis_schema_is_the_same_in_every_language(client) -> None:
    english = client.get("/api/schema/").content
    assert client.get("/api/schema/", headers={"accept-language": "vi"}).content == english


def test_numbers_and_dates_are_written_as_their_readers_write_them() -> None:
    moment = datetime(2026, 3, 9, 17, 5)
    with override("en"):
        assert number_format(1234567, force_grouping=True) == "1,234,567"
        assert date_format(moment, "DATETIME_FORMAT") == "9 March 2026, 17:05"
    with override("vi"):
        assert number_format(1234567, force_grouping=True) == "1.234.567"
        assert number_format("0.75") == "0,75"
        assert date_format(moment, "DATETIME_FORMAT") == "17:05 9/3/2026"


def test_the_doctor_says_which_languages_nobody_compiled(settings, tmp_path: Path) -> None:
    shutil.copytree(site.LOCALE_PATHS[0], tmp_path / "locale", ignore=shutil.ignore_patterns("*.mo"))
    settings.LOCALE_PATHS = [tmp_path / "locale"]
    (found,) = doctor.examine(["languages"])
    assert (found.ok, found.what) == (False, "Not compiled, so not spoken: vi.")
    runpy.run_path(str(words.ROOT / "platform" / "compile_words.py"))["compile_words"](tmp_path / "locale")
    (found,) = doctor.examine(["languages"])
    assert (found.ok, found.what) == (True, "English, Tiếng Việt")


def test_a_message_without_a_translation_is_said_in_english(settings, tmp_path: Path) -> None:
    po = tmp_path / "locale" / "vi" / "LC_MESSAGES" / "django.po"
    found = Catalog()
    found.add(("{n} thing of this test", "{n} things of this test"))
    words.refresh(po, found)
    runpy.run_path(str(words.ROOT / "platform" / "compile_words.py"))["compile_words"](tmp_path / "locale")
    settings.LOCALE_PATHS = [tmp_path / "locale"]
    with override("vi"):
        assert ngettext("{n} thing of this test", "{n} things of this test", 2) == "{n} things of this test"


def test_refreshing_keeps_translations_and_drops_what_nobody_says(tmp_path: Path) -> None:
    po = tmp_path / "vi" / "LC_MESSAGES" / "django.po"
    first, second = Catalog(), Catalog()
    for catalogue, said in ((first, ("stays", "goes")), (second, ("stays", "comes"))):
        for message in said:
            catalogue.add(message)
    words.refresh(po, first)
    po.write_text(po.read_text().replace('msgid "stays"\nmsgstr ""', 'msgid "stays"\nmsgstr "ở lại"'))
    refreshed = words.refresh(po, second)
    assert {message.id: message.string for message in words.load(po) if message.id} == {
        "stays": "ở lại",
        "comes": "",
    }
    assert words.untranslated(refreshed) == ["comes"]


# ---- every word is translated ----------------------------------------------------------------------------------
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|\{\w*(?::[^}]*)?\}|%%")


@pytest.fixture(scope="module")
def found() -> Catalog:
    return words.find(words.sources())


def catalogues() -> list[Path]:
    return sorted(site.LOCALE_PATHS[0].glob("*/LC_MESSAGES/django.po"))


def texts(words_of: Any) -> list[str]:
    return [words_of] if isinstance(words_of, str) else list(words_of or [""])


@pytest.mark.once
@pytest.mark.parametrize("po", catalogues(), ids=lambda po: po.parents[1].name)
def test_every_word_of_the_sources_is_translated(po: Path, found: Catalog) -> None:
    catalogue = words.load(po)
    missing = [
        texts(message.id)[0]
        for message in found
        if message.id
        and (
            (known := catalogue.get(message.id, message.context)) is None
            or known.fuzzy
            or not all(texts(known.string))
        )
    ]
    assert missing == [], "`make messages` brings the file up to the sources"


@pytest.mark.once
@pytest.mark.parametrize("po", catalogues(), ids=lambda po: po.parents[1].name)
def test_a_translation_names_what_the_original_names(po: Path) -> None:
    wrong = []
    for message in words.load(po):
        # A language may say "one face" without the number, so the plural's placeholders are what may be named.
        wanted = Counter(PLACEHOLDER.findall(texts(message.id)[-1]))
        for said in texts(message.string) if message.id else ():
            named = Counter(PLACEHOLDER.findall(said))
            if said and (named - wanted or (len(texts(message.id)) == 1 and wanted != named)):
                wrong.append((texts(message.id)[-1], said))
    assert wrong == []


@pytest.mark.once
def test_a_file_says_nothing_that_nobody_says_any_more(found: Catalog) -> None:
    for po in catalogues():
        assert [
            texts(message.id)[0]
            for message in words.load(po)
            if message.id and found.get(message.id, message.context) is None
        ] == []


# ---- every word is marked--------------------------------------------------------------------------------------
SAME_EVERYWHERE = frozenset(
    {
        *("VEMO", "FER2013", "API", "CSV", "JSON"),  # names
        *("English", "Tiếng", "Việt"),  # languages, by their own names
        *("UTC", "sha256", "image/png"),  # what only machines have agreed on
        *("haar", "yunet", "fer2013"),  # detectors and kinds of sources, as commands and the API call them
        *(
            "resnet18",
            "quick",
            "paper-code",
            "paper-text",
            "soft-votes",
            "strong",
            "auto",
            "cpu",
            "cuda",
            "mps",
            '{"rotation": 10}',
        ),  # settings
        *("360p", "480p", "720p", "1080p", "1440p", "2160p"),  # heights of videos
        # networks, by their authors
        *(network.title for network in NETWORKS.values()),
        *"cnsufvxzm",  # keys of the keyboard
    }
)
NOT_YET: frozenset[str] = frozenset()
"""Pages on which words still stand unmarked."""
NOTHING_TO_SHOW = {
    "labeling:vote_context": 404,
    "labeling:vote_second": 404,
    "labeling:export_download": 404,
    "labeling:frozen_face": 404,
    "labeling:media_moment": 404,
    "labeling:snapshot_compare_csv": 404,
    "labeling:snapshot_compare_json": 404,
}
"""Addresses of files that are not there, of moments of a picture, or that nobody has said of what."""
FORMS = (
    "account",
    "labeling:source_new",
    "labeling:snapshot_new",
    "labeling:vote_preferences",
    "training:run_new",
)
"""What these say to an empty form is read too."""


@pytest.fixture
def bracketed(settings, tmp_path: Path) -> str:
    """The code of a language whose every word stands in brackets."""
    marked.write_bracketed(tmp_path / "locale")
    settings.LOCALE_PATHS = [tmp_path / "locale"]
    settings.LANGUAGES = [(marked.BRACKETED, marked.OPEN), *settings.LANGUAGES]
    return marked.BRACKETED


def pages_of(client: Client, world: every_page.World, language: str) -> Iterator[tuple[str, str]]:
    """Name and HTML of every page an admin can look at, and of what the forms say to nothing."""
    world.admin.language = language
    world.admin.save()
    client.force_login(world.admin)
    for name in sorted(PAGES.keys() - NOT_YET):
        answer = client.get(reverse(name, kwargs=world.of(name)))
        kind = answer.headers.get("Content-Type", "")
        if kind.startswith("text/html") and answer.status_code in (200, 400):
            yield name, answer.content.decode()
        elif answer.streaming:
            assert b"".join(answer.streaming_content)
        else:
            elsewhere = answer.status_code in (302, 405) or not kind.startswith("text/html")
            assert elsewhere or NOTHING_TO_SHOW.get(name) == answer.status_code, (
                f"{name}: {answer.status_code}"
            )
    for name in sorted(set(FORMS) - NOT_YET):
        yield name, client.post(reverse(name), {}).content.decode()
    yield "no such page", client.get("/no-such-page/").content.decode()
    client.logout()
    client.cookies[site.LANGUAGE_COOKIE_NAME] = language
    yield "sign-in", client.get("/signin/").content.decode()
    yield "sign-in", client.post("/signin/", {"username": "1", "password": "1"}).content.decode()
    client.force_login(make_user("nobody", "○"))
    yield "home of nobody", client.get("/").content.decode()
    yield "another role's page", client.get("/campaigns/").content.decode()


@pytest.mark.once
def test_no_page_says_a_word_that_nobody_can_translate(client, bracketed: str) -> None:
    offenders = {
        f"{name}: {text}"
        for name, page in pages_of(client, every_page.make_world(), bracketed)
        for text in marked.unmarked(page, SAME_EVERYWHERE)
    }
    assert not offenders, "\n".join(sorted(offenders))


MEASURES = re.compile(
    r'\b(?:x|y|x1|x2|y1|y2|width|height|value|max|min|step|data-[\w-]+)="-?\d[\d.]*,\d[^"]*"'
)


@pytest.mark.once
def test_numbers_for_the_browser_stay_as_browsers_read_them(client) -> None:
    offenders = {
        f"{name}: {measure}"
        for name, page in pages_of(client, every_page.make_world(), "vi")
        for measure in MEASURES.findall(page)
    }
    assert not offenders, "\n".join(sorted(offenders))
