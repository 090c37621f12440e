"""The list of runs: searched, narrowed and sorted by its address, so that a view of it can be kept and sent."""

from typing import Any

from django import forms
from django.core.paginator import Paginator
from django.db.models import F, OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET

from labeling.models import Snapshot, WorkState
from labeling.web.doors import door
from training import queries
from training.models import Evaluation, TrainingRun
from training.rules import may_train
from training.web import charts

RUNS_PER_PAGE = 25
_ANY = gettext_lazy("any")
_VALIDATION, _TEST = "validation", "test"
_ORDERS = [
    ("", gettext_lazy("newest first")),
    (_VALIDATION, gettext_lazy("best on validation first")),
    (_TEST, gettext_lazy("best on test first")),
]


class RunFilter(forms.Form):
    """What cannot be understood narrows nothing."""

    q = forms.CharField(required=False, max_length=200, label=gettext_lazy("Name"))
    snapshot = forms.ModelChoiceField(
        required=False, queryset=Snapshot.objects.none(), label=gettext_lazy("Snapshot"), empty_label=_ANY
    )
    network = forms.ChoiceField(required=False, label=gettext_lazy("Network"))
    state = forms.ChoiceField(
        required=False, choices=[("", _ANY), *WorkState.choices], label=gettext_lazy("State")
    )
    sort = forms.ChoiceField(required=False, choices=_ORDERS, label=gettext_lazy("Order"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        trained_on = TrainingRun.objects.values("snapshot")
        self.fields["snapshot"].queryset = Snapshot.objects.filter(pk__in=trained_on)  # type: ignore[attr-defined]
        networks = TrainingRun.objects.order_by("network").values_list("network", flat=True).distinct()
        self.fields["network"].choices = [("", _ANY), *((name, name) for name in networks)]  # type: ignore[attr-defined]

    def narrowed(self, runs: QuerySet[TrainingRun]) -> QuerySet[TrainingRun]:
        self.is_valid()
        asked = {name: value for name, value in self.cleaned_data.items() if value}
        if "q" in asked:
            runs = runs.filter(name__icontains=asked["q"])
        runs = runs.filter(
            **{name: asked[name] for name in ("snapshot", "network", "state") if name in asked}
        )
        if asked.get("sort") == _VALIDATION:
            return runs.order_by(F("validation_accuracy").desc(nulls_last=True), "-pk")
        if asked.get("sort") == _TEST:
            test = Evaluation.objects.filter(run=OuterRef("pk"), split="test").values("accuracy")
            return runs.order_by(Subquery(test).desc(nulls_last=True), "-pk")
        return runs


@door(may_train)
@require_GET
def page(request: HttpRequest) -> HttpResponse:
    form = RunFilter(request.GET)
    found = Paginator(form.narrowed(queries.runs_for_list()), RUNS_PER_PAGE).get_page(request.GET.get("page"))
    rows = [
        {
            "run": run,
            "spark": charts.sparkline(queries.accuracies(run)),
            "test": queries.evaluation_of(run, "test"),
        }
        for run in found
    ]
    context = {"rows": rows, "page": found, "form": form, "narrowed": any(form.cleaned_data.values())}
    return render(request, "training/runs.html", context)
