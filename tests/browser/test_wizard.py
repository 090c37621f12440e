"""The form of a campaign in a real browser: step by step, with what each choice would mean, and sound."""

import pytest
from playwright.sync_api import Page, expect

from labeling.models import Campaign, Source
from tests.browser.test_pages import serious
from tests.factories import make_campaign, make_faces, make_user, settle

pytestmark = pytest.mark.django_db(transaction=True)
STEPS = ("faces", "question", "consensus", "gold", "people")


@pytest.fixture
def wizard(enter, live_server) -> Page:
    """The page of a new campaign, before twenty faces; one other campaign is settled."""
    make_faces(18)
    for row in make_campaign(2, name="Earlier").campaign_faces.all():
        settle(row, "happy")
    Source.objects.create(name="Films", kind="folder", location="/s")
    page = enter(make_user("manager"))
    page.goto(f"{live_server.url}/campaigns/new/")
    return page


def test_a_campaign_is_made_step_by_step_by_keyboard_and_pointer(wizard: Page, complaints: list[str]) -> None:
    page = wizard
    expect(page.locator("[data-line=faces]")).to_have_text("20 faces")
    assert page.locator("[data-chosen] img").count() == 12
    page.get_by_label("Not more than").fill("6")
    expect(page.locator("[data-line=faces]")).to_have_text("6 faces, drawn from 20")
    page.get_by_role("button", name="Next: Question").press("Enter")
    assert page.locator("[data-step=faces]").is_hidden()

    page.get_by_label("Name", exact=True).fill("By hand")
    rows = page.locator("[data-row]")
    assert rows.count() == 7
    rows.nth(6).get_by_role("button", name="Take out: neutral").click()
    rows.nth(0).get_by_role("button", name="Move down: angry").click()
    page.get_by_role("button", name="Add an expression").click()
    page.keyboard.type("calm")
    rows.nth(6).get_by_role("textbox", name="Key: calm").fill("q")
    rows.nth(6).get_by_role("button", name="Icon: calm").click()
    page.get_by_role("button", name="happy", exact=True).click()
    expect(page.locator("[data-line=question]")).to_have_text("7 expressions")
    # The first two have changed places, and the keys stay where they are.
    expect(rows.nth(1).get_by_role("textbox", name="Key: angry")).to_have_attribute("placeholder", "2")

    page.get_by_role("button", name="Next: Votes and consensus").click()
    expect(page.locator("[data-trial-found]")).to_contain_text("A label needs at least 6 of 10 votes.")
    page.get_by_label("Votes per face").fill("4")
    expect(page.locator("[data-votes]")).to_have_text("24 votes in all, from at least 4 people.")
    page.get_by_label("most votes", exact=False).first.check()
    expect(page.locator("[data-trial-found]")).to_contain_text(
        "With 4 votes two answers can have the same number"
    )
    page.get_by_role("button", name="Begin the campaign").click()
    page.wait_for_url("**/campaigns/*/")
    made = Campaign.objects.get(name="By hand")
    assert made.expressions == ["disgust", "angry", "fear", "happy", "sad", "surprise", "calm"]
    assert (made.keys, made.icons, made.votes_per_face) == ({"calm": "q"}, {"calm": "happy"}, 4)
    assert (made.rule, made.campaign_faces.count()) == ("plurality", 6)
    assert complaints == []


def test_two_equal_keys_are_said_at_once_and_a_missing_name_when_it_is_sent(wizard: Page) -> None:
    page = wizard
    page.click("[data-step-link=question]")
    page.get_by_role("textbox", name="Key: happy").fill("q")
    page.get_by_role("textbox", name="Key: sad").fill("q")
    said = page.get_by_text("“q” is given to both happy and sad. Choose another for one.")
    expect(said).to_be_visible()
    expect(page.locator("[data-step-link=question]")).to_have_attribute("data-wrong", "")
    page.get_by_role("textbox", name="Key: sad").fill("")
    expect(said).to_have_count(0)
    page.click("[data-step-link=people]")
    page.get_by_role("button", name="Begin the campaign").click()
    expect(page.locator("[data-step=question]")).to_be_visible()
    assert page.evaluate("document.activeElement.name") == "name"
    assert Campaign.objects.count() == 1


def test_what_was_refused_is_shown_at_its_step_and_goes_when_it_is_mended(wizard: Page) -> None:
    page = wizard
    page.click("[data-step-link=question]")
    page.get_by_label("Name", exact=True).fill("Earlier")
    page.get_by_role("button", name="Begin the campaign").click()
    said = page.get_by_text("There is a campaign of this name. Choose another.")
    expect(said).to_be_visible()
    expect(page.locator("[data-step-link=question]")).to_have_attribute("data-wrong", "")
    page.get_by_label("Name", exact=True).fill("Later")
    expect(said).to_have_count(0)
    expect(page.locator("[data-step-link=question]")).not_to_have_attribute("data-wrong", "")


def test_without_scripts_it_is_one_long_form(browser, live_server) -> None:
    make_faces(2)
    user = make_user("manager")
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{live_server.url}/signin/?next=/campaigns/new/")
    page.fill("#id_username", user.username)
    page.fill("#id_password", "secret")
    page.click("main button")
    for step in STEPS:
        assert page.locator(f"[data-step={step}]").is_visible()
    page.get_by_label("Name", exact=True).fill("Plain")
    page.locator("[name=expression]").nth(7).fill("contempt")
    page.locator("[name=icon]").nth(0).select_option("contempt")
    page.get_by_role("button", name="Begin the campaign").click()
    page.wait_for_url("**/campaigns/*/")
    context.close()
    made = Campaign.objects.get()
    assert (made.expressions[7:], made.icons) == (["contempt"], {"angry": "contempt"})
    assert made.campaign_faces.count() == 2


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_every_step_is_sound(
    wizard: Page, live_server, complaints: list[str], scheme: str, width: int
) -> None:
    page = wizard
    page.set_viewport_size({"width": width, "height": 860})
    page.emulate_media(color_scheme=scheme)
    campaign = Campaign.objects.get()
    for address, steps in (("new/", STEPS), (f"{campaign.pk}/edit/", STEPS[1:])):
        page.goto(f"{live_server.url}/campaigns/{address}")
        page.wait_for_load_state("networkidle")
        for step in steps:
            page.evaluate(f"document.querySelector('[data-step-link={step}]').click()")
            page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
            page.wait_for_timeout(200)
            assert (address, step, serious(page)) == (address, step, [])
            assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.goto(f"{live_server.url}/campaigns/{campaign.pk}/")
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(300)
    assert serious(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert complaints == []
