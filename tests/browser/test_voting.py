"""One annotator at the vote page."""

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from labeling import campaigns as campaign_verbs
from labeling import preferences
from labeling.models import Campaign, Lease, Skip, Vote
from tests.factories import make_campaign, make_user
from vemo.accounts.models import User

pytestmark = pytest.mark.django_db(transaction=True)
FACE = "[data-frame] img"


@pytest.fixture
def annotator() -> User:
    return make_user("annotator")


@pytest.fixture
def campaign() -> Campaign:
    return make_campaign(8)


@pytest.fixture
def voting(enter, live_server, annotator: User, campaign: Campaign) -> Page:
    page = enter(annotator)
    page.goto(f"{live_server.url}/vote/{campaign.pk}/")
    page.wait_for_selector(FACE)
    return page


def answers(campaign: Campaign) -> list[str]:
    return list(Vote.objects.filter(campaign=campaign).order_by("pk").values_list("answer", flat=True))


def settle_down(page: Page, campaign: Campaign, votes: int) -> None:
    """Wait until the server has so many votes, and nothing waits in the browser."""
    for _ in range(100):
        if Vote.objects.filter(campaign=campaign).count() == votes and not unsent(page):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"{answers(campaign)} counted, {unsent(page)} unsent; {votes} votes were expected.")


def unsent(page: Page) -> int:
    return page.evaluate("Object.keys(localStorage).filter(name => name.startsWith('vemo-unsent')).length")


def shown(page: Page) -> str:
    return page.get_attribute(FACE, "src") or ""


def test_a_key_votes_and_shows_the_next_face(voting: Page, campaign: Campaign, complaints: list[str]) -> None:
    before = shown(voting)
    voting.keyboard.press("4")
    assert shown(voting) != before
    settle_down(voting, campaign, 1)
    assert answers(campaign) == ["happy"]
    assert complaints == []


def test_a_click_votes(voting: Page, campaign: Campaign) -> None:
    voting.get_by_role("button", name="not a face").click()
    settle_down(voting, campaign, 1)
    assert answers(campaign) == ["not_a_face"]


def test_two_quick_keys_are_two_votes_on_two_faces(voting: Page, campaign: Campaign) -> None:
    voting.evaluate(
        """() => { for (const key of ["1", "5"])
            document.dispatchEvent(new KeyboardEvent("keydown", { key, code: `Digit${key}`, bubbles: true })); }"""
    )
    settle_down(voting, campaign, 2)
    votes = Vote.objects.filter(campaign=campaign).order_by("pk")
    assert [vote.answer for vote in votes] == ["angry", "sad"]
    assert len({vote.campaign_face_id for vote in votes}) == 2


def test_a_held_key_votes_once(voting: Page, campaign: Campaign) -> None:
    voting.keyboard.down("7")
    voting.keyboard.down("7")
    voting.keyboard.up("7")
    settle_down(voting, campaign, 1)
    assert answers(campaign) == ["neutral"]


def test_undo_takes_the_vote_back_and_shows_the_face_again(voting: Page, campaign: Campaign) -> None:
    first = shown(voting)
    voting.keyboard.press("1")
    settle_down(voting, campaign, 1)
    voting.keyboard.press("Backspace")
    assert shown(voting) == first
    settle_down(voting, campaign, 0)
    voting.keyboard.press("2")
    settle_down(voting, campaign, 1)
    assert answers(campaign) == ["disgust"]


def test_one_of_the_last_three_can_be_taken_back(voting: Page, campaign: Campaign) -> None:
    faces = [shown(voting)]
    for key in "123":
        voting.keyboard.press(key)
        faces.append(shown(voting))
    settle_down(voting, campaign, 3)
    voting.get_by_role("button", name="Take back: angry").click()
    assert shown(voting) == faces[0]
    settle_down(voting, campaign, 2)
    assert answers(campaign) == ["disgust", "fear"]


def test_skip_passes_the_face_on_without_a_vote(voting: Page, campaign: Campaign, annotator: User) -> None:
    before = shown(voting)
    voting.keyboard.press("s")
    assert shown(voting) != before
    voting.keyboard.press("c")
    settle_down(voting, campaign, 1)
    assert Skip.objects.filter(annotator=annotator).count() == 1
    assert answers(campaign) == ["cant_tell"]


