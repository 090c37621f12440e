"""Gold and examples from outside: by API, and from a table by command."""

import io
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from rest_framework.test import APIClient

from labeling import examples
from labeling.models import Gold, Participation
from tests.factories import make_campaign, make_faces, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> APIClient:
    client = APIClient()
    client.force_authenticate(make_user("manager"))
    return client


def test_gold_is_set_listed_and_removed(client: APIClient) -> None:
    campaign = make_campaign(1)
    face = campaign.campaign_faces.get().face_id
    base = f"/api/v1/campaigns/{campaign.pk}"
    sent = {"face": face, "answer": "happy", "note": "teeth", "qualification": True}
    assert client.post(f"{base}/set_gold/", sent, format="json").status_code == 204
    [listed] = client.get(f"{base}/gold/").json()
    del listed["made_at"]
    assert listed == {**sent, "answered": 0, "right": 0, "counts": {}, "doubtful": False}
    assert client.post(f"{base}/remove_gold/", {"face": face}, format="json").status_code == 204
    assert client.get(f"{base}/gold/").json() == []
    again = client.post(f"{base}/remove_gold/", {"face": face}, format="json")
    assert (again.status_code, "not gold" in again.json()["error"]) == (409, True)


def test_examples_are_set_listed_and_removed(client: APIClient) -> None:
    campaign, face = make_campaign(0), make_faces(1)[0]
    base = f"/api/v1/campaigns/{campaign.pk}"
    sent = {"face": face.pk, "expression": "sad", "note": "brows"}
    assert client.post(f"{base}/set_example/", sent, format="json").status_code == 204
    assert client.get(f"{base}/examples/").json() == [sent]
    assert client.post(f"{base}/remove_example/", {"face": face.pk}, format="json").status_code == 204
    assert examples.of(campaign) == []


def test_attempts_are_reset(client: APIClient) -> None:
    campaign, person = make_campaign(0), make_user()
    own = Participation.objects.create(campaign=campaign, annotator=person, start=0, cursor=0, attempts=2)
    address = f"/api/v1/campaigns/{campaign.pk}/reset_attempts/"
    assert client.post(address, {"annotator": person.username}, format="json").status_code == 204
    own.refresh_from_db()
    assert own.attempts == 0
    assert client.post(address, {"annotator": person.username}, format="json").status_code == 409
    assert client.post(address, {"annotator": "nobody at all"}, format="json").status_code == 400


@pytest.mark.parametrize(
    "sent", [{}, {"face": 0, "answer": "sad"}, {"face": "x", "answer": "sad"}, {"face": 1}]
)
def test_what_is_not_understood_is_told_field_by_field(client: APIClient, sent: dict[str, object]) -> None:
    campaign = make_campaign(0)
    assert client.post(f"/api/v1/campaigns/{campaign.pk}/set_gold/", sent, format="json").status_code == 400


def run(campaign: int, table: Path, *options: str) -> tuple[str, str, int]:
    out, err, status = io.StringIO(), io.StringIO(), 0
    try:
        call_command("gold", str(campaign), str(table), *options, stdout=out, stderr=err)
    except SystemExit as left:
        status = int(left.code or 0)
    return out.getvalue(), err.getvalue(), status


def test_a_table_makes_gold_by_number_and_by_picture(tmp_path: Path) -> None:
    campaign = make_campaign(2)
    first, second = (row.face for row in campaign.campaign_faces.order_by("pk"))
    table = tmp_path / "gold.csv"
    table.write_text(
        "face,crop_sha256,answer,note,qualification\n"
        f"{first.pk},,happiness,teeth,1\n"
        f",{second.crop_sha256.upper()},not_a_face,,0\n"
    )
    said, _, status = run(campaign.pk, table)
    assert (said, status) == (f"2 faces are gold in “{campaign}”; 0 lines were refused.\n", 0)
    rows = Gold.objects.order_by("pk").values_list("campaign_face__face", "answer", "note", "qualification")
    assert list(rows) == [(first.pk, "happy", "teeth", True), (second.pk, "not_a_face", "", False)]


def test_refused_lines_are_named_and_the_others_done(tmp_path: Path) -> None:
    campaign = make_campaign(1)
    face = campaign.campaign_faces.get().face_id
    make_faces(2, crop_sha256="ab" * 32)
    table = tmp_path / "gold.csv"
    table.write_text(
        "face,crop_sha256,answer,qualification\n"
        f"{face},,bliss,\nx,,happy,\n,,happy,\n,ff,happy,\n,{'ab' * 32},happy,\n{face},,happy,maybe\n{face},,happy,\n"
    )
    said, problems, status = run(campaign.pk, table, "--qualification")
    assert status == 1
    assert "1 faces are gold" in said
    assert problems.splitlines() == [
        "Line 2: “bliss” is no answer of this campaign. Choose one that is.",
        "Line 3: “x” is no face's number.",
        "Line 4: Neither a face nor a crop_sha256 is named.",
        "Line 5: No face has the picture ff…",
        "Line 6: Several faces have the picture abababababab…; name one by its number.",
        "Line 7: “maybe” is neither 1 nor 0.",
    ]
    assert Gold.objects.get().qualification is True


def test_the_campaigns_own_face_is_meant_where_a_picture_was_found_twice(tmp_path: Path) -> None:
    first, _second = make_faces(2, crop_sha256="cd" * 32)
    campaign = make_campaign([first])
    table = tmp_path / "gold.csv"
    table.write_text(f"crop_sha256,answer\n{'cd' * 32},happy\n")
    assert run(campaign.pk, table)[2] == 0
    assert Gold.objects.get().campaign_face.face_id == first.pk


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("face,answer,colour\n1,happy,red\n", "Nobody reads the column colour"),
        ("face,label\n", "Nobody reads the column label"),
        ("answer\nhappy\n", "needs the columns answer, and face"),
        ("", "needs the columns answer"),
    ],
)
def test_a_table_that_cannot_be_understood_is_refused(tmp_path: Path, text: str, words: str) -> None:
    table = tmp_path / "gold.csv"
    table.write_text(text)
    with pytest.raises(CommandError, match=words):
        run(make_campaign(0).pk, table)


def test_a_table_there_is_not_is_told(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be read"):
        run(make_campaign(0).pk, tmp_path / "none.csv")
    (tmp_path / "latin.csv").write_bytes(b"face,answer\n1,\xe9\n")
    with pytest.raises(CommandError, match="cannot be read"):
        run(make_campaign(0).pk, tmp_path / "latin.csv")
