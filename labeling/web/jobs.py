"""Long work on a page: its live state, and the buttons that stop it and set it going again."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect, JsonResponse
from django.template.loader import render_to_string

from labeling import attendance, work
from labeling.models import Work, WorkState
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


def waits_for(rows: list[Work]) -> str:
    """What something queued waits for: `worker` if none is there for it, `turn` if they are busy, else nothing."""
    queues = {row.queue for row in rows if row.state == WorkState.WAITING}
    if not queues:
        return ""
    if queues & set(attendance.unserved()):
        return "worker"
    return "turn" if any(attendance.is_busy(queue) for queue in queues) else ""


def ask(request: HttpRequest, verb: Callable[[], Any], done: str, to: str) -> HttpResponseBase:
    """Call the verb, say what came of it, and go back to the page."""
    try:
        verb()
    except (Refusal, work.CannotMove, work.Refused) as refusal:
        messages.error(request, told(str(refusal)))
    else:
        messages.success(request, done)
    return HttpResponseRedirect(to)
