"""How the managers' pages write times, states and shares: `{% load manage %}`."""

from collections.abc import Iterable
from datetime import datetime
from urllib.parse import urlencode

from django import template
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from labeling import snapshot_words
from labeling.erasure.tombstones import ERASED
from labeling.snapshots.exports import FORMATS
from labeling.sources import KIND_WORDS
from labeling.sources.rights import BASES
from labeling.templatetags.look import soon

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

register.filter("origin_word", snapshot_words.origin_word)
split_word = register.filter("split_word", snapshot_words.split_word)
"""train, validation or test as people read it."""


@register.filter
def clock(milliseconds: int) -> str:
    """83400 → 1:23.4, as a video player shows it."""
    seconds, tenths = divmod(milliseconds // 100, 10)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    start = f"{hours}:{minutes:02}" if hours else f"{minutes}"
    return f"{start}:{seconds:02}.{tenths}"


@register.filter
def reason_query(reason: str) -> str:
    """The query of a source's page that lists what was refused for this reason."""
    return urlencode({"state": "refused", "reason": reason})


@register.filter
def may_be_tried(reason: str) -> bool:
    """Whether what was refused for this reason may be tried again: what was erased is not."""
    return not reason.startswith(ERASED)


@register.filter
def took(milliseconds: int) -> str:
    """462 → 462 ms, 12345 → 12 s, 179833 → 3:00 min."""
    if milliseconds < 10_000:
        return _("{number} ms").format(number=number_format(milliseconds, force_grouping=True))
    seconds = round(milliseconds / 1000)
    if seconds < 120:
        return _("{number} s").format(number=seconds)
    return _("{number} min").format(number=f"{seconds // 60}:{seconds % 60:02}")


@register.filter
def every(minutes: int) -> str:
    """1440 → every day, 90 → every 90 minutes."""
    known = {60: _("every hour"), 1440: _("every day"), 10080: _("every week")}
    if minutes in known:
        return known[minutes]
    if minutes % 60 == 0:
        return _("every {hours} hours").format(hours=number_format(minutes // 60))
    return ngettext("every minute", "every {minutes} minutes", minutes).format(minutes=number_format(minutes))


@register.simple_tag
def until(moment: datetime) -> SafeString:
    """`in 3 minutes`, with the exact time on hover."""
    exact = date_format(timezone.localtime(moment), "j M Y, H:i:s e")
    return format_html('<time datetime="{}" title="{}">{}</time>', moment.isoformat(), exact, soon(moment))


@register.filter
def chip(state: str) -> str:
    """The chip class of a state; plain for what is running."""
    return CHIPS.get(state, "")


@register.filter
def kind_word(kind: str) -> str:
    """A kind of source as people read it; of one this version no longer has, its key."""
    return str(KIND_WORDS.get(kind, kind))


@register.filter
def format_word(name: str) -> str:
    """A format of exports as people read it; of one this version no longer writes, its key."""
    return _(FORMATS[name].title) if name in FORMATS else name


@register.filter
def basis_words(basis: str) -> str:
    """Why a source's media may be used, in a sentence."""
    return str(BASES.get(basis, basis))


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
