"""The page that hears several runs as one. All it shows is in its address."""

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET

from labeling.models import Snapshot
from labeling.web.doors import door
from training import ensembles, queries
from training.core.ensembles import MOST_MEMBERS
from training.models import TrainingRun
from training.rules import may_train
from training.web import judged
from training.web.matrix import confusion

GIVEN, VALIDATION = "given", "validation"


class HearForm(forms.Form):
    run = forms.ModelMultipleChoiceField(
        queryset=TrainingRun.objects.none(),
        required=False,
        error_messages={
            "invalid_choice": gettext_lazy("There is no run %(value)s."),
            "invalid_pk_value": gettext_lazy("There is no run %(pk)s."),
        },
    )
    choose = forms.ChoiceField(choices=[(GIVEN, GIVEN), (VALIDATION, VALIDATION)])
    most = forms.IntegerField(
        label=gettext_lazy("Members at most"),
        min_value=1,
        max_value=ensembles.MOST_RUNS,
        initial=MOST_MEMBERS,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["run"].queryset = queries.runs_for_list().order_by("pk")  # type: ignore[attr-defined]

    def hear(self) -> ensembles.Heard | None:
        """What the valid form asks for; a refusal becomes its error."""
        asked = self.cleaned_data
        try:
            return ensembles.hear(
                members=list(asked["run"]),
                choose=asked["choose"] == VALIDATION,
                most=asked["most"],
            )
        except ensembles.CannotHear as refusal:
            self.add_error(None, str(refusal))
            return None


@door(may_train)
@require_GET
def page(request: HttpRequest) -> HttpResponse:
    form = _form(request)
    heard = form.hear() if form.is_valid() else None
    snapshots = list(queries.snapshots_with_judged_runs(2))
    snapshot = heard.best.snapshot if heard else _snapshot(request, snapshots)
    runs = sorted(
        queries.judged_runs().filter(snapshot=snapshot) if snapshot else [],
        key=lambda run: -(run.validation_accuracy or 0.0),
    )
    return render(
        request,
        "training/ensemble.html",
        {
            "form": form,
            "heard": heard,
            "snapshots": snapshots,
            "snapshot": snapshot,
            "runs": runs,
            "ticked": _ticked(request, runs),
            **(_heard_context(heard) if heard else {}),
        },
    )


def _form(request: HttpRequest) -> HearForm:
    if "choose" not in request.GET:
        return HearForm()
    asked = request.GET.copy()
    asked.setdefault("most", str(MOST_MEMBERS))
    return HearForm(asked)


def _heard_context(heard: ensembles.Heard) -> dict[str, Any]:
    return {"test": heard.test, "matrix": confusion(heard.test), **judged.context(heard.test)}


def _snapshot(request: HttpRequest, snapshots: list[Snapshot]) -> Snapshot | None:
    """The one whose runs are offered: as asked, else the newest."""
    asked = request.GET.get("snapshot", "")
    return next((each for each in snapshots if str(each.pk) == asked), snapshots[0] if snapshots else None)


def _ticked(request: HttpRequest, runs: list[TrainingRun]) -> set[int]:
    """What was ticked; before anything was asked, as many of the best as can be heard."""
    if "choose" not in request.GET:
        return {run.pk for run in runs[: ensembles.MOST_RUNS]}
    asked = set(request.GET.getlist("run"))
    return {run.pk for run in runs if str(run.pk) in asked}
