"""The ML stages from the command line."""

import io
import json

import pytest
import torch
from django.core.management import CommandError, call_command

from labeling import suggestions, work
from labeling.management import following
from labeling.models import WorkState
from tests.factories import make_campaign, make_over
from tests.training.making import finish, make_real_snapshot, make_run, make_snapshot, settled_faces
from training import predictions, runs
from training.core.quick import quick_in_bf16
from training.models import Prediction, RelabelRound, TrainingRun

pytestmark = pytest.mark.django_db
FAST = ["--set", "image_size=32", "--set", "batch_size=8", "--set", "threads=1", "--set", "device=cpu"]


def run_command(*arguments: str, **options: object) -> str:
    out = io.StringIO()
    call_command(*arguments, stdout=out, **options)
    return out.getvalue()


@pytest.mark.slow
def test_train_predict_and_relabel_one_after_the_other():
    campaign = make_campaign(3)
    settled_faces(campaign)
    snapshot = make_real_snapshot(campaign)
    said = run_command(
        "train", str(snapshot.pk), *FAST, "--set", "epochs=1", "--in-process", "--name", "mine"
    )
    assert "epoch   1 of 1: loss" in said
    assert "test: accuracy" in said
    assert f"mine on {campaign}: 3 faces." in run_command("predict", "mine", "--in-process")
    run = TrainingRun.objects.get(name="mine")
    assert Prediction.objects.get().state == WorkState.DONE
    said = run_command("relabel", "mine", "--faces", "2", "--votes", "3")
    assert "2 faces, 3 fresh votes each" in said
    assert RelabelRound.objects.get().run == run


@pytest.mark.slow
def test_a_fast_train_keeps_what_its_machine_chose():
    snapshot = make_real_snapshot()
    run_command("train", str(snapshot.pk), *FAST, "--set", "epochs=1", "--fast", "--in-process")
    run = TrainingRun.objects.get()
    chosen = quick_in_bf16(torch.device("cpu"))
    assert (run.state, run.fast) == (WorkState.DONE, True)
    assert (run.config["bf16"], run.config["channels_last"]) == (chosen, chosen)
    # As it stands in the run's folder too, which another machine goes on from.
    saved = json.loads((runs.folder(run) / "config.json").read_text())["config"]
    assert saved == run.config


def test_fast_and_what_it_sets_by_hand_are_refused_together():
    snapshot = make_snapshot()
    with pytest.raises(CommandError, match="Fast sets bf16 as the machine needs it"):
        run_command("train", str(snapshot.pk), "--fast", "--set", "bf16=true")
    assert not TrainingRun.objects.exists()


def test_train_without_a_process_queues():
    snapshot = make_snapshot()
    assert "queued for a gpu worker" in run_command("train", snapshot.name)
    assert TrainingRun.objects.get().state == WorkState.WAITING


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["train", "nothing"], "There is no snapshot “nothing”"),
        (["train", "first", "--set", "epoch=3"], "nobody reads: epoch"),
        (["train", "first", "--set", "epochs"], "takes KEY=VALUE"),
        (["predict", "99"], "There is no training run “99”"),
        (["predict", "resnet18 on first"], "only a finished run"),
        (["relabel", "resnet18 on first"], "Let it predict first"),
    ],
)
def test_what_cannot_be_done_is_said(arguments, said):
    make_run(make_snapshot())
    with pytest.raises(CommandError, match=said):
        run_command(*arguments)


def test_two_of_a_name_need_the_number():
    make_snapshot()
    make_snapshot()
    with pytest.raises(CommandError, match="give the number"):
        run_command("train", "first")


def test_a_dry_run_lists_the_doubted_faces_and_opens_nothing():
    campaign = make_campaign(2)
    faces = settled_faces(campaign)
    run = finish(make_run(make_snapshot(campaign)))
    suggestions.store(
        origin=predictions.origin(run), rows=[(face.pk, {"happy": 0.1, "sad": 0.9}) for face in faces]
    )
    said = run_command("relabel", str(run.pk), "--dry-run")
    assert f"face {faces[0].face_id}: votes say happy, network says sad, doubt 0.90" in said
    assert not RelabelRound.objects.exists()


@pytest.mark.slow
def test_a_failed_run_fails_the_command():
    snapshot = make_real_snapshot()
    type(snapshot).objects.filter(pk=snapshot.pk).update(folder=f"{snapshot.folder}-gone")
    with pytest.raises(CommandError, match="it is no snapshot"):
        run_command("train", str(snapshot.pk), *FAST, "--in-process")
    assert TrainingRun.objects.get().state == WorkState.FAILED


def test_what_a_quicker_worker_does_is_waited_for():
    run = make_run()
    make_over(run, WorkState.STOPPED)

    def taken() -> None:
        raise work.AlreadyClaimed("taken")

    following.do_or_wait(run, taken)
    assert run.state == WorkState.STOPPED
