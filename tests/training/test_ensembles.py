"""Several runs are heard as one, on a page and by the API, and what cannot be is refused with a reason."""

import json
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from django.conf import settings as site
from django.urls import reverse
from rest_framework.test import APIClient

from labeling.models import Snapshot
from labeling.snapshots import freezing
from labeling.snapshots.format import read_table
from tests.factories import make_user
from tests.training.making import FAST, make_real_snapshot, make_run, make_snapshot
from tests.training.test_judged import judged, text_of
from training import deleting, ensembles, erasing, runs
from training.core import Ensemble
from training.core.ensembles import average, ensemble
from training.core.judgement import judgement
from training.core.predictions import read_predictions, write_predictions
from training.models import TrainingRun

pytestmark = pytest.mark.django_db


@pytest.fixture
def three() -> list[TrainingRun]:
    """Networks that err independently, on one snapshot."""
    snapshot = make_snapshot()
    return [judged(name, snapshot, seed=seed) for seed, name in enumerate(("one", "two", "three"))]


def asked(client, chosen, choose="given", **more):
    return client.get(
        reverse("training:ensemble"), {"run": [run.pk for run in chosen], "choose": choose, **more}
    )


def test_ticked_runs_are_heard_as_the_core_hears_them(three) -> None:
    heard = ensembles.hear(members=three)
    assert heard.members == three
    said = {
        split: average([read_predictions(runs.folder(run), split) for run in three])
        for split in ("validation", "test")
    }
    whole = judgement(said)
    for row, name in ((heard.test, "test"), (heard.validation, "validation")):
        assert row.accuracy == whole["splits"][name]["accuracy"]
        assert row.figures["calibrated"] == whole["splits"][name]["calibrated"]
    assert heard.told == ensemble([runs.folder(run) for run in three], choose=False)
    assert heard.erased == 0
    assert heard.best == max(three, key=lambda run: run.evaluations.get(split="validation").accuracy)


def test_members_alone_have_the_figures_of_their_pages(three) -> None:
    heard = ensembles.hear(members=three)
    for each in heard.candidates:
        for split, figures in each.alone.items():
            kept = each.run.evaluations.get(split=split)
            assert figures["accuracy"] == kept.accuracy
            assert figures["macro_f1"] == kept.macro_f1
            assert figures["ece"] == pytest.approx(kept.figures["ece"], abs=1e-6)
            assert figures["calibrated"]["temperature"] == pytest.approx(
                kept.figures["calibrated"]["temperature"], abs=1e-4
            )


def test_validation_chooses_and_test_has_no_say(three) -> None:
    weak = judged("weak", three[0].snapshot, seed=7, sure=0.1)
    heard = ensembles.hear(members=[*three, weak], choose=True, most=2)
    assert 1 <= len(heard.members) <= 2
    assert weak not in heard.members
    assert heard.told["chosen"] == {"on": "validation", "how": "every subset", "most": 2}
    assert not next(each for each in heard.candidates if each.run == weak).alone
    for run in (*three, weak):
        file = runs.folder(run) / "predictions-test.parquet"
        said = read_predictions(file.parent, "test")
        write_predictions(file, replace(said, probabilities=said.probabilities[::-1]))
    again = ensembles.hear(members=[*three, weak], choose=True, most=2)
    assert again.members == heard.members
    assert again.test.accuracy != heard.test.accuracy


def test_what_takes_too_long_to_try_is_chosen_greedily(client, trainer, three, monkeypatch) -> None:
    monkeypatch.setattr(ensembles, "PATIENCE", 1)
    assert ensembles.hear(members=three, choose=True).told["chosen"]["how"] == "greedy"
    assert "one after another, 8 at most" in text_of(asked(client, three, "validation"))


def test_the_page_shows_the_ensemble_beside_its_members(client, trainer, three) -> None:
    heard = ensembles.hear(members=three)
    page = asked(client, three)
    told, body = text_of(page), page.content.decode()
    low, high = heard.test.figures["accuracy_interval"]
    for words in (
        "Together they are better than",
        "All 3 runs are heard, as ticked.",
        f"{heard.test.accuracy * 100:.1f} %",
        f"{low * 100:.1f} % to {high * 100:.1f} %",
        "Calibration error",
        "at temperature",
        "Confusion matrix",
        "the ensemble alone",
        "p by McNemar’s",
        "By source",
        heard.command,
    ):
        assert words in told
    assert body.count('class="chip chip-ok">member<') == 3
    assert body.count(">best on validation<") == 1
    for run in three:
        assert f"{run.evaluations.get(split='test').accuracy * 100:.1f} %" in told
    # Faces are not led to: only a run has a page of its mistakes.
    assert "/mistakes/" not in body


