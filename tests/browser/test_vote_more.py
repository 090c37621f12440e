"""One annotator: mixed answers, the second of a video, instructions, caps, own votes, large text, offline."""

from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from playwright.sync_api import Browser, BrowserContext, Page, expect

from labeling.models import Campaign, CampaignFace, Example, Vote
from tests.browser.test_pages import serious
from tests.browser.test_voting import FACE, answers, settle_down, shown, unsent
from tests.factories import make_campaign, make_faces, make_media, make_user, make_votes
from tests.labeling.web.test_context import moving_picture
from vemo.accounts.models import User

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def annotator() -> User:
    return make_user("annotator")


@pytest.fixture
def visit(enter, live_server, annotator: User):
    """Come to a campaign's vote page and wait for its first face."""

    def come(campaign: Campaign) -> Page:
        page = enter(annotator)
        page.goto(f"{live_server.url}/vote/{campaign.pk}/")
        page.wait_for_selector(FACE)
        return page

    return come


def both(campaign: Campaign) -> list[tuple[str, str]]:
    return list(Vote.objects.filter(campaign=campaign).order_by("pk").values_list("answer", "second"))


def test_a_mixed_answer_names_the_stronger_expression_first(visit, complaints: list[str]) -> None:
    campaign = make_campaign(8, mixed_allowed=True)
    page = visit(campaign)
    first = shown(page)
    page.keyboard.press("m")
    expect(page.get_by_text("Mixed: first the stronger one", exact=True).first).to_be_visible()
    page.keyboard.press("c")  # can't tell mixes with nothing
    page.keyboard.press("4")
    expect(page.get_by_text("Mostly happy, with some …").first).to_be_visible()
    assert shown(page) == first
    page.keyboard.press("4")  # nor happy with itself
    assert shown(page) == first
    assert serious(page) == []
    page.keyboard.press("6")
    settle_down(page, campaign, 1)
    assert both(campaign) == [("happy", "surprise")]
    page.get_by_role("button", name="Take back: happy + surprise").click()
    settle_down(page, campaign, 0)
    page.keyboard.press("1")
    settle_down(page, campaign, 1)
    assert both(campaign) == [("angry", "")]
    assert complaints == []


def test_escape_leaves_a_mixed_answer(visit) -> None:
    campaign = make_campaign(8, mixed_allowed=True)
    page = visit(campaign)
    page.get_by_role("button", name="mixed").click()
    page.keyboard.press("4")
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="mixed")).to_have_attribute("aria-pressed", "false")
    expect(page.locator("[data-mixed]")).to_be_hidden()
    page.keyboard.press("5")
    settle_down(page, campaign, 1)
    assert both(campaign) == [("sad", "")]


def test_without_leave_there_is_no_mixed_answer(visit) -> None:
    campaign = make_campaign(8)
    page = visit(campaign)
    assert page.get_by_role("button", name="mixed").count() == 0
    page.keyboard.press("m")
    page.keyboard.press("5")
    settle_down(page, campaign, 1)
    assert both(campaign) == [("sad", "")]


def test_a_campaigns_keys_and_icons_are_used(visit) -> None:
    campaign = make_campaign(8, expressions=["bored", "keen"], keys={"keen": "k"}, icons={"keen": "happy"})
    page = visit(campaign)
    drawn = "button[data-answer={}] use"
    assert page.get_attribute(drawn.format("keen"), "href").endswith("#happy")
    assert page.get_attribute(drawn.format("bored"), "href").endswith("#expression")
    page.keyboard.press("k")
    settle_down(page, campaign, 1)
    assert answers(campaign) == ["keen"]


@pytest.fixture
def filmed(tmp_path: Path) -> Campaign:
    name = default_storage.save("media/film.mp4", ContentFile(moving_picture(tmp_path / "film.mp4")))
    media = make_media(stored_as=name, kind="video", mime="video/mp4", width=320, height=240, sha256="e" * 64)
    box = {"x": 140, "y": 100, "width": 40, "height": 40}
    return make_campaign([make_faces(1, media=media, time_ms=t, **box)[0] for t in (1000, 2000, 3000)])


