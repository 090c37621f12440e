from pathlib import Path

from tests.training.making import epoch
from training import metrics


def write(folder: Path, text: str) -> None:
    (folder / metrics.FILE).write_text(text)


def lines(*events: dict) -> str:
    import json

    return "".join(json.dumps(event) + "\n" for event in events)


def step(number: int, of_epoch: int, steps: int = 10) -> dict:
    return {"event": "step", "time": 1.0, "epoch": of_epoch, "step": number, "steps": steps, "loss": 1.0}


def test_a_folder_without_metrics_has_no_events(tmp_path):
    assert metrics.read(tmp_path) == []


def test_a_line_still_being_written_is_left_for_the_next_look(tmp_path):
    write(tmp_path, lines(epoch(1, 0.5)) + '{"event": "epo')
    assert [event["epoch"] for event in metrics.read(tmp_path)] == [1]


def test_a_broken_line_hides_nothing_else(tmp_path):
    write(tmp_path, lines(epoch(1, 0.5)) + '{"event": "epo\n' + lines(epoch(2, 0.6)))
    assert [event["epoch"] for event in metrics.read(tmp_path)] == [1, 2]


def test_of_the_steps_only_the_newest_is_kept(tmp_path):
    write(tmp_path, lines(step(1, 1), step(2, 1), epoch(1, 0.5), step(1, 2), step(2, 2)))
    assert [event["event"] for event in metrics.read(tmp_path)] == ["epoch", "step"]


def test_what_a_resumed_training_cut_off_is_forgotten(tmp_path):
    write(tmp_path, lines(epoch(1, 0.5), epoch(2, 0.6)))
    assert metrics.progress(metrics.read(tmp_path)).epoch == 2
    write(tmp_path, lines(epoch(1, 0.5)))
    assert metrics.progress(metrics.read(tmp_path)).epoch == 1


def test_progress_counts_whole_epochs_and_the_share_of_the_next():
    events = [epoch(1, 0.5), step(5, 2)]
    progress = metrics.progress(events, now=0)
    assert (progress.epoch, progress.epochs, progress.step, progress.steps) == (1, 3, 5, 10)
    assert progress.share == 0.5


def test_a_step_of_a_finished_epoch_is_no_progress():
    assert metrics.progress([step(9, 1), epoch(1, 0.5)]).steps == 0


def test_the_best_epoch_is_the_last_one_called_best():
    progress = metrics.progress([epoch(1, 0.5), epoch(2, 0.6), epoch(3, 0.4, best=False)])
    assert (progress.best_epoch, progress.best_accuracy) == (2, 0.6)


def test_the_eta_counts_down_between_epochs_and_ends_at_zero():
    events = [epoch(1, 0.5)]
    assert metrics.progress(events, now=1_000_006.0).eta_seconds == 15.0
    assert metrics.progress(events, now=2_000_000.0).eta_seconds == 0.0


def test_an_epoch_done_twice_counts_once_as_it_was_last():
    again = epoch(1, 0.7)
    assert metrics.epochs([epoch(1, 0.5), again]) == [again]


def test_an_error_counts_only_as_the_last_word_and_when_it_is_new():
    error = {"event": "error", "time": 5.0, "message": "Loss is not finite."}
    assert metrics.last_error([epoch(1, 0.5), error]) == "Loss is not finite."
    assert metrics.last_error([error, epoch(1, 0.5)]) == ""
    assert metrics.last_error([error], since=6.0) == ""
    assert metrics.last_error([]) == ""
