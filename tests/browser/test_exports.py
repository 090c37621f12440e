"""A snapshot's files, made and fetched in a real browser."""

import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from labeling.models import Export
from labeling.snapshots import exporting
from tests.factories import make_user
from tests.labeling.snapshots.making import frozen, make_settled
from vemo.accounts.models import User

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_manager_writes_the_card_makes_a_file_and_downloads_it(
    enter: Callable[[User], Page], live_server, complaints: list[str], tmp_path: Path
) -> None:
    snapshot = frozen(make_settled(12), name="Spring")
    page = enter(make_user("manager"))
    page.goto(f"{live_server.url}/snapshots/{snapshot.pk}/")
    page.get_by_text("What the dataset card should say").click()
    page.get_by_label("Who answers questions").fill("faces@example.org")
    page.get_by_role("button", name="Make WebDataset").click()
    expect(page.get_by_text("The file is being made.")).to_be_visible()
    row = Export.objects.get()
    exporting.run_export(row.pk)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download WebDataset").click()
    target = tmp_path / "got.zip"
    download.value.save_as(target)
    assert download.value.suggested_filename == f"spring-{snapshot.digest[:8]}-webdataset.zip"
    with zipfile.ZipFile(target) as archive:
        assert "faces@example.org" in archive.read("README.md").decode()
    page.reload()
    expect(page.get_by_label("Who answers questions")).to_have_value("faces@example.org")
    page.get_by_role("button", name=re.compile("Make it again ?: WebDataset")).click()
    expect(page.get_by_text("The file there is says all of that already.")).to_be_visible()
    assert complaints == []
