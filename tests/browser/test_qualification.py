"""One annotator before the qualification, in a real browser: keys, no script, the way back, a phone."""

from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from labeling import examples, gold, qualification
from labeling.models import Campaign, Gold, GoldAnswer
from labeling.qualification import Step
from tests.factories import make_campaign, make_faces, make_user
from vemo.accounts.models import User

pytestmark = pytest.mark.django_db(transaction=True)
KEYS = {"angry": "1", "happy": "4", "sad": "5"}


@pytest.fixture
def annotator() -> User:
    return make_user("annotator")


@pytest.fixture
def campaign() -> Campaign:
    campaign = make_campaign(
        3,
        qualification_faces=3,
        qualification_pass=0.6,
        qualification_attempts=2,
        instructions="Look at the brows.",
    )
    for face, answer in zip(make_faces(3), KEYS, strict=True):
        gold.set_gold(
            campaign=campaign, face=face.pk, answer=answer, note="Because.", qualification=True, by=None
        )
    face = make_faces(1)[0]
    examples.set_example(campaign=campaign, face=face.pk, expression="fear", note="wide eyes", by=None)
    return campaign


def serious(page: Page) -> list[str]:
    violations = Axe().run(page).response["violations"]
    return [
        f"{found['id']}: {node['html'][:200]}"
        for found in violations
        if found["impact"] in ("serious", "critical")
        for node in found["nodes"]
    ]


def meant(campaign: Campaign, annotator: User) -> str:
    """The answer of the face that is asked now."""
    now = qualification.asked(campaign, annotator, qualification.state(campaign, annotator))
    assert now is not None
    return Gold.objects.get(pk=now.campaign_face_id).answer


def test_by_keys_alone_one_gets_in(
    enter: Callable[[User], Page],
    live_server,
    campaign: Campaign,
    annotator: User,
    complaints: list[str],
) -> None:
    page = enter(annotator)
    page.goto(f"{live_server.url}/vote/{campaign.pk}/")
    page.wait_for_url("**/qualify/")
    assert serious(page) == []
    page.get_by_role("link", name="Begin").press("Enter")
    for place in (1, 2, 3):
        page.wait_for_selector("[data-qualify]")
        expect(page).to_have_title(f"Face {place} of 3 · {campaign.name} · VEMO")
        answer = meant(campaign, annotator)
        page.keyboard.press(KEYS[answer] if place > 1 else "n")
        page.wait_for_url("**?told=*")
        said = f"Right: {answer}." if place > 1 else f"The answer meant is {answer}."
        expect(page.get_by_role("status")).to_contain_text(said)
        page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="You are in")).to_be_visible()
    assert qualification.state(campaign, annotator).step is Step.PASSED
    page.get_by_role("link", name="Begin voting").click()
    page.wait_for_selector("[data-frame] img")
    assert all(took for took in GoldAnswer.objects.values_list("took_ms", flat=True))
    assert complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_question_and_feedback_are_sound(
    enter: Callable[[User], Page], live_server, campaign: Campaign, annotator: User, scheme: str
) -> None:
    page = enter(annotator)
    page.emulate_media(color_scheme=scheme)
    page.goto(f"{live_server.url}/vote/{campaign.pk}/qualify/?go=1")
    page.get_by_text("How to answer").click()
    assert serious(page) == []
    page.get_by_role("button", name="can't tell").click()
    page.wait_for_url("**?told=*")
    assert serious(page) == []


def test_the_way_back_and_a_reload_give_no_second_try(
    enter: Callable[[User], Page], live_server, campaign: Campaign, annotator: User
) -> None:
    page = enter(annotator)
    page.goto(f"{live_server.url}/vote/{campaign.pk}/qualify/?go=1")
    first = page.get_attribute(".frame img", "src")
    page.reload()
    assert page.get_attribute(".frame img", "src") == first
    page.keyboard.press("n")
    page.wait_for_url("**?told=*")
    page.reload()
    expect(page.get_by_role("heading", name="Not what was meant")).to_be_visible()
    page.go_back()
    page.wait_for_selector("[data-qualify]")
    assert page.get_attribute(".frame img", "src") != first
    page.get_by_role("button", name="angry").dblclick(no_wait_after=True)
    page.wait_for_url("**?told=*")
    assert GoldAnswer.objects.count() == 2


def test_it_works_without_script_on_a_phone(
    browser: Browser, live_server, campaign: Campaign, annotator: User
) -> None:
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True, java_script_enabled=False
    )
    page = context.new_page()
    page.goto(f"{live_server.url}/signin/?next=/vote/{campaign.pk}/qualify/")
    page.fill("#id_username", annotator.username)
    page.fill("#id_password", "secret")
    page.tap("main button")
    page.get_by_role("link", name="Begin").tap()
    for _ in range(3):
        page.get_by_role("button", name="not a face").tap()
        expect(page.get_by_role("heading", name="Not what was meant")).to_be_visible()
        expect(page.get_by_text("Because.").first).to_be_visible()
        page.get_by_role("link", name="Next face").or_(page.get_by_role("link", name="See the result")).tap()
    expect(page.get_by_text("You have 1 more attempt.")).to_be_visible()
    page.get_by_role("link", name="Try again").tap()
    expect(page.get_by_role("button", name="not a face")).to_be_visible()
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_managers_page_is_sound_and_no_wider_than_a_phone(
    enter: Callable[[User], Page], live_server, campaign: Campaign, complaints: list[str], scheme: str
) -> None:
    page = enter(make_user("manager"))
    page.emulate_media(color_scheme=scheme)
    page.goto(f"{live_server.url}/campaigns/{campaign.pk}/gold/")
    assert serious(page) == []
    page.set_viewport_size({"width": 390, "height": 844})
    assert serious(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.goto(f"{live_server.url}/faces/{Gold.objects.first().campaign_face.face_id}/")
    assert serious(page) == []
    assert complaints == []
