"""How far to trust a run, and two runs side by side: nothing serious to axe, nothing wider than a phone."""

import pytest

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
    for address in (f"/runs/{one.pk}/", f"/runs/compare/?first={one.pk}&second={two.pk}"):
        page.goto(live_server.url + address)
        assert (address, serious(page)) == (address, [])
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.get_by_role("heading", name="a large one is better").is_visible()
    assert complaints == []
