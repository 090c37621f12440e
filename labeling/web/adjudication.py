"""A manager decides on a face the votes are not clear about; the form stands on the face's own page."""

from collections.abc import Callable

from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from labeling import adjudication
from labeling.models import CampaignFace
from labeling.rules import may_manage
from labeling.web.doors import door


@door(may_manage)
@require_POST
def adjudicate(request: HttpRequest, pk: int) -> HttpResponseBase:
    label, reason = request.POST.get("label", ""), request.POST.get("reason", "")
    return _done(
        request,
        pk,
        lambda: adjudication.adjudicate(campaign_face_id=pk, label=label, reason=reason, by=request.user),
    )


@door(may_manage)
@require_POST
def retract(request: HttpRequest, pk: int) -> HttpResponseBase:
    return _done(request, pk, lambda: adjudication.retract(campaign_face_id=pk, by=request.user))


def _done(request: HttpRequest, pk: int, decide: Callable[[], object]) -> HttpResponseBase:
    """Back to the face, with what stood in the way, if anything did."""
    row = get_object_or_404(CampaignFace, pk=pk)
    try:
        decide()
    except adjudication.CannotAdjudicate as refusal:
        messages.error(request, str(refusal))
    back = request.POST.get("next", "")
    if back and url_has_allowed_host_and_scheme(back, {request.get_host()}, request.is_secure()):
        return redirect(back)
    return redirect("labeling:face", row.face_id)
