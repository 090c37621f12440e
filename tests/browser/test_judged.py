"""How far to trust a run, and two runs side by side: nothing serious to axe, nothing wider than a phone."""

import pytest
from playwright.sync_api import expect

from tests.browser.test_pages import serious
from tests.factories import make_user
from tests.training.making import make_snapshot
from tests.training.test_judged import judged

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_judged_runs_and_their_comparison_are_sound(
    enter, live_server, complaints: list[str], scheme: str, width: int
) -> None:
    snapshot = make_snapshot()
    one, two = judged("a small network", snapshot, sure=1.0), judged("a large one", snapshot, sure=4.0)
    page = enter(make_user("trainer"))
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 844})
    for address in (
        f"/runs/{one.pk}/",
        "/runs/ensemble/",
        f"/runs/ensemble/?choose=given&run={one.pk}&run={two.pk}",
        f"/runs/compare/?first={one.pk}&second={two.pk}",
    ):
        page.goto(live_server.url + address)
        assert (address, serious(page)) == (address, [])
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.get_by_role("heading", name="a large one is better").is_visible()
    assert complaints == []


def test_runs_are_ticked_and_heard(enter, live_server, complaints: list[str]) -> None:
    snapshot = make_snapshot()
    for seed, (name, sure) in enumerate((("one", 2.0), ("two", 2.0), ("weak", 0.1))):
        judged(name, snapshot, seed=seed, sure=sure)
    page = enter(make_user("trainer"))
    page.goto(live_server.url + "/runs/")
    page.get_by_role("link", name="Ensemble").click()
    expect(page.get_by_text("3 of 3 ticked")).to_be_visible()
    page.get_by_label("weak").uncheck()
    expect(page.get_by_text("2 of 3 ticked")).to_be_visible()
    page.get_by_role("button", name="Hear all ticked").click()
    expect(page.get_by_text("All 2 runs are heard, as ticked.")).to_be_visible()
    expect(page.get_by_text("2 of 3 ticked")).to_be_visible()
    page.get_by_label("weak").check()
    page.get_by_label("Members at most").fill("2")
    page.get_by_role("button", name="Let validation choose among them").click()
    expect(page.get_by_text("2 of 3 runs are heard. Every choice of 2 at most was tried")).to_be_visible()
    row = page.get_by_role("row").filter(has=page.get_by_role("link", name="weak", exact=True))
    expect(row.get_by_text("not heard")).to_be_visible()
    page.get_by_role("button", name="Untick all").click()
    page.get_by_role("button", name="Hear all ticked").click()
    expect(page.get_by_text("An ensemble needs two runs or more.")).to_be_visible()
    assert complaints == []
