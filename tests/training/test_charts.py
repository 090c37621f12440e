from itertools import pairwise

import pytest

from tests.training.making import epoch
from training.web import charts


def test_no_epoch_no_chart():
    assert charts.charts([], until=10, best_epoch=None) == []


def test_both_charts_have_training_and_validation_and_the_best_epoch():
    loss, accuracy = charts.charts([epoch(1, 0.4), epoch(2, 0.6)], until=4, best_epoch=2)
    assert (loss.title, accuracy.title) == ("Loss", "Accuracy")
    assert [line.name for line in accuracy.lines] == ["Training", "Validation"]
    assert [line.last for line in accuracy.lines] == ["65.0\u00a0%", "60.0\u00a0%"]
    assert accuracy.best_x == 333.3
    assert accuracy.bands[1].text == "Epoch 2. Training 65.0\u00a0%, Validation 60.0\u00a0%"


def test_every_point_lies_inside_the_plot():
    for chart in charts.charts([epoch(n, n / 10) for n in range(1, 9)], until=8, best_epoch=8):
        for line in chart.lines:
            points = [tuple(map(float, point.split(","))) for point in line.points.split()]
            assert len(points) == 8
            assert all(0 <= x <= charts.WIDTH and 0 <= y <= charts.HEIGHT for x, y in points)


def test_one_epoch_is_drawn_as_a_short_stroke():
    chart = charts.charts([epoch(1, 0.5)], until=10, best_epoch=1)[0]
    assert len(chart.lines[0].points.split()) == 2


def test_a_loss_that_is_not_finite_is_left_out():
    broken = {**epoch(2, 0.5), "train_loss": float("nan"), "validation_loss": None}
    loss = charts.charts([epoch(1, 0.4), broken, epoch(3, 0.6)], until=3, best_epoch=3)[0]
    assert [len(line.points.split()) for line in loss.lines] == [2, 2]
    assert loss.bands[1].text == "Epoch 2. Training none, Validation none"


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (0.5, 0.5), (1.99, 2.01), (0.0, 123.0), (0.31, 0.34)])
def test_ticks_are_even_and_enclose_the_values(low, high):
    ticks = charts._ticks(low, high)
    assert ticks[0] <= low
    assert ticks[-1] >= high
    assert 2 <= len(ticks) <= 8
    steps = {round(b - a, 9) for a, b in pairwise(ticks)}
    assert len(steps) == 1


def test_a_sparkline_needs_two_epochs():
    assert charts.sparkline([0.5]) == ""
    assert charts.sparkline([0.2, 0.4]) == "0.0,26.0 120.0,2.0"
    assert charts.sparkline([0.3, 0.3]) == "0.0,26.0 120.0,26.0"


@pytest.mark.parametrize(("until", "ticks"), [(1, [1]), (2, [1, 2]), (9, [1, 5, 9]), (50, [1, 50])])
def test_epochs_are_marked_where_they_stand(until, ticks):
    assert charts._x_ticks(until) == ticks
    assert [charts._x(1, 3), charts._x(2, 3), charts._x(3, 3)] == [0, 500, 1000]
