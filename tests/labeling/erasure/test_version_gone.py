"""An erasure where a version's folder was deleted: it ends, says which, and goes on once the folder is back."""

import shutil
from pathlib import Path

import pytest
from django.core.files.storage import default_storage
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from labeling import erasure
from labeling.models import Erasure, Media, Snapshot
from labeling.snapshots import exporting, freezing
from tests.factories import make_user
from tests.labeling.erasure.erasing import erase
from tests.labeling.snapshots.making import frozen, make_settled, settle

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def versions() -> list[Snapshot]:
    campaign = make_settled(12)
    first = frozen(campaign)
    settle(campaign.campaign_faces.all()[3], "angry")
    return [first, frozen(campaign)]


def lose(snapshot: Snapshot, to: Path) -> Path:
    """Returns what puts it back."""
    folder = Path(default_storage.path(snapshot.folder))
    shutil.move(folder, to)
    return folder


def images() -> list[bytes]:
    return [path.read_bytes() for path in Path(default_storage.path("snapshots/packs")).iterdir()]


def test_it_ends_says_which_and_goes_on_once_the_folder_is_back(
    versions: list[Snapshot], tmp_path: Path
) -> None:
    lost, kept = versions
    export = exporting.export(snapshot=lost, format="imagefolder", wake=False)
    exporting.run_export(export.pk)
    export.refresh_from_db()
    face = lost.campaign.campaign_faces.first().face
    Media.objects.filter(pk=face.media_id).update(author="Jane Roe")
    with default_storage.open(face.crop) as file:
        content = file.read()
    folder = lose(lost, tmp_path / "backup")
    row = erase("author", ["Jane Roe"], reason="Consent withdrawn")
    [told] = row.touched["unopened"]
    assert (told["pk"], told["name"]) == (lost.pk, lost.name)
    assert told["why"].startswith(f"{lost.folder} has no manifest.json")
    assert row.message.endswith("Versions that could not be opened: 1.")
    assert [each["pk"] for each in row.touched["snapshots"]] == [kept.pk]
    assert freezing.verify(snapshot=kept) == []
    assert not default_storage.exists(face.crop)
    assert not any(content in pack for pack in images())
    assert not default_storage.exists(export.stored_as)
    nameless = row.what
    assert "Jane Roe" not in nameless

    shutil.move(tmp_path / "backup", folder)
    erasure.resume(row)
    erasure.carry_out(row.pk)
    row.refresh_from_db()
    assert (row.state, row.touched["unopened"], row.what) == ("done", [], nameless)
    assert {each["pk"] for each in row.touched["snapshots"]} == {lost.pk, kept.pk}
    assert "could not be opened" not in row.message
    for each in versions:
        each.refresh_from_db()
    assert lost.erased == kept.erased > 0
    assert freezing.verify(snapshot=lost) == []


def test_pages_and_api_say_so_before_and_after(versions: list[Snapshot], tmp_path: Path) -> None:
    lost = versions[0]
    lose(lost, tmp_path / "backup")
    face = lost.campaign.campaign_faces.first().face
    boss = make_user("admin")
    client, api = Client(), APIClient()
    client.force_login(boss)
    api.force_authenticate(boss)
    asked = {"scope": "face", "what": [face.pk]}
    page = client.get(reverse("labeling:erasure_new"), asked).content.decode()
    assert "Versions that cannot be opened" in page
    assert f"{lost.folder} has no manifest.json" in page
    found = api.post("/api/v1/erasures/preview/", asked, format="json").json()
    assert [each["pk"] for each in found["unopened"]] == [lost.pk]
    row = erase("face", [face.pk])
    page = client.get(reverse("labeling:erasure", args=[row.pk])).content.decode()
    assert "Versions that could not be opened" in page
    assert reverse("labeling:erasure_resume", args=[row.pk]) in page
    assert api.post(f"/api/v1/erasures/{row.pk}/resume/").status_code == 200
    assert Erasure.objects.get().state == "waiting"


def test_one_that_opened_all_is_not_done_again(versions: list[Snapshot]) -> None:
    row = erase("face", [versions[0].campaign.campaign_faces.first().face_id])
    assert row.touched["unopened"] == []
    client = Client()
    client.force_login(make_user("admin"))
    page = client.get(reverse("labeling:erasure", args=[row.pk])).content.decode()
    assert reverse("labeling:erasure_resume", args=[row.pk]) not in page
