"""Axe finds nothing serious on any page of the site, in either theme and at either width."""

import pytest
from django.urls import reverse
from playwright.sync_api import Page

from labeling.models import Campaign
from tests.browser.test_pages import serious
from tests.vemo import every_page
from tests.vemo.test_roles import PAGES, POST_ONLY

pytestmark = pytest.mark.django_db(transaction=True)
WIDTHS = {"light": 1280, "dark": 390}
FEWEST = 37


@pytest.mark.parametrize("scheme", WIDTHS)
def test_every_page_is_sound(enter, live_server, complaints: list[str], scheme: str) -> None:
    world = every_page.make_world()
    Campaign.objects.update(state=Campaign.State.OPEN)
    page: Page = enter(world.admin)
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
    page.set_viewport_size({"width": WIDTHS[scheme], "height": 844})
    asked = [name for name in PAGES if name not in POST_ONLY]
    found = {name: _found(page, live_server.url, name, world) for name in asked}
    looked_at = {name: wrong for name, wrong in found.items() if wrong is not None}
    assert {name: wrong for name, wrong in looked_at.items() if wrong} == {}
    assert len(looked_at) >= FEWEST
    assert complaints == []


def _found(page: Page, base: str, name: str, world: every_page.World) -> list[str] | None:
    """What axe finds; None if there is no page at this address: a download, figures, a form's target."""
    address = base + reverse(name, kwargs=world.of(name))
    answer = page.context.request.get(address)
    if not answer.ok or not answer.headers["content-type"].startswith("text/html"):
        return None
    page.goto(address)
    return serious(page)
