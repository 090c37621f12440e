"""The annotator's qualification: what it is, one gold face at a time, what was meant, and how it ended."""

from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from django import forms
from django.contrib import messages
from django.contrib.auth import get_user_model
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from labeling import examples, preferences, qualification
from labeling.expressions import OTHER_ANSWERS
from labeling.models import Campaign
from labeling.qualification import Asked, CannotQualify, Feedback, State, Step
from labeling.refusals import Refusal
from labeling.rules import may_manage, may_vote
from labeling.web import paging
from labeling.web.doors import door

MOST_MS = 2**31 - 1


class AnswerForm(forms.Form):
    """What the page sends with an answer. The key was made with the page, so that sent twice it is once."""

    face = forms.IntegerField(min_value=0, max_value=2**63 - 1)
    number = forms.IntegerField(min_value=1, max_value=2**15 - 1)
    answer = forms.CharField(max_length=40)
    key = forms.UUIDField()
    took_ms = forms.IntegerField(min_value=0, max_value=MOST_MS, required=False)


# Never from the browser's own store: the way back leads to the face that is asked now.
@door(may_vote)
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def vote_qualify(request: HttpRequest, campaign_pk: int) -> HttpResponseBase:
    campaign = get_object_or_404(Campaign, pk=campaign_pk)
    if request.method == "POST":
        return _answered(request, campaign)
    stands = qualification.state(campaign, request.user)
    if stands.step is Step.NOT_NEEDED:
        return redirect("labeling:vote", campaign.pk)
    told = qualification.feedback(campaign, request.user, paging.number(request, "told") or 0)
    if told is not None:
        return _tell(request, campaign, stands, told)
    return _go_on(request, campaign, stands)


def _go_on(request: HttpRequest, campaign: Campaign, stands: State) -> HttpResponseBase:
    """The face that is asked now, if they have begun; else what it is about, or how it ended."""
    if stands.step is Step.TO_DO:
        try:
            qualification.demand_let_in(campaign, request.user)
        except CannotQualify as refusal:
            return _page(request, campaign, stands, barred=str(refusal))
        if stands.over and stands.enough:
            qualification.conclude(campaign, request.user)
            stands = qualification.state(campaign, request.user)
    now = None
    if stands.running or request.GET.get("go"):
        now = qualification.asked(campaign, request.user, stands)
    return _ask(request, campaign, stands, now) if now else _page(request, campaign, stands)


def _answered(request: HttpRequest, campaign: Campaign) -> HttpResponseBase:
    form = AnswerForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("Your answer came in pieces. Give it again."))
        return redirect("labeling:vote_qualify", campaign.pk)
    sent = form.cleaned_data
    try:
        given = qualification.answer(
            campaign=campaign,
            annotator=request.user,
            campaign_face_id=sent["face"],
            number=sent["number"],
            answer=sent["answer"],
            client_key=sent["key"],
            took_ms=sent["took_ms"],
        )
    except CannotQualify as refusal:
        messages.error(request, str(refusal))
        return redirect("labeling:vote_qualify", campaign.pk)
    here = reverse("labeling:vote_qualify", args=[campaign.pk])
    return redirect(f"{here}?{urlencode({'told': given.answer_id})}")


def _ask(request: HttpRequest, campaign: Campaign, stands: State, now: Asked) -> HttpResponseBase:
    keys = preferences.keys_for(campaign.expressions, preferences.of(request.user).keys, campaign.keys)
    context = {
        "campaign": campaign,
        "stands": stands,
        "now": now,
        "place": now.before + 1,
        "done": now.before,
        "answers": [(name, keys[name]) for name in campaign.expressions],
        "others": [(name, keys[name]) for name in OTHER_ANSWERS],
        "key": uuid4(),
        "examples": examples.of(campaign),
    }
    return render(request, "labeling/vote_qualify.html", context)


def _tell(request: HttpRequest, campaign: Campaign, stands: State, told: Feedback) -> HttpResponseBase:
    context = {
        "campaign": campaign,
        "stands": stands,
        "told": told,
        "place": stands.answered,
        "done": stands.answered,
        "last": not stands.running or told.number != stands.number,
    }
    return render(request, "labeling/vote_qualify.html", context)


def _page(request: HttpRequest, campaign: Campaign, stands: State, *, barred: str = "") -> HttpResponseBase:
    context: dict[str, Any] = {
        "campaign": campaign,
        "stands": stands,
        "step": stands.step.name,
        "barred": barred,
        "results": qualification.results(campaign, request.user, stands.number) if stands.over else [],
        "examples": examples.of(campaign),
    }
    return render(request, "labeling/vote_qualification.html", context)


@door(may_manage)
@require_POST
def attempts_reset(request: HttpRequest, pk: int, user_pk: int) -> HttpResponseBase:
    """A manager lets somebody try again."""
    campaign, annotator = get_object_or_404(Campaign, pk=pk), get_object_or_404(get_user_model(), pk=user_pk)
    try:
        qualification.reset_attempts(campaign=campaign, annotator=annotator, by=request.user)
        messages.success(request, _("{name} can try the qualification again.").format(name=annotator))
    except Refusal as refusal:
        messages.error(request, str(refusal))
    return redirect("labeling:campaign_gold", campaign.pk)
