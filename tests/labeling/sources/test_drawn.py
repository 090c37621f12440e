"""The project's own media: found by the cascade, the same from the same seed, and true."""

import csv
import hashlib
from collections import Counter
from pathlib import Path

import pytest

from labeling.expressions import SEVEN
from labeling.sources import drawn
from labeling.vision import detectors, images, video

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn")
    drawn.draw_collection(folder)
    return folder


def notes(folder: Path) -> list[dict[str, str]]:
    with (folder / "sources.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_the_cascade_finds_exactly_one_face_in_nearly_every_still(collection: Path) -> None:
    haar = detectors.make("haar")
    stills = [path for path in sorted(collection.glob("*.jpg")) if path.name not in drawn.GROUPS]
    found = [len(haar.find(images.open_image(path))) for path in stills]
    assert len(found) == drawn.STILLS
    assert found.count(1) / len(found) >= 0.95


def test_the_cascade_finds_everybody_in_the_groups(collection: Path) -> None:
    haar = detectors.make("haar")
    assert [len(haar.find(images.open_image(collection / name))) for name in drawn.GROUPS] == [4, 4]


def test_the_cascade_finds_the_face_all_through_the_video(collection: Path) -> None:
    haar = detectors.make("haar")
    frames = list(video.frames(collection / drawn.VIDEO))
    assert len(frames) == 35
    assert sum(len(haar.find(frame.image)) == 1 for frame in frames) >= 33


def test_every_expression_is_there_often_enough_and_named(collection: Path) -> None:
    rows = notes(collection)
    labels = Counter(row["label"] for row in rows if row["file"] not in drawn.GROUPS)
    assert labels == {**dict.fromkeys(SEVEN, 17), "": 1}
    assert {(row["licence"], row["author"], row["page_url"]) for row in rows} == {("CC0-1.0", "VEMO", "")}
    assert {row["file"] for row in rows} == {path.name for path in collection.iterdir()} - {"sources.csv"}
    assert all(drawn.expression_at(row["file"]) == row["label"] for row in rows if row["label"])


def test_the_truth_of_the_video_changes_with_the_time() -> None:
    assert drawn.expression_at(drawn.VIDEO, 0) == "neutral"
    assert drawn.expression_at(drawn.VIDEO, 1000) == "neutral"
    assert drawn.expression_at(drawn.VIDEO, 1200) == "happy"
    assert drawn.expression_at(drawn.VIDEO, 99_000) == "angry"
    with pytest.raises(ValueError, match="not one of the drawn media"):
        drawn.expression_at("holiday.jpg")


def test_the_same_seed_draws_the_same_bytes_and_another_one_others(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(drawn, "SCHEDULE", drawn.SCHEDULE[:1])

    def digests(name: str, seed: int) -> dict[str, str]:
        drawn.draw_collection(tmp_path / name, stills=2, seed=seed)
        return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in (tmp_path / name).iterdir()}

    first = digests("a", 0)
    assert digests("b", 0) == first
    other = digests("c", 1)
    assert other.keys() == first.keys()
    assert all(other[name] != first[name] for name in first if name != "sources.csv")


def test_a_complete_collection_is_left_alone_and_a_cut_one_is_drawn_again(
    tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(drawn, "SCHEDULE", drawn.SCHEDULE[:1])
    drawn.draw_collection(tmp_path, stills=1)
    still = tmp_path / drawn.still_name(0)
    still.write_bytes(b"mine")
    drawn.draw_collection(tmp_path, stills=1)
    assert still.read_bytes() == b"mine"
    (tmp_path / "sources.csv").unlink()
    drawn.draw_collection(tmp_path, stills=1)
    assert still.read_bytes().startswith(b"\xff\xd8")
