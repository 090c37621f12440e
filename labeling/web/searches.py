"""A search for faces in a source, with settings of its own."""

from dataclasses import fields
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from labeling.models import Source
from labeling.rules import may_manage
from labeling.sayings import told
from labeling.sources import faces
from labeling.vision.detectors import DETECTORS
from labeling.web.doors import door
from labeling.web.source_forms import DETECTOR_NAMES, detectors_offered

OWN_WORDS: dict[str, tuple[Any, Any]] = {
    "scale_factor": (
        gettext_lazy("Growth of the window"),
        gettext_lazy("From one size to the next, above 1. Smaller is slower and finds more."),
    ),
    "min_neighbors": (
        gettext_lazy("Hits that make a face"),
        gettext_lazy("Fewer finds more faces, and more that are none."),
    ),
    "min_size": (
        gettext_lazy("Smallest window, in pixels"),
        gettext_lazy("Of the picture as it is searched."),
    ),
    "longest_side": (
        gettext_lazy("Longest side searched, in pixels"),
        gettext_lazy("A larger picture is scaled down for the search; crops are not."),
    ),
    "score_threshold": (
        gettext_lazy("Least score of a face"),
        gettext_lazy("0 to 1. Below 0.6 hands and patterns begin to count as faces."),
    ),
    "track_threshold": (
        gettext_lazy("Least score on a track"),
        gettext_lazy("In videos, of a face that goes on with a track a surer one began."),
    ),
    "nms_threshold": (
        gettext_lazy("Overlap that makes one face"),
        gettext_lazy("0 to 1, shared area of two boxes over their union."),
    ),
}
"""A detector's own setting → its label and what it does."""


class SearchForm(forms.Form):
    """Settings of every search, and those of each detector."""

    detector = forms.ChoiceField(label=gettext_lazy("Find faces with"), widget=forms.RadioSelect)
    min_side = forms.IntegerField(
        min_value=0,
        max_value=10_000,
        label=gettext_lazy("Smallest face, in pixels"),
        help_text=gettext_lazy("The shorter side of its box. 0: any."),
    )
    margin = forms.FloatField(
        min_value=0,
        max_value=2,
        label=gettext_lazy("Margin of crops"),
        help_text=gettext_lazy("Share of the box, on each side."),
        widget=forms.NumberInput(attrs={"step": "any"}),
    )
    aligned = forms.BooleanField(
        required=False,
        label=gettext_lazy("Turn crops so that eyes are level"),
        help_text=gettext_lazy(
            "By five landmarks, as YuNet tells them. Else crops are the picture's own pixels. Both are lossless."
        ),
    )
    per_second = forms.FloatField(
        min_value=0.01,
        max_value=120,
        label=gettext_lazy("Frames a second, in videos"),
        widget=forms.NumberInput(attrs={"step": "any"}),
    )
    per_track = forms.IntegerField(
        min_value=0,
        max_value=10_000,
        label=gettext_lazy("Faces of a track, in videos"),
        help_text=gettext_lazy("So many, the sharpest and most different, are offered to people. 0: all."),
    )

    def __init__(self, *args: Any, searched: set[str], **kwargs: Any) -> None:
        """searched: the detectors that have searched the source already."""
        super().__init__(*args, **kwargs)
        self.offered = [name for name in detectors_offered() if name not in searched]
        named = [(name, DETECTOR_NAMES.get(name, name)) for name in self.offered]
        self.fields["detector"].choices = named  # type: ignore[attr-defined]
        self.fields["detector"].initial = self.offered[0] if self.offered else ""
        for name, usual in faces.OURS.items():
            self.fields[name].initial = usual
        for name in self.offered:
            for setting in fields(DETECTORS[name].settings):
                label, help_text = OWN_WORDS[setting.name]
                self.fields[f"{name}_{setting.name}"] = _own_field(setting.default, label, help_text)

    def common(self) -> list[forms.BoundField]:
        return [self[name] for name in ("min_side", "margin", "per_second", "per_track", "aligned")]

    def own(self) -> list[tuple[str, str | Promise, list[forms.BoundField]]]:
        """Each detector with the fields of its own settings."""
        return [
            (
                name,
                DETECTOR_NAMES.get(name, name),
                [self[f"{name}_{setting.name}"] for setting in fields(DETECTORS[name].settings)],
            )
            for name in self.offered
        ]

    def settings(self) -> dict[str, Any]:
        """What differs from the usual settings of the chosen detector."""
        name = self.cleaned_data["detector"]
        usual = {setting.name: setting.default for setting in fields(DETECTORS[name].settings)}
        asked = {setting: self.cleaned_data[f"{name}_{setting}"] for setting in usual}
        asked |= {setting: self.cleaned_data[setting] for setting in faces.OURS}
        usual |= faces.OURS
        return {setting: value for setting, value in asked.items() if value not in (None, usual[setting])}


def _own_field(usual: Any, label: Any, help_text: Any) -> forms.Field:
    whole = isinstance(usual, int)
    kind = forms.IntegerField if whole else forms.FloatField
    widget = forms.NumberInput(attrs={"step": 1 if whole else "any"})
    # Of detectors that are not chosen nothing is asked.
    return kind(required=False, initial=usual, label=label, help_text=help_text, widget=widget)


@door(may_manage)
@require_http_methods(["GET", "HEAD", "POST"])
def source_search(request: HttpRequest, pk: int) -> HttpResponseBase:
    source = get_object_or_404(Source, pk=pk)
    searched = set(source.detections.values_list("detector", flat=True))
    form = SearchForm(request.POST or None, searched=searched)
    if form.is_valid():
        try:
            faces.detect_in(source=source, detector=form.cleaned_data["detector"], settings=form.settings())
        except faces.CannotDetect as refusal:
            form.add_error(None, told(str(refusal)))
        else:
            return HttpResponseRedirect(reverse("labeling:source", args=[pk]))
    context = {"source": source, "form": form, "title": _("Find faces")}
    return render(request, "labeling/source_search.html", context, status=400 if form.errors else 200)
