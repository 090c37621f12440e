"""A run, or only its weights, can be deleted: nothing at work is, and nothing half."""

import fcntl

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from labeling import suggestions, work
from labeling.models import Suggestion, WorkState
from tests.factories import make_campaign, make_over, settle
from tests.training.making import faces_of, finish, make_run, make_snapshot
from training import deleting, predictions, relabeling, runs
from training.models import Prediction, TrainingRun

pytestmark = pytest.mark.django_db


@pytest.fixture
def run():
    """Finished, with 300 bytes of weights, and opinions on a campaign of three faces."""
    campaign = make_campaign(3)
    made = finish(
        make_run(make_snapshot(campaign)), [(face.pk, "sad", "happy") for face in faces_of(campaign)]
    )
    home = runs.folder(made)
    (home / "last.pt").write_bytes(b"0" * 200)
    (home / "best.safetensors").write_bytes(b"0" * 100)
    for row in campaign.campaign_faces.all():
        settle(row, "happy")
    answers = [(row.pk, {"sad": 0.9, "happy": 0.1}) for row in campaign.campaign_faces.all()]
    suggestions.store(origin=predictions.origin(made), rows=answers)
    make_over(Prediction.objects.create(run=made, campaign=campaign))
    return made


def address(run):
    return reverse("training:run_delete", args=[run.pk])


def test_without_its_weights_a_run_is_read_but_neither_goes_on_nor_predicts(client, trainer, run):
    assert deleting.size(run).weights == 300
    page = client.post(address(run), {"what": "weights"}, follow=True)
    assert "The weights are deleted. 300 bytes are free." in page.content.decode().replace("\xa0", " ")
    run.refresh_from_db()
    assert run.weights_deleted_by == trainer
    assert sorted(file.name for file in runs.folder(run).iterdir()) == [
        "lock", "metrics.jsonl", "predictions-test.parquet", "result.json",
    ]  # fmt: skip
    body = page.content.decode()
    assert "Its weights were deleted" in body
    assert "3 of 3 test faces" in body
    assert reverse("training:run_predict", args=[run.pk]) not in body
    assert Suggestion.objects.count() == 3
    with pytest.raises(predictions.CannotPredict, match=r"weights of .* were deleted"):
        predictions.predict(run=run)
    TrainingRun.objects.filter(pk=run.pk).update(state=WorkState.STOPPED)
    assert (
        reverse("training:run_resume", args=[run.pk])
        not in client.get(page.request["PATH_INFO"]).content.decode()
    )
    with pytest.raises(work.CannotMove, match="weights were deleted"):
        runs.resume(run=run)


def test_the_whole_run_goes_with_its_folder_and_opinions(client, trainer, run):
    home, other = runs.folder(run), make_run(run.snapshot)
    suggestions.store(
        origin=predictions.origin(other),
        rows=[(run.snapshot.campaign.campaign_faces.first().pk, {"sad": 1.0})],
    )
    page = client.post(address(run), {"what": "run"}, follow=True)
    assert f"“{run.name}” is deleted." in page.content.decode()
    assert page.request["PATH_INFO"] == reverse("training:runs")
    assert not home.exists()
    assert not Prediction.objects.exists()
    assert list(TrainingRun.objects.all()) == [other]
    assert Suggestion.objects.get().origin == predictions.origin(other)


def test_a_run_that_relabel_rounds_came_of_keeps_all_but_its_weights(client, trainer, run):
    relabeling.open_round(
        run=run, campaign_face_ids=[run.snapshot.campaign.campaign_faces.first().pk], votes_per_face=2
    )
    body = client.get(address(run)).content.decode()
    assert "1 relabel round came of it" in body
    assert 'value="run"' not in body
    client.post(address(run), {"what": "run"})
    run.refresh_from_db()
    assert run.weights_deleted_at is None
    assert deleting.size(run).weights == 300
    deleting.delete_weights(run=run)
    assert deleting.size(run).weights == 0


