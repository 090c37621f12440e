"""The managers' pages of campaigns: what is asked, how far it has come, where people disagree."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from labeling import campaign_figures, gallery_queries
from labeling import campaigns as verbs
from labeling.campaign_queries import campaign_rows
from labeling.face_filter import STATES, FaceFilter
from labeling.licence_words import left_out_line
from labeling.models import Campaign, CampaignFace, Outcome
from labeling.quality_words import kept_out_line
from labeling.refusals import Refusal
from labeling.rules import may_manage
from labeling.voting import integrity
from labeling.web import campaign_words, jobs, paging
from labeling.web.campaign_forms import DuplicateForm, ExtendForm, FacesForm
from labeling.web.doors import door

CAMPAIGNS_PER_PAGE = 50
FACES_PER_PAGE = 60


@door(may_manage)
@require_safe
def campaigns(request: HttpRequest) -> HttpResponse:
    page = paging.newest_first(Campaign.objects.all(), request, "after", CAMPAIGNS_PER_PAGE)
    return render(request, "labeling/campaigns.html", {"page": page, "rows": campaign_rows(page.rows)})


@door(may_manage)
@require_safe
def campaign(request: HttpRequest, pk: int) -> HttpResponse:
    shown = get_object_or_404(Campaign, pk=pk)
    context = {
        **_progress(shown),
        "settings": campaign_words.settings_of(shown),
        "form": FacesForm(),
        "duplicate": DuplicateForm(initial={"name": verbs.name_for_copy(shown)}, prefix=""),
        "extend": ExtendForm(initial={"deadline": shown.deadline}, auto_id="id_new_%s"),
        "tab": "progress",
    }
    return render(request, "labeling/campaign.html", context)


@door(may_manage)
@require_safe
def campaign_live(request: HttpRequest, pk: int) -> HttpResponseBase:
    context = _progress(get_object_or_404(Campaign, pk=pk))
    return jobs.live(request, "labeling/campaign_progress.html", context, stage=context["stage"])


def _progress(shown: Campaign) -> dict[str, Any]:
    pace = campaign_figures.pace(shown)
    return {
        "campaign": shown,
        "stage": jobs.OVER if shown.state == Campaign.State.CLOSED else shown.state,
        "progress": verbs.progress(shown),
        "reliability": campaign_figures.reliability(shown),
        "pace": pace,
        "overdue": bool(shown.deadline and shown.deadline <= timezone.now()),
        "late": bool(pace.end and shown.deadline and pace.end > shown.deadline),
    }


@door(may_manage)
@require_POST
def campaign_add(request: HttpRequest, pk: int) -> HttpResponseBase:
    form = FacesForm(request.POST)
    if not form.is_valid():
        said = " ".join(str(error) for errors in form.errors.values() for error in errors)
        messages.error(request, _("No faces were added. {why}").format(why=said))
        return redirect("labeling:campaign", pk)
    shown = get_object_or_404(Campaign, pk=pk)
    choice = form.choice()
    made = verbs.add_faces(
        campaign=shown, faces=choice.matching(without=shown), limit=choice.limit, by=request.user
    )
    text = ngettext(
        "{n} face added; those that were in stay as they are.",
        "{n} faces added; those that were in stay as they are.",
        made.added,
    )
    messages.success(request, text.format(n=campaign_words.number(made.added)))
    for line in filter(None, (left_out_line(made.left_out), kept_out_line(made.kept_out))):
        messages.warning(request, line)
    return redirect("labeling:campaign", pk)


@door(may_manage)
@require_safe
def campaign_faces(request: HttpRequest, pk: int) -> HttpResponse:
    shown = get_object_or_404(Campaign, pk=pk)
    wanted = _filter(request, shown)
    after = paging.number(request, "after") or 0
    rows = gallery_queries.gallery(wanted, after=after, limit=FACES_PER_PAGE + 1)
    context = {
        "campaign": shown,
        "page": paging.cut(rows, after, FACES_PER_PAGE),
        "wanted": wanted,
        "states": STATES,
        "outcomes": Outcome.choices,
        "address": _address(wanted),
        "tab": "faces",
    }
    return render(request, "labeling/campaign_faces.html", context)


def _filter(request: HttpRequest, campaign: Campaign) -> FaceFilter:
    """The filter in the address; what makes no sense there filters nothing."""
    asked = request.GET
    allowed = {"state": CampaignFace.State.values, "outcome": Outcome.values, "label": campaign.expressions}
    kept = {name: asked[name] if asked.get(name) in values else "" for name, values in allowed.items()}
    return FaceFilter(campaign=campaign.pk, state=kept["state"], outcome=kept["outcome"], label=kept["label"])


def _address(wanted: FaceFilter) -> str:
    kept = {"state": wanted.state, "outcome": wanted.outcome, "label": wanted.label}
    return urlencode({name: value for name, value in kept.items() if value})


@door(may_manage)
@require_safe
def campaign_integrity(request: HttpRequest, pk: int) -> HttpResponse:
    shown = get_object_or_404(Campaign, pk=pk)
    checks = [(check, check.count()) for check in integrity.checks(shown)]
    context = {"campaign": shown, "checks": checks, "wrong": sum(n for _, n in checks), "tab": "integrity"}
    return render(request, "labeling/campaign_integrity.html", context)


def _moved(request: HttpRequest, pk: int, move: Callable[..., object]) -> HttpResponseBase:
    try:
        move(campaign=get_object_or_404(Campaign, pk=pk), by=request.user)
    except Refusal as refusal:
        messages.error(request, str(refusal))
    return redirect("labeling:campaign", pk)


@door(may_manage)
@require_POST
def campaign_pause(request: HttpRequest, pk: int) -> HttpResponseBase:
    return _moved(request, pk, verbs.pause)


@door(may_manage)
@require_POST
def campaign_reopen(request: HttpRequest, pk: int) -> HttpResponseBase:
    return _moved(request, pk, verbs.reopen)


@door(may_manage)
@require_POST
def campaign_close(request: HttpRequest, pk: int) -> HttpResponseBase:
    return _moved(request, pk, verbs.close)
