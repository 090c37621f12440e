"""Starting weights that are left alone at first, and then moved less than the last layer."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from tests.training.core.conftest import run_training, small
from tests.training.core.test_stepping import stepper
from tests.training.core.test_torchvision_names import KINDS, drawn
from training.core.networks import NETWORKS, network
from training.core.networks.measure import on_paper
from training.core.optimizers import ids_of_last
from training.core.progress import Display
from training.core.refusals import Stopped
from training.core.run_folder import read_events
from training.core.stepping import Pending, Stepper
from training.core.stopping import Stopper
from training.core.train import train

STARTED = {"starting_weights": "ResNet18_Weights.DEFAULT"}
"""A name will do where nothing is begun: a Stepper is given its network."""


def built(name: str) -> nn.Module:
    return on_paper(network(name)) if name in NETWORKS else drawn(name)


@pytest.mark.parametrize("name", [*NETWORKS, *KINDS])
def test_the_last_layer_of_every_network_alone_gives_its_logits(name: str) -> None:
    net = built(name).train()
    last, seen = ids_of_last(net), torch.zeros(2, 3, 224, 224, device="meta")
    for learns in (True, False):
        for weight in net.parameters():
            weight.requires_grad_((id(weight) in last) is learns)
        net(seen).sum().backward()
        left = {weight_name for weight_name, weight in net.named_parameters() if weight.grad is None}
        assert left == {n for n, weight in net.named_parameters() if (id(weight) in last) is not learns}
        net.zero_grad()
    assert {weight.shape[0] for weight in net.parameters() if id(weight) in last} == {7}


def state(one: Stepper) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in one.network.state_dict().items()}


@pytest.mark.parametrize("changes", [{}, {"accumulation": 3}, {"halve_when_out_of_memory": True, "ema": 0.9}])
def test_at_first_all_but_the_last_layer_stays_to_the_bit(
    snapshot: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    one = stepper(snapshot, tmp_path, frozen_epochs=1, optimizer="adamw", **STARTED, **changes)
    rows, before = one._train_rows.numpy(), state(one)
    one.begin_epoch(0)
    for step in range(3):
        one.step(step, np.roll(rows, step)[:12], epoch=0, rate=0.1)
    after = state(one)
    assert {name for name in before if not torch.equal(before[name], after[name])} == {
        "layers.4.weight",
        "layers.4.bias",
    }
    assert len(one.optimizer.state) == 2
    one.begin_epoch(1)
    one.step(0, rows[:12], epoch=1, rate=0.1)
    moved = state(one)
    assert [name for name in after if torch.equal(after[name], moved[name])] == []


def test_all_but_the_last_layer_moves_by_its_share_of_the_step_size(snapshot: Path, tmp_path: Path) -> None:
    moves = []
    for rate in (1.0, 0.25):
        one = stepper(snapshot, tmp_path, body_rate=rate, **STARTED)
        before = state(one)
        one.step(0, one._train_rows.numpy()[:12], epoch=0, rate=0.1)
        moves.append(
            {name: weight.detach() - before[name] for name, weight in one.network.named_parameters()}
        )
        assert one.optimizer.param_groups[0]["lr"] == 0.1
    for name, whole in moves[0].items():
        share = 1.0 if name.startswith("layers.4.") else 0.25
        torch.testing.assert_close(moves[1][name], share * whole, atol=1e-6, rtol=1e-4)


GRADUAL: dict[str, Any] = {
    "frozen_epochs": 2,
    "body_rate": 0.3,
    "epochs": 4,
    "ema": 0.9,
    "clip_gradient": 1.0,
}


class StopsAt(Stopper):
    """Asks for an end once the step so numbered, over all epochs and from one, was made."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
        super().__init__()
        self.left, whole = number, Stepper.step

        def counted(one: Stepper, *given: Any, **named: Any) -> Pending:
            done = whole(one, *given, **named)
            self.left -= 1
            if not self.left:
                self.ask("enough")
            return done

        monkeypatch.setattr(Stepper, "step", counted)


@pytest.mark.parametrize("steps", [3, 12, 15], ids=["frozen", "border", "released"])
def test_it_goes_on_to_the_bit_from_before_and_behind_the_border(
    finished: Path, snapshot: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    choose = small(starting_weights=str(finished), **GRADUAL)
    run_training(snapshot, tmp_path / "whole", choose)
    with monkeypatch.context() as patched:
        stopper = StopsAt(patched, steps)
        with pytest.raises(Stopped):
            train(snapshot=snapshot, run=tmp_path / "run", choose=choose, stopper=stopper, display=Display())
    checkpoint = torch.load(tmp_path / "run" / "last.pt", weights_only=True)
    # A frozen weight is nothing an optimizer remembers; 45 faces are 6 steps an epoch.
    assert len(checkpoint["optimizer"]["state"]) == (62 if steps > 12 else 2)
    run_training(snapshot, tmp_path / "run", None)
    for name in ("best.safetensors", "predictions-test.parquet", "result.json"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name


def test_a_last_layer_that_comes_no_further_neither_stops_a_training_nor_slows_it_down(
    finished: Path, snapshot: Path, tmp_path: Path
) -> None:
    patience = {
        "early_stopping": 1,
        "plateau_patience": 0,
        "schedule": "plateau",
        "lowest_learning_rate": 0.0,
    }
    changes = {**patience, "learning_rate": 1e-12, "frozen_epochs": 4, "epochs": 8}
    run_training(snapshot, tmp_path / "run", small(starting_weights=str(finished), **changes))
    epochs = [event for event in read_events(tmp_path / "run" / "metrics.jsonl") if event["event"] == "epoch"]
    assert [round(event["learning_rate"] * 1e12, 9) for event in epochs] == [1, 1, 1, 1, 1, 1, 0.1]


def test_layers_that_stay_random_at_first_are_told(finished: Path, snapshot: Path, tmp_path: Path) -> None:
    weights = load_file(finished / "best.safetensors")
    save_file(
        {name: weight for name, weight in weights.items() if "layer4" not in name}, tmp_path / "a.safetensors"
    )
    changes = {"starting_weights": str(tmp_path / "a.safetensors"), "frozen_epochs": 1, "epochs": 2}
    run_training(snapshot, tmp_path / "run", small(**changes))
    (begin,) = [
        event for event in read_events(tmp_path / "run" / "metrics.jsonl") if event["event"] == "begin"
    ]
    assert (
        "What of them is not in the last layer stays so through the frozen_epochs." in begin["warnings"][-1]
    )
