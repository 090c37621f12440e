"""Trainings in the admin: ML staff start, watch, stop and resume them there."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from labeling.work import CannotMove
from training import queries, runs
from training.models import RelabelRound, TrainingRun
from training.rules import may_train
from training.web import presets
from training.web.forms import StartForm
from training.web.runs import start


class ForTrainers:
    """Open to trainers, by the rule of the site's pages. Rows are made and moved by verbs, never edited."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return may_train(request.user)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may_train(request.user)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(TrainingRun)
class TrainingRunAdmin(ForTrainers, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("page", "state", "network", "preset", "epoch_of", "validation", "test", "created_at")
    list_display_links = None
    list_filter = ("state", "network", "preset")
    search_fields = ("name", "snapshot__name")
    list_per_page = 50
    actions = ("stop", "resume")

    def get_queryset(self, request: HttpRequest) -> QuerySet[TrainingRun]:
        return queries.runs_for_list()

    def has_add_permission(self, request: HttpRequest) -> bool:
        return may_train(request.user)

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """The start form, in place of one field per column."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = StartForm(request.POST or None)
        if form.is_valid() and (run := start(form, request.user)):
            return redirect("training:run", run.pk)
        context = {
            **self.admin_site.each_context(request),
            "title": "Start a training run",
            "opts": self.opts,
            "form": form,
            "table": presets.table(),
        }
        return render(request, "admin/training/trainingrun/start.html", context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """A run has one page, with its curves; the admin leads there."""
        return redirect("training:run", _key(object_id))

    @admin.display(description="run", ordering="name")
    def page(self, run: TrainingRun) -> str:
        return format_html('<a href="{}">{}</a>', reverse("training:run", args=[run.pk]), run.name)

    @admin.display(description="epoch", ordering="epoch")
    def epoch_of(self, run: TrainingRun) -> str:
        return f"{run.epoch} of {run.epochs}"

    @admin.display(description="validation accuracy", ordering="validation_accuracy")
    def validation(self, run: TrainingRun) -> str:
        return _percent(run.validation_accuracy)

    @admin.display(description="test accuracy")
    def test(self, run: TrainingRun) -> str:
        evaluation = queries.evaluation_of(run, "test")
        return _percent(evaluation.accuracy if evaluation else None)

    @admin.action(description="Stop, with a checkpoint", permissions=["view"])
    def stop(self, request: HttpRequest, chosen: QuerySet[TrainingRun]) -> None:
        for run in chosen:
            runs.stop(run=run)
        self.message_user(request, "Stopping: each writes a checkpoint first.")

    @admin.action(description="Resume from the last checkpoint", permissions=["view"])
    def resume(self, request: HttpRequest, chosen: QuerySet[TrainingRun]) -> None:
        for run in chosen:
            try:
                runs.resume(run=run)
            except CannotMove as refusal:
                self.message_user(request, f"{run}: {refusal}", messages.ERROR)
            else:
                self.message_user(request, f"{run}: queued.")


def _key(object_id: str) -> int:
    """The key in an address of the admin, which lets anything stand there. Raises Http404."""
    if not (object_id.isascii() and object_id.isdigit()):
        raise Http404
    return int(object_id)


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}"


@admin.register(RelabelRound)
class RelabelRoundAdmin(ForTrainers, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("page", "run", "campaign", "face_count", "settled_count", "votes_per_face", "opened_by")
    list_display_links = None

    def get_queryset(self, request: HttpRequest) -> QuerySet[RelabelRound]:
        return queries.rounds_for_list()

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        return redirect("training:relabel_round", _key(object_id))

    @admin.display(description="opened", ordering="opened_at")
    def page(self, opened: RelabelRound) -> str:
        address = reverse("training:relabel_round", args=[opened.pk])
        # Formatted first: format_html makes a string of whatever it is handed.
        when = f"{timezone.localtime(opened.opened_at):%Y-%m-%d %H:%M %Z}"
        return format_html('<a class="nowrap" href="{}">{}</a>', address, when)

    @admin.display(description="faces")
    def face_count(self, opened: Any) -> int:
        return int(opened.face_count)

    @admin.display(description="settled")
    def settled_count(self, opened: Any) -> int:
        return int(opened.settled_count)
