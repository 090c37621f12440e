"""Taking over from Label Studio in the browser and by the API."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from labeling.label_studio import imports
from labeling.models import Campaign, FaceLabel, LabelStudioImport, Vote
from tests.factories import make_faces, make_over, make_user
from tests.labeling.label_studio.files import named, task

pytestmark = pytest.mark.django_db
NEW = "/sources/label-studio/"


@pytest.fixture
def manager(client: Client) -> Client:
    client.force_login(make_user("manager", "boss"))
    return client


def export(*tasks: dict[str, Any], name: str = "people.json") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, json.dumps(tasks).encode())


def voted(number: int, *answers: str) -> dict[str, Any]:
    return task(f"{number}.png", *zip("abc", answers, strict=False))


def hidden_token(page: Any) -> str:
    token: str = page.context["form"]["token"].value()
    return token


def test_from_the_file_to_the_campaign(manager: Client) -> None:
    source = named(make_faces(2))
    page = manager.get(NEW)
    assert "From Label Studio" in page.content.decode()
    file = export(voted(1, "Joy", "smug"), voted(2, "sad", "Joy"), voted(3, "sad", "sad"))
    page = manager.post(NEW, {"upload": file, "source": source.pk})
    said = page.content.decode()
    assert "“3.png” is no picture that was taken in here." in said
    assert "Each face has 2 votes, of 2 people." in said
    assert [(field.label, field.value(), count) for field, count in page.context["form"].rows] == [
        ("Joy", "happy", 2),
        ("sad", "sad", 3),
        ("smug", "", 1),
    ]
    assert not LabelStudioImport.objects.exists()
    told = {"token": hidden_token(page), "campaign": "From there", "class-0": "happy", "class-1": "sad"}
    again = manager.post(NEW, told)
    assert again.status_code == 400
    assert "Say what “smug” means, or leave it out." in again.content.decode()
    answer = manager.post(NEW, told | {"class-2": "=keep"})
    row = LabelStudioImport.objects.get()
    assert answer.url == f"{NEW}{row.pk}/"  # type: ignore[attr-defined]
    assert row.classes == {"Joy": "happy", "sad": "sad", "smug": "smug"}
    assert (row.created_by.username, row.source) == ("boss", source)  # type: ignore[union-attr]
    imports.run(row.pk)
    said = manager.get(f"{NEW}{row.pk}/").content.decode()
    assert "votes in “From there”" in said
    assert "“3.png” is no picture that was taken in here." in said
    assert Campaign.objects.get().expressions == ["happy", "sad", "smug"]
    assert Vote.objects.count() == 4
    live = manager.get(f"{NEW}{row.pk}/live.json").json()
    assert live["stage"] == "over"


def test_sent_again_the_page_says_what_is_here_already_and_what_was_meant(manager: Client) -> None:
    source = named(make_faces(3))
    tasks = voted(1, "Joy"), voted(2, "smug"), voted(3, "?")
    for chosen in (["", "happy", ""], ["=out", "happy", "=keep"]):
        page = manager.post(NEW, {"upload": export(*tasks), "source": source.pk})
        assert [field.value() for field, _ in page.context["form"].rows] == chosen
        told = {"token": hidden_token(page), "class-0": "=out", "class-1": "happy", "class-2": "=keep"}
        answer = manager.post(NEW, told)
        imports.run(LabelStudioImport.objects.latest("pk").pk)
        assert answer.status_code == 302
    assert "was taken in before: Faces labelled: 2. Tasks not taken: 1." in page.content.decode()
    assert FaceLabel.objects.count() == 2
    assert "of them here before" in manager.get(answer.url).content.decode()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"nonsense", "“people.json” cannot be read as JSON"),
        (b"[{}]", "“people.json” is no list of tasks"),
        (b"", "The submitted file is empty."),
    ],
)
def test_a_bad_file_is_told_beside_its_field(manager: Client, content: bytes, reason: str) -> None:
    page = manager.post(NEW, {"upload": SimpleUploadedFile("people.json", content)})
    assert page.status_code == 400
    assert reason in str(page.context["form"].errors["upload"])


def test_pictures_that_nobody_knows_leave_nothing_to_begin(manager: Client) -> None:
    page = manager.post(NEW, {"upload": export(voted(1, "sad"))})
    said = page.content.decode()
    assert "None of its pictures is known here." in said
    assert "disabled" in said


def test_only_folders_that_may_be_named_are_looked_into(manager: Client, settings, tmp_path: Path) -> None:
    settings.IMPORT_ROOTS = [tmp_path / "in"]
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").touch()
    for folder, reason in (("/etc", "outside the folders"), (f"{tmp_path}/in/a.txt", "is no folder")):
        page = manager.post(NEW, {"upload": export(voted(1, "sad")), "folder": folder})
        assert reason in str(page.context["form"].errors["folder"])
    assert (
        manager.post(NEW, {"upload": export(voted(1, "sad")), "folder": f"{tmp_path}/in"}).status_code == 200
    )


def test_a_page_of_somebody_else_or_of_another_day_begins_nothing(manager: Client, settings) -> None:
    page = manager.post(NEW, {"upload": export(voted(1, "sad"))})
    token = hidden_token(page)
    other = Client()
    other.force_login(make_user("manager"))
    for client, told in ((other, token), (manager, token + "x")):
        answer = client.post(NEW, {"token": told, "class-0": "sad"})
        assert answer.status_code == 400
        assert "too old, or not yours" in answer.content.decode()
    for file in settings.UPLOAD_ROOT.rglob("*.json"):
        file.unlink()
    answer = manager.post(NEW, {"token": token, "class-0": "sad"})
    assert "is not on the server any more. Send it again." in answer.content.decode()
    assert not LabelStudioImport.objects.exists()


def test_it_is_stopped_and_goes_on_by_buttons(manager: Client) -> None:
    source = named(make_faces(1))
    file = imports.keep([json.dumps([voted(1, "sad")]).encode()], name="e.json")
    row = imports.begin(file, name="e.json", source=source)
    manager.post(f"{NEW}{row.pk}/stop/")
    row.refresh_from_db()
    assert row.state == "stopped"
    manager.post(f"{NEW}{row.pk}/resume/")
    row.refresh_from_db()
    assert row.state == "waiting"


def test_by_the_api(settings) -> None:
    source = named(make_faces(2))
    client = APIClient()
    client.force_authenticate(make_user("manager"))
    told = {"tasks": [voted(1, "Joy", "smug"), voted(5, "sad", "sad")], "source": source.pk}
    found = client.post("/api/v1/label-studio/preview/", told, format="json").json()
    assert (found["tasks"], found["faces"], found["answers"], found["usual"]) == (2, 1, 2, 2)
    assert found["guesses"] == {"Joy": "happy", "sad": "sad", "smug": ""}
    assert found["reasons"] == [
        {"reason": "“5.png” is no picture that was taken in here.", "count": 1, "tasks": [2]}
    ]
    refused = client.post("/api/v1/label-studio/", told, format="json")
    assert (refused.status_code, refused.json()["error"]) == (
        409,
        "Say what “smug” means here, or leave it out.",
    )
    told |= {"classes": {"smug": "contempt"}, "campaign": "Theirs"}
    first, again = (client.post("/api/v1/label-studio/", told, format="json") for _ in range(2))
    row = first.json()
    assert (first.status_code, again.status_code, again.json()["id"]) == (201, 200, row["id"])
    other = client.post("/api/v1/label-studio/", told | {"campaign": "Ours"}, format="json")
    assert (other.status_code, f"import {row['id']} (“Theirs”)" in other.json()["error"]) == (409, True)
    imports.run(row["id"])
    done = client.get(f"/api/v1/label-studio/{row['id']}/").json()
    assert (done["state"], done["taken"]["cast"], done["taken"]["left"]) == ("done", 2, 1)
    assert Campaign.objects.get(pk=done["campaign"]).expressions == ["happy", "sad", "contempt"]
    assert client.post("/api/v1/label-studio/preview/", told, format="json").json()["earlier"] == row["id"]
    # Neither what was only looked at or refused nor what is taken in lies about.
    assert list(settings.UPLOAD_ROOT.rglob("*.json")) == []


def test_the_api_says_what_is_wrong(settings, tmp_path: Path) -> None:
    settings.IMPORT_ROOTS = [tmp_path]
    client = APIClient()
    client.force_authenticate(make_user("manager"))
    for told, status in (
        ({"tasks": []}, 400),
        ({"tasks": [voted(1, "sad")], "source": 999}, 400),
        ({"tasks": [voted(1, "sad")], "folder": "/etc"}, 409),
        ({"tasks": [{"a": 1}]}, 409),
    ):
        assert client.post("/api/v1/label-studio/", told, format="json").status_code == status
    assert not LabelStudioImport.objects.exists()
    assert list(settings.UPLOAD_ROOT.rglob("*.json")) == []


@pytest.mark.parametrize("rows", [1, 3])
def test_the_page_costs_the_same_however_many_there_were(
    manager: Client, rows: int, django_assert_num_queries
) -> None:
    for number in range(rows):
        row = LabelStudioImport.objects.create(file_name=f"{number}.json", sha256=str(number) * 64)
        make_over(row)
    manager.get(NEW)
    with django_assert_num_queries(4):
        manager.get(reverse("labeling:label_studio_new"))
