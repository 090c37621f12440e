"""Long work on a page: its live state, and the buttons that stop it and set it going again."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect, JsonResponse
from django.template.loader import render_to_string

from labeling import work
from labeling.models import Work
from labeling.refusals import Refusal
from labeling.sayings import told

OVER = "over"
"""The last stage of any work: nothing moves any more."""


def live(request: HttpRequest, template: str, context: dict[str, Any], *, stage: str) -> JsonResponse:
    """The part of a page that moves, rendered by the very template the page itself includes.

    When the stage is another than the page was made with, what lies around that part has changed too.
    """
    html = render_to_string(template, context, request)
    return JsonResponse({"html": html, "stage": stage}, headers={"Cache-Control": "no-store"})


def waits_for_nobody(rows: list[Work]) -> bool:
    """True when something is queued and no worker has been seen for a while."""
    return any(row.state == "waiting" for row in rows) and work.workers_are_silent()


def ask(request: HttpRequest, verb: Callable[[], Any], done: str, to: str) -> HttpResponseBase:
    """Call the verb, say what came of it, and go back to the page."""
    try:
        verb()
    except (Refusal, work.CannotMove, work.Refused) as refusal:
        messages.error(request, told(str(refusal)))
    else:
        messages.success(request, done)
    return HttpResponseRedirect(to)
