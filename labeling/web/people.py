"""The managers' pages of a campaign's annotators, one by one, and of what was done in the campaign."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth import get_user_model
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop
from django.views.decorators.http import require_POST, require_safe

from labeling import annotator_queries, discards, log, one_annotator, people
from labeling.expressions import OTHER_ANSWERS
from labeling.models import Campaign, Discard
from labeling.refusals import Refusal
from labeling.rules import may_manage
from labeling.web import paging
from labeling.web.doors import door

ENTRIES_PER_PAGE = 50
IN_BACKGROUND = gettext_noop("These are many votes: a worker moves them. This page says how far it has come.")


class DiscardForm(forms.Form):
    """Which votes of an annotator are put aside, and why."""

    since = forms.DateTimeField(
        label=gettext_lazy("Votes since"),
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )
    reason = forms.CharField(
        label=gettext_lazy("Because"), min_length=people.SHORTEST_REASON, max_length=people.LONGEST_REASON
    )
    pause = forms.BooleanField(label=gettext_lazy("Pause them too"), required=False)


@door(may_manage)
@require_safe
def campaign_annotators(request: HttpRequest, pk: int) -> HttpResponse:
    shown = get_object_or_404(Campaign, pk=pk)
    context = {
        "campaign": shown,
        "survey": annotator_queries.survey(shown),
        "paused": people.paused(shown),
        "tab": "annotators",
    }
    return render(request, "labeling/campaign_annotators.html", context)


@door(may_manage)
@require_safe
def campaign_annotator(request: HttpRequest, pk: int, user_pk: int) -> HttpResponse:
    shown, annotator = _both(pk, user_pk)
    return _page(request, shown, annotator, DiscardForm())


def _both(pk: int, user_pk: int) -> tuple[Campaign, Any]:
    return get_object_or_404(Campaign, pk=pk), get_object_or_404(get_user_model(), pk=user_pk)


def _page(
    request: HttpRequest, shown: Campaign, annotator: Any, form: DiscardForm, status: int = 200
) -> HttpResponse:
    survey = annotator_queries.survey(shown)
    person = survey.of(annotator.pk)
    context = {
        "campaign": shown,
        "annotator": annotator,
        "person": person,
        "survey": survey,
        "shares": one_annotator.shares(
            person.answers if person else {}, survey.answers(), [*shown.expressions, *OTHER_ANSWERS]
        ),
        "pace": one_annotator.pace(shown, annotator),
        "last": one_annotator.last_votes(shown, annotator),
        "misses": one_annotator.last_misses(shown, annotator),
        "discards": discards.of(shown, annotator),
        "paused_at": people.paused(shown).get(annotator.pk),
        "form": form,
        "tab": "annotators",
    }
    return render(request, "labeling/campaign_annotator.html", context, status=status)


@door(may_manage)
@require_POST
def annotator_pause(request: HttpRequest, pk: int, user_pk: int) -> HttpResponseBase:
    return _changed(request, pk, user_pk, people.pause_annotator)


@door(may_manage)
@require_POST
def annotator_resume(request: HttpRequest, pk: int, user_pk: int) -> HttpResponseBase:
    return _changed(request, pk, user_pk, people.resume_annotator)


def _changed(request: HttpRequest, pk: int, user_pk: int, verb: Callable[..., None]) -> HttpResponseBase:
    shown, annotator = _both(pk, user_pk)
    try:
        verb(campaign=shown, annotator=annotator, reason=request.POST.get("reason", ""), by=request.user)
    except Refusal as refusal:
        messages.error(request, str(refusal))
    return redirect("labeling:campaign_annotator", pk, user_pk)


@door(may_manage)
def annotator_discard(request: HttpRequest, pk: int, user_pk: int) -> HttpResponseBase:
    """By GET what it would do, by POST it is done."""
    shown, annotator = _both(pk, user_pk)
    form = DiscardForm(request.POST if request.method == "POST" else request.GET)
    if not form.is_valid():
        return _page(request, shown, annotator, form, status=400)
    asked = form.cleaned_data
    if request.method == "POST":
        return _discard(request, shown, annotator, asked)
    context = {
        "campaign": shown,
        "annotator": annotator,
        "asked": asked,
        "form": form,
        "preview": discards.preview_discard(campaign=shown, annotator=annotator, since=asked["since"]),
        "tab": "annotators",
    }
    return render(request, "labeling/campaign_discard.html", context)


def _discard(
    request: HttpRequest, shown: Campaign, annotator: Any, asked: dict[str, Any]
) -> HttpResponseBase:
    try:
        told = discards.discard(
            campaign=shown, annotator=annotator, by=request.user, at_once=discards.AT_ONCE, **asked
        )
        messages.success(
            request, log.discarded_words(told.votes, told.open) if told.finished else _(IN_BACKGROUND)
        )
    except Refusal as refusal:
        messages.error(request, str(refusal))
    return redirect("labeling:campaign_annotator", shown.pk, annotator.pk)


@door(may_manage)
@require_POST
def discard_restore(request: HttpRequest, pk: int) -> HttpResponseBase:
    made = get_object_or_404(Discard.objects.select_related("campaign", "annotator"), pk=pk)
    try:
        told = discards.restore(discard=made, by=request.user, at_once=discards.AT_ONCE)
        messages.success(
            request, log.restored_words(told.votes, told.aside) if told.finished else _(IN_BACKGROUND)
        )
    except Refusal as refusal:
        messages.error(request, str(refusal))
    return redirect("labeling:campaign_annotator", made.campaign_id, made.annotator_id)


@door(may_manage)
@require_safe
def campaign_log(request: HttpRequest, pk: int) -> HttpResponse:
    shown = get_object_or_404(Campaign, pk=pk)
    page = paging.newest_first(log.entries(shown), request, "after", ENTRIES_PER_PAGE)
    lines = [(entry, log.deed(entry), log.details(entry)) for entry in page.rows]
    context = {"campaign": shown, "page": page, "lines": lines, "tab": "log"}
    return render(request, "labeling/campaign_log.html", context)
