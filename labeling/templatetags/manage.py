"""How the managers' pages write times, sizes and shares."""

from collections.abc import Mapping
from typing import Any

from django import template

register = template.Library()


@register.filter
def clock(milliseconds: int) -> str:
    """83400 → 1:23.4, as a video player shows it."""
    tenths = milliseconds // 100
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    start = f"{hours}:{minutes:02}" if hours else f"{minutes}"
    return f"{start}:{rest // 10:02}.{rest % 10}"


@register.filter
def of(mapping: Mapping[Any, Any], key: Any) -> Any:
    """mapping[key], or 0 where it has none."""
    return mapping.get(key, 0)


@register.filter
def percent(part: float, whole: float) -> int:
    """A share in whole percent, 0 to 100; 0 of nothing is 0."""
    return round(100 * part / whole) if whole else 0


@register.filter
def chip(state: str) -> str:
    """The chip class of a state."""
    classes = {
        "done": "chip-ok",
        "settled": "chip-ok",
        "agreed": "chip-ok",
        "failed": "chip-bad",
        "stopped": "chip-warn",
        "no_consensus": "chip-warn",
        "waiting": "chip-quiet",
        "not_a_face": "chip-quiet",
    }
    return classes.get(state, "")


@register.filter
def words(name: str) -> str:
    """cant_tell → can't tell, no_consensus → no consensus."""
    return {"cant_tell": "can’t tell"}.get(name, name.replace("_", " "))
