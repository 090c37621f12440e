"""Predictions files: what a training writes, what is read again, and what is said of groups of faces."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from labeling.snapshots import format as snapshots
from tests.snapshot_folders import make_rows
from tests.training.core.conftest import CLASSES
from training.core.calibration import fit_temperature, fit_temperature_to, tempered
from training.core.judgement import MOST_GROUPS, judgement
from training.core.metrics import figures, negative_log_likelihood
from training.core.people import divergence, worth
from training.core.predictions import Facts, Predictions, facts_of, read_predictions, write_predictions
from training.core.refusals import BadRunFolder


def made_up(images: int = 60, seed: int = 0, sources: int = 2) -> Predictions:
    """Predictions of a network that is right more often than not, with ten votes a face."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, images)
    shares = rng.dirichlet([1, 1, 1], images) + 0.6 * np.eye(3)[labels]
    votes = np.stack([rng.multinomial(10, 0.5 * np.eye(3)[label] + 1 / 6) for label in labels])
    return Predictions(
        classes=CLASSES,
        keys=tuple(f"key-{number}" for number in range(images)),
        face_ids=np.arange(images),
        labels=labels,
        probabilities=(shares / shares.sum(axis=1, keepdims=True)).astype(np.float32),
        facts=Facts(
            votes=votes,
            source=tuple(f"source {number % sources}" for number in range(images)),
            licence=("CC0-1.0",) * images,
            face_size=np.array([(40, 48, 95, 96, 300)[number % 5] for number in range(images)]),
            media_faces=np.array([(1, 2, 5, 6)[number % 4] for number in range(images)]),
            track_faces=np.array([(0, 0, 1, 2, 5, 6)[number % 6] for number in range(images)]),
        ),
    )


def test_a_training_keeps_both_splits_with_what_the_snapshot_knows(finished: Path, snapshot: Path) -> None:
    for split in ("validation", "test"):
        said = read_predictions(finished, split)
        faces = snapshots.read_table(snapshot, split=split).to_pydict()
        assert list(said.keys) == faces["face_key"]
        assert [CLASSES[label] for label in said.labels] == faces["label"]
        assert said.facts is not None
        assert said.facts.votes.tolist() == [votes[:3] for votes in faces["votes"]]
        assert said.facts.source == ("made",) * len(said)
        assert said.facts.face_size.tolist() == [32] * len(said)
        assert said.facts.media_faces.tolist() == [1] * len(said)
        assert said.facts.track_faces is not None
        assert said.facts.track_faces.tolist() == [0] * len(said)


def test_the_result_is_what_the_files_say(finished: Path) -> None:
    result = json.loads((finished / "result.json").read_text())
    said = {split: read_predictions(finished, split) for split in ("validation", "test")}
    assert judgement(said) == {"splits": result["splits"], "groups": result["groups"]}
    assert set(result) == {"classes", "best_epoch", "splits", "groups", "data", "bf16", "device"}


def test_what_is_written_is_read_again(tmp_path: Path, finished: Path) -> None:
    shutil.copy(finished / "config.json", tmp_path)
    written = made_up()
    write_predictions(tmp_path / "predictions-test.parquet", written)
    read = read_predictions(tmp_path, "test")
    assert read.keys == written.keys
    assert np.array_equal(read.probabilities, written.probabilities)
    assert judgement({"test": read}) == judgement({"test": written})


def test_a_track_is_a_number_within_a_media_and_a_detector(tmp_path: Path) -> None:
    rows = make_rows(images_per_class=4, size=16, classes=CLASSES)
    places = [
        ("a", "haar", 1),
        ("a", "haar", 1),
        ("a", "haar", 1),
        ("a", "yunet", 1),
        ("b", "haar", 1),
        ("a", "haar", 0),
    ]
    for row, (media, detector, track) in zip(rows, places * 2, strict=True):
        row |= {"media_sha256": media * 64, "detector": detector, "track": track, "split": "test"}
    for row in rows[9:]:
        row["split"] = "train"
    snapshots.write(tmp_path, rows, classes=CLASSES, rule={})
    table = snapshots.read_table(tmp_path, split="test").to_pydict()
    found = facts_of(tmp_path, "test", len(CLASSES)).track_faces
    assert found is not None
    # Faces of other splits are of the track too.
    wanted = {("a", "haar", 1): 6, ("a", "yunet", 1): 2, ("b", "haar", 1): 2, ("a", "haar", 0): 0}
    told = zip(table["media_sha256"], table["detector"], table["track"], strict=True)
    assert found.tolist() == [wanted[media[0], detector, track] for media, detector, track in told]


def test_a_file_from_before_tracks_were_kept_gives_the_other_groups(tmp_path: Path, finished: Path) -> None:
    shutil.copy(finished / "config.json", tmp_path)
    old = pq.read_table(finished / "predictions-test.parquet").drop_columns(["track_faces"])
    pq.write_table(old, tmp_path / "predictions-test.parquet")
    read = read_predictions(tmp_path, "test")
    assert list(judgement({"test": read})["groups"]["test"]) == [
        "source",
        "licence",
        "face_size",
        "media_faces",
    ]
    assert read.of(np.arange(2)).facts is not None
    write_predictions(tmp_path / "again.parquet", read)
    assert "track_faces" not in pq.read_table(tmp_path / "again.parquet").column_names


