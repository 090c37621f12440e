"""A dataset manager freezes by a rule, compares two versions and walks the lineage."""

import pytest
from playwright.sync_api import Page, expect

from labeling.models import Snapshot
from labeling.snapshots import freezing
from tests.browser.test_pages import serious
from tests.factories import make_user, settle
from tests.labeling.snapshots.making import frozen, make_settled

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_the_preview_follows_the_rule(
    enter, live_server, complaints: list[str], scheme: str, width: int
) -> None:
    campaign = make_settled(30, labels=("happy", "sad", "angry"))
    page: Page = enter(make_user("manager"))
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
    page.set_viewport_size({"width": width, "height": 844})
    page.goto(f"{live_server.url}/snapshots/new/?campaign={campaign.pk}")
    panel = page.locator("[data-preview-panel]")
    expect(panel).to_contain_text("30 faces by this rule")
    expect(page.get_by_role("button", name="Show what it holds").last).to_be_hidden()
    page.get_by_text("Which faces").click()
    for name in ("happy", "sad"):
        page.get_by_label(name, exact=True).check()
    expect(panel).to_contain_text("20 faces by this rule")
    expect(panel).to_contain_text("of a class that is not wanted")
    page.get_by_label("Test", exact=True).fill("20")
    expect(panel).to_contain_text("must add up to 100 percent")
    page.get_by_label("Train", exact=True).fill("70")
    expect(panel).to_contain_text("none stands in two splits")
    assert serious(page) == []
    page.get_by_role("button", name="Freeze", exact=True).click()
    page.wait_for_url(f"{live_server.url}/snapshots/*/")
    made = Snapshot.objects.get()
    assert (made.rule["classes"], made.rule["fractions"]["test"]) == (["happy", "sad"], 0.2)
    freezing.run_freeze(made.pk)
    page.reload()
    expect(page.locator("main")).to_contain_text("of happy, sad")
    assert serious(page) == []
    assert complaints == []


@pytest.mark.parametrize(("scheme", "width"), [("dark", 1280), ("light", 390)])
def test_versions_are_compared_and_the_lineage_walked(
    enter, live_server, complaints: list[str], scheme: str, width: int
) -> None:
    campaign = make_settled(20)
    old = frozen(campaign)
    for row in campaign.campaign_faces.order_by("pk")[:3]:
        settle(row, "angry")
    new = frozen(campaign)
    page: Page = enter(make_user("manager"))
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
    page.set_viewport_size({"width": width, "height": 844})
    page.goto(f"{live_server.url}/snapshots/{new.pk}/")
    page.get_by_role("link", name="Compare").click()
    expect(page.locator(".change-card")).to_have_count(3)
    assert serious(page) == []
    page.locator(".split-table a").first.click()
    expect(page.locator(".change-card").first).to_be_visible()
    page.goto(f"{live_server.url}/snapshots/{old.pk}/")
    page.get_by_role("link", name="Lineage").click()
    assert serious(page) == []
    following = page.locator(".lineage a:visible", has_text=new.name)
    following.focus()
    page.keyboard.press("Enter")
    page.wait_for_url(f"{live_server.url}/snapshots/{new.pk}/")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert complaints == []
