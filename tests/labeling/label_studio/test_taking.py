"""Labels and votes out of Label Studio."""

import io
import zipfile
from collections import Counter
from pathlib import Path

import pytest
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command

from labeling import label_studio
from labeling.label_studio import Read, Task
from labeling.models import Campaign, CampaignFace, Face, FaceLabel, Item, Source, Vote
from tests.factories import make_faces
from tests.labeling.label_studio.files import file_of, named, task
from tests.labeling.snapshots.making import frozen
from tests.labeling.snapshots.test_ballots import voted
from tests.labeling.snapshots.test_exporting import made

pytestmark = pytest.mark.django_db


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


def test_an_address_that_is_none_and_a_name_no_disk_can_hold_are_refused_alone(tmp_path: Path) -> None:
    (face,) = make_faces(1)
    names = put_crops(tmp_path, [face])
    strange = ["http://[", "images/%00.png", "/data/local-files/?d=" + "x" * 5000, "../../etc/passwd"]
    tasks = [*(task(name, "sad") for name in strange), task(names[0], "=1+1"), task(names[0], "fear")]
    with pytest.raises(label_studio.CannotTakeIn, match="take for a formula"):
        label_studio.take_in(file=file_of(tmp_path, *tasks), pictures=tmp_path)
    source = named([face])
    del tasks[4]
    taken = label_studio.take_in(file=file_of(tmp_path, *tasks), pictures=tmp_path, source=source)
    assert (taken.labelled, sorted(taken.refused)) == (1, [1, 2, 3, 4])


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


def test_pictures_are_known_by_their_names_in_a_source() -> None:
    faces = make_faces(4, per_media=1)
    source = named(faces, folder="deep/")
    pictures = {
        1: "/data/upload/7/0a1b2c3d-1.png",
        2: "s3://bucket/deep/2.png",
        3: "/data/local-files/?d=3.png",
        4: "https://studio.example/other/4.PNG?token=x",
        5: "5.png",
    }
    told = Read([Task(number, name, (("a", "happy"),)) for number, name in pictures.items()])
    made = label_studio.plan(told, source=source)
    assert {face: task.number for face, task in made.found.items()} == {
        face.pk: number for number, face in enumerate(faces, start=1)
    }
    assert made.refused == {5: "“5.png” is no picture that was taken in here."}


def test_of_several_pictures_of_one_name_the_folders_tell_which() -> None:
    one, other = make_faces(2, per_media=1)
    source = named([one], folder="a/")
    Item.objects.create(source=source, locator="b/1.png", state="ingested", media=other.media)
    told = Read([Task(1, "/data/b/1.png", (("a", "sad"),)), Task(2, "c/1.png", (("a", "sad"),))])
    made = label_studio.plan(told, source=source)
    assert list(made.found) == [other.pk]
    assert made.refused == {2: "“c/1.png” is the name of several pictures of that source."}


def test_a_picture_without_a_face_is_told_apart_from_an_unknown_one() -> None:
    (face,) = make_faces(1)
    source = named([face])
    face.delete()
    made = label_studio.plan(Read([Task(1, "1.png", (("a", "sad"),))]), source=source)
    assert made.refused == {1: "“1.png” shows no face that was found here."}


def test_answers_mean_what_is_said_and_are_left_out_where_that_is_said() -> None:
    faces = make_faces(2)
    told = Read([Task(1, "1.png", (("a", "joy"), ("b", "?"))), Task(2, "2.png", (("a", "?"),))])
    made = label_studio.plan(told, classes={"joy": "happy", "?": ""}, source=named(faces))
    assert {face: task.answers for face, task in made.found.items()} == {faces[0].pk: (("a", "happy"),)}
    assert (made.usual, made.refused) == (0, {2: "All that was chosen is left out."})
