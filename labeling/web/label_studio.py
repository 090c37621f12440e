"""Taking over from Label Studio, in two steps: the file, what would come of it; then its progress."""

from typing import Any

from django.core.signing import BadSignature
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from labeling import work
from labeling.label_studio import CannotTakeIn, imports
from labeling.label_studio.reading import MOST_BYTES
from labeling.models import LabelStudioImport
from labeling.rules import may_manage
from labeling.sayings import told
from labeling.web import jobs
from labeling.web.doors import door
from labeling.web.label_studio_forms import LabelStudioFile, LabelStudioMeanings

EARLIER = 10
"""Imports listed beside the form."""


@door(may_manage)
@require_http_methods(["GET", "HEAD", "POST"])
def label_studio_new(request: HttpRequest) -> HttpResponseBase:
    if request.method != "POST":
        return _first(request, LabelStudioFile())
    if "token" in request.POST:
        return _begin(request)
    form = LabelStudioFile(request.POST, request.FILES)
    if not form.is_valid():
        return _first(request, form)
    try:
        meanings = LabelStudioMeanings(by=request.user, token=form.token(request.user))
    except CannotTakeIn as refusal:
        form.add_error("upload", told(str(refusal)))
        return _first(request, form)
    return _second(request, meanings)


def _begin(request: HttpRequest) -> HttpResponseBase:
    try:
        form = LabelStudioMeanings(request.POST, by=request.user, token=request.POST["token"])
    except BadSignature:
        return _again(request, _("This page is too old, or not yours. Send the file again."))
    except CannotTakeIn as refusal:
        return _again(request, told(str(refusal)))
    if form.is_valid():
        try:
            row = form.begin()
        except CannotTakeIn as refusal:
            form.add_error(None, told(str(refusal)))
        else:
            return HttpResponseRedirect(_page(row.pk))
    return _second(request, form)


def _again(request: HttpRequest, problem: str) -> HttpResponse:
    form = LabelStudioFile({}, {})
    form.errors.clear()
    form.add_error(None, problem)
    return _first(request, form)


def _first(request: HttpRequest, form: LabelStudioFile) -> HttpResponse:
    earlier = LabelStudioImport.objects.select_related("campaign")[:EARLIER]
    context = {"form": form, "earlier": earlier, "most_bytes": MOST_BYTES}
    return render(request, "labeling/label_studio_new.html", context, status=400 if form.errors else 200)


def _second(request: HttpRequest, form: LabelStudioMeanings) -> HttpResponse:
    context = {"form": form, "outlook": form.outlook}
    return render(request, "labeling/label_studio_preview.html", context, status=400 if form.errors else 200)


@door(may_manage)
@require_safe
def label_studio(request: HttpRequest, pk: int) -> HttpResponse:
    return render(request, "labeling/label_studio.html", _progress(pk))


@door(may_manage)
@require_safe
def label_studio_live(request: HttpRequest, pk: int) -> JsonResponse:
    context = _progress(pk)
    return jobs.live(request, "labeling/label_studio_progress.html", context, stage=context["stage"])


@door(may_manage)
@require_POST
def label_studio_stop(request: HttpRequest, pk: int) -> HttpResponseBase:
    row = get_object_or_404(LabelStudioImport, pk=pk)
    return jobs.ask(request, lambda: work.stop(row), _("It stops shortly. What is in stays."), _page(pk))


@door(may_manage)
@require_POST
def label_studio_resume(request: HttpRequest, pk: int) -> HttpResponseBase:
    row = get_object_or_404(LabelStudioImport, pk=pk)
    return jobs.ask(request, lambda: imports.resume(row), _("It goes on where it was."), _page(pk))


def _progress(pk: int) -> dict[str, Any]:
    row = get_object_or_404(
        LabelStudioImport.objects.select_related("campaign", "source", "created_by"), pk=pk
    )
    return {
        "row": row,
        "taken": row.taken,
        "meanings": sorted(row.classes.items()),
        "waits_for": jobs.waits_for([row]),
        "stage": jobs.OVER if row.is_over else "taking",
    }


def _page(pk: int) -> str:
    return reverse("labeling:label_studio", args=[pk])