def test_votes_cast_offline_arrive_once_after_a_reload(
    voting: Page, context: BrowserContext, campaign: Campaign, live_server
) -> None:
    # The page itself comes from the server, so only what votes is cut off, as a broken connection would.
    context.route("**/cast", lambda route: route.abort())
    voting.keyboard.press("4")
    voting.keyboard.press("6")
    expect(voting.get_by_text("Saved here, will be sent: 2 votes.")).to_be_visible()
    assert answers(campaign) == []
    voting.reload()
    assert unsent(voting) == 2
    context.unroute("**/cast")
    voting.reload()
    settle_down(voting, campaign, 2)
    assert answers(campaign) == ["happy", "surprise"]
    expect(voting.locator("[data-offline]")).to_be_hidden()


def test_a_browser_that_is_offline_keeps_votes_until_it_is_online(
    voting: Page, context: BrowserContext, campaign: Campaign
) -> None:
    context.set_offline(True)
    voting.keyboard.press("1")
    expect(voting.locator("[data-offline]")).to_be_visible()
    context.set_offline(False)
    settle_down(voting, campaign, 1)
    assert answers(campaign) == ["angry"]
    expect(voting.locator("[data-offline]")).to_be_hidden()


def test_an_answer_whose_reply_was_lost_counts_once(
    voting: Page, context: BrowserContext, campaign: Campaign
) -> None:
    lost = iter([True])

    def lose_the_reply(route) -> None:
        route.fetch()
        route.abort() if next(lost, False) else route.continue_()

    context.route("**/cast", lose_the_reply)
    voting.keyboard.press("3")
    settle_down(voting, campaign, 1)
    assert answers(campaign) == ["fear"]


def test_who_answered_every_face_is_thanked(voting: Page, campaign: Campaign, complaints: list[str]) -> None:
    for n in range(8):
        voting.wait_for_selector(FACE)
        voting.keyboard.press(str(n % 7 + 1))
    expect(voting.get_by_role("heading", name="Nothing left for you here")).to_be_visible()
    settle_down(voting, campaign, 8)
    assert voting.locator("[data-done] [data-count=sitting]").inner_text() == "8"
    assert complaints == []


def test_a_refused_answer_is_told_and_the_next_face_is_there(
    voting: Page, campaign: Campaign, annotator: User
) -> None:
    lease = Lease.objects.filter(annotator=annotator).earliest("pk")
    campaign_verbs.pause(campaign=campaign)
    voting.keyboard.press("1")
    expect(voting.locator("[data-told]")).to_contain_text("was not counted")
    assert answers(campaign) == []
    assert lease.campaign_face.votes == 0


def test_who_is_signed_out_keeps_the_answer(
    voting: Page, context: BrowserContext, campaign: Campaign, enter: Callable[[User], Page], annotator: User
) -> None:
    context.clear_cookies(name="sessionid")
    voting.keyboard.press("1")
    expect(voting.get_by_role("link", name="Sign in again")).to_be_visible()
    enter(annotator)
    voting.goto(f"{voting.url}vote/{campaign.pk}/")
    settle_down(voting, campaign, 1)
    assert answers(campaign) == ["angry"]


def test_the_page_and_its_data_say_nothing_of_others(voting: Page, campaign: Campaign, live_server) -> None:
    said = voting.evaluate(
        """async (pk) => (await fetch(`/vote/${pk}/next`, {method: "POST", body: "{}",
            headers: {"X-CSRFToken": document.cookie.match(/csrftoken=([^;]+)/)[1]}})).json()""",
        campaign.pk,
    )
    assert set(said) == {"faces", "left"}
    assert {key for face in said["faces"] for key in face} == {"id", "crop", "expires_at"}
    assert ".png" not in voting.content().replace(shown(voting), "")


