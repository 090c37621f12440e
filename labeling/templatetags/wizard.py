"""How the pages of campaigns write what is set: `{% load wizard %}`."""

from datetime import datetime

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince, timeuntil
from django.utils.translation import gettext as _

from labeling.web.campaign_words import moment

register = template.Library()
SOON_S = 86_400


@register.simple_tag
def time_left(deadline: datetime | None, *, exact: bool = False) -> SafeString:
    """`3 days left`, or that it has passed, the moment itself on hover (exact: beside it); a dash for no deadline."""
    if deadline is None:
        return SafeString("–")
    seconds = (deadline - timezone.now()).total_seconds()
    if seconds <= 0:
        text = _("passed {time} ago").format(time=timesince(deadline, depth=1))
    elif seconds < 60:
        text = _("less than a minute left")
    else:
        text = _("{time} left").format(time=timeuntil(deadline, depth=1))
    chip = "chip chip-bad" if seconds <= 0 else "chip chip-warn" if seconds < SOON_S else ""
    shown = format_html(
        '<time class="{}" datetime="{}" title="{}">{}</time>',
        chip,
        deadline.isoformat(),
        moment(deadline),
        text,
    )
    return format_html("{}, {}", moment(deadline), shown) if exact else shown
