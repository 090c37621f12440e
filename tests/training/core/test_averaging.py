"""The moving average of weights, and batch norm's statistics over the parts of a batch."""

import pytest
import torch
from torch import nn

from training.core.averaging import Average
from training.core.parallel import ALONE
from training.core.running_statistics import RunningStatistics


def small_network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 2))


def test_an_average_follows_the_weights_by_its_decay() -> None:
    network = small_network()
    average = Average(network, decay=0.5)
    expected = network[3].weight.detach().clone()
    for step in range(8):
        with torch.no_grad():
            network[3].weight.add_(1)
        average.update()
        kept = min(0.5, (1 + step) / (10 + step))
        expected = kept * expected + (1 - kept) * network[3].weight.detach()
    torch.testing.assert_close(average.network.get_parameter("3.weight"), expected)
    assert not any(weight.requires_grad for weight in average.network.parameters())


def test_an_average_has_statistics_of_its_own_and_counts_what_is_counted() -> None:
    network = small_network()
    average = Average(network, decay=0.9)
    network(torch.rand(4, 1, 4, 4) * 9)
    average.update()
    own, theirs = average.network.get_buffer("1.running_mean"), network.get_buffer("1.running_mean")
    torch.testing.assert_close(own, 0.9 * theirs)
    assert average.network.get_buffer("1.num_batches_tracked") == 1


def test_an_average_goes_on_from_its_state() -> None:
    network = small_network()
    first = Average(network, decay=0.9)
    first.update()
    second_network = small_network()
    second = Average(second_network, decay=0.9)
    second.restore(first.state())
    second_network.load_state_dict(network.state_dict())
    with torch.no_grad():
        network[3].weight.add_(1)
        second_network[3].weight.add_(1)
    first.update()
    second.update()
    for name, weight in first.network.state_dict().items():
        assert torch.equal(weight, second.network.state_dict()[name]), name
    with pytest.raises(KeyError):
        second.restore({})


def test_parts_move_the_running_statistics_by_their_mean() -> None:
    parts = [torch.rand(4, 1, 4, 4), torch.rand(4, 1, 4, 4) * 5]
    alone = []
    for part in parts:
        network = small_network()
        network(part)
        alone.append(network.get_buffer("1.running_var"))
    network = small_network()
    statistics = RunningStatistics(network)
    statistics.begin()
    for part in parts:
        network(part)
        statistics.part_done()
    statistics.end(2, ALONE)
    torch.testing.assert_close(network.get_buffer("1.running_var"), (alone[0] + alone[1]) / 2)
    assert network.get_buffer("1.num_batches_tracked") == 1


def test_an_attempt_in_vain_leaves_the_statistics_alone() -> None:
    network = small_network()
    before = network.get_buffer("1.running_var").clone()
    statistics = RunningStatistics(network)
    statistics.begin()
    network(torch.rand(4, 1, 4, 4))
    statistics.rewind()
    assert torch.equal(network.get_buffer("1.running_var"), before)
