"""How the ML pages write shares, times and labels."""

from typing import Any

from django import template
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from labeling import expressions
from labeling.models import Suggestion
from training.web import heat

register = template.Library()
register.filter("heat_picture", heat.data_uri)

CHIPS = {
    "waiting": "chip-quiet",
    "running": "",
    "stopped": "chip-warn",
    "failed": "chip-bad",
    "done": "chip-ok",
}


@register.filter
def share(value: float | None, digits: int = 1) -> str:
    """0.6543 → 65.4 %, never broken before its sign; a dash for nothing."""
    return "–" if value is None else f"{number_format(f'{value * 100:.{digits}f}')}\u00a0%"


@register.filter
def chip(state: str) -> str:
    return CHIPS.get(state, "chip-quiet")


@register.filter
def duration(seconds: float | None) -> str:
    """Seconds → `40 s`, `12 min`, `3 h 05 min`; empty for nothing."""
    if seconds is None:
        return ""
    if seconds < 90:
        return _("{seconds} s").format(seconds=f"{seconds:.0f}")
    minutes = round(seconds / 60)
    if minutes < 90:
        return _("{minutes} min").format(minutes=minutes)
    return _("{hours} h {minutes} min").format(hours=minutes // 60, minutes=f"{minutes % 60:02d}")


words = register.filter("words", expressions.word)
"""A label or an outcome in the reader's words."""


@register.filter
def top(suggestion: Suggestion) -> float:
    """The probability of the suggested label, 0–1."""
    return float(suggestion.probabilities[suggestion.label])


@register.filter
def most_first(counts: dict[str, int]) -> list[tuple[str, int]]:
    """Answers that got votes, the most frequent first."""
    given = [(answer, count) for answer, count in counts.items() if count]
    return sorted(given, key=lambda pair: (-pair[1], pair[0]))


@register.inclusion_tag("training/vote_bar.html")
def votes(counts: dict[str, int]) -> dict[str, Any]:
    """A stacked bar of votes in the expressions' colours, said in words as well. 100 units wide."""
    pairs = most_first(counts)
    total = sum(count for _, count in pairs)
    parts, at = [], 0.0
    for answer, count in pairs:
        width = 100 * count / total
        parts.append({"answer": answer, "x": f"{at:.2f}", "width": f"{width:.2f}"})
        at += width
    said = ", ".join(f"{count} {expressions.word(answer)}" for answer, count in pairs)
    return {"parts": parts, "said": said or _("no votes")}


@register.simple_tag(takes_context=True)
def page_query(context: template.Context, number: int) -> str:
    """The present address's query with another page number."""
    query = context["request"].GET.copy()
    query["page"] = str(number)
    return f"?{query.urlencode()}"
