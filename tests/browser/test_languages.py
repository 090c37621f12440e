"""A language is chosen without a script, and longer words push nothing off a page."""

import runpy
import shutil
from pathlib import Path

import pytest
from django.conf import settings as site
from django.urls import reverse
from playwright.sync_api import Browser, Page

from tests.browser.test_pages import serious
from tests.vemo import every_page

pytestmark = pytest.mark.django_db(transaction=True)

ROOT = Path(__file__).resolve().parents[2]
TOO_WIDE = "document.scrollingElement.scrollWidth - window.innerWidth"
PAGES = (
    *("home", "account", "doctor", "labeling:vote_home", "labeling:vote", "labeling:vote_preferences"),
    *("labeling:campaigns", "labeling:campaign_new", "labeling:campaign", "labeling:campaign_disputes"),
    *("labeling:sources", "labeling:source", "labeling:face", "labeling:snapshot", "labeling:snapshot_new"),
    *("training:runs", "training:run", "training:run_new", "training:run_doubts", "training:relabel_round"),
)


@pytest.fixture
def compiled(settings, tmp_path: Path) -> None:
    """This tree's translations, whether or not anybody has compiled them."""
    locale = tmp_path / "locale"
    shutil.copytree(site.LOCALE_PATHS[0], locale)
    runpy.run_path(str(ROOT / "platform" / "compile_words.py"))["compile_words"](locale)
    settings.LOCALE_PATHS = [locale]


def test_without_javascript_a_language_is_chosen_and_kept(browser: Browser, live_server, compiled) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{live_server.url}/signin/")
    page.get_by_role("button", name="Tiếng Việt").click()
    assert page.inner_text("h1") == "Đăng nhập"
    page.reload()
    assert page.get_attribute("html", "lang") == "vi"
    context.close()


@pytest.mark.parametrize("width", [1280, 390])
def test_in_vietnamese_no_page_is_wider_than_the_screen(
    enter, live_server, compiled, complaints: list[str], width: int
) -> None:
    world = every_page.make_world()
    world.admin.language = "vi"
    world.admin.save()
    page: Page = enter(world.admin)
    page.set_viewport_size({"width": width, "height": 844})
    for name in PAGES:
        page.goto(live_server.url + reverse(name, kwargs=world.of(name)))
        assert (name, page.get_attribute("html", "lang")) == (name, "vi")
        assert (name, page.evaluate(TOO_WIDE)) == (name, 0)
    page.goto(live_server.url + reverse("account"))
    assert serious(page) == []
    assert complaints == []
