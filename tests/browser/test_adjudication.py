"""Deciding on disputes by key, one after another, and without a script."""

from collections.abc import Iterator

import pytest
from django.utils import timezone
from playwright.sync_api import Page

from labeling.models import Adjudication, Campaign, CampaignFace
from tests.browser.test_pages import serious
from tests.factories import make_campaign, make_user, make_votes

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def campaign() -> Campaign:
    """Three disputes, and agreed faces of both labels."""
    campaign = make_campaign(7, votes_per_face=10)
    said = [{"happy": 5, "sad": 5}, {"happy": 5, "sad": 4, "fear": 1}, {"sad": 6, "happy": 4}]
    said += [{"happy": 9, "sad": 1}] * 2 + [{"sad": 10}] * 2
    for row, counts in zip(campaign.campaign_faces.order_by("pk"), said, strict=True):
        most = max(counts, key=lambda answer: counts[answer])
        agreed = counts[most] > 6
        CampaignFace.objects.filter(pk=row.pk).update(
            state="settled",
            votes=10,
            places=0,
            outcome="agreed" if agreed else "no_consensus",
            label=most if agreed else "",
            agreement=counts[most] / 10,
            counts=counts,
            settled_at=timezone.now(),
        )
    return campaign


@pytest.fixture
def deciding(enter, live_server, campaign: Campaign) -> Page:
    page = enter(make_user("manager", name="Mona"))
    page.goto(f"{live_server.url}/campaigns/{campaign.pk}/disputes/")
    page.click("text=Decide one after another")
    page.wait_for_selector("[data-hint]:not([hidden])")
    return page


def rows(campaign: Campaign) -> list[CampaignFace]:
    return list(campaign.campaign_faces.order_by("pk"))


def shows(page: Page, row: CampaignFace) -> None:
    page.wait_for_selector(f'[data-face="{row.pk}"]')


def decisions() -> list[tuple[int, str, str]]:
    made = Adjudication.objects.order_by("pk")
    return list(made.values_list("campaign_face", "label", "reason"))


def test_a_key_chooses_enter_decides_and_the_next_face_is_there(
    deciding: Page, campaign: Campaign, complaints: list[str]
) -> None:
    first, second, third, *_ = rows(campaign)
    shows(deciding, first)
    deciding.keyboard.press("/")
    deciding.keyboard.type("mouth corners 4 down")
    deciding.keyboard.press("Escape")
    deciding.keyboard.press("5")
    deciding.keyboard.press("Enter")
    shows(deciding, second)
    deciding.keyboard.press("n")  # the reason is remembered
    deciding.keyboard.press("Control+Enter")
    shows(deciding, third)
    assert decisions() == [
        (first.pk, "sad", "mouth corners 4 down"),
        (second.pk, "not_a_face", "mouth corners 4 down"),
    ]
    assert f"after={second.pk}" in deciding.url
    assert complaints == []


def test_enter_in_the_reason_decides_too(deciding: Page, campaign: Campaign) -> None:
    first, second, *_ = rows(campaign)
    deciding.keyboard.press("4")
    deciding.get_by_role("button", name="the mouth says so").click()
    deciding.focus("#reason")
    deciding.keyboard.press("Enter")
    shows(deciding, second)
    assert decisions() == [(first.pk, "happy", "the mouth says so")]


def test_s_and_the_arrows_go_on_and_back_without_a_decision(deciding: Page, campaign: Campaign) -> None:
    first, second, third, *_ = rows(campaign)
    deciding.keyboard.press("s")
    shows(deciding, second)
    deciding.keyboard.press("ArrowRight")
    shows(deciding, third)
    deciding.keyboard.press("ArrowLeft")
    shows(deciding, second)
    deciding.keyboard.press("ArrowLeft")
    shows(deciding, first)
    assert decisions() == []


def test_nothing_is_decided_without_a_label_or_a_reason(deciding: Page, campaign: Campaign) -> None:
    deciding.keyboard.press("Enter")
    deciding.keyboard.press("4")
    deciding.keyboard.press("Enter")
    deciding.wait_for_timeout(200)
    shows(deciding, rows(campaign)[0])
    assert decisions() == []


def test_what_another_decided_meanwhile_is_shown_and_a_second_enter_overrides(
    deciding: Page, campaign: Campaign, complaints: list[str]
) -> None:
    first, second, *_ = rows(campaign)
    other = make_user("manager", name="Max")
    Adjudication.objects.create(campaign_face=first, label="fear", reason="wide eyes", by=other)
    deciding.fill("#reason", "mouth corners down")
    deciding.keyboard.press("Escape")
    deciding.keyboard.press("5")
    deciding.keyboard.press("Enter")
    told = deciding.wait_for_selector("[data-problem]")
    assert told is not None
    assert "Max has decided on this face meanwhile: “fear”" in told.inner_text()
    assert deciding.is_checked("[value=sad]")
    deciding.keyboard.press("Enter")
    shows(deciding, second)
    assert [label for _, label, _ in decisions()] == ["fear", "sad"]
    assert [said for said in complaints if "409" not in said] == []


def test_after_the_last_dispute_the_page_says_so(deciding: Page, campaign: Campaign) -> None:
    for row in rows(campaign)[:5]:
        shows(deciding, row)
        deciding.keyboard.press("s")
    assert "No undecided dispute is left" in deciding.inner_text("[data-over]")


@pytest.fixture
def without_script(browser, live_server) -> Iterator[Page]:
    user = make_user("manager")
    context = browser.new_context(java_script_enabled=False)
    context.set_default_timeout(10_000)
    page = context.new_page()
    page.goto(f"{live_server.url}/signin/")
    page.fill("#id_username", user.username)
    page.fill("#id_password", "secret")
    page.click("main button")
    yield page
    context.close()


def test_it_works_without_a_script(without_script: Page, live_server, campaign: Campaign) -> None:
    page, (first, second, *_) = without_script, rows(campaign)
    page.goto(f"{live_server.url}/campaigns/{campaign.pk}/disputes/decide/")
    page.check("[value=happy]")
    page.fill("#reason", "clear smile")
    page.get_by_role("button", name="Decide").click()
    shows(page, second)
    assert page.input_value("#reason") == "clear smile"
    page.click("a[rel=prev]")
    shows(page, first)
    assert decisions() == [(first.pk, "happy", "clear smile")]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_pages_are_sound(
    enter, live_server, campaign: Campaign, complaints: list[str], scheme: str, width: int
) -> None:
    ada, below = make_user(name="Ada"), f"{live_server.url}/campaigns/{campaign.pk}"
    make_votes(rows(campaign), ada, ["happy"] * 7, took_ms=800)
    page = enter(make_user("manager"))
    page.set_viewport_size({"width": width, "height": 860})
    page.emulate_media(color_scheme=scheme)
    person = f"{below}/annotators/{ada.pk}/"
    asked = "discard/?since=2020-01-01T00:00&reason=no+care&pause=on"
    page.goto(person)
    page.fill("#pause-reason", "wait for a talk")
    page.press("#pause-reason", "Enter")
    for address in (
        person,
        person + asked,
        f"{below}/log/",
        f"{below}/disputes/",
        f"{below}/disputes/decide/",
        f"{below}/annotators/",
    ):
        page.goto(address)
        page.wait_for_load_state("networkidle")
        assert (address, serious(page)) == (address, [])
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert (address, wide) == (address, width)
    assert complaints == []
