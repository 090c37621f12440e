"""Every page of annotators and managers is sound: accessible, within the security policy, without errors."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from labeling import erasure
from labeling.models import CampaignFace
from tests.factories import make_campaign, make_faces, make_user, settle

pytestmark = pytest.mark.django_db(transaction=True)


def serious(page: Page) -> list[str]:
    violations = Axe().run(page).response["violations"]
    return [
        f"{found['id']}: {node['html'][:200]}"
        for found in violations
        if found["impact"] in ("serious", "critical")
        for node in found["nodes"]
    ]


TABS = ("faces", "disputes", "annotators", "integrity")


@pytest.fixture
def campaign():
    campaign = make_campaign(4)
    faces = list(CampaignFace.objects.filter(campaign=campaign))
    settle(faces[0], "happy")
    settle(faces[1], "sad", agreement=0.6)
    return campaign


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_sign_in_is_sound(page: Page, live_server, complaints: list[str], scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)
    page.goto(f"{live_server.url}/signin/")
    assert serious(page) == []
    assert complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_annotators_pages_are_sound(
    enter, live_server, campaign, complaints: list[str], scheme: str
) -> None:
    page = enter(make_user("annotator"))
    page.emulate_media(color_scheme=scheme)
    for address in ("/", "/vote/", "/vote/preferences/", "/account/", f"/vote/{campaign.pk}/"):
        page.goto(live_server.url + address)
        page.wait_for_load_state("networkidle")
        assert (address, serious(page)) == (address, [])
    for key in ("1", "2", "3", "z", "v", "x", "Shift+S"):
        page.keyboard.press(key)
    page.wait_for_timeout(300)  # until the buttons' colours have come to rest
    assert serious(page) == []
    assert complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_managers_campaign_pages_are_sound(
    enter, live_server, campaign, complaints: list[str], scheme: str
) -> None:
    page = enter(make_user("manager"))
    page.emulate_media(color_scheme=scheme)
    pages = ("", "new/", f"{campaign.pk}/", *(f"{campaign.pk}/{tab}/" for tab in TABS))
    for address in ("/", "/doctor/", *(f"/campaigns/{below}" for below in pages)):
        page.goto(live_server.url + address)
        page.wait_for_load_state("networkidle")
        assert (address, serious(page)) == (address, [])
    assert complaints == []


def test_a_chosen_theme_is_kept(page: Page, live_server) -> None:
    page.emulate_media(color_scheme="light")
    page.goto(f"{live_server.url}/signin/")
    page.get_by_role("button", name="Dark theme").click()
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_the_vote_page_fits_a_phone_without_scrolling(browser, live_server, campaign) -> None:
    user = make_user("annotator")
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.goto(f"{live_server.url}/signin/?next=/vote/{campaign.pk}/")
    page.fill("#id_username", user.username)
    page.fill("#id_password", "secret")
    page.tap("main button")
    page.wait_for_selector("[data-frame] img")
    height, width = page.evaluate(
        "[document.documentElement.scrollHeight, document.documentElement.scrollWidth]"
    )
    sizes = page.eval_on_selector_all(
        ".panel button:not([hidden] *), .look",
        "all => all.map(b => b.getBoundingClientRect()).map(r => Math.min(r.width, r.height))",
    )
    context.close()
    assert (height, width) == (844, 390)
    assert min(sizes) >= 44


def test_on_a_phone_erasures_are_cards_with_their_state_first(
    enter, live_server, complaints: list[str]
) -> None:
    manager = make_user("manager")
    for face in make_faces(2):
        erasure.demand("face", [face.pk], reason="Consent withdrawn by letter", by=manager, wake=False)
    page = enter(manager)
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{live_server.url}/erasures/")
    first = page.get_by_role("row").nth(1)
    places = [cell.bounding_box() for cell in first.get_by_role("cell").all()]
    tops = [place["y"] for place in places if place]
    assert tops.index(min(tops)) == 4
    assert all(place and place["x"] + place["width"] <= 390 for place in places)
    table = page.locator(".table-scroll")
    assert table.evaluate("each => each.scrollWidth - each.clientWidth") == 0
    assert serious(page) == []
    assert complaints == []
