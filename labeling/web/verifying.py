"""Verifying a snapshot from its page."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from labeling import work
from labeling.models import Snapshot, Verification, WorkState
from labeling.rules import may_manage
from labeling.snapshots import verification
from labeling.web import jobs
from labeling.web.doors import door


@door(may_manage)
@require_POST
def snapshot_verify(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Have every byte read again."""
    row = get_object_or_404(Snapshot, pk=pk)
    if row.state != WorkState.DONE:
        raise Http404(_("Only a finished snapshot can be verified."))
    return jobs.ask(
        request,
        lambda: verification.verify_later(snapshot=row, asked_by=request.user),
        _("Every byte is read again."),
        reverse("labeling:snapshot", args=[pk]),
    )


@door(may_manage)
@require_POST
def verification_stop(request: HttpRequest, pk: int) -> HttpResponseBase:
    row = get_object_or_404(Verification, pk=pk)
    page = reverse("labeling:snapshot", args=[row.snapshot_id])
    return jobs.ask(request, lambda: work.stop(row), _("It will stop shortly."), page)


def context(row: Snapshot) -> dict[str, Any]:
    """The verification under way, and what the last whole one found. Costs one statement."""
    newest = list(row.verifications.all()[:10])
    return {
        "verifying": next((each for each in newest[:1] if each.state != WorkState.DONE), None),
        "verified": next((each for each in newest if each.state == WorkState.DONE), None),
    }
