"""The page that holds two runs side by side."""

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET

from labeling.web.doors import door
from training import comparisons, queries
from training.models import TrainingRun
from training.rules import may_train


class RunField(forms.ModelChoiceField):  # type: ignore[type-arg]
    def label_from_instance(self, obj: Any) -> str:
        said = _("{name} ({network}, {snapshot})")
        return said.format(name=obj.name, network=obj.network, snapshot=obj.snapshot)


_GONE = {"invalid_choice": gettext_lazy("No such run has judged test faces. Choose another.")}


class CompareForm(forms.Form):
    first = RunField(
        queryset=TrainingRun.objects.none(),
        label=gettext_lazy("This run"),
        empty_label=gettext_lazy("Choose a run"),
        error_messages=_GONE,
    )
    second = RunField(
        queryset=TrainingRun.objects.none(),
        label=gettext_lazy("against that one"),
        empty_label=gettext_lazy("Choose a run"),
        error_messages=_GONE,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("first", "second"):
            self.fields[name].queryset = queries.judged_runs()  # type: ignore[attr-defined]


@door(may_train)
@require_GET
def page(request: HttpRequest) -> HttpResponse:
    asked = "first" in request.GET and "second" in request.GET
    form = CompareForm(request.GET if asked else None, initial={"first": request.GET.get("first")})
    found = None
    if asked and form.is_valid():
        try:
            found = comparisons.compare(**form.cleaned_data)
        except comparisons.CannotCompare as refusal:
            form.add_error(None, str(refusal))
    return render(request, "training/compare.html", {"form": form, "found": found})