def test_its_command_writes_a_file_of_the_same_members(three, tmp_path: Path) -> None:
    heard = ensembles.hear(members=three[:2])
    _, *words = shlex.split(heard.command)
    file = tmp_path / "ensemble.json"
    subprocess.run(
        [sys.executable, *words, "--out", file], check=True, cwd=site.BASE_DIR, stdout=subprocess.DEVNULL
    )
    assert json.loads(file.read_text()) == json.loads(json.dumps(heard.told))


def test_without_weights_figures_stay_but_nothing_new_is_judged(client, trainer, three) -> None:
    before = ensembles.hear(members=three)
    deleting.delete_weights(run=three[1])
    after = ensembles.hear(members=[TrainingRun.objects.get(pk=run.pk) for run in three])
    assert (after.told, after.command, after.weightless) == (before.told, "", [three[1]])
    told = text_of(asked(client, three))
    assert "They cannot: weights were deleted." in told
    assert "training.core ensemble" not in told


def test_one_run_may_be_as_good_as_any_together(client, trainer, three) -> None:
    strong = judged("strong", three[0].snapshot, seed=50, sure=9.0)
    weak = judged("weak", three[0].snapshot, seed=51, sure=0.0)
    heard = ensembles.hear(members=[strong, weak], choose=True)
    assert (heard.members, heard.verdict) == ([strong], "alone")
    told = text_of(asked(client, [strong, weak], "validation"))
    assert "strong alone is as good as any of them together" in told
    assert "1 of 2 runs is heard." in told


def test_what_cannot_be_heard_is_refused_with_a_reason(client, trainer, three) -> None:
    one, two, _ = three
    snapshot = one.snapshot
    waiting = make_run(snapshot, name="waiting one")
    other = make_snapshot()
    Snapshot.objects.filter(pk=other.pk).update(digest="1" * 64, name="second")
    elsewhere = judged("elsewhere", Snapshot.objects.get(pk=other.pk))
    fewer = judged("fewer", snapshot, seed=9)
    file = runs.folder(fewer) / "predictions-validation.parquet"
    write_predictions(file, read_predictions(file.parent, "validation").of(np.arange(100)))
    gone = judged("gone", snapshot, seed=10)
    shutil.rmtree(runs.folder(gone))
    for members, said in (
        ([one], "two runs or more"),
        ([one, two, one], "“one” is named twice"),
        ([one, waiting], "“waiting one” is waiting. Only runs that are done"),
        ([one, elsewhere], f"different snapshots: “first” ({'0' * 12}); “second” ({'1' * 12})"),
        ([one, gone], "The run folder of “gone” is gone"),
        ([one, fewer], "judged by different images: 40 of them"),
    ):
        with pytest.raises(ensembles.CannotHear) as refusal:
            ensembles.hear(members=members)
        assert said in str(refusal.value)
        if len(set(members)) == len(members):
            page = asked(client, members)
            assert page.status_code == 200
            assert said[:20] in text_of(page)
    (runs.folder(two) / "predictions-validation.parquet").unlink()
    assert "has no predictions-validation.parquet" in text_of(asked(client, [one, two]))
    many = [*three, *(make_run(snapshot, name=f"n{n}") for n in range(ensembles.MOST_RUNS - 2))]
    assert "25 runs are too many" in text_of(asked(client, many))
    nowhere = client.get(reverse("training:ensemble"), {"run": [one.pk, 999_999], "choose": "given"})
    assert "There is no run 999999." in text_of(nowhere)
    nothing = client.get(reverse("training:ensemble"), {"run": "x", "choose": "given"})
    assert "There is no run x." in text_of(nothing)
    assert "best is not one of the available choices" in text_of(asked(client, three, "best"))
    assert "less than or equal to 24" in text_of(asked(client, three, "validation", most=25))


def test_faces_that_were_erased_are_counted_in_nothing(client, trainer, three) -> None:
    for run in three:
        for split in ("validation", "test"):
            erasing._without(runs.folder(run) / f"predictions-{split}.parquet", ["3", "4"])
    heard = ensembles.hear(members=three)
    assert (heard.test.images, heard.erased) == (138, 2)
    told = text_of(asked(client, three))
    assert "2 test faces were erased since the runs were judged." in told
    assert pq.read_metadata(runs.folder(three[0]) / "predictions-test.parquet").num_rows == 138
    for run in three:
        erasing._without(runs.folder(run) / "predictions-test.parquet", [str(place) for place in range(140)])
    assert "No test face of these runs is left." in text_of(asked(client, three))


