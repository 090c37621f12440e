"""What managers do to faces they have selected, and near-duplicates."""

from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.formats import number_format
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from labeling import alike_queries, face_filter
from labeling import gallery as verbs
from labeling.erasure.scope import MOST
from labeling.models import Campaign, Face
from labeling.refusals import Refusal
from labeling.rules import may_manage
from labeling.web import deeds, erasures, face_filters, paging
from labeling.web.doors import door

GROUPS_PER_PAGE = 20
SELECTED_AT_MOST = 5_000
"""Faces ticked one by one."""


@door(may_manage)
@require_POST
def act(request: HttpRequest) -> HttpResponseBase:
    """One verb for the faces ticked, or for all that match the filter."""
    chosen = _chosen(request.POST)
    verb = request.POST.get("do", "")
    if verb == "alike":
        return _to_groups(chosen)
    if verb == "erase":
        return _to_erasure(request, chosen)
    try:
        if verb == "leave_out":
            deeds.tell(request, verbs.leave_out(faces=chosen, by=request.user))
        elif verb == "take_back":
            deeds.tell(request, verbs.take_back(faces=chosen, by=request.user))
        elif verb == "add":
            _add(request, chosen)
        else:
            messages.error(request, _("Choose what to do with the faces."))
    except Refusal as refusal:
        messages.error(request, str(refusal))
    return redirect(_back(request))


def _chosen(posted: QueryDict) -> QuerySet[Face]:
    if posted.get("all"):
        return face_filter.faces(face_filters.read(QueryDict(posted.get("filter", ""))))
    keys = [int(key) for key in posted.getlist("face")[:SELECTED_AT_MOST] if key.isascii() and key.isdigit()]
    return Face.objects.filter(pk__in=keys)


def _add(request: HttpRequest, chosen: QuerySet[Face]) -> None:
    asked = request.POST.get("campaign", "")
    campaign = Campaign.objects.filter(pk=int(asked)).first() if asked.isascii() and asked.isdigit() else None
    if campaign is None:
        messages.error(request, _("Choose a campaign to add the faces to."))
        return
    deed = verbs.add_to_campaign(faces=chosen, campaign=campaign, by=request.user)
    deeds.tell(request, deed, campaign=campaign.name)


def _to_groups(chosen: QuerySet[Face]) -> HttpResponseBase:
    names = chosen.filter(likeness__isnull=False).order_by("pk").values_list("likeness", flat=True)
    groups = list(dict.fromkeys(names[:GROUPS_PER_PAGE]))
    if len(groups) == 1:
        return redirect(f"{reverse('labeling:faces')}?alike={groups[0]}")
    of = "&".join(f"of={name}" for name in groups)
    return redirect(f"{reverse('labeling:faces_alike')}?{of}")


def _to_erasure(request: HttpRequest, chosen: QuerySet[Face]) -> HttpResponseBase:
    """The preview of erasing them; nothing is erased before its button."""
    keys = list(chosen.order_by("pk").values_list("pk", flat=True)[: MOST + 1])
    if len(keys) > MOST:
        text = _("One erasure names at most {most} faces. Erase by source or author, or in parts.")
        messages.error(request, text.format(most=number_format(MOST, force_grouping=True)))
        return redirect(_back(request))
    return redirect(erasures.choose(request, keys))


@door(may_manage)
@require_POST
def undo(request: HttpRequest) -> HttpResponseBase:
    try:
        count = verbs.undo(token=deeds.token(request, request.POST.get("key", "")), by=request.user)
    except Refusal as refusal:
        messages.error(request, str(refusal))
    else:
        text = ngettext("Undone, for {count} face.", "Undone, for {count} faces.", count)
        messages.success(request, text.format(count=number_format(count, force_grouping=True)))
        deeds.forget(request)
    return redirect(_back(request))


@door(may_manage)
@require_safe
def alike(request: HttpRequest) -> HttpResponseBase:
    of = [
        int(name) for name in request.GET.getlist("of")[:GROUPS_PER_PAGE] if name.isascii() and name.isdigit()
    ]
    place = (paging.number(request, "size") or 0, paging.number(request, "after") or 0)
    groups, following = alike_queries.groups(after=place, limit=GROUPS_PER_PAGE, of=of)
    context = {
        "groups": groups,
        "is_first": not place[0],
        "next": following,
        "of": of,
        "undo": deeds.last(request),
    }
    return render(request, "labeling/faces_alike.html", context)


@door(may_manage)
@require_POST
def alike_merge(request: HttpRequest) -> HttpResponseBase:
    names = [int(name) for name in request.POST.getlist("group") if name.isascii() and name.isdigit()]
    return _sorted(request, lambda: verbs.merge(groups=names, by=request.user))


@door(may_manage)
@require_POST
def alike_part(request: HttpRequest) -> HttpResponseBase:
    face = request.POST.get("face", "")
    key = int(face) if face.isascii() and face.isdigit() else 0
    return _sorted(request, lambda: verbs.part(face=key, by=request.user))


def _sorted(request: HttpRequest, verb: Any) -> HttpResponseBase:
    try:
        deeds.tell(request, verb())
    except Refusal as refusal:
        messages.error(request, str(refusal))
    return redirect(_back(request))


def _back(request: HttpRequest) -> str:
    """The page of this site that was left, else the gallery."""
    asked = request.POST.get("next", "")
    if asked.startswith("/") and url_has_allowed_host_and_scheme(asked, allowed_hosts=None):
        return asked
    return reverse("labeling:faces")