@pytest.mark.parametrize("state", [WorkState.WAITING, WorkState.RUNNING])
def test_nothing_at_work_is_deleted(run, state):
    TrainingRun.objects.filter(pk=run.pk).update(state=WorkState.WAITING, ended_at=None)
    if state == WorkState.RUNNING:
        work.claim(TrainingRun, run.pk)
    run.refresh_from_db()
    for verb in (deleting.delete, deleting.delete_weights):
        with pytest.raises(deleting.CannotDelete, match=f"It is {state}. Stop it first"):
            verb(run=run)
    assert deleting.size(run).weights == 300


def test_what_was_resumed_after_the_page_was_read_is_not_deleted(run):
    TrainingRun.objects.filter(pk=run.pk).update(state=WorkState.STOPPED)
    run.refresh_from_db()
    runs.resume(run=TrainingRun.objects.get(pk=run.pk))
    assert run.state == WorkState.STOPPED
    with pytest.raises(deleting.CannotDelete, match="It is waiting"):
        deleting.delete(run=run)
    assert deleting.size(run).weights == 300


def test_nor_while_it_looks_at_a_campaign_or_a_process_writes(run):
    asked = predictions.predict(run=run)
    with pytest.raises(deleting.CannotDelete, match="looks at the faces"):
        deleting.delete_weights(run=run)
    make_over(asked)
    with (runs.folder(run) / runs.LOCK).open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(deleting.CannotDelete, match="still writes"):
            deleting.delete(run=run)
    assert deleting.size(run).weights == 300
    assert TrainingRun.objects.filter(pk=run.pk, weights_deleted_at=None).exists()


def test_what_was_killed_half_way_is_deleted_again(run):
    deleting.delete_weights(run=run)
    for file in runs.folder(run).iterdir():
        file.unlink()
    deleting.delete(run=run)
    assert not TrainingRun.objects.exists()
    make_over(never_began := make_run(make_snapshot()), WorkState.STOPPED)
    assert deleting.delete(run=never_began) == 0


def test_a_run_without_a_folder_of_its_own_takes_no_other_run_with_it(run):
    nowhere = make_run(run.snapshot)
    make_over(nowhere, WorkState.FAILED, folder="")
    assert deleting.size(nowhere).whole == 0
    assert deleting.delete_weights(run=nowhere) == 0
    assert deleting.delete(run=nowhere) == 0
    assert deleting.size(run).weights == 300


def test_a_folder_that_cannot_be_deleted_is_told_and_the_run_stays(run, tmp_path):
    home = runs.folder(run)
    home.rename(tmp_path / "other disk")
    home.symlink_to(tmp_path / "other disk")
    with pytest.raises(deleting.CannotDelete, match=r"could not be deleted: .*symbolic link"):
        deleting.delete(run=run)
    assert TrainingRun.objects.filter(pk=run.pk).exists()
    assert deleting.size(run).weights == 300


def test_the_api_deletes_too(client, trainer, run):
    told = client.post(reverse("api-runs-delete-weights", args=[run.pk]))
    assert told.status_code == 200
    assert told.json()["weights_deleted_at"]
    assert client.delete(reverse("api-runs-detail", args=[run.pk])).status_code == 204
    assert client.delete(reverse("api-runs-detail", args=[run.pk])).status_code == 404
    waiting = make_run(make_snapshot())
    refused = client.delete(reverse("api-runs-detail", args=[waiting.pk]))
    assert refused.status_code == 409
    assert "Stop it first" in refused.content.decode()


def test_and_so_does_a_command(run, capsys):
    call_command("delete_run", str(run.pk), "--weights-only")
    call_command("delete_run", str(run.pk))
    assert "weights of" in capsys.readouterr().out
    assert not TrainingRun.objects.exists()
    waiting = make_run(make_snapshot())
    with pytest.raises(CommandError, match="Stop it first"):
        call_command("delete_run", str(waiting.pk))
