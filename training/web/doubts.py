"""Pages of doubtful faces, and of the rounds opened on them."""

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from labeling import suggestions
from labeling.models import Campaign
from labeling.refusals import Refusal
from labeling.web.doors import door
from training import predictions, queries, relabeling
from training.models import TrainingRun
from training.rules import may_train
from training.web.forms import OpenRoundForm
from training.web.matrix import matrix

FACES_PER_PAGE = 48
ROUNDS_PER_PAGE = 25


def _run(pk: int) -> TrainingRun:
    return get_object_or_404(TrainingRun.objects.select_related("snapshot__campaign"), pk=pk)


def _campaign(request: HttpRequest, run: TrainingRun) -> Campaign:
    asked = request.GET.get("campaign", "")
    return get_object_or_404(Campaign, pk=asked) if asked.isdigit() else run.snapshot.campaign


@door(may_train)
@require_GET
def page(request: HttpRequest, pk: int) -> HttpResponse:
    run = _run(pk)
    campaign = _campaign(request, run)
    origin = predictions.origin(run)
    rows = suggestions.doubted(campaign=campaign, origin=origin)
    page = Paginator(rows, FACES_PER_PAGE).get_page(request.GET.get("page"))
    return render(
        request,
        "training/doubts.html",
        {
            "run": run,
            "campaign": campaign,
            "page": page,
            "prediction": run.predictions.filter(campaign=campaign).first(),
            "outdated": suggestions.outdated(campaign=campaign, origin=origin).count(),
            "form": OpenRoundForm(),
        },
    )


@door(may_train)
@require_POST
def open_round(request: HttpRequest, pk: int) -> HttpResponse:
    run = _run(pk)
    back = f"{reverse('training:run_doubts', args=[pk])}?campaign={_campaign(request, run).pk}"
    form = OpenRoundForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("Say how many fresh votes each face shall get, from 1 to 1,000."))
        return redirect(back)
    try:
        opened = relabeling.open_round(
            run=run,
            campaign_face_ids=form.cleaned_data["campaign_face"],
            votes_per_face=form.cleaned_data["votes_per_face"],
            opened_by=request.user,
        )
    except Refusal as refusal:
        messages.error(request, str(refusal))
        return redirect(back)
    return redirect("training:relabel_round", opened.pk)


@door(may_train)
@require_GET
def rounds(request: HttpRequest) -> HttpResponse:
    page = Paginator(queries.rounds_for_list(), ROUNDS_PER_PAGE).get_page(request.GET.get("page"))
    return render(request, "training/relabel_rounds.html", {"page": page})


@door(may_train)
@require_GET
def round_page(request: HttpRequest, pk: int) -> HttpResponse:
    opened = get_object_or_404(queries.rounds_for_list(), pk=pk)
    changes = relabeling.changes(opened)
    page = Paginator(changes.changed, FACES_PER_PAGE).get_page(request.GET.get("page"))
    return render(
        request,
        "training/relabel_round.html",
        {
            "round": opened,
            "changes": changes,
            "page": page,
            "matrix": matrix(changes.labels, changes.matrix) if changes.settled else None,
        },
    )
