"""How pages of every room show answers, votes and times: `{% load look %}`."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from math import isnan
from urllib.parse import urlencode

from django import template
from django.templatetags.static import static
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.timesince import timesince, timeuntil
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from labeling import expressions, sayings
from labeling.expressions import EIGHT, OTHER_ANSWERS

register = template.Library()

DRAWN = frozenset((*EIGHT, *OTHER_ANSWERS))
"""Answers that have a colour in vemo.css and an icon in expressions.svg."""
answer_word = register.filter("answer_word", expressions.word)
told = register.filter("told", sayings.told)
"""What a worker wrote into the database, in the reader's language."""


@register.filter
def answer_class(answer: str) -> str:
    """The CSS class that carries the answer's fixed colour; empty for expressions that have none."""
    return f"expression-{answer}" if answer in DRAWN else ""


@register.filter
def percent(share: float | None, digits: int = 0) -> str:
    """A share of 0–1 as `63 %`; a dash where there is none (None or NaN)."""
    return "–" if share is None or isnan(share) else f"{_decimal(100 * share, digits)} %"


@register.filter
def figure(number: float | None, digits: int = 2) -> str:
    """`0.63`, `2,540`; a dash where there is none (None or NaN)."""
    return "–" if number is None or isnan(number) else _decimal(number, digits)


def _decimal(number: float, digits: int) -> str:
    """Rounded, with the decimal mark and the separators of the reader's language."""
    return number_format(f"{number:.{digits}f}", force_grouping=True)


@register.filter
def most_first(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """Answers that have votes, and how many: the most frequent first."""
    return sorted(((answer, votes) for answer, votes in counts.items() if votes), key=lambda pair: -pair[1])


@register.filter
def minus(number: int, other: int) -> int:
    return number - other


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
    for answer, votes in most_first(counts):
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
        return format_html('<svg class="bar" role="img" aria-label="{}"></svg>', _("No votes yet"))
    words = ", ".join(f"{answer_word(part.answer)} {part.votes}" for part in parts)
    return format_html(
        '<svg class="bar" role="img" aria-label="{}"><title>{}</title>{}</svg>',
        _("Votes: {votes}").format(votes=words),
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
    """One share of 0–1 as a bar, in the answer's colour if named. Decoration: say the number beside it."""
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
    return format_html('<time datetime="{}" title="{}">{}</time>', moment.isoformat(), exact, _since(moment))


def _since(moment: datetime) -> str:
    if (timezone.now() - moment).total_seconds() < 60:
        return _("just now")
    return _("{time} ago").format(time=timesince(moment, depth=1))


@register.filter
def soon(moment: datetime) -> str:
    """`in 3 hours`, `in a moment` within the minute and for what is past."""
    left = (moment - timezone.now()).total_seconds()
    return _("in {time}").format(time=timeuntil(moment, depth=1)) if left >= 60 else _("in a moment")


@register.simple_tag
def answer_icon(answer: str) -> SafeString:
    """The answer's line drawing; decoration, as the word always stands beside it."""
    address = static("labeling/expressions.svg")
    return format_html(
        '<svg class="icon" aria-hidden="true"><use href="{}#{}"/></svg>',
        address,
        answer if answer in DRAWN else "expression",
    )


@register.simple_tag
def icon(name: str) -> SafeString:
    """One of the other drawings of expressions.svg: undo, skip."""
    return format_html(
        '<svg class="icon" aria-hidden="true"><use href="{}#{}"/></svg>',
        static("labeling/expressions.svg"),
        name,
    )


@register.simple_tag
def vote_words(counts: Mapping[str, int] | None) -> SafeString:
    """The votes of a face in words, most first: colour alone says nothing to some."""
    words = (f"{answer_word(part.answer)} {part.votes}" for part in segments(counts or {}))
    return format_html('<span class="small quiet">{}</span>', ", ".join(words))


@dataclass(frozen=True)
class Bar:
    word: str
    count: int
    share: float
    """Of the longest bar."""
    answer: str = ""
    href: str = ""


def _bars(rows: Iterable[tuple[str, int, str, str]]) -> dict[str, list[Bar]]:
    known = list(rows)
    longest = max((count for _, count, _, _ in known), default=0) or 1
    return {"bars": [Bar(word, count, count / longest, answer, href) for word, count, answer, href in known]}


@register.inclusion_tag("labeling/bars.html")
def label_bars(by_label: Mapping[str, int], gallery: str) -> dict[str, list[Bar]]:
    """The labels agreed on, each a link to its faces below the address `gallery`."""
    rows = ((name, count, f"{gallery}?{urlencode({'label': name})}") for name, count in by_label.items())
    return _bars((answer_word(name), count, name, href) for name, count, href in rows)


@register.inclusion_tag("labeling/bars.html")
def votes_bars(votes_so_far: Mapping[int, int]) -> dict[str, list[Bar]]:
    """How many faces have how many votes."""
    rows = sorted(votes_so_far.items())
    return _bars((_votes(votes), faces, "", "") for votes, faces in rows)


def _votes(votes: int) -> str:
    return ngettext("{votes} vote", "{votes} votes", votes).format(votes=votes)
