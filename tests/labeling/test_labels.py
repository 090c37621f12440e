"""What experts say: one label a face and column, asked for by many pages, and told to no voter."""

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from labeling import gallery_queries, labels
from labeling.face_filter import ANY, NONE, FaceFilter, faces
from labeling.labels import CannotLabel, Wanted
from labeling.models import CampaignFace, Face, FaceLabel
from tests.factories import make_campaign, make_faces, make_user

pytestmark = pytest.mark.django_db
ORIGIN = "Dr. Lan"


def give(face: Face, label: str, column: str = "expert", origin: str = ORIGIN) -> str:
    (problem,) = labels.give([Wanted(face.pk, label, origin)], column=column)
    return problem


def test_a_face_keeps_its_label_and_the_other_is_told() -> None:
    one, two = make_faces(2)
    assert labels.give([Wanted(one.pk, "happy", "A"), Wanted(two.pk, "sad", "A"), Wanted(one.pk, "fear", "B")]) == [
        "", "", "The face is labelled “happy” by A already, and “fear” here. Nothing was changed.",
    ]  # fmt: skip
    assert give(one, "happy", origin="B") == ""
    assert give(one, "sad", "team") == ""
    assert {pk: row.label for pk, row in labels.of([one, two]).items()} == {one.pk: "happy", two.pk: "sad"}
    assert labels.of([one.pk])[one.pk].origin == "A"
    assert labels.of([two], "team") == {}
    assert labels.take_back(faces=[one.pk]) == 1
    assert give(one, "fear") == ""


def test_what_is_no_label_is_not_given() -> None:
    (face,) = make_faces(1)
    for label, origin, column in (
        ("", "A", "x"),
        ("a" * 41, "A", "x"),
        ("a", " ", "x"),
        ("a", "A", ""),
        ("a\x00", "A", "x"),
        ("=1+1", "A", "x"),
    ):
        with pytest.raises(CannotLabel):
            labels.give([Wanted(face.pk, label, origin)], column=column)
    assert not FaceLabel.objects.exists()


def test_columns_and_counts_of_a_campaign() -> None:
    one, two, three = make_faces(3)
    campaign = make_campaign(faces=[one, two])
    for face, label in ((one, "happy"), (two, "happy"), (three, "sad")):
        give(face, label)
    give(one, "sad", "team")
    assert labels.columns(campaign) == {"expert": 2, "team": 1}
    assert labels.counts(Face.objects.all()) == {"happy": 2, "sad": 1}
    assert labels.all_labels() == ["happy", "sad"]


def test_the_gallery_filters_by_it_with_and_without_a_campaign(client) -> None:
    one, two, three = make_faces(3)
    campaign = make_campaign(faces=[one, two])
    give(one, "happy")
    give(three, "sad")

    def found(**wanted: object) -> set[int]:
        chosen = FaceFilter(**wanted)  # type: ignore[arg-type]
        assert set(faces(chosen).values_list("pk", flat=True)) == {
            face.pk for face in gallery_queries.gallery(chosen, after=0, limit=10)
        }
        return set(faces(chosen).values_list("pk", flat=True))

    assert found(expert="happy") == {one.pk}
    assert found(expert=ANY) == {one.pk, three.pk}
    assert found(expert=NONE) == {two.pk}
    assert found(expert=NONE, campaign=campaign.pk) == {two.pk}
    assert found(expert="sad", campaign=campaign.pk) == set()
    assert found(expert=ANY, campaign=campaign.pk) == {one.pk}
    client.force_login(make_user("manager"))
    page = client.get("/faces/?expert=happy").content.decode()
    assert f"/crops/{one.pk}.png" in page
    assert f"/crops/{two.pk}.png" not in page
    assert "Expert label" in page


@pytest.mark.parametrize("left_out", ["", "kept", "out", "all"])
@pytest.mark.parametrize("expert", [ANY, NONE, "happy", "sad", "angry"])
@pytest.mark.parametrize("beside", ["nothing", "detector", "campaign"])
def test_as_many_are_counted_as_are_listed(expert: str, left_out: str, beside: str) -> None:
    faces = make_faces(6) + make_faces(2, detector="yunet")
    Face.objects.filter(pk__in=[faces[0].pk, faces[3].pk, faces[6].pk]).update(left_out="person")
    for face, label in zip(faces, ("happy", "happy", "sad", "sad", "happy", "", "happy"), strict=False):
        if label:
            give(face, label)
    give(faces[5], "happy", column="team")
    wanted = FaceFilter(
        expert=expert,
        left_out=left_out,
        detector="haar" if beside == "detector" else "",
        campaign=make_campaign(faces[:5]).pk if beside == "campaign" else None,
    )
    assert gallery_queries.gallery_count(wanted) == len(gallery_queries.gallery(wanted))


