import json

import pytest

from labeling.models import Snapshot, WorkState
from labeling.work import CannotMove, Refused
from tests.factories import make_campaign, make_over, make_user
from tests.training.making import epoch, finish, make_run, make_snapshot, write_events
from training import evaluations, queries, runs
from training.models import Evaluation, TrainingRun

pytestmark = pytest.mark.django_db


def test_a_run_keeps_every_setting_resolved():
    run = make_run(settings={"epochs": "3", "rotation": 10})
    assert run.state == WorkState.WAITING
    assert (run.config["epochs"], run.config["rotation"], run.config["image_size"]) == (3, 10.0, 48)
    assert run.epochs == 3


def test_a_run_is_named_after_network_and_snapshot_unless_told():
    snapshot = make_snapshot()
    assert make_run(snapshot).name == "resnet18 on first"
    assert make_run(snapshot, name="mine").name == "mine"


def test_each_run_has_a_folder_of_its_own():
    snapshot = make_snapshot()
    assert runs.folder(make_run(snapshot)) != runs.folder(make_run(snapshot))


def test_an_unknown_setting_is_refused_and_makes_no_run():
    with pytest.raises(runs.CannotStart, match="nobody reads: epoch"):
        make_run(settings={"epoch": 3})
    assert not TrainingRun.objects.exists()


def test_an_unknown_network_or_preset_is_refused():
    with pytest.raises(runs.CannotStart, match="alexnet"):
        make_run(network="alexnet")
    with pytest.raises(runs.CannotStart, match="preset"):
        make_run(preset="fast")


def test_a_fast_run_leaves_to_the_machine_what_is_not_given_by_hand():
    run = make_run(fast=True)
    assert (run.fast, run.config["bf16"]) == (True, False)
    with pytest.raises(runs.CannotStart, match="Fast sets bf16 and channels_last"):
        make_run(fast=True, settings={"channels_last": True, "bf16": True})
    assert TrainingRun.objects.get() == run


def test_only_a_frozen_snapshot_is_trained_on():
    unfinished = Snapshot.objects.create(campaign=make_campaign(), name="half")
    with pytest.raises(runs.CannotStart, match="only a frozen one"):
        make_run(unfinished)


def test_starting_wakes_a_worker_once_the_row_is_there(django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks() as callbacks:
        make_run()
    assert len(callbacks) == 1


def test_a_waiting_run_stops_at_once_and_resumes_into_the_queue():
    run = make_run()
    runs.stop(run=run)
    assert run.state == WorkState.STOPPED
    runs.resume(run=run)
    assert run.state == WorkState.WAITING


def test_a_finished_run_cannot_be_resumed():
    run = make_run()
    make_over(run)
    with pytest.raises(CannotMove, match="done"):
        runs.resume(run=run)


def test_the_log_tail_begins_with_a_whole_line():
    run = make_run()
    runs.folder(run).mkdir(parents=True)
    (runs.folder(run) / runs.LOG).write_text("first line\nsecond\nthird\n")
    assert runs.log_tail(run) == "first line\nsecond\nthird\n"
    assert runs.log_tail(run, 12) == "third\n"


def test_a_run_without_a_folder_has_no_log_and_no_curves():
    run = make_run()
    assert (runs.log_tail(run), runs.curves(run)) == ("", [])


def test_the_result_is_taken_in_once_however_often():
    run = finish(make_run(), [(1, "happy", "happy"), (2, "sad", "happy")])
    evaluations.take_in(run=run, folder=runs.folder(run))
    assert sorted(Evaluation.objects.values_list("split", "images", "accuracy")) == [
        ("test", 2, 0.5),
        ("validation", 2, 0.5),
    ]
    assert evaluations.classes(run)[3] == "happy"


def test_a_half_written_result_is_refused_by_name():
    run = make_run()
    runs.folder(run).mkdir(parents=True)
    (runs.folder(run) / evaluations.RESULT).write_text(json.dumps({})[:-1])
    with pytest.raises(Refused, match=r"result\.json"):
        evaluations.take_in(run=run, folder=runs.folder(run))


def test_the_config_table_marks_what_differs_from_the_preset():
    run = make_run(settings={"epochs": 3, "rotation": 15.0})
    differing = [row.name for row in queries.config_table(run) if row.differs]
    assert differing == ["epochs"]


def test_a_setting_dropped_since_is_still_shown():
    run = make_run()
    run.config["warp"] = 9
    row = queries.config_table(run)[-1]
    assert (row.name, row.value, row.differs) == ("warp", 9, False)


def test_curves_are_the_epochs_of_the_run_folder():
    run = make_run()
    write_events(run, epoch(1, 0.5), epoch(2, 0.6))
    assert [row["validation_accuracy"] for row in runs.curves(run)] == [0.5, 0.6]


def test_who_started_it_is_kept():
    trainer = make_user("trainer")
    assert make_run(created_by=trainer).created_by == trainer
