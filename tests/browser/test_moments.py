"""A manager steps through a video in which no face was found, and draws one."""

from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from playwright.sync_api import Page, expect

from labeling.models import Face, Media
from labeling.sources import drawn
from tests.browser.test_pages import serious
from tests.factories import make_media, make_user
from tests.labeling.vision.films import write_pictures

pytestmark = pytest.mark.django_db(transaction=True)
SIDE = 320


@pytest.fixture
def film(tmp_path: Path) -> Media:
    """Two seconds of 25 frames each, of two drawn people."""
    pictures = [drawn.draw_still(person)[:SIDE, :SIDE] for person in (0, 1) for _ in range(25)]
    path = write_pictures(tmp_path / "film.mp4", pictures, rate=25)
    name = default_storage.save("media/film.mp4", ContentFile(path.read_bytes()))
    height, width = pictures[0].shape[:2]
    size = {"width": width, "height": height}
    return make_media(stored_as=name, kind="video", mime="video/mp4", duration_ms=2_000, fps=25.0, **size)


def expect_at(page: Page, time_ms: int) -> None:
    page.wait_for_url(f"**/?at={time_ms}")
    page.wait_for_load_state("networkidle")


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_a_face_is_drawn_at_a_moment_reached_by_slider_and_keys(
    enter, live_server, complaints: list[str], film: Media, scheme: str, width: int
) -> None:
    page: Page = enter(make_user("manager"))
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
    page.set_viewport_size({"width": width, "height": 844})
    page.goto(f"{live_server.url}/media/{film.pk}/")
    assert serious(page) == []
    slider = page.get_by_role("slider", name="Moment of the video")
    slider.fill("1187")
    expect_at(page, 1_200)
    expect(page.locator(".moment-now")).to_have_text("0:01.2")
    slider.focus()
    page.keyboard.press("ArrowRight")
    expect_at(page, 1_240)
    expect(slider).to_be_focused()
    page.get_by_role("link", name="Frame ›").click()
    expect_at(page, 1_280)
    page.keyboard.press(",")
    expect_at(page, 1_240)
    page.get_by_text("A face is missing").click()
    page.keyboard.press(".")
    expect_at(page, 1_280)
    # Whoever draws goes on drawing.
    expect(page.locator("[data-draw]")).to_have_attribute("open", "")
    page.evaluate("document.querySelector('[data-canvas]').scrollIntoView()")
    canvas = page.locator("[data-canvas] image").bounding_box()
    assert canvas is not None
    page.mouse.move(canvas["x"] + canvas["width"] * 0.25, canvas["y"] + canvas["height"] * 0.25)
    page.mouse.down()
    page.mouse.move(canvas["x"] + canvas["width"] * 0.75, canvas["y"] + canvas["height"] * 0.75, steps=4)
    page.mouse.up()
    assert int(page.input_value("[name=width]")) > SIDE / 3
    # A comma in a number is none that steps.
    page.locator("[name=height]").press(",")
    page.get_by_role("button", name="Keep this face").click()
    expect(page.locator(".box-person.box-here")).to_have_count(1)
    face = Face.objects.get()
    assert (face.time_ms, face.frame, face.detector) == (1_280, 32, "person")
    assert serious(page) == []
    assert complaints == []


def test_by_keys_alone(enter, live_server, complaints: list[str], film: Media) -> None:
    page: Page = enter(make_user("manager"))
    page.goto(f"{live_server.url}/media/{film.pk}/")
    page.wait_for_load_state("networkidle")
    page.get_by_role("slider").focus()
    page.keyboard.press("End")
    expect_at(page, 1_960)
    page.locator("[data-draw] summary").press("Enter")
    for name, value in (("x", 10), ("y", 20), ("width", 100), ("height", 120)):
        page.locator(f"[name={name}]").press_sequentially(str(value))
    page.keyboard.press("Enter")
    expect(page.locator(".box-person.box-here")).to_have_count(1)
    face = Face.objects.get()
    assert (face.x, face.y, face.width, face.height) == (10, 20, 100, 120)
    assert face.time_ms == 1_960
    assert complaints == []
