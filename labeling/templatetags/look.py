"""How pages of every room show answers, votes and times: `{% load look %}`."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from django import template
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.timesince import timesince

from labeling.expressions import CANT_TELL, EIGHT, NOT_A_FACE, OTHER_ANSWERS

register = template.Library()

DRAWN = frozenset((*EIGHT, *OTHER_ANSWERS))
"""Answers that have a colour in vemo.css and an icon in expressions.svg."""
WORDS = {CANT_TELL: "can't tell", NOT_A_FACE: "not a face"}


@register.filter
def answer_word(answer: str) -> str:
    """An answer as people read it: `cant_tell` → "can't tell"."""
    return WORDS.get(answer, answer.replace("_", " "))


@register.filter
def answer_class(answer: str) -> str:
    """The CSS class that carries the answer's fixed colour; empty for expressions that have none."""
    return f"expression-{answer}" if answer in DRAWN else ""


@register.filter
def percent(share: float | None, digits: int = 0) -> str:
    """A share of 0–1 as `63 %`; a dash where there is none."""
    return "–" if share is None else f"{100 * share:.{digits}f} %"


@register.simple_tag
def answer_chip(answer: str) -> SafeString:
    """The answer's colour and word."""
    return format_html(
        '<span class="chip {}">{}</span>', answer_class(answer) or "chip-quiet", answer_word(answer)
    )


@dataclass(frozen=True)
class Segment:
    answer: str
    votes: int
    start: float
    width: float


def segments(counts: Mapping[str, int]) -> list[Segment]:
    """The votes laid end to end, most first; start and width in percent of all votes."""
    total = sum(counts.values())
    result: list[Segment] = []
    start = 0.0
    for answer, votes in sorted(counts.items(), key=lambda pair: -pair[1]):
        if votes:
            result.append(Segment(answer, votes, start, 100 * votes / total))
            start += 100 * votes / total
    return result


@register.simple_tag
def vote_bar(counts: Mapping[str, int] | None) -> SafeString:
    """The votes of a face as one bar in the expressions' colours; its words are its accessible name.

    Drawn as SVG, whose widths are attributes: the content security policy forbids style attributes.
    """
    parts = segments(counts or {})
    if not parts:
        return SafeString('<svg class="bar" role="img" aria-label="No votes yet"></svg>')
    words = ", ".join(f"{answer_word(part.answer)} {part.votes}" for part in parts)
    return format_html(
        '<svg class="bar" role="img" aria-label="Votes: {}"><title>{}</title>{}</svg>',
        words,
        words,
        _rects(parts),
    )


def _rects(parts: Iterable[Segment]) -> SafeString:
    return format_html_join(
        "",
        '<rect class="{}" x="{}%" width="{}%" height="100%"/>',
        ((answer_class(part.answer), f"{part.start:.2f}", f"{part.width:.2f}") for part in parts),
    )


@register.simple_tag
def share_bar(share: float | None, answer: str = "") -> SafeString:
    """One share of 0–1 as a bar, in the answer's colour if one is named. Decoration: say the number beside it."""
    width = 100 * min(1.0, max(0.0, share or 0.0))
    return format_html(
        '<svg class="bar" aria-hidden="true"><rect class="{}" width="{}%" height="100%"/></svg>',
        answer_class(answer),
        f"{width:.2f}",
    )


@register.simple_tag
def ago(moment: datetime | None) -> SafeString:
    """`3 minutes ago`, with the exact time on hover; a dash for never."""
    if moment is None:
        return SafeString("–")
    exact = date_format(timezone.localtime(moment), "j M Y, H:i:s e")
    words = (
        "just now" if (timezone.now() - moment).total_seconds() < 60 else f"{timesince(moment, depth=1)} ago"
    )
    return format_html('<time datetime="{}" title="{}">{}</time>', moment.isoformat(), exact, words)