def test_a_file_from_before_the_facts_were_kept_still_gives_figures(tmp_path: Path, finished: Path) -> None:
    shutil.copy(finished / "config.json", tmp_path)
    old = pq.read_table(finished / "predictions-test.parquet")
    old = old.select(["key", "face_id", "label", "predicted", "probabilities"])
    pq.write_table(old, tmp_path / "predictions-test.parquet")
    found = judgement({"test": read_predictions(tmp_path, "test")})
    whole = json.loads((finished / "result.json").read_text())["splits"]["test"]
    assert found["splits"]["test"]["confusion"] == whole["confusion"]
    assert found["splits"]["test"]["people"] is None
    assert found["groups"]["test"] == {}


def test_missing_and_broken_files_are_refused(tmp_path: Path, finished: Path) -> None:
    with pytest.raises(BadRunFolder, match=r"no predictions-test\.parquet\. Finish its training"):
        read_predictions(tmp_path, "test")
    shutil.copy(finished / "config.json", tmp_path)
    (tmp_path / "predictions-test.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(BadRunFolder, match="cannot be read"):
        read_predictions(tmp_path, "test")


def test_the_temperature_comes_from_validation_alone() -> None:
    validation, test = made_up(seed=1), made_up(seed=2)
    found = judgement({"validation": validation, "test": test})["splits"]
    temperature = fit_temperature(validation.labels, validation.probabilities)
    assert found["test"]["calibrated"]["temperature"] == temperature
    assert temperature != fit_temperature(test.labels, test.probabilities)
    shares = tempered(test.probabilities, temperature)
    assert found["test"]["calibrated"]["nll"] == negative_log_likelihood(test.labels, shares)
    assert found["validation"]["calibrated"]["nll"] <= found["validation"]["nll"]


def test_where_none_can_be_fitted_the_temperature_is_one_and_why_is_told() -> None:
    right = replace(made_up(seed=1), probabilities=0.9 * np.eye(3)[made_up(seed=1).labels] + 1 / 30)
    for validation, why in ((right, "as without a mistake"), (made_up(29), "here are 29")):
        for split in judgement({"validation": validation, "test": made_up(seed=2)})["splits"].values():
            assert split["calibrated"]["temperature"] == 1
            assert why in split["calibrated"]["unfitted"]
            assert split["calibrated"]["nll"] == pytest.approx(split["nll"])


def test_people_have_a_temperature_of_their_own() -> None:
    validation, test = made_up(seed=1), made_up(seed=2)
    found = judgement({"validation": validation, "test": test})["splits"]
    assert validation.facts is not None
    assert test.facts is not None
    calm = found["test"]["people"]["calibrated"]
    assert calm["temperature"] == fit_temperature_to(validation.facts.votes / 10, validation.probabilities)
    assert calm["temperature"] != found["test"]["calibrated"]["temperature"]
    shares = tempered(test.probabilities, calm["temperature"])
    assert calm["worth"] == worth(test.facts.votes, shares)
    assert calm["divergence"] == divergence(test.facts.votes, shares)
    # Fitted on these very votes, no other temperature brings the network nearer to them.
    own = found["validation"]["people"]
    assert own["calibrated"]["divergence"] < own["divergence"]
    assert own["calibrated"]["divergence"] < divergence(
        validation.facts.votes,
        tempered(validation.probabilities, found["validation"]["calibrated"]["temperature"]),
    )


def test_without_validation_nothing_is_calibrated() -> None:
    found = judgement({"test": made_up()})["splits"]["test"]
    assert "calibrated" not in found
    assert "calibrated" not in found["people"]


def test_every_group_is_judged_as_if_it_were_alone() -> None:
    said = made_up()
    found = judgement({"test": said})["groups"]["test"]
    assert list(found) == ["source", "licence", "face_size", "media_faces", "track_faces"]
    assert [(row["value"], row["images"]) for row in found["face_size"]] == [
        ("under 48 px", 12),
        ("48–95 px", 24),
        ("96–191 px", 12),
        ("192 px and more", 12),
    ]
    assert [(row["value"], row["images"]) for row in found["media_faces"]] == [
        ("1 face", 15),
        ("2–5 faces", 30),
        ("6 faces and more", 15),
    ]
    assert [(row["value"], row["images"]) for row in found["track_faces"]] == [
        ("of no track", 20),
        ("1 face", 10),
        ("2–5 faces", 20),
        ("6 faces and more", 10),
    ]
    second = found["source"][1]
    alone = figures(said.labels[1::2], said.probabilities[1::2], CLASSES)
    assert {key: second[key] for key in alone} == alone
    assert second["people"]["worth"] == worth(said.facts.votes[1::2], said.probabilities[1::2])  # type: ignore[union-attr]


def test_the_many_small_sources_are_one_group() -> None:
    rows = judgement({"test": made_up(images=80, sources=MOST_GROUPS + 5)})["groups"]["test"]["source"]
    assert len(rows) == MOST_GROUPS + 1
    assert [row["value"] for row in rows[-2:]] == ["source 29", None]
    assert sum(row["images"] for row in rows) == 80


def test_faces_nobody_voted_on_are_not_counted_as_people() -> None:
    said = made_up()
    facts = said.facts
    assert facts is not None
    votes = facts.votes.copy()
    votes[:50] = 0
    some = judgement({"test": replace(said, facts=replace(facts, votes=votes))})["splits"]["test"]
    assert some["people"]["faces"] == 10
    none = judgement({"test": replace(said, facts=replace(facts, votes=votes * 0))})["splits"]["test"]
    assert none["people"] is None


def test_an_empty_split_says_nothing() -> None:
    empty = made_up().of(np.zeros(0, np.int64))
    assert judgement({"test": empty}) == {"splits": {}, "groups": {}}