def test_of_a_video_the_second_around_the_face_is_stepped_through(
    visit, filmed: Campaign, complaints: list[str]
) -> None:
    page = visit(filmed)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/second/" in request.url else None)
    page.emulate_media(reduced_motion="reduce")
    face = shown(page)
    assert asked == []
    page.keyboard.press("f")
    second = page.locator(".second")
    assert (
        second.locator("img").evaluate("async image => { await image.decode(); return image.naturalWidth; }")
        == 2400
    )
    expect(second).to_have_attribute("data-at", "2")
    page.wait_for_timeout(600)
    expect(second).to_have_attribute("data-at", "2")  # nothing moves by itself
    page.keyboard.press("ArrowLeft")
    expect(second.get_by_role("status")).to_have_text("¼ s before")
    page.get_by_role("button", name="Later").click()
    page.get_by_role("button", name="Later").click()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(second).to_have_attribute("data-at", "4")
    assert serious(page) == []
    page.keyboard.press("x")
    assert "/context/" in shown(page)
    assert second.count() == 0
    page.keyboard.press("f")
    page.keyboard.press("f")
    assert shown(page) == face
    page.keyboard.press("1")
    settle_down(page, filmed, 1)
    assert complaints == []


def test_the_second_plays_once_for_who_minds_no_motion(visit, filmed: Campaign) -> None:
    page = visit(filmed)
    page.keyboard.press("f")
    expect(page.locator(".second")).to_have_attribute("data-at", "4")
    expect(page.locator(".second")).to_have_attribute("data-at", "2")


def test_a_face_from_a_picture_has_no_second(visit, complaints: list[str]) -> None:
    page = visit(make_campaign(3))
    page.keyboard.press("f")
    expect(page.get_by_text("This face is from a picture")).to_be_visible()
    page.keyboard.press("f")
    assert "/crops/" in shown(page) or shown(page).endswith(".png")
    assert complaints == []


def test_the_instructions_open_by_themselves_until_one_has_voted(visit, complaints: list[str]) -> None:
    campaign = make_campaign(8, instructions="Look at the mouth.")
    Example.objects.create(campaign=campaign, face=make_faces(1)[0], expression="fear", note="Brows up.")
    page = visit(campaign)
    expect(page.get_by_text("Look at the mouth.")).to_be_visible()
    expect(page.get_by_role("img", name="Example of fear")).to_be_visible()
    assert serious(page) == []
    page.get_by_role("button", name="Begin").click()
    expect(page.get_by_text("Look at the mouth.")).to_be_hidden()
    page.keyboard.press("1")
    settle_down(page, campaign, 1)
    page.reload()
    expect(page.get_by_text("Look at the mouth.")).to_be_hidden()
    page.get_by_text("How to answer").click()
    expect(page.get_by_text("Brows up.")).to_be_visible()
    assert complaints == []


def test_a_vote_too_old_to_be_taken_back_leaves_the_strip(visit) -> None:
    campaign = make_campaign(8, undo_minutes=5)
    page = visit(campaign)
    page.clock.install()
    page.reload()
    page.wait_for_selector(FACE)
    page.keyboard.press("1")
    expect(page.get_by_role("button", name="Take back: angry")).to_be_visible()
    page.clock.fast_forward(6 * 60_000)
    expect(page.locator("[data-last] button")).to_have_count(0)
    page.keyboard.press("Backspace")
    settle_down(page, campaign, 1)


def test_an_undo_that_comes_too_late_is_told_kindly(visit, annotator: User) -> None:
    campaign = make_campaign(8, undo_minutes=60)
    page = visit(campaign)
    page.keyboard.press("1")
    settle_down(page, campaign, 1)
    Campaign.objects.filter(pk=campaign.pk).update(undo_minutes=0)
    page.keyboard.press("Backspace")
    expect(page.locator("[data-told]")).to_contain_text("too late")
    expect(page.locator(".studio-head [data-count=mine]")).to_have_text("1")
    assert answers(campaign) == ["angry"]
    page.reload()
    page.wait_for_selector(FACE)
    assert page.get_by_role("button", name="undo").count() == 0


def test_who_has_given_todays_votes_is_thanked_and_told_when_it_goes_on(
    visit, live_server, complaints: list[str]
) -> None:
    campaign = make_campaign(8, daily_cap=2)
    page = visit(campaign)
    page.keyboard.press("1")
    page.keyboard.press("2")
    expect(page.get_by_role("heading", name="Enough for today")).to_be_visible()
    expect(page.locator("[data-done-text]")).to_contain_text("Thank you; it goes on tomorrow.")
    expect(page.locator("[data-done-perhaps]")).to_be_hidden()
    assert answers(campaign) == ["angry", "disgust"]
    page.get_by_role("button", name="Undo your last vote").click()
    page.wait_for_selector(FACE)
    page.keyboard.press("3")
    expect(page.get_by_role("heading", name="Enough for today")).to_be_visible()
    assert sorted(answers(campaign)) == ["angry", "fear"]
    page.goto(f"{live_server.url}/vote/")
    expect(page.get_by_text("Today's 2 votes are given. It goes on tomorrow.")).to_be_visible()