def test_who_may_see_labels_sees_it_on_the_page_of_the_face(client) -> None:
    (face,) = make_faces(1)
    give(face, "happy")
    give(face, "sad", "team-b", origin="Team B")
    client.force_login(make_user("trainer"))
    page = " ".join(client.get(f"/faces/{face.pk}/").content.decode().split())
    assert "Expert label" in page
    assert "by Dr. Lan" in page
    assert "team-b" in page


WORDS = ("zzz-expert-word", "zzz-origin-word", "zzz-column-word")


def test_no_voter_is_told(client) -> None:
    faces_there = make_faces(3)
    campaign = make_campaign(faces=faces_there)
    for face in faces_there:
        give(face, WORDS[0], origin=WORDS[1])
        give(face, WORDS[0], WORDS[2], origin=WORDS[1])
    client.force_login(make_user("annotator"))
    asked = [
        client.get("/vote/"),
        client.get(f"/vote/{campaign.pk}/"),
        client.get(f"/vote/{campaign.pk}/next"),
        client.post(f"/vote/{campaign.pk}/next"),
        client.get(f"/api/v1/campaigns/{campaign.pk}/"),
        client.post(f"/api/v1/campaigns/{campaign.pk}/lease/", {"limit": 3}, content_type="application/json"),
        client.get(f"/crops/{faces_there[0].pk}.png"),
        client.get(f"/faces/{faces_there[0].pk}/"),
        client.get("/faces/?expert=*"),
        client.get("/api/v1/faces/"),
        client.get(f"/api/v1/faces/{faces_there[0].pk}/"),
        client.get(f"/vote/{campaign.pk}/mine/"),
    ]
    assert {answer.status_code for answer in asked} >= {200, 403}
    for answer in asked:
        body = b"".join(answer.streaming_content) if answer.streaming else answer.content
        for word in WORDS:
            assert word.encode() not in body
            assert word not in str(answer.headers)
    assert not CampaignFace.objects.exclude(label="").exists()


# ---- as a table ----


def command(*words: str) -> tuple[str, int]:
    out = StringIO()
    try:
        call_command("label_faces", *words, stdout=out)
    except SystemExit as ended:
        return out.getvalue(), int(ended.code or 0)
    return out.getvalue(), 0


def test_labels_go_out_and_come_back_by_number_and_by_key(tmp_path: Path) -> None:
    one, two = make_faces(2)
    give(one, "happy")
    give(two, "sad", "team")
    path = tmp_path / "labels.csv"
    assert command(str(path), "--export") == (f"2 labels written to {path}.\n", 0)
    text = path.read_text()
    assert text.splitlines()[0] == "face,key,label,origin,column"
    FaceLabel.objects.all().delete()
    without_numbers = tmp_path / "keys.csv"
    without_numbers.write_text("\n".join(line.partition(",")[2] for line in text.splitlines()))
    for table in (without_numbers, path):
        assert command(str(table)) == (
            "2 faces are labelled so in the column expert, 0 lines were refused.\n",
            0,
        )
        assert set(FaceLabel.objects.values_list("face", "label", "origin", "column")) == {
            (one.pk, "happy", ORIGIN, "expert"), (two.pk, "sad", ORIGIN, "team"),
        }  # fmt: skip
    assert command(str(path), "--export", "--column", "team")[0].startswith("1 labels")


def test_lines_that_cannot_be_are_told_and_the_others_given(tmp_path: Path) -> None:
    one, two = make_faces(2)
    give(two, "fear")
    path = tmp_path / "labels.csv"
    path.write_text(
        "\ufeffFace;Label;Origin\n"
        f"{one.pk};Happiness;Ada\n999999;sad;Ada\n{two.pk};sad;Ada\n{one.pk};;Ada\nx;sad;Ada\n{two.pk};fear;\n"
    )
    told, status = command(str(path))
    assert status == 3
    assert told.splitlines() == [
        "  line 3: There is no such face.",
        "  line 4: The face is labelled “fear” by Dr. Lan already, and “sad” here. Nothing was changed.",
        "  line 5: A label has 1 to 40 characters.",
        "  line 6: There is no such face.",
        "  line 7: Say whose label it is, in 1 to 200 characters.",
        "1 faces are labelled so in the column expert, 5 lines were refused.",
    ]
    assert labels.of([one])[one.pk].label == "happy"
    for text, why in (("a,b\n1,2\n", "must name the columns"), ("", "must name the columns")):
        path.write_text(text)
        with pytest.raises(CommandError, match=why):
            command(str(path))
    with pytest.raises(CommandError, match="No such file"):
        command(str(tmp_path / "gone.csv"))
