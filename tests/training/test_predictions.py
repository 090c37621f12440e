"""A network looks at a campaign's faces for real, and its opinions become suggestions."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil
import pytest
from django.core.files.storage import default_storage

from labeling import work
from labeling.models import Suggestion, WorkState
from tests.factories import make_campaign, make_faces, make_over
from tests.training.making import FAST, finish, make_real_snapshot, make_run, settled_faces
from training import predictions, relabeling, runs
from training.models import Prediction

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(db):
    """Trained for one epoch on a campaign of five settled faces; a sixth is still open."""
    campaign = make_campaign(5)
    settled_faces(campaign)
    made = make_run(make_real_snapshot(campaign, images_per_class=5), settings={**FAST, "epochs": 1})
    runs.train(made.pk)
    made.refresh_from_db()
    return made


@pytest.mark.slow
def test_every_face_of_the_campaign_gets_an_opinion_and_a_second_look_doubles_none(run):
    campaign = run.snapshot.campaign
    # A crop that was lost, and a face that came in later.
    gone = campaign.campaign_faces.first()
    default_storage.delete(gone.face.crop)
    told = []
    prediction = predictions.predict(run=run)
    predictions.run_predict(prediction.pk, tell=lambda *counts: told.append(counts))
    prediction.refresh_from_db()
    assert (prediction.state, prediction.error, prediction.done) == (WorkState.DONE, "", 4)
    assert prediction.message == "4 faces. Faces without a picture, left out: 1."
    assert told == [(4, 4)]
    opinions = Suggestion.objects.filter(origin=predictions.origin(run))
    assert opinions.count() == 4
    for opinion in opinions:
        assert set(opinion.probabilities) == set(campaign.expressions)
        assert sum(opinion.probabilities.values()) == pytest.approx(1, abs=1e-5)
        assert opinion.doubt == pytest.approx(1 - opinion.probabilities["happy"])
    doubted = relabeling.doubted(run=run, campaign=campaign)
    assert [opinion.doubt for opinion in doubted] == sorted((o.doubt for o in opinions), reverse=True)

    again = predictions.predict(run=run)
    assert again.pk == prediction.pk
    predictions.run_predict(again.pk)
    assert opinions.count() == 4
    again.refresh_from_db()
    assert again.state == WorkState.DONE

    # Stopped in the middle, then asked once more.
    half = predictions.predict(run=run)

    def stop(*counts):
        work.stop(Prediction.objects.get(pk=half.pk))

    opinions.delete()
    predictions.run_predict(half.pk, tell=stop)
    predictions.run_predict(predictions.predict(run=run).pk)
    assert opinions.count() == 4


@pytest.mark.slow
def test_a_core_that_fails_is_told_with_its_log(run):
    (runs.folder(run) / "best.safetensors").unlink()
    prediction = predictions.predict(run=run)
    predictions.run_predict(prediction.pk)
    prediction.refresh_from_db()
    assert prediction.state == WorkState.FAILED
    assert "exit code 2" in prediction.error
    assert "best.safetensors" in prediction.error


@contextmanager
def killing_the_network() -> Iterator[None]:
    """Within the block every process of the core that predicts is killed as soon as it is seen."""
    over = threading.Event()

    def kill() -> None:
        while not over.wait(0.05):
            for process in psutil.Process().children():
                with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                    if "predict" in process.cmdline():
                        process.kill()

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        yield
    finally:
        over.set()
        killer.join()


@pytest.mark.slow
def test_a_network_that_is_killed_looks_again_by_itself_but_not_for_ever(run, settings):
    settings.MAX_ATTEMPTS = 2
    prediction = predictions.predict(run=run)
    with killing_the_network():
        predictions.run_predict(prediction.pk)
        prediction.refresh_from_db()
        assert (prediction.state, prediction.error) == (WorkState.WAITING, "")
        assert prediction.message == "The network's process was killed by signal 9; it looks again."
        predictions.run_predict(prediction.pk)
        prediction.refresh_from_db()
        assert prediction.state == WorkState.FAILED
        assert prediction.error.startswith(
            "The network's process was killed 2 times, the last time by signal 9"
        )
    predictions.run_predict(predictions.predict(run=run).pk)
    prediction.refresh_from_db()
    assert (prediction.state, prediction.error) == (WorkState.DONE, "")


def test_asking_twice_while_it_waits_is_one_prediction():
    run = finish(make_run())
    assert predictions.predict(run=run) == predictions.predict(run=run)
    assert Prediction.objects.count() == 1


def test_a_campaign_without_a_picture_is_refused_in_words():
    run = finish(make_run())
    prediction = predictions.predict(run=run)
    predictions.run_predict(prediction.pk)
    prediction.refresh_from_db()
    assert (prediction.state, prediction.error) == (
        WorkState.FAILED,
        "The campaign has no face with a picture. Add faces to it first.",
    )


def test_a_run_that_is_not_done_cannot_be_asked():
    run = make_run()
    with pytest.raises(predictions.CannotPredict, match="only a finished run"):
        predictions.predict(run=run)
    make_over(run, WorkState.FAILED)
    with pytest.raises(predictions.CannotPredict, match="failed"):
        predictions.predict(run=run)


def test_network_and_campaign_without_a_common_expression_are_refused():
    run = finish(make_run(), classes=["calm", "tense"])
    with pytest.raises(predictions.CannotPredict, match="calm, tense"):
        predictions.predict(run=run)


def test_expressions_only_one_of_them_has_are_named():
    run = finish(make_run(), classes=["happy", "sad", "bored"])
    campaign = make_campaign(make_faces(1), expressions=["happy", "sad", "contempt"])
    assert predictions.predict(run=run, campaign=campaign).campaign == campaign
    assert predictions.differences(run, campaign) == (
        "The network was not trained on contempt. The campaign does not ask for bored."
    )
