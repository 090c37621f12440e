"""Pages of trainings."""

from functools import partial
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from labeling.models import WorkState
from labeling.web import jobs
from labeling.web.doors import door
from training import evaluations, metrics, predictions, queries
from training import runs as verbs
from training.models import TrainingRun
from training.rules import may_train
from training.web import charts, judged, presets, run_files
from training.web.forms import PredictForm, StartForm, can_be_repeated, like
from training.web.matrix import confusion

FACES_PER_PAGE = 48
MISTAKES_SHOWN = 12


@door(may_train)
@require_http_methods(["GET", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    form = StartForm(request.POST or None, initial=_initial(request))
    if form.is_valid() and (run := start(form, request.user)):
        return redirect("training:run", run.pk)
    return render(request, "training/run_new.html", {"form": form, "table": presets.table()})


def _initial(request: HttpRequest) -> dict[str, Any]:
    asked = request.GET.get("like", "")
    run = TrainingRun.objects.filter(pk=asked).first() if asked.isascii() and asked.isdigit() else None
    return like(run) if run and can_be_repeated(run) else {"snapshot": request.GET.get("snapshot")}


def start(form: StartForm, user: Any) -> TrainingRun | None:
    """Start what a valid form asks for; a refusal becomes the form's error."""
    try:
        return verbs.start(**form.asked(), created_by=user)
    except verbs.CannotStart as refusal:
        form.add_error(None, str(refusal))
        return None


def _run(pk: int) -> TrainingRun:
    return get_object_or_404(
        TrainingRun.objects.select_related("snapshot__campaign", "created_by", "weights_deleted_by"), pk=pk
    )


@door(may_train)
@require_GET
def page(request: HttpRequest, pk: int) -> HttpResponse:
    run = _run(pk)
    test = queries.evaluation_of(run, "test")
    mistakes = queries.judged_rows(verbs.folder(run)) if test else []
    images = queries.images_in(run.snapshot, "train")
    return render(
        request,
        "training/run.html",
        {
            **_live_context(run),
            "config": (config := queries.config_table(run)),
            "differing": [row for row in config if row.differs],
            "images": images,
            "image_passes": images * run.epochs,
            "test": test,
            "validation": queries.evaluation_of(run, "validation"),
            "matrix": confusion(test) if test else None,
            **(judged.context(test) if test else {}),
            "mistakes": queries.with_faces(verbs.folder(run), mistakes[:MISTAKES_SHOWN]),
            "mistake_count": len(mistakes),
            "files": run_files.there(run),
            "can_go_on": run.state in (WorkState.STOPPED, WorkState.FAILED) and not run.weights_deleted_at,
            "can_be_repeated": can_be_repeated(run),
            "predictions": run.predictions.select_related("campaign"),
            "rounds": queries.rounds_for_list().filter(run=run),
            "predict_form": PredictForm(initial={"campaign": run.snapshot.campaign_id}),
        },
    )


def _live_context(run: TrainingRun) -> dict[str, Any]:
    events = metrics.read(verbs.folder(run))
    progress = metrics.progress(events)
    epochs = metrics.epochs(events)
    until = progress.epoch if run.state == WorkState.DONE else max(run.epochs, progress.epochs)
    return {
        "run": run,
        "progress": progress,
        "notes": metrics.notes(events),
        "taken_up": queries.taken_up(run),
        "charts": charts.charts(epochs, until=until, best_epoch=progress.best_epoch),
        "trained_seconds": sum(epoch.get("seconds") or 0.0 for epoch in epochs),
        "log": verbs.log_tail(run),
        "waits_for": jobs.waits_for([run]),
    }


@door(may_train)
@require_GET
def live(request: HttpRequest, pk: int) -> HttpResponse:
    """Where the run is, as figures and as the page's moving parts."""
    context = _live_context(run := _run(pk))
    progress: metrics.Progress = context["progress"]
    parts = {
        f"live-{part}": render_to_string(f"training/live/{part}.html", context, request)
        for part in ("state", "status", "charts", "log")
    }
    return JsonResponse(
        {
            "state": run.state,
            "over": run.is_over,
            "epoch": progress.epoch,
            "epochs": run.epochs,
            "eta_seconds": progress.eta_seconds,
            "validation_accuracy": run.validation_accuracy,
            "parts": parts,
        }
    )


@door(may_train)
@require_GET
def log(request: HttpRequest, pk: int) -> HttpResponse:
    """The newest million bytes of the log, as text."""
    return HttpResponse(verbs.log_tail(_run(pk), 1_000_000), content_type="text/plain; charset=utf-8")


def _address(pk: int) -> str:
    return reverse("training:run", args=[pk])


@door(may_train)
@require_POST
def stop(request: HttpRequest, pk: int) -> HttpResponseBase:
    said = _("Stopping: the training writes a checkpoint first.")
    return jobs.ask(request, partial(verbs.stop, run=_run(pk)), said, _address(pk))


@door(may_train)
@require_POST
def resume(request: HttpRequest, pk: int) -> HttpResponseBase:
    said = _("Queued. It goes on from its last checkpoint.")
    return jobs.ask(request, partial(verbs.resume, run=_run(pk)), said, _address(pk))


@door(may_train)
@require_POST
def predict(request: HttpRequest, pk: int) -> HttpResponseBase:
    form = PredictForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("Choose a campaign whose faces the network shall look at."))
        return redirect("training:run", pk)
    ask = partial(predictions.predict, run=_run(pk), campaign=form.cleaned_data["campaign"])
    return jobs.ask(request, ask, _("The network will look at every face of the campaign."), _address(pk))


@door(may_train)
@require_GET
def mistakes(request: HttpRequest, pk: int) -> HttpResponse:
    run = _run(pk)
    label, predicted = request.GET.get("true", ""), request.GET.get("predicted", "")
    folder = verbs.folder(run)
    rows = queries.judged_rows(folder, label=label, predicted=predicted)
    page = Paginator(rows, FACES_PER_PAGE).get_page(request.GET.get("page"))
    return render(
        request,
        "training/mistakes.html",
        {
            "run": run,
            "page": page,
            "faces": queries.with_faces(folder, list(page)),
            "label": label,
            "predicted": predicted,
            "classes": evaluations.classes(run),
        },
    )