def test_the_runs_of_a_snapshot_are_offered_all_ticked(client, trainer, three) -> None:
    lonely = make_snapshot()
    judged("lonely", lonely)
    page = client.get(reverse("training:ensemble"))
    assert page.content.decode().count(" checked>") == 3
    assert "lonely" not in text_of(page)
    second = make_snapshot()
    for name in ("four", "five"):
        judged(name, second)
    body = client.get(reverse("training:ensemble"), {"snapshot": three[0].snapshot_id}).content.decode()
    assert (body.count(" checked>"), "four" in body) == (3, False)
    body = client.get(reverse("training:ensemble")).content.decode()
    assert (body.count(" checked>"), "four" in body) == (2, True)


def test_the_list_of_runs_leads_to_those_of_the_snapshot_it_shows(client, trainer, three) -> None:
    snapshot = three[0].snapshot_id
    address = reverse("training:ensemble")
    runs_of_all = client.get(reverse("training:runs")).content.decode()
    runs_of_one = client.get(reverse("training:runs"), {"snapshot": snapshot}).content.decode()
    assert f'href="{address}"' in runs_of_all
    assert f'href="{address}?snapshot={snapshot}"' in runs_of_one


def test_without_two_judged_runs_the_page_says_what_is_missing(client, trainer) -> None:
    judged("one", make_snapshot())
    assert "There is nothing to hear together yet" in text_of(client.get(reverse("training:ensemble")))


def test_more_runs_take_no_more_queries(client, trainer, three, django_assert_num_queries) -> None:
    with django_assert_num_queries(7):
        asked(client, three[:2])
    judged("four", three[0].snapshot, seed=4)
    with django_assert_num_queries(7):
        asked(client, three)


def test_the_api_hears_runs_by_their_numbers(three) -> None:
    client = APIClient()
    client.force_authenticate(make_user("trainer"))
    said = client.get("/api/v1/runs/ensemble/", {"run": [run.pk for run in three]})
    assert said.status_code == 200, said.json()
    found, heard = said.json(), ensembles.hear(members=three)
    assert found == json.loads(json.dumps(heard.to_json()))
    assert found["members"] == [run.pk for run in three]
    assert found["splits"]["test"]["accuracy"] == heard.test.accuracy
    assert found["snapshot"] == three[0].snapshot_id
    chosen = client.get(
        "/api/v1/runs/ensemble/", {"run": [run.pk for run in three], "choose": "validation", "most": 2}
    ).json()
    assert chosen["chosen"] == {"on": "validation", "how": "every subset", "most": 2}
    assert len(chosen["members"]) <= 2


def test_the_api_refuses_with_the_words_of_the_page(three) -> None:
    client = APIClient()
    client.force_authenticate(make_user("trainer"))
    one = three[0].pk
    alone = client.get("/api/v1/runs/ensemble/", {"run": [one]})
    assert (alone.status_code, "two runs or more" in alone.json()["error"]) == (409, True)
    twice = client.get("/api/v1/runs/ensemble/", {"run": [one, one]})
    assert (twice.status_code, "named twice" in twice.json()["error"]) == (409, True)
    for query, field in (({}, "run"), ({"run": 999_999}, "run"), ({"run": one, "choose": "best"}, "choose")):
        unread = client.get("/api/v1/runs/ensemble/", query)
        assert (unread.status_code, list(unread.json())) == (400, [field])


def test_pages_hear_without_torch() -> None:
    """It takes seconds to load and hundreds of megabytes, in each process of the site."""
    said = "import sys, training.core.ensembles; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", said], cwd=site.BASE_DIR).returncode == 0


@pytest.mark.slow
def test_trained_runs_are_heard_and_judge_new_faces(client, trainer, tmp_path: Path) -> None:
    snapshot = make_real_snapshot()
    trained = [make_run(snapshot, name=f"seed {seed}", settings={**FAST, "seed": seed}) for seed in (1, 2)]
    for run in trained:
        runs.train(run.pk)
    trained = [TrainingRun.objects.get(pk=run.pk) for run in trained]
    heard = ensembles.hear(members=trained)
    assert (heard.test.images, heard.validation.images, heard.erased) == (14, 14, 0)
    for each in heard.candidates:
        for split, figures in each.alone.items():
            assert figures["accuracy"] == each.run.evaluations.get(split=split).accuracy
    assert "All 2 runs are heard, as ticked." in text_of(asked(client, trained))

    _, *words = shlex.split(heard.command)
    file = tmp_path / "ensemble.json"
    subprocess.run([sys.executable, *words, "--out", file], check=True, cwd=site.BASE_DIR)
    faces = read_table(freezing.local_folder(snapshot), columns=["face_key", "image"], split="test")
    said = Ensemble(file, bf16=False).probabilities(faces.column("image").to_pylist())
    there = average([read_predictions(runs.folder(run), "test") for run in trained])
    place = {key: number for number, key in enumerate(there.keys)}
    order = [place[key] for key in faces.column("face_key").to_pylist()]
    np.testing.assert_allclose(said, there.probabilities[order], atol=1e-5)
