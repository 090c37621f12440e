"""Managers select faces in the gallery by mouse and keys, and find face and box together."""

import pytest
from playwright.sync_api import Page, expect

from labeling.models import Face, Track
from tests.browser.test_pages import serious
from tests.factories import make_campaign, make_faces, make_media, make_user

pytestmark = pytest.mark.django_db(transaction=True)


def count(page: Page, number: int) -> None:
    expect(page.locator("[data-count]")).to_have_text(str(number))
    assert page.locator(".tile-check:checked").count() == number


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_faces_are_selected_left_out_and_brought_back(
    enter, live_server, complaints: list[str], scheme: str, width: int
) -> None:
    make_campaign(make_faces(8), name="first round")
    page: Page = enter(make_user("manager"))
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
    page.set_viewport_size({"width": width, "height": 844})
    page.goto(f"{live_server.url}/faces/")
    expect(page.locator(".selection-bar")).to_be_hidden()
    page.locator(".tile-check").nth(1).check()
    page.locator(".tile a").nth(4).click(modifiers=["Shift"])
    count(page, 4)
    # Once something is selected, a click ticks instead of opening.
    page.locator(".tile a").nth(6).click()
    count(page, 5)
    assert serious(page) == []
    page.get_by_role("button", name="Leave out").click()
    expect(page.locator(".toast")).to_contain_text("5 faces left out.")
    assert page.locator(".tile").count() == 3
    assert serious(page) == []
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".tile")).to_have_count(8)
    assert Face.objects.kept().count() == 8
    assert complaints == []


def test_faces_are_selected_by_keys(enter, live_server, complaints: list[str]) -> None:
    make_faces(30)
    page: Page = enter(make_user("manager"))
    page.goto(f"{live_server.url}/faces/")
    page.locator(".tile a").first.focus()
    for key in ("ArrowRight", "Space", "Shift+ArrowRight", "ArrowDown", "Space"):
        page.keyboard.press(key)
    count(page, 3)
    page.keyboard.press("Escape")
    expect(page.locator(".selection-bar")).to_be_hidden()
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    page.wait_for_url(f"{live_server.url}/faces/{Face.objects.first().pk}/")  # type: ignore[union-attr]
    assert complaints == []


def test_all_that_match_are_selected_at_once(enter, live_server) -> None:
    make_faces(125, per_media=125)
    page: Page = enter(make_user("manager"))
    page.goto(f"{live_server.url}/faces/")
    page.locator(".tile-check").first.check()
    page.get_by_label("all 125 that match").check()
    expect(page.locator("[data-count]")).to_have_text("125")
    page.get_by_role("button", name="Leave out").click()
    expect(page.locator(".toast")).to_contain_text("125 faces left out.")
    assert Face.objects.kept().count() == 0


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_near_duplicates_and_a_film_are_sound(
    enter, live_server, complaints: list[str], scheme: str, width: int
) -> None:
    video = make_media(kind="video", mime="video/mp4", duration_ms=4_000, fps=25.0)
    track = Track.objects.create(media=video, detector="haar", number=1, shot=1, first_ms=0, last_ms=3_000)
    faces = [make_faces(1, media=video, track=track, time_ms=1_000 * n)[0] for n in range(4)]
    Face.objects.update(likeness=faces[0].pk)
    Face.objects.filter(pk=faces[1].pk).update(left_out="track")
    page: Page = enter(make_user("manager"))
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
    page.set_viewport_size({"width": width, "height": 844})
    page.goto(f"{live_server.url}/faces/alike/")
    assert serious(page) == []
    page.locator("[name=group]").check()
    expect(page.get_by_role("button", name="Merge them")).to_be_visible()
    assert serious(page) == []
    # The film itself is no film: only its frame is missing.
    page.goto(f"{live_server.url}/media/{video.pk}/?at=1000&face={faces[1].pk}")
    assert serious(page) == []
    page.locator(f".face-card[data-face='{faces[1].pk}'] a").first.focus()
    expect(page.locator(f".picture [data-face='{faces[1].pk}']")).to_have_class("lit")
    assert [said for said in complaints if "404" not in said] == []


def test_a_missing_face_is_drawn_with_the_mouse(enter, live_server, complaints: list[str]) -> None:
    media = make_media()
    page: Page = enter(make_user("manager"))
    page.goto(f"{live_server.url}/media/{media.pk}/")
    page.get_by_text("A face is missing").click()
    picture = page.locator("[data-canvas]").bounding_box()
    assert picture is not None
    # The picture is square and 48 pixels wide; it stands in the middle of its frame.
    side = min(picture["width"], picture["height"])
    left = picture["x"] + (picture["width"] - side) / 2
    top = picture["y"] + (picture["height"] - side) / 2
    page.mouse.move(left + side * 0.75, top + side * 0.75)
    page.mouse.down()
    page.mouse.move(left + side * 0.25, top + side * 0.5, steps=4)
    page.mouse.up()
    assert serious(page) == []
    page.get_by_role("button", name="Keep this face").click()
    expect(page.locator(".notice-ok")).to_contain_text("The face is kept.")
    face = Face.objects.get()
    assert (face.detector, face.x, face.y, face.width, face.height) == ("person", 12, 24, 24, 12)
    assert complaints == []


def test_a_filter_answers_at_once_and_its_chip_takes_it_away(
    enter, live_server, complaints: list[str]
) -> None:
    make_faces(2, detector="haar")
    make_faces(1, detector="yunet")
    page: Page = enter(make_user("manager"))
    page.goto(f"{live_server.url}/faces/")
    page.get_by_label("Detector").select_option("yunet")
    page.wait_for_url(f"{live_server.url}/faces/?detector=yunet")
    expect(page.locator(".tile")).to_have_count(1)
    page.locator(".chip-filter").click()
    page.wait_for_url(f"{live_server.url}/faces/")
    expect(page.locator(".tile")).to_have_count(3)
    assert complaints == []
