"""Which weights are moved in which way."""

import pytest
import torch
from torch import nn

from tests.training.core.conftest import small
from tests.training.core.test_torchvision_names import KINDS, drawn
from training.core.networks import NETWORKS, network
from training.core.networks.measure import on_paper
from training.core.optimizers import groups_of, make_optimizer

NORMALISING = ("BatchNorm", "LayerNorm", "GroupNorm")


def names_by_decay(net: nn.Module, **changes: object) -> dict[float, set[str]]:
    names = {id(weight): name for name, weight in net.named_parameters()}
    found: dict[float, set[str]] = {}
    for group in groups_of(net, small(weight_decay=0.5, **changes)()):
        found.setdefault(group.decay, set()).update(names[id(weight)] for weight in group.weights)
    return found


def norms_and_biases(net: nn.Module) -> set[str]:
    of_norms = {
        f"{path}.{name}"
        for path, part in net.named_modules()
        if any(word in type(part).__name__ for word in NORMALISING)
        for name, _ in part.named_parameters(recurse=False)
    }
    return of_norms | {name for name, _ in net.named_parameters() if name.endswith("bias")}


@pytest.mark.parametrize("name", [*NETWORKS, *KINDS])
def test_norms_and_biases_of_every_network_can_be_left_undecayed(name: str) -> None:
    net = on_paper(network(name)) if name in NETWORKS else drawn(name)
    everything = {name for name, _ in net.named_parameters()}
    left = norms_and_biases(net)
    assert len(left) >= 8
    assert names_by_decay(net, decay_norms_and_biases=False) == {0.5: everything - left, 0.0: left}


@pytest.mark.parametrize("optimizer", ["radam", "adamw", "sgd"])
def test_by_default_all_weights_are_one_group_in_their_order(optimizer: str) -> None:
    """As checkpoints had it before the weights could be parted."""
    net = on_paper(network("resnet18"))
    config = small(optimizer=optimizer)()
    (group,) = make_optimizer(groups_of(net, config), config).param_groups
    assert group["weight_decay"] == config.weight_decay
    assert all(one is other for one, other in zip(group["params"], net.parameters(), strict=True))


@pytest.mark.parametrize("optimizer", ["radam", "adamw", "sgd"])
def test_decay_moves_what_it_is_meant_for_alone(optimizer: str) -> None:
    moved = {}
    for decay in (0.0, 0.5):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
        config = small(optimizer=optimizer, weight_decay=decay, decay_norms_and_biases=False)()
        net(torch.randn(6, 3)).square().sum().backward()
        make_optimizer(groups_of(net, config), config).step()
        moved[decay] = dict(net.named_parameters())
    same = {name for name, weight in moved[0.0].items() if torch.equal(weight, moved[0.5][name])}
    assert same == {"0.bias", "1.weight", "1.bias", "2.bias"}