def test_own_votes_are_changed_on_their_page(visit, live_server, complaints: list[str]) -> None:
    campaign = make_campaign(8)
    page = visit(campaign)
    page.keyboard.press("1")
    settle_down(page, campaign, 1)
    page.get_by_role("link", name="Your votes and figures").first.click()
    page.get_by_text("Change", exact=True).click()
    assert serious(page) == []
    page.get_by_role("button", name="surprise").click()
    expect(page.get_by_text("Changed to “surprise”.")).to_be_visible()
    assert answers(campaign) == ["surprise"]
    assert complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_of_own_votes_is_sound(
    enter, live_server, annotator: User, complaints: list[str], scheme: str
) -> None:
    campaign = make_campaign(30, mixed_allowed=True)
    fill(campaign, annotator)
    page = enter(annotator)
    page.emulate_media(color_scheme=scheme)
    page.goto(f"{live_server.url}/vote/{campaign.pk}/mine/")
    page.get_by_text("All of them as a table").click()
    page.get_by_text("Change", exact=True).first.click()
    assert serious(page) == []
    assert complaints == []


def fill(campaign: Campaign, annotator: User) -> None:
    """Votes on all faces, all but the last four settled."""
    rows = list(CampaignFace.objects.filter(campaign=campaign).order_by("pk"))
    make_votes(rows, annotator, ["surprise", "fear"] * (len(rows) // 2), every_s=3, took_ms=1800)
    settled = CampaignFace.objects.filter(pk__in=[row.pk for row in rows[:-4]])
    settled.update(
        state="settled", votes=10, places=0, counts={"fear": 9, "surprise": 1}, settled_at="2026-01-01T00:00Z"
    )


CUT_OFF = """() => {
    const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
    const seen = [...document.querySelectorAll("button, a, dd, dt, label, h1, h2, h3, .answer span, input")]
        .filter(e => e.checkVisibility() && !e.closest(".for-ears, .skip-link, .studio-head, .scroll, .site-head"));
    const beyond = seen.filter(e => {
        const box = e.getBoundingClientRect();
        const cut = e.scrollWidth > e.clientWidth + 1 && !["inline", "contents"].includes(getComputedStyle(e).display);
        return box.left < -1 || box.right > innerWidth + 1 || (cut && e.tagName !== "INPUT");
    });
    const boxes = [...document.querySelectorAll(".panel button, .last-vote, .look, [data-question], .frame")]
        .filter(e => e.checkVisibility()).map(e => [e.textContent.trim() || e.className, e.getBoundingClientRect()]);
    const over = boxes.flatMap(([one, a], n) => boxes.slice(n + 1)
        .filter(([, b]) => a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1)
        .map(([other]) => `${one} over ${other}`));
    return [wide, beyond.map(e => e.textContent.trim().slice(0, 40)), over];
}"""


@pytest.mark.parametrize(
    ("width", "height", "size"), [(320, 568, "100%"), (390, 844, "200%"), (1280, 860, "200%")]
)
def test_large_text_and_narrow_windows_cut_nothing_off(
    enter, live_server, annotator: User, width: int, height: int, size: str
) -> None:
    campaign = make_campaign(
        30, mixed_allowed=True, expressions=["angry", "disgust", "surprise", "happy", "neutral"]
    )
    fill(campaign, annotator)
    fresh = make_campaign(8, mixed_allowed=True)
    page = enter(annotator)
    page.set_viewport_size({"width": width, "height": height})
    addresses = ("", f"{fresh.pk}/", f"{campaign.pk}/mine/", "preferences/")
    for address in addresses:
        page.goto(f"{live_server.url}/vote/{address}")
        page.evaluate("size => { document.documentElement.style.fontSize = size; }", size)
        if address == addresses[1]:
            page.wait_for_selector(FACE)
            for key in "666":
                page.keyboard.press(key)
        for summary in page.locator("details:not(.hint) > summary").all()[:2]:
            summary.click()
        page.wait_for_timeout(200)
        assert (address, page.evaluate(CUT_OFF)) == (address, [0, [], []])


def test_on_a_phone_what_is_pressed_lies_below_the_face_and_is_large_enough(
    visit, annotator: User, page: Page
) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    visit(make_campaign(8, mixed_allowed=True))
    boxes = page.eval_on_selector_all(
        ".panel button:not([hidden] *)",
        """all => all.filter(button => button.checkVisibility()).map(button => button.getBoundingClientRect())
            .map(box => [box.top, box.width, box.height])""",
    )
    bottom = page.locator("[data-frame]").bounding_box()
    assert all(top > bottom["y"] + bottom["height"] for top, _, _ in boxes)
    assert min(min(width, height) for _, width, height in boxes) >= 44
    assert page.evaluate("document.documentElement.scrollHeight") == 844


def test_votes_of_a_page_reloaded_while_offline_arrive_once(
    visit, context: BrowserContext, annotator: User, live_server
) -> None:
    """The page comes from the browser's memory of it, as nothing of the site can be reached."""
    campaign = make_campaign(8, mixed_allowed=True)
    page = visit(campaign)
    kept: dict[str, object] = {}

    def remember(route) -> None:
        response = route.fetch()
        kept[route.request.url] = (response.status, response.headers, response.body())
        route.fulfill(response=response)

    def recall(route) -> None:
        if route.request.method == "GET" and route.request.url in kept:
            status, headers, body = kept[route.request.url]
            route.fulfill(status=status, headers=headers, body=body)
        else:
            route.abort()

    context.route("**/*", remember)
    page.reload()
    page.wait_for_selector(FACE)
    page.wait_for_load_state("networkidle")
    context.unroute("**/*")
    context.route("**/*", recall)
    page.keyboard.press("4")
    page.keyboard.press("m")
    page.keyboard.press("1")
    page.keyboard.press("2")
    expect(page.get_by_text("Saved here, will be sent: 2 votes.")).to_be_visible()
    page.reload()
    expect(page.get_by_text("Saved here, will be sent: 2 votes.")).to_be_visible()
    expect(page.locator('.count [data-count="left"]')).to_have_text("6")
    assert unsent(page) == 2
    assert answers(campaign) == []
    context.unroute("**/*")
    settle_down(page, campaign, 2)
    page.wait_for_timeout(500)
    assert both(campaign) == [("happy", ""), ("angry", "disgust")]
    expect(page.locator(".studio-head [data-count=mine]")).to_have_text("2")
    expect(page.locator("[data-offline]")).to_be_hidden()


@pytest.mark.parametrize(("key", "votes"), [("Enter", 0), ("Escape", 0), ("4", 1)])
def test_the_introduction_over_the_answers_goes_by_key(
    enter, live_server, annotator: User, key: str, votes: int
) -> None:
    campaign = make_campaign(8, instructions="Look at the mouth.")
    page = enter(annotator)
    page.goto(f"{live_server.url}/vote/{campaign.pk}/")
    page.wait_for_selector(FACE)
    expect(page.locator(".hint-sheet")).to_be_visible()
    page.keyboard.press(key)
    expect(page.locator(".hint-sheet")).to_be_hidden()
    settle_down(page, campaign, votes)


def test_the_counts_are_of_now_when_one_comes_back(visit, page: Page, live_server) -> None:
    campaign = make_campaign(8)
    visit(campaign)
    page.keyboard.press("4")
    settle_down(page, campaign, 1)
    page.goto(f"{live_server.url}/vote/preferences/")
    page.go_back()
    expect(page.locator('.count [data-count="mine"]')).to_have_text("1")
    expect(page.locator('.count [data-count="left"]')).to_have_text("7")


def test_a_tapped_answer_is_not_left_marked_under_the_next_face(
    browser: Browser, context: BrowserContext, enter, live_server, annotator: User
) -> None:
    campaign = make_campaign(8)
    enter(annotator)
    phone = browser.new_context(
        has_touch=True,
        is_mobile=True,
        viewport={"width": 390, "height": 844},
        storage_state=context.storage_state(),
    )
    page = phone.new_page()
    page.goto(f"{live_server.url}/vote/{campaign.pk}/")
    page.wait_for_selector(FACE)
    page.get_by_role("button", name="happy").tap()
    settle_down(page, campaign, 1)
    page.wait_for_timeout(300)
    ground = "all => [...new Set(all.map(button => getComputedStyle(button).backgroundColor))].length"
    assert page.eval_on_selector_all(".answer[data-expression]", ground) == 1
    phone.close()
