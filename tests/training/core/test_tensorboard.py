"""TensorBoard's files, read back by TensorBoard."""

from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.training.core.conftest import StopAfter, run_training, small
from training.core.refusals import Stopped
from training.core.run_folder import read_events
from training.core.stopping import Stopper
from training.core.train import train

INSTALLED = find_spec("tensorboard") is not None


@pytest.mark.skipif(not INSTALLED, reason="the package tensorboard is not installed; it is optional")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_every_epoch_is_one_point_also_after_a_stop(snapshot: Path, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run, stopper = tmp_path / "run", Stopper()
    choose = small(tensorboard=True, epochs=3)
    with pytest.raises(Stopped):
        train(snapshot=snapshot, run=run, choose=choose, stopper=stopper, display=StopAfter(stopper, 2))
    run_training(snapshot, run, None)
    curves = EventAccumulator(str(run / "tensorboard"))
    curves.Reload()
    told = [event for event in read_events(run / "metrics.jsonl") if event["event"] == "epoch"]
    for name in ("train_loss", "validation_accuracy", "learning_rate", "largest_gradient_norm"):
        points = curves.Scalars(name)
        assert [point.step for point in points] == [1, 2, 3]
        assert [point.value for point in points] == pytest.approx([event[name] for event in told])
