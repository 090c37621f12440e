"""What a file out of Label Studio says, whatever it is."""

import json
from pathlib import Path
from typing import Any

import pytest

from labeling.label_studio import reading
from labeling.label_studio.reading import CannotTakeIn, Task, read
from tests.labeling.label_studio.files import file_of, task


def of(tmp_path: Path, told: Any) -> reading.Read:
    file = tmp_path / "x.json"
    file.write_text(json.dumps(told))
    return read(file)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("nonsense", "cannot be read as JSON"),
        ("[" * 100_000, "nested too deeply"),
        ("{}", "no list of tasks"),
        ("[1]", "no list of tasks"),
        ('[{"image": "a.png", "choice": "happy"}]', "no list of tasks"),
        ("[]", "holds no task"),
        ("\x80", "cannot be read as JSON"),
    ],
)
def test_a_file_of_another_kind_is_refused(text: str, reason: str, tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(CannotTakeIn, match=f"“people’s.json” .*{reason}"):
        read(file, name="people’s.json")


def test_no_depth_is_more_than_a_sentence(tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    said = []
    for deep in range(850, 1000):
        file.write_text(f'[{json.dumps(task("a.png", "sad"))[:-1]}, "x": {"[" * deep}{"]" * deep}}}]')
        try:
            said.append(str(len(read(file).tasks)))
        except CannotTakeIn as refusal:
            said.append(str(refusal))
    assert "nested too deeply" in said[-1]
    assert set(said) <= {"1", said[-1]}


def test_a_file_too_large_to_hold_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    with file.open("wb") as wide:
        wide.truncate(reading.MOST_BYTES + 1)
    with pytest.raises(CannotTakeIn, match="bytes; 67,108,864 are allowed"):
        read(file)


def test_json_min_has_a_row_an_annotation(tmp_path: Path) -> None:
    rows = [
        {
            "id": 7,
            "image": "a.png",
            "expression": "Happy",
            "annotator": 1,
            "annotation_id": 1,
            "lead_time": 2.5,
        },
        {"id": 7, "image": "a.png", "expression": "Sad", "annotator": 2, "annotation_id": 2},
        {"id": 9, "image": "b.png", "choice": {"choices": ["Sad", "Fear"]}, "annotator": 1},
        {"id": 9, "image": "b.png", "choice": {"choices": ["Fear"]}, "annotator": 2},
        {"id": 10, "image": "c.png", "annotator": 2},
    ]
    found = of(tmp_path, rows)
    assert found.tasks == [
        Task(1, "a.png", (("1", "Happy"), ("2", "Sad"))),
        Task(2, "b.png", (("2", "Fear"),)),
    ]
    assert found.refused == {3: "Nobody chose one answer."}
    assert (found.classes, found.people) == ({"Fear": 1, "Happy": 1, "Sad": 1}, {"1", "2"})


STRANGE: tuple[Any, ...] = (
    {"data": None},
    {"data": {"image": 5}},
    {"data": {"image": "a\x00.png"}, "annotations": [{"result": []}]},
    {"data": {"image": "a\ud800.png"}},
    {"data": {"image": "a.png"}, "annotations": 7},
    {"data": {"image": "a.png"}, "annotations": [None, 3, {"result": {"a": 1}}, {"result": [4, {}]}]},
    {"data": {"image": "a.png"}, "annotations": [{"result": [{"type": "choices", "value": "happy"}]}]},
    {
        "data": {"image": "a.png"},
        "annotations": [{"result": [{"type": "choices", "value": {"choices": [{}]}}]}],
    },
    task("a.png", "x" * 201),
    task("a.png", "\x00"),
    task("a.png", " "),
)


@pytest.mark.parametrize("strange", STRANGE)
def test_what_nobody_can_read_is_refused_by_itself(strange: Any, tmp_path: Path) -> None:
    found = of(tmp_path, [strange, task("b.png", ({"email": "a\ud800@example.org"}, "sad"))])
    assert [one.number for one in found.tasks] == [2]
    assert list(found.refused) == [1]


def test_the_picture_is_what_looks_like_one(tmp_path: Path) -> None:
    one, other = task("", "sad"), task("", "sad")
    one["data"] = {"title": "a face", "photo": "https://a.example/1.JPG?x=1"}
    other["data"] = {"title": "a face", "n": 5}
    assert [each.picture for each in of(tmp_path, [one, other]).tasks] == [
        "https://a.example/1.JPG?x=1",
        "a face",
    ]


def test_it_is_the_same_however_it_was_written_down(tmp_path: Path) -> None:
    one = read(file_of(tmp_path, task("a.png", "sad")))
    (tmp_path / "other.json").write_text(json.dumps([task("a.png", "sad")], indent=4, sort_keys=True))
    assert read(tmp_path / "other.json").sha256 == one.sha256
    assert read(file_of(tmp_path, task("a.png", "happy"))).sha256 != one.sha256
