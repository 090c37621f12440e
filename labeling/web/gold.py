"""The managers' page of a campaign's gold and of the examples in its instructions."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from labeling import examples, gold, qualification
from labeling.expressions import OTHER_ANSWERS
from labeling.models import Campaign
from labeling.refusals import Refusal
from labeling.rules import may_manage
from labeling.web.doors import door

ROWS_PER_PAGE = 60
HIDDEN, QUALIFICATION, EXAMPLE = "hidden", "qualification", "example"
SOURCE = "source"
"""Of candidates: those their source names, instead of those people agree on."""


class FilterForm(forms.Form):
    """Which candidates are shown."""

    said_by = forms.CharField(required=False, max_length=10)
    label = forms.CharField(required=False, max_length=40)
    least = forms.IntegerField(required=False, min_value=0, max_value=100)


class OneForm(forms.Form):
    """What one face is to say."""

    face = forms.IntegerField(min_value=1, max_value=2**63 - 1)
    answer = forms.CharField(max_length=40)
    note = forms.CharField(required=False, max_length=gold.LONGEST_NOTE)
    use = forms.ChoiceField(choices=[(use, use) for use in (HIDDEN, QUALIFICATION, EXAMPLE)])


@door(may_manage)
@require_safe
def campaign_gold(request: HttpRequest, pk: int) -> HttpResponse:
    shown = get_object_or_404(Campaign, pk=pk)
    figures = gold.figures(shown)
    context = {
        "campaign": shown,
        "supply": gold.supply(shown),
        "doubtful": sum(one.doubtful for one in figures),
        "page": Paginator(figures, ROWS_PER_PAGE).get_page(request.GET.get("page")),
        "examples": examples.of(shown),
        "voted_on": examples.voted_on(shown),
        "people": qualification.people(shown) if shown.qualification_faces else [],
        "answers": [*shown.expressions, *OTHER_ANSWERS],
        "tab": "gold",
        **_candidates(request, shown),
    }
    return render(request, "labeling/campaign_gold.html", context)


def _candidates(request: HttpRequest, campaign: Campaign) -> dict[str, Any]:
    form = FilterForm(request.GET)
    asked = form.cleaned_data if form.is_valid() else {}
    label = asked.get("label") or ""
    least = asked.get("least")
    least = round(100 * gold.HIGH_AGREEMENT) if least is None else least
    by_source = asked.get("said_by") == SOURCE
    if by_source:
        found = gold.named_by_sources(campaign, label=label)
    else:
        found = gold.candidates(campaign, label=label, least=least / 100)
    kept = {"said_by": SOURCE if by_source else "", "label": label, "least": least}
    return {
        "candidates": found,
        "by_source": by_source,
        "label": label,
        "least": least,
        "address": urlencode({name: value for name, value in kept.items() if value != ""}),
    }


@door(may_manage)
@require_POST
def gold_set(request: HttpRequest, pk: int) -> HttpResponseBase:
    """One face with its answer and a note, or many (`chosen`, each `FACE ANSWER`) by the answers they are known by."""
    campaign = get_object_or_404(Campaign, pk=pk)
    forms_sent = _sent(request)
    if not forms_sent:
        messages.error(request, _("Choose at least one face."))
    told = [_set(request, campaign, form) for form in forms_sent]
    done = told.count("")
    # The same reason once, however many faces it kept out.
    for refusal in dict.fromkeys(text for text in told if text):
        messages.error(request, refusal)
    if done:
        text = ngettext("{n} face is set.", "{n} faces are set.", done)
        messages.success(request, text.format(n=done))
    return _back(request, campaign)


def _sent(request: HttpRequest) -> list[OneForm]:
    if "face" in request.POST:
        return [OneForm(request.POST)]
    use = request.POST.get("use", "")
    pairs = [chosen.partition(" ") for chosen in request.POST.getlist("chosen")]
    return [OneForm({"face": face, "answer": answer, "use": use}) for face, _space, answer in pairs]


def _set(request: HttpRequest, campaign: Campaign, form: OneForm) -> str:
    """Why it was not done; empty when it was."""
    if not form.is_valid():
        return _("Choose a face, its answer, and what it is used for.")
    asked = form.cleaned_data
    face = {"campaign": campaign, "face": asked["face"], "note": asked["note"], "by": request.user}
    try:
        if asked["use"] == EXAMPLE:
            examples.set_example(expression=asked["answer"], **face)
        else:
            gold.set_gold(answer=asked["answer"], qualification=asked["use"] == QUALIFICATION, **face)
    except Refusal as refusal:
        return str(refusal)
    return ""


@door(may_manage)
@require_POST
def gold_remove(request: HttpRequest, pk: int) -> HttpResponseBase:
    return _removed(request, pk, gold.remove_gold)


@door(may_manage)
@require_POST
def example_remove(request: HttpRequest, pk: int) -> HttpResponseBase:
    return _removed(request, pk, examples.remove_example)


def _removed(request: HttpRequest, pk: int, verb: Callable[..., None]) -> HttpResponseBase:
    campaign = get_object_or_404(Campaign, pk=pk)
    face = request.POST.get("face", "")
    try:
        number = int(face) if face.isascii() and face.isdigit() and len(face) < 19 else 0
        verb(campaign=campaign, face=number, by=request.user)
    except Refusal as refusal:
        messages.error(request, str(refusal))
    return _back(request, campaign)


def _back(request: HttpRequest, campaign: Campaign) -> HttpResponseBase:
    back = request.POST.get("next", "")
    if back and url_has_allowed_host_and_scheme(back, {request.get_host()}, request.is_secure()):
        return redirect(back)
    return redirect("labeling:campaign_gold", campaign.pk)
