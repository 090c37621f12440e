"""How the managers' pages write times, states and shares: `{% load manage %}`."""

from collections.abc import Iterable

from django import template

register = template.Library()

CHIPS = {
    "done": "chip-ok",
    "settled": "chip-ok",
    "failed": "chip-bad",
    "stopped": "chip-warn",
    "no_consensus": "chip-warn",
    "waiting": "chip-quiet",
    "open": "chip-quiet",
    "not_a_face": "chip-quiet",
}


@register.filter
def clock(milliseconds: int) -> str:
    """83400 → 1:23.4, as a video player shows it."""
    seconds, tenths = divmod(milliseconds // 100, 10)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    start = f"{hours}:{minutes:02}" if hours else f"{minutes}"
    return f"{start}:{seconds:02}.{tenths}"


@register.filter
def took(milliseconds: int) -> str:
    """462 → 462 ms, 12345 → 12 s, 179833 → 3:00 min."""
    if milliseconds < 10_000:
        return f"{milliseconds:,} ms"
    seconds = round(milliseconds / 1000)
    return f"{seconds} s" if seconds < 120 else f"{seconds // 60}:{seconds % 60:02} min"


@register.filter
def chip(state: str) -> str:
    """The chip class of a state; plain for what is running."""
    return CHIPS.get(state, "")


@register.filter
def share(part: float, whole: float) -> float:
    """part of whole, 0 to 1; 0 of nothing is 0."""
    return part / whole if whole else 0.0


@register.filter
def total(numbers: Iterable[int]) -> int:
    return sum(numbers)


@register.filter
def largest(numbers: Iterable[int]) -> int:
    return max(numbers, default=0)
