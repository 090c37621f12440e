"""A rule on quality is chosen with its effect in sight, and a face it keeps out is let in all the same."""

import pytest
from playwright.sync_api import Page, expect

from labeling.models import Campaign
from tests.browser.test_pages import serious
from tests.factories import make_faces, make_user

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_its_effect_is_seen_while_it_is_typed_and_a_face_is_let_in(
    enter, live_server, complaints: list[str], scheme: str, width: int
) -> None:
    make_faces(3, sharpness=0.5)
    make_faces(2, sharpness=0.1)
    page: Page = enter(make_user("manager"))
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
    page.set_viewport_size({"width": width, "height": 844})
    page.goto(f"{live_server.url}/campaigns/new/")
    expect(page.locator("[data-chosen]")).to_contain_text("5 faces")
    page.get_by_text("Only faces that can be seen well enough").click()
    page.get_by_label("Least sharpness").fill("0.3")
    expect(page.locator("[data-chosen]")).to_contain_text(
        "2 faces are kept out for their quality: blurred (2)."
    )
    expect(page.locator("[data-line=faces]")).to_have_text("3 faces")
    assert serious(page) == []
    page.evaluate("document.querySelector('[name=name]').value = 'Sharp'")
    page.get_by_role("button", name="Begin the campaign").click()
    page.get_by_role("link", name="Kept out").click()
    assert serious(page) == []
    page.get_by_role("checkbox").first.check()
    page.get_by_role("button", name="Add the ticked all the same").click()
    expect(page.locator(".toast")).to_contain_text("1 face added, whatever its quality.")
    campaign = Campaign.objects.get()
    assert campaign.campaign_faces.count() == 4
    page.goto(f"{live_server.url}/campaigns/{campaign.pk}/edit/#step-quality")
    found = page.locator("[data-quality-found]")
    expect(found).to_contain_text("3 of the 4 faces in the campaign would meet it.")
    page.get_by_label("Least sharpness").fill("0.05")
    expect(found).to_contain_text("4 of the 4 faces in the campaign would meet it.")
    assert serious(page) == []
    assert complaints == []
