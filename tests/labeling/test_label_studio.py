"""Labels and votes out of Label Studio."""

import io
import json
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command

from labeling import label_studio
from labeling.models import Campaign, CampaignFace, Face, FaceLabel, Item, Source, Vote
from tests.factories import make_faces
from tests.labeling.snapshots.making import frozen
from tests.labeling.snapshots.test_ballots import voted
from tests.labeling.snapshots.test_exporting import made

pytestmark = pytest.mark.django_db


def task(picture: str, *answers: str | tuple[Any, str]) -> dict[str, Any]:
    return {
        "data": {"image": picture},
        "annotations": [
            {"completed_by": who, "result": [{"type": "choices", "value": {"choices": [answer]}}]}
            for who, answer in (each if isinstance(each, tuple) else (1, each) for each in answers)
        ],
    }


def file_of(folder: Path, *tasks: dict[str, Any]) -> Path:
    file = folder / "export.json"
    file.write_text(json.dumps(tasks))
    return file


def put_crops(folder: Path, faces: list[Face]) -> list[str]:
    """The faces' pictures as files; returns how Label Studio names them."""
    (folder / "images").mkdir(parents=True)
    for face in faces:
        with default_storage.open(face.crop) as crop:
            (folder / "images" / f"{face.pk}.png").write_bytes(crop.read())
    return [f"/data/local-files/?d=images/{face.pk}.png" for face in faces]


def test_one_annotation_a_task_is_a_label_and_no_vote(tmp_path: Path) -> None:
    faces = make_faces(3)
    names = put_crops(tmp_path, faces)
    tasks = [
        task(names[0], "happiness"),
        task(names[1], "smug"),
        task("images/none.png", "sad"),
        task(names[2]),
    ]
    taken = label_studio.take_in(file=file_of(tmp_path, *tasks), pictures=tmp_path)
    assert {row.face_id: (row.column, row.label, row.origin) for row in FaceLabel.objects.all()} == {
        faces[0].pk: ("label studio", "happy", "Label Studio"),
        faces[1].pk: ("label studio", "smug", "Label Studio"),
    }
    assert (taken.labelled, taken.campaign, Vote.objects.count()) == (2, None, 0)
    assert taken.refused == {
        3: "“images/none.png” is no picture that was taken in here.",
        4: "Nobody chose one answer.",
    }


def test_a_picture_is_known_by_the_address_it_was_fetched_from(tmp_path: Path) -> None:
    source = Source.objects.create(name="web", kind="weblist", location="l")
    faces = make_faces(3, per_media=1)
    Item.objects.create(
        source=source, locator="https://a.example/1.jpg", state="ingested", media=faces[0].media
    )
    several = make_faces(2, per_media=2)
    Item.objects.create(
        source=source, locator="https://a.example/2.jpg", state="ingested", media=several[0].media
    )
    tasks = [task("https://a.example/1.jpg", "fear"), task("https://a.example/2.jpg", "fear")]
    taken = label_studio.take_in(file=file_of(tmp_path, *tasks))
    assert list(FaceLabel.objects.values_list("face", "label")) == [(faces[0].pk, "fear")]
    assert taken.refused == {2: "“https://a.example/2.jpg” has 2 faces: which is meant is not said."}


def test_several_annotations_a_task_are_votes_of_people_nobody_can_sign_in_as(tmp_path: Path) -> None:
    faces = make_faces(3)
    names = put_crops(tmp_path, faces)
    tasks = [
        task(names[0], (1, "Happiness"), ({"email": "a@example.org"}, "happy"), (3, "sad")),
        task(names[1], (1, "NF"), ({"email": "a@example.org"}, "sad"), (3, "sad")),
        task(names[2], (1, "happy")),
    ]
    for _again in range(2):
        taken = label_studio.take_in(file=file_of(tmp_path, *tasks), pictures=tmp_path, name="From there")
        assert (taken.cast, taken.refused) == (6, {3: "It has 1 answers, most have 3."})
    campaign = Campaign.objects.get()
    assert (campaign.name, campaign.expressions, campaign.votes_per_face) == (
        "From there",
        ["happy", "sad"],
        3,
    )
    assert Vote.objects.count() == 6
    rows = CampaignFace.objects.order_by("face")
    assert [(row.face_id, row.state, row.label, row.counts) for row in rows] == [
        (faces[0].pk, "settled", "happy", {"happy": 2, "sad": 1}),
        (faces[1].pk, "settled", "sad", {"sad": 2, "not_a_face": 1}),
    ]
    people = {vote.annotator for vote in Vote.objects.select_related("annotator")}
    assert len(people) == 3
    assert all(person.username.startswith("label-studio-") for person in people)
    assert not any(person.has_usable_password() for person in people)


def test_what_was_exported_for_label_studio_comes_back_with_the_same_votes(tmp_path: Path) -> None:
    snapshot = frozen(voted())
    row = made(snapshot, "labelstudio")
    with default_storage.open(row.stored_as) as file, zipfile.ZipFile(file) as archive:
        archive.extractall(tmp_path)
    before = {row.face_id: row.counts for row in CampaignFace.objects.filter(outcome="agreed")}
    out = io.StringIO()
    call_command(
        "import_label_studio", str(tmp_path / "tasks.json"), "--pictures", str(tmp_path), "--campaign", "Back",
        stdout=out, stderr=out,
    )  # fmt: skip
    back = {row.face_id: row.counts for row in CampaignFace.objects.filter(campaign__name="Back")}
    assert back == before
    assert len(set(Vote.objects.filter(campaign__name="Back").values_list("annotator", flat=True))) == 3


def test_another_campaign_of_that_name_is_left_alone(tmp_path: Path) -> None:
    Campaign.objects.create(name="Mine")
    names = put_crops(tmp_path, make_faces(1))
    file = file_of(tmp_path, task(names[0], (1, "happy"), (2, "happy")))
    with pytest.raises(CommandError, match="asks something else"):
        call_command("import_label_studio", str(file), "--pictures", str(tmp_path), "--campaign", "Mine")
    assert not CampaignFace.objects.exists()


@pytest.mark.parametrize("text", ["{}", "nonsense", '[{"image": "a.png", "choice": "happy"}]'])
def test_a_file_of_another_kind_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    file.write_text(text)
    with pytest.raises(label_studio.CannotTakeIn, match=r"cannot be read as JSON|no list of tasks"):
        label_studio.take_in(file=file)


def test_no_path_leads_out_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "secret.png").write_bytes(b"x")
    taken = label_studio.take_in(
        file=file_of(
            tmp_path, task("../secret.png", "happy"), task("/data/local-files/?d=../secret.png", "sad")
        ),
        pictures=tmp_path / "in",
    )
    assert Counter(reason.rpartition("”")[2] for reason in taken.refused.values()) == {
        " is no picture that was taken in here.": 2
    }
