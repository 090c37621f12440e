"""Taking over from Label Studio in a real browser: the file, what would come, and what came."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from labeling.label_studio import imports
from labeling.models import LabelStudioImport, Vote
from tests.browser.test_pages import serious
from tests.factories import make_faces, make_user
from tests.labeling.label_studio.files import named, task

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_manager_brings_over_what_people_answered(
    enter, live_server, complaints: list[str], tmp_path: Path
) -> None:
    named(make_faces(3))
    people = ("a@example.org", "b@example.org", "c@example.org")
    answers = (("Joy", "Joy", "smug"), ("sad", "sad", "Joy"), ("smug", "smug", "sad"), ("sad", "sad", "sad"))
    tasks = [
        task(f"/data/upload/1/0a1b2c3d-{number}.png", *zip(people, each, strict=True))
        for number, each in enumerate(answers, start=1)
    ]
    file = tmp_path / "people.json"
    file.write_text(json.dumps(tasks))
    page: Page = enter(make_user("manager"))
    page.goto(f"{live_server.url}/sources/new/")
    page.click("text=Take over their answers")
    page.set_input_files("#id_upload", file)
    page.select_option("#id_source", label="pictures")
    page.click("text=See what would come")
    expect(page.locator(".figure").first).to_contain_text("4")
    expect(page.locator("main")).to_contain_text("1 task stays out")
    expect(page.locator("main")).to_contain_text("is no picture that was taken in here.")
    assert serious(page) == []
    page.click("text=Take them in")
    expect(page.locator("main")).to_contain_text("Say what “smug” means, or leave it out.")
    page.get_by_label("smug").select_option(label="its own name")
    page.fill("#id_campaign", "From there")
    complaints.clear()  # the form to mend came with a 400, which Chromium tells of
    page.click("text=Take them in")
    expect(page.locator("main")).to_contain_text("waiting")
    # The page follows the work by itself.
    imports.run(LabelStudioImport.objects.get().pk)
    expect(page.locator(".figures")).to_contain_text("votes in “From there”", timeout=20_000)
    expect(page.locator("main")).to_contain_text("What stayed out, and why")
    assert serious(page) == []
    assert Vote.objects.count() == 9
    page.click("text=votes in “From there”")
    expect(page.locator("h1")).to_contain_text("From there")
    assert complaints == []