def test_a_skip_can_say_why(voting: Page, campaign: Campaign, annotator: User) -> None:
    before = shown(voting)
    voting.keyboard.press("Shift+S")
    expect(voting.get_by_role("button", name="I know this person")).to_be_visible()
    voting.keyboard.press("Escape")
    expect(voting.locator("[data-reasons]")).to_be_hidden()
    voting.get_by_role("button", name="Skip with a reason").click()
    assert shown(voting) == before
    voting.keyboard.press("4")
    assert shown(voting) != before
    expect(voting.locator("[data-reasons]")).to_be_hidden()
    voting.keyboard.press("4")
    settle_down(voting, campaign, 1)
    assert Skip.objects.get(annotator=annotator).reason == "I know this person"
    assert answers(campaign) == ["happy"]


def test_a_face_can_be_looked_at_in_other_ways_until_the_next_one(
    voting: Page, campaign: Campaign, complaints: list[str]
) -> None:
    image = voting.locator(FACE)
    plain = image.bounding_box()
    voting.keyboard.press("z")
    assert image.bounding_box()["width"] == 2 * plain["width"]
    voting.keyboard.press("v")
    assert "contrast" in image.evaluate("image => getComputedStyle(image).filter")
    voting.keyboard.press("x")
    assert "/context/" in shown(voting)
    assert image.evaluate("async image => { await image.decode(); return image.naturalWidth; }") == 48
    voting.keyboard.press("x")
    assert "/context/" not in shown(voting)
    voting.keyboard.press("x")
    voting.keyboard.press("4")
    assert "/context/" not in shown(voting)
    assert image.bounding_box()["width"] == plain["width"]
    expect(voting.get_by_role("button", name="Whole picture")).to_have_attribute("aria-pressed", "false")
    settle_down(voting, campaign, 1)
    assert complaints == []


def test_own_keys_vote_and_the_goal_and_a_pause_are_told(
    voting: Page, campaign: Campaign, annotator: User, complaints: list[str]
) -> None:
    preferences.save(user=annotator, keys={"happy": "h", "undo": "-"}, session_goal=2, pause_minutes=10)
    voting.reload()
    voting.wait_for_selector(FACE)
    voting.keyboard.press("h")
    expect(voting.locator("[data-goal-line]")).to_have_text("1 of 2 this sitting")
    voting.keyboard.press("-")
    expect(voting.locator("[data-goal-line]")).to_have_text("0 of 2 this sitting")
    for _ in range(2):
        voting.keyboard.press("h")
    expect(voting.locator("[data-told]")).to_contain_text("your goal for this sitting")
    # As if the first vote had been cast ten minutes ago, and others ever since.
    voting.evaluate(
        """() => { const name = Object.keys(sessionStorage).find(name => name.startsWith("vemo-looking"));
            sessionStorage.setItem(name, JSON.stringify({since: Date.now() - 600_000, last: Date.now() - 1_000})); }"""
    )
    voting.keyboard.press("h")
    expect(voting.locator("[data-told]")).to_contain_text("looked at faces for 10 minutes")
    settle_down(voting, campaign, 3)
    assert answers(campaign) == ["happy"] * 3
    assert complaints == []


def swipe(page: Page, by: int) -> None:
    """A finger over the face, sideways."""
    page.evaluate(
        """by => { const frame = document.querySelector("[data-frame]");
            const say = (name, x) => frame.dispatchEvent(new PointerEvent(name,
                { pointerType: "touch", isPrimary: true, clientX: x, clientY: 300, bubbles: true }));
            say("pointerdown", 100); say("pointermove", 100 + by / 2); say("pointerup", 100 + by); }""",
        by,
    )


def test_a_swipe_to_the_right_takes_the_last_vote_back(voting: Page, campaign: Campaign) -> None:
    first = shown(voting)
    voting.keyboard.press("1")
    settle_down(voting, campaign, 1)
    swipe(voting, 30)
    swipe(voting, -200)
    assert shown(voting) != first
    swipe(voting, 120)
    assert shown(voting) == first
    settle_down(voting, campaign, 0)


def test_backspace_undoes_whatever_key_one_chose_for_it(
    voting: Page, campaign: Campaign, annotator: User
) -> None:
    preferences.save(user=annotator, keys={"happy": "u", "undo": "-"}, session_goal=0, pause_minutes=25)
    voting.reload()
    voting.wait_for_selector(FACE)
    voting.keyboard.press("1")
    settle_down(voting, campaign, 1)
    voting.keyboard.press("Backspace")
    settle_down(voting, campaign, 0)
    assert answers(campaign) == []
