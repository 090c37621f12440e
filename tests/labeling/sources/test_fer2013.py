"""A row of FER2013 is a face of its own; FER+ votes are joined by row."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from labeling.models import Face, Media
from labeling.sources import ingest
from tests.labeling.sources.places import (
    FERPLUS_HEAD,
    again,
    fer_csv,
    fer_row,
    kept,
    reasons,
    states,
    taken_in,
)

pytestmark = pytest.mark.django_db


def faces() -> list[Face]:
    return list(Face.objects.order_by("row"))


def test_a_row_becomes_a_face_with_what_the_table_says(tmp_path: Path) -> None:
    taken_in(fer_csv(tmp_path / "f.csv", [fer_row(0, 1), fer_row(6, 2, "PrivateTest")]), licence="research")
    first, second = faces()
    assert (first.row, first.detector, first.x, first.y, first.width, first.height) == (
        1,
        "fer2013",
        0,
        0,
        48,
        48,
    )
    assert first.given == {"label": "angry", "split": "Training"}
    assert second.given == {"label": "neutral", "split": "PrivateTest"}
    media = first.media
    assert (media.mime, media.width, media.licence) == ("image/png", 48, "research")
    assert (first.crop, first.crop_sha256) == (media.stored_as, media.sha256)
    picture = Image.open(io.BytesIO(kept(first.crop)))
    wanted = np.random.default_rng(1).integers(0, 256, 2304).reshape(48, 48)
    assert (picture.mode, np.asarray(picture).tolist()) == ("L", wanted.tolist())


def test_the_same_pixels_twice_are_two_faces_of_one_media(tmp_path: Path) -> None:
    source = taken_in(fer_csv(tmp_path / "f.csv", [fer_row(0, 1), fer_row(3, 1, "PublicTest")]))
    assert Media.objects.count() == 1
    assert [face.given["label"] for face in faces()] == ["angry", "happy"]
    assert states(source) == {"row 1": "ingested", "row 2": "known"}


def test_ferplus_votes_are_joined_by_row_and_called_by_our_words(tmp_path: Path) -> None:
    votes = tmp_path / "fer2013new.csv"
    votes.write_text(
        f"{FERPLUS_HEAD}\nTraining,fer0000099.png,4,0,0,1,3,2,0,0,0,0\nPublicTest,,0,1,1,1,1,1,1,1,2,1\n"
    )
    table = fer_csv(tmp_path / "f.csv", [fer_row(0, 1), fer_row(6, 2, "PublicTest")])
    taken_in(table, options={"ferplus": str(votes)})
    first, second = faces()
    assert first.given["votes"] == {"neutral": 4, "sad": 1, "angry": 3, "disgust": 2}
    assert second.given["votes"] == {
        "happy": 1, "surprise": 1, "sad": 1, "angry": 1, "disgust": 1, "fear": 1, "contempt": 1,
        "cant_tell": 2, "not_a_face": 1,
    }  # fmt: skip


def test_votes_brought_later_are_added_to_the_faces_there_are(tmp_path: Path) -> None:
    table = fer_csv(tmp_path / "f.csv", [fer_row(0, 1)])
    taken_in(table)
    (face,) = faces()
    votes = tmp_path / "v.csv"
    votes.write_text(f"{FERPLUS_HEAD}\nTraining,x.png,10,0,0,0,0,0,0,0,0,0\n")
    taken_in(table, options={"ferplus": str(votes)})
    taken_in(table, options={"rows": [1, 1]})
    (same,) = faces()
    assert (same.pk, same.given["votes"]) == (face.pk, {"neutral": 10})


def test_bad_rows_are_refused_and_the_rest_goes_in(tmp_path: Path) -> None:
    rows = [
        fer_row(0, 1),
        fer_row(7, 2),
        fer_row(1, 3, "Somewhere"),
        "2,1 2 3,Training",
        "2," + " ".join(["256"] * 2304) + ",Training",
        "2," + " ".join(["x"] * 2304) + ",Training",
        "no row at all",
        '3,"unclosed,Training',
        "",
        "4," + "9 " * 60_000 + ",Training",
        fer_row(5, 8),
    ]
    source = taken_in(fer_csv(tmp_path / "f.csv", rows))
    assert [face.row for face in faces()] == [1, 10]
    said = reasons(source)
    for row, words in {
        2: "emotion says “7”; it must be a number from 0 to 6",
        3: "Usage says “Somewhere”",
        4: "holds 3 numbers; 48 × 48 are 2,304",
        5: "whole numbers from 0 to 255",
        6: "whole numbers from 0 to 255",
        7: "1 columns where the heading names 3",
        8: "2 columns where the heading names 3",
        9: "columns where the heading names 3",
    }.items():
        assert words in said[f"row {row}"], row


def test_rows_can_be_chosen(tmp_path: Path) -> None:
    table = fer_csv(tmp_path / "f.csv", [fer_row(n % 7, n) for n in range(9)])
    taken_in(table, options={"rows": [3, 5]})
    assert [face.row for face in faces()] == [3, 4, 5]
    taken_in(table, options={"rows": [8, None]})
    assert [face.row for face in faces()] == [3, 4, 5, 8, 9]


def test_started_again_nothing_is_doubled(tmp_path: Path) -> None:
    source = taken_in(fer_csv(tmp_path / "f.csv", [fer_row(n % 7, n // 2) for n in range(20)]))
    before = (states(source), [face.pk for face in faces()])
    again(source)
    assert (states(source), [face.pk for face in faces()]) == before
    source.items.update(state="found", media=None)
    again(source)
    assert [face.pk for face in faces()] == before[1]


def test_votes_of_other_images_are_refused(tmp_path: Path) -> None:
    votes = tmp_path / "v.csv"
    votes.write_text(
        f"{FERPLUS_HEAD}\nPublicTest,x.png,10,0,0,0,0,0,0,0,0,0\nTraining,x.png,a,0,0,0,0,0,0,0,0,0\n"
    )
    table = fer_csv(tmp_path / "f.csv", [fer_row(0, 1), fer_row(0, 2), fer_row(0, 3)])
    said = reasons(taken_in(table, options={"ferplus": str(votes)}))
    assert "FER+ calls this row PublicTest, the table Training" in said["row 1"]
    assert "no number of votes" in said["row 2"]
    assert "The FER+ table has no such row" in said["row 3"]


@pytest.mark.parametrize("rows", [[0, 5], [5, 4], [1], "1:5", [1, 2.5]])
def test_rows_that_are_no_range_are_refused(tmp_path: Path, rows: object) -> None:
    with pytest.raises(ingest.CannotAdd, match="Rows are a first and a last number"):
        ingest.add(location=fer_csv(tmp_path / "f.csv", [fer_row(0, 1)]), options={"rows": rows})


def test_tables_of_another_shape_are_refused(tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ingest.CannotAdd, match="must name emotion, pixels and Usage"):
        ingest.add(kind="fer2013", location=tmp_path / "other.csv")
    table = fer_csv(tmp_path / "f.csv", [fer_row(0, 1)])
    with pytest.raises(ingest.CannotAdd, match="no FER\\+ table: it lacks NF, Usage"):
        ingest.add(location=table, options={"ferplus": str(tmp_path / "other.csv")})


def test_many_rows_take_few_statements(tmp_path: Path, django_assert_max_num_queries) -> None:
    source = ingest.add(location=fer_csv(tmp_path / "f.csv", [fer_row(n % 7, n) for n in range(300)]))
    with django_assert_max_num_queries(64):
        ingest.ingest(source.pk)
    assert Face.objects.count() == 300


@pytest.mark.parametrize(
    ("licence", "why"),
    [
        ("", "names no licence"),
        ("All rights reserved", "not an open one"),
        ("research only", "not understood"),
        ("CC BY-NC 4.0", ""),
    ],
)
def test_rows_come_in_as_openly_licensed_only_under_an_open_licence(
    tmp_path: Path, licence: str, why: str
) -> None:
    table = fer_csv(tmp_path / "f.csv", [fer_row(0, 1), fer_row(3, 2)])
    source = taken_in(table, licence=licence, options={"basis": "open"})
    wanted = {"row 1": "refused", "row 2": "refused"} if why else {"row 1": "ingested", "row 2": "ingested"}
    assert states(source) == wanted
    assert all(why in reason for reason in reasons(source).values())
    assert Media.objects.count() == len(faces()) == (0 if why else 2)


def test_rows_on_any_other_basis_need_no_licence(tmp_path: Path) -> None:
    source = taken_in(fer_csv(tmp_path / "f.csv", [fer_row(0, 1)]), options={"basis": "contract"})
    assert states(source) == {"row 1": "ingested"}
