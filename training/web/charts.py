"""Curves as plain SVG geometry: drawn by the server, so that they also stand on a page without JavaScript.

The plot is 1000 × 400 units, stretched to whatever room it has; ticks and legend are text beside it.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.formats import number_format
from django.utils.translation import gettext as _

WIDTH, HEIGHT = 1000, 400
SPARK_WIDTH, SPARK_HEIGHT = 120, 28
Epoch = dict[str, Any]


@dataclass(frozen=True)
class Line:
    name: str
    css: str
    points: str
    """As <polyline points> wants them."""
    last: str


@dataclass(frozen=True)
class Band:
    """The strip of the plot around one epoch, with its figures for whoever points at it."""

    x: float
    width: float
    text: str


@dataclass(frozen=True)
class Chart:
    title: str
    lines: list[Line]
    bands: list[Band]
    y_ticks: list[str]
    """Top to bottom, evenly spaced over the height."""
    y_lines: list[float]
    x_ticks: list[int]
    best_x: float | None
    best_epoch: int | None
    width: int = WIDTH
    height: int = HEIGHT

    @property
    def said(self) -> str:
        """The chart in words, for who cannot see it."""
        now = ", ".join(
            _("{curve}: now {value}").format(curve=line.name, value=line.last) for line in self.lines
        )
        return _("{figure} by epoch. {curves}").format(figure=self.title, curves=now)


@dataclass(frozen=True)
class Curve:
    """What one line shows: `key` in the events of epochs, `name` for people."""

    css: str
    name: str
    key: str


def charts(epochs: Sequence[Epoch], *, until: int, best_epoch: int | None) -> list[Chart]:
    """Loss and accuracy of training and validation. until: the epoch at the right edge."""
    if not epochs:
        return []
    return [
        _chart(_("Loss"), "loss", epochs, until, best_epoch, lambda value: number_format(f"{value:.3g}")),
        _chart(
            _("Accuracy"), "accuracy", epochs, until, best_epoch, lambda value: f"{value * 100:.0f}\u00a0%"
        ),
    ]


def _chart(
    title: str,
    figure: str,
    epochs: Sequence[Epoch],
    until: int,
    best_epoch: int | None,
    write: Callable[[float], str],
) -> Chart:
    until = max(until, epochs[-1]["epoch"])
    curves = (
        Curve("line-training", _("Training"), f"train_{figure}"),
        Curve("line-validation", _("Validation"), f"validation_{figure}"),
    )
    values = [e[curve.key] for e in epochs for curve in curves if _finite(e.get(curve.key))]
    ticks = _ticks(min(values, default=0.0), max(values, default=1.0))
    return Chart(
        title=title,
        lines=[_line(curve, epochs, until, ticks) for curve in curves],
        bands=[_band(epoch, curves, until) for epoch in epochs],
        y_ticks=[write(tick) for tick in reversed(ticks)],
        y_lines=[round(_y(tick, ticks), 1) for tick in ticks],
        x_ticks=_x_ticks(until),
        best_x=None if best_epoch is None else _x(best_epoch, until),
        best_epoch=best_epoch,
    )


def _line(curve: Curve, epochs: Sequence[Epoch], until: int, ticks: list[float]) -> Line:
    key = curve.key
    drawn = [(_x(e["epoch"], until), _y(e[key], ticks), e[key]) for e in epochs if _finite(e.get(key))]
    if len(drawn) == 1:
        # One point is no line; a short stroke shows it.
        x, y, value = drawn[0]
        drawn.append((min(x + 8, WIDTH), y, value))
    return Line(
        name=curve.name,
        css=curve.css,
        points=" ".join(f"{x:.1f},{y:.1f}" for x, y, _ in drawn),
        last=_figure(key, drawn[-1][2]) if drawn else "",
    )


def _band(epoch: Epoch, curves: Sequence[Curve], until: int) -> Band:
    half = WIDTH / max(until - 1, 1) / 2
    x = _x(epoch["epoch"], until)
    left, right = max(x - half, 0), min(x + half, WIDTH)
    said = ", ".join(f"{curve.name} {_figure(curve.key, epoch.get(curve.key))}" for curve in curves)
    text = _("Epoch {epoch}. {figures}").format(epoch=epoch["epoch"], figures=said)
    return Band(round(left, 1), round(right - left, 1), text)


def _figure(key: str, value: float | None) -> str:
    if value is None or not math.isfinite(value):
        return _("none")
    if key.endswith("accuracy"):
        return f"{number_format(f'{value * 100:.1f}')}\u00a0%"
    return number_format(f"{value:.3f}")


def _finite(value: Any) -> bool:
    return value is not None and math.isfinite(value)


def _x(epoch: int, until: int) -> float:
    """The first epoch stands at the left edge, `until` at the right one."""
    return round((epoch - 1) * WIDTH / (until - 1), 1) if until > 1 else WIDTH / 2


def _x_ticks(until: int) -> list[int]:
    """The ends, and the middle where it is a whole epoch: the page spaces them evenly."""
    return sorted({1, until} | ({(until + 1) // 2} if until % 2 else set()))


def _y(value: float, ticks: list[float]) -> float:
    return HEIGHT * (1 - (value - ticks[0]) / (ticks[-1] - ticks[0]))


def _ticks(low: float, high: float, about: int = 4) -> list[float]:
    """Round numbers from below low to above high, evenly spaced; at least two."""
    rough = max(high - low, 1e-6) / about
    power = 10 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [n * step for n in range(first, max(last, first + 1) + 1)]


def sparkline(accuracies: Sequence[float]) -> str:
    """Points of a small curve, 120 × 28 units, scaled to its own range; empty for fewer than two epochs."""
    known = [value for value in accuracies if _finite(value)]
    if len(known) < 2:
        return ""
    low, high = min(known), max(known)
    span = (high - low) or 1.0
    step = SPARK_WIDTH / (len(known) - 1)
    return " ".join(
        f"{n * step:.1f},{2 + (SPARK_HEIGHT - 4) * (1 - (value - low) / span):.1f}"
        for n, value in enumerate(known)
    )
