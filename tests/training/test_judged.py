"""The page of a run says how far to trust it, and two runs are held side by side."""

import json
import re

import numpy as np
import pytest
from django.urls import reverse

from labeling.expressions import SEVEN
from labeling.models import WorkState
from tests.factories import make_over
from tests.training.making import epoch, make_run, make_snapshot, write_events
from training import comparisons, evaluations, runs
from training.core.config import Config
from training.core.judgement import judgement
from training.core.predictions import Facts, Predictions, write_predictions
from training.core.run_folder import Made, RunFolder
from training.models import TrainingRun

pytestmark = pytest.mark.django_db
FACES = 140


def said(seed: int, sure: float) -> Predictions:
    """Test faces with ten votes each, of two sources and sizes, and what a made-up network says of them."""
    dice = np.random.default_rng(seed)
    labels = np.arange(FACES) % len(SEVEN)
    logits = dice.normal(size=(FACES, len(SEVEN))) + sure * np.eye(len(SEVEN))[labels]
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    votes = np.full((FACES, len(SEVEN)), 0) + 8 * np.eye(len(SEVEN), dtype=np.int64)[labels]
    votes[:, 0] += 2
    facts = Facts(
        votes=votes.astype(np.int64),
        source=tuple("a folder" if place % 3 else "Flickr" for place in range(FACES)),
        licence=("CC0",) * FACES,
        face_size=np.where(np.arange(FACES) % 2, 40, 100),
        media_faces=np.ones(FACES, np.int64),
        track_faces=np.arange(FACES) % 2 * 3,
    )
    return Predictions(tuple(SEVEN), tuple(map(str, range(FACES))), np.arange(FACES), labels, shares, facts)


def judged(
    name: str, snapshot, *, seed: int = 0, sure: float = 2.0, notes: tuple[str, ...] = ()
) -> TrainingRun:
    """A run whose folder is as a training leaves it, with everything that is told."""
    run = make_run(snapshot, name=name)
    write_events(run, epoch(1, 0.4), *({"event": "note", "epoch": 2, "message": note} for note in notes))
    folder = RunFolder(runs.folder(run))
    folder.write_made(Made(Config(), snapshot.digest, tuple(SEVEN), 48))
    validation, test = said(seed + 100, sure), said(seed, sure)
    splits = judgement({"validation": validation, "test": test})
    ways = {"ten-crop": judgement({"validation": said(seed + 100, sure + 1), "test": said(seed, sure + 1)})}
    result = {"classes": list(SEVEN), "best_epoch": 1, **splits, "augmented": ways}
    folder.result.write_text(json.dumps(result))
    write_predictions(folder.predictions("validation"), validation)
    write_predictions(folder.predictions("test"), test)
    evaluations.take_in(run=run, folder=folder.path)
    make_over(run, epoch=1, validation_accuracy=0.6)
    return TrainingRun.objects.get(pk=run.pk)


def text_of(response):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


def test_the_page_of_a_run_says_how_far_to_trust_it(client, trainer):
    run = judged("one", make_snapshot(), notes=("Out of memory: going on with accumulation 2.",))
    page = client.get(reverse("training:run", args=[run.pk]))
    told, body = text_of(page), page.content.decode()
    figures = run.evaluations.get(split="test").figures
    assert body.count('class="reliable"') == 1 + len(figures["reliability"])
    assert body.count('class="tempered"') == 1 + len(figures["calibrated"]["reliability"])
    for words in (
        "right with its first or second answer",
        "people’s votes foretell one more vote as well as it does",
        "nats from the votes",
        "at temperature",
        "by ten crops",
        "By source",
        "By face size",
        "under 48 px",
        "By faces of one track",
        "of no track",
        "Epoch 2: Out of memory",
    ):
        assert words in told
    # All faces have one licence, and media of one face: a table of one row says nothing.
    assert "By licence" not in told
    assert "By faces of one media" not in told


def test_only_short_figures_of_groups_are_kept(client, trainer):
    figures = judged("one", make_snapshot()).evaluations.get(split="test").figures
    assert {len(rows) for rows in figures["groups"].values()} == {1, 2}
    for row in (*figures["groups"]["source"], figures["augmented"]["ten-crop"]):
        assert not {"per_class", "confusion", "reliability"} & row.keys()
        assert row["worth"] > 0


def test_two_runs_are_held_side_by_side(client, trainer):
    snapshot = make_snapshot()
    weak, strong = judged("weak", snapshot, sure=1.0), judged("strong", snapshot, sure=5.0)
    found = comparisons.compare(first=weak, second=strong)
    assert found.verdict == "better"
    assert found.figures["difference"] > 0
    assert comparisons.compare(first=strong, second=weak).verdict == "worse"
    page = client.get(reverse("training:compare"), {"first": weak.pk, "second": strong.pk})
    assert "strong is better" in text_of(page)
    assert "p by McNemar’s test" in text_of(page)


def test_equal_answers_cannot_be_told_apart(client, trainer):
    snapshot = make_snapshot()
    one, two = judged("one", snapshot), judged("two", snapshot)
    page = client.get(reverse("training:compare"), {"first": one.pk, "second": two.pk})
    assert "They cannot be told apart" in text_of(page)


def test_what_cannot_be_compared_is_refused_with_a_reason(client, trainer):
    snapshot = make_snapshot()
    one, two, waiting = judged("one", snapshot), judged("two", snapshot), make_run(snapshot)
    with pytest.raises(comparisons.CannotCompare, match="with itself"):
        comparisons.compare(first=one, second=one)
    with pytest.raises(comparisons.CannotCompare, match="must be done"):
        comparisons.compare(first=one, second=waiting)
    RunFolder(runs.folder(two)).predictions("test").unlink()
    page = client.get(reverse("training:compare"), {"first": one.pk, "second": two.pk})
    assert "has no predictions-test.parquet" in text_of(page)
    assert waiting.state == WorkState.WAITING


def test_without_runs_the_page_says_what_is_missing(client, trainer):
    assert "There is nothing to compare yet" in text_of(client.get(reverse("training:compare")))


def test_the_choice_takes_the_same_queries_for_two_runs_and_for_four(
    client, trainer, django_assert_num_queries
):
    snapshot = make_snapshot()
    for name in ("one", "two"):
        judged(name, snapshot)
    with django_assert_num_queries(7):
        client.get(reverse("training:compare"))
    for name in ("three", "four"):
        judged(name, snapshot)
    with django_assert_num_queries(7):
        client.get(reverse("training:compare"))
