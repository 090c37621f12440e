"""A version whose folder somebody deleted: whatever opens it says so in a sentence, and what to do."""

import shutil
from pathlib import Path

import pytest
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from labeling.models import Snapshot, WorkState
from labeling.snapshots import exporting, freezing, stored, verification
from tests.factories import make_user
from tests.labeling.snapshots.making import frozen, make_settled, settle
from training import runs

pytestmark = pytest.mark.django_db


@pytest.fixture
def versions() -> list[Snapshot]:
    """Two of one campaign; the folder of the first is gone."""
    campaign = make_settled(12)
    first = frozen(campaign)
    settle(campaign.campaign_faces.all()[3], "angry")
    second = frozen(campaign)
    lose(first)
    return [first, second]


def lose(snapshot: Snapshot) -> None:
    shutil.rmtree(Path(default_storage.path(snapshot.folder)))


@pytest.fixture
def admin() -> Client:
    client = Client()
    client.force_login(make_user("admin"))
    return client


def said(snapshot: Snapshot) -> str:
    return f"{stored.folder_of(snapshot.digest)} has no manifest.json"


def test_an_export_ends_with_the_name_of_the_folder(versions: list[Snapshot]) -> None:
    row = exporting.export(snapshot=versions[0], format="fer2013", wake=False)
    exporting.run_export(row.pk)
    row.refresh_from_db()
    assert (row.state, row.stored_as) == (WorkState.FAILED, "")
    assert said(versions[0]) in row.error
    assert "Put the file back from a backup" in row.error


def test_a_verification_finds_it(versions: list[Snapshot]) -> None:
    row = verification.verify_later(snapshot=versions[0], wake=False)
    verification.run_verification(row.pk)
    row.refresh_from_db()
    assert row.state == WorkState.DONE
    [problem] = row.problems
    assert said(versions[0]) in problem["what"]
    with pytest.raises(SystemExit):
        call_command("verify_snapshot", str(versions[0].pk))


def test_its_own_pages_and_those_that_compare_it_say_so(versions: list[Snapshot], admin: Client) -> None:
    old, new = versions
    assert admin.get(reverse("labeling:snapshot", args=[old.pk])).status_code == 200
    for name in ("snapshot_compare", "snapshot_compare_csv", "snapshot_compare_json"):
        answer = admin.get(reverse(f"labeling:{name}"), {"old": old.pk, "new": new.pk}, follow=True)
        assert answer.status_code == 200, name
        assert said(old) in answer.content.decode(), name
    picture = reverse("labeling:frozen_face", args=[old.pk, "0" * 64])
    assert admin.get(picture).status_code == 404
    with pytest.raises(CommandError, match="no manifest"):
        call_command("compare_snapshots", str(old.pk), str(new.pk))


def test_what_was_compared_before_is_refused_too(versions: list[Snapshot], admin: Client) -> None:
    old, new = versions[1], frozen(versions[1].campaign)
    asked = {"old": old.pk, "new": new.pk}
    address = reverse("labeling:snapshot_compare_csv")
    assert b"".join(admin.get(address, asked)).startswith(b"face_key,")
    lose(old)
    answer = admin.get(address, asked, follow=True)
    assert answer.status_code == 200
    assert said(old) in answer.content.decode()


def test_the_api_compares_it_with_a_refusal(versions: list[Snapshot]) -> None:
    client = APIClient()
    client.force_authenticate(make_user("admin"))
    old, new = versions
    answer = client.get(f"/api/v1/snapshots/{new.pk}/changes/", {"since": old.pk})
    assert (answer.status_code, answer.json()["code"]) == (409, "refused")
    assert said(old) in answer.json()["error"]


def test_a_training_on_it_fails_in_a_sentence(versions: list[Snapshot]) -> None:
    run = runs.start(snapshot=versions[0], network="resnet18", preset="quick", settings={"epochs": 1})
    runs.train(run.pk)
    run.refresh_from_db()
    assert run.state == WorkState.FAILED
    assert said(versions[0]) in run.error
    assert "Traceback" not in run.error


def test_freezing_the_campaign_again_names_it(versions: list[Snapshot]) -> None:
    lose(versions[1])
    default_storage.delete(f"snapshots/carried/{versions[0].campaign_id}.npz")
    row = freezing.freeze(campaign=versions[0].campaign)
    freezing.run_freeze(row.pk)
    row.refresh_from_db()
    assert row.state == WorkState.FAILED
    assert stored.folder_of(versions[1].digest) in row.error
