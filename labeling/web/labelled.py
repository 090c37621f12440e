"""A new labelled set, in two steps: where it is, and what its classes mean."""

from django.conf import settings
from django.core.signing import BadSignature
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from labeling.refusals import Refusal
from labeling.rules import may_manage
from labeling.sayings import told
from labeling.sources.base import CannotRead
from labeling.web.doors import door
from labeling.web.labelled_forms import LabelledSet, Meanings


@door(may_manage)
@require_http_methods(["GET", "HEAD", "POST"])
def labelled_new(request: HttpRequest) -> HttpResponseBase:
    if request.method == "POST" and "token" in request.POST:
        return _begin(request)
    form = LabelledSet(request.POST, request.FILES, by=request.user) if request.method == "POST" else None
    if form is None or not form.is_valid():
        return _first(request, form or LabelledSet(by=request.user))
    try:
        token = form.token(form.survey())
    except (CannotRead, Refusal) as refusal:
        form.add_error(None, told(str(refusal)))
        return _first(request, form)
    return _second(request, Meanings(by=request.user, token=token))


def _begin(request: HttpRequest) -> HttpResponseBase:
    try:
        form = Meanings(request.POST, by=request.user, token=request.POST["token"])
    except BadSignature:
        first = LabelledSet({}, by=request.user)
        first.add_error(None, _("This page is too old, or not yours. Say again where the set is."))
        return _first(request, first)
    if form.is_valid():
        try:
            source = form.add()
        except Refusal as refusal:
            form.add_error(None, told(str(refusal)))
        else:
            return HttpResponseRedirect(reverse("labeling:source", args=[source.pk]))
    return _second(request, form)


def _first(request: HttpRequest, form: LabelledSet) -> HttpResponse:
    context = {"form": form, "most_bytes": settings.MAX_RESUMABLE_BYTES}
    return render(request, "labeling/labelled_new.html", context, status=400 if form.errors else 200)


def _second(request: HttpRequest, form: Meanings) -> HttpResponse:
    return render(
        request, "labeling/labelled_classes.html", {"form": form}, status=400 if form.errors else 200
    )
