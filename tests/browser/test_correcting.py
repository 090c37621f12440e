"""A manager corrects the box of a face by mouse, touch and keys."""

import io

import numpy as np
import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from PIL import Image
from playwright.sync_api import Page, expect

from labeling.models import Face
from labeling.sources import drawn
from tests.browser.test_pages import serious
from tests.factories import make_campaign, make_faces, make_media, make_user

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def face() -> Face:
    """Of a drawn portrait, its box off by some pixels."""
    pixels = drawn.draw_still(0)
    height, width = pixels.shape[:2]
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    name = default_storage.save("media/portrait.png", ContentFile(buffer.getvalue()))
    media = make_media(stored_as=name, width=width, height=height, sha256="e" * 64)
    return make_faces(1, media=media, x=100, y=100, width=120, height=140)[0]


def opened(page: Page, live_server, face: Face) -> None:
    page.goto(f"{live_server.url}/media/{face.media_id}/?face={face.pk}")
    page.get_by_role("link", name="Correct the box").click()
    # Only then does anybody listen to keys: the form itself comes with the page.
    expect(page.locator(".editor")).to_be_focused()


def numbers(page: Page) -> list[int]:
    return [int(page.input_value(f"[name={name}]")) for name in ("x", "y", "width", "height")]


def previewed(page: Page) -> np.ndarray:
    return np.array(
        page.eval_on_selector(
            "[data-preview]",
            "canvas => [...canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data]",
        )
    )


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_by_mouse_the_box_is_moved_and_resized_with_its_crop_beside_it(
    enter, live_server, complaints: list[str], face: Face, scheme: str, width: int
) -> None:
    campaign = make_campaign([face])
    page: Page = enter(make_user("manager"))
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
    page.set_viewport_size({"width": width, "height": 844})
    opened(page, live_server, face)
    assert serious(page) == []
    page.wait_for_function("document.querySelector('image').href.baseVal")
    before = previewed(page)
    box = page.locator(".editor > .box").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2 + 20, box["y"] + box["height"] / 2 + 10, steps=4)
    page.mouse.up()
    x, y, *size = numbers(page)
    assert x > 105
    assert y > 102
    assert size == [120, 140]
    assert not np.array_equal(previewed(page), before)
    knob = page.locator(".handle-se .handle-knob").bounding_box()
    assert knob is not None
    page.mouse.move(knob["x"] + 7, knob["y"] + 7)
    page.mouse.down()
    page.mouse.move(knob["x"] + 27, knob["y"] + 17, steps=4)
    page.mouse.up()
    assert numbers(page)[:2] == [x, y]
    assert numbers(page)[2] > 125
    page.get_by_role("button", name="One step back").click()
    assert numbers(page) == [x, y, 120, 140]
    page.get_by_role("button", name="Save the box").click()
    expect(page.locator(".toast")).to_contain_text("The box is corrected.")
    new = Face.objects.latest("pk")
    assert (new.x, new.y, new.width, new.height, new.detector) == (x, y, 120, 140, "person")
    assert campaign.campaign_faces.get().face == new
    assert serious(page) == []
    page.get_by_role("button", name="Undo", exact=True).click()
    expect(page.locator(".toast")).to_have_count(0)
    assert list(Face.objects.all()) == [face]
    assert campaign.campaign_faces.get().face == face
    assert complaints == []


def test_by_keys(enter, live_server, complaints: list[str], face: Face) -> None:
    page: Page = enter(make_user("manager"))
    opened(page, live_server, face)
    for key, expected in (
        ("ArrowRight", [101, 100, 120, 140]),
        ("Shift+ArrowUp", [101, 90, 120, 140]),
        ("Alt+ArrowLeft", [101, 90, 119, 140]),
        ("Alt+Shift+ArrowDown", [101, 90, 119, 150]),
        ("Control+z", [101, 90, 119, 140]),
        ("Control+z", [101, 90, 120, 140]),
    ):
        page.keyboard.press(key)
        assert numbers(page) == expected
    for _ in range(30):
        page.keyboard.press("Shift+ArrowLeft")
    assert numbers(page)[0] == 0
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Save the box")).to_have_count(0)
    assert Face.objects.count() == 1
    opened(page, live_server, face)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator(".toast")).to_contain_text("The box is corrected.")
    assert Face.objects.latest("pk").y == 101
    assert complaints == []


def test_numbers_do_too_and_what_makes_no_sense_is_put_right(enter, live_server, face: Face) -> None:
    page: Page = enter(make_user("manager"))
    opened(page, live_server, face)
    page.fill("[name=x]", "9999")
    page.locator("[name=x]").blur()
    assert numbers(page)[0] == face.media.width - 120
    page.get_by_role("button", name="One step back").click()
    assert numbers(page) == [100, 100, 120, 140]


def test_by_touch_with_handles_large_enough_for_a_finger(browser, live_server, face: Face) -> None:
    manager = make_user("manager")
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    context.set_default_timeout(10_000)
    try:
        page = context.new_page()
        page.goto(f"{live_server.url}/signin/")
        page.fill("#id_username", manager.username)
        page.fill("#id_password", "secret")
        page.click("main button")
        page.wait_for_url(f"{live_server.url}/")
        opened(page, live_server, face)
        touch = page.locator(".handle-nw .handle-touch").bounding_box()
        assert touch is not None
        assert min(touch["width"], touch["height"]) >= 43.5
        at = {"x": touch["x"] + 6, "y": touch["y"] + 6}
        session = context.new_cdp_session(page)
        session.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [at]})
        for step in range(1, 5):
            moved = {"x": at["x"] - 4 * step, "y": at["y"] - 3 * step}
            session.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [moved]})
        session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        x, y, width, height = numbers(page)
        assert x < 100
        assert y < 100
        assert (x + width, y + height) == (220, 240)
    finally:
        context.close()
