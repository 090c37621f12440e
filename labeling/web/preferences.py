"""The page on which annotators choose their keys, a goal and pauses."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from labeling import preferences
from labeling.expressions import EIGHT
from labeling.models import Preferences
from labeling.rules import may_vote
from labeling.templatetags.look import answer_word
from labeling.web.doors import door

USUAL = preferences.keys_for(EIGHT, {})


class PreferencesForm(forms.Form):
    """One small field per answer and action, and two numbers."""

    session_goal = forms.IntegerField(
        min_value=0, label="Votes a sitting", help_text="Your own goal, shown to nobody else. 0 for none."
    )
    pause_minutes = forms.IntegerField(
        min_value=0,
        label="A pause after so many minutes",
        help_text="A quiet line, nothing stops. 0 for none.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in preferences.CHOOSABLE:
            attrs = {"placeholder": USUAL[name], "autocapitalize": "off", "autocomplete": "off", "size": 2}
            self.fields[f"key_{name}"] = forms.CharField(
                required=False, max_length=1, label=answer_word(name), widget=forms.TextInput(attrs=attrs)
            )

    def key_fields(self) -> list[forms.BoundField]:
        return [self[f"key_{name}"] for name in preferences.CHOOSABLE]

    def keys(self) -> dict[str, str]:
        return {name: self.cleaned_data[f"key_{name}"] for name in preferences.CHOOSABLE}


@door(may_vote)
@require_http_methods(["GET", "HEAD", "POST"])
def vote_preferences(request: HttpRequest) -> HttpResponse:
    form = PreferencesForm(request.POST or None, initial=_initial(preferences.of(request.user)))
    if request.method == "POST" and form.is_valid() and _saved(request, form):
        messages.success(request, "Your preferences are kept.")
        return redirect("labeling:vote_home")
    status = 400 if form.errors else 200
    return render(request, "labeling/vote_preferences.html", {"form": form}, status=status)


def _initial(wishes: Preferences) -> dict[str, Any]:
    own = {f"key_{name}": key for name, key in wishes.keys.items()}
    return {**own, "session_goal": wishes.session_goal, "pause_minutes": wishes.pause_minutes}


def _saved(request: HttpRequest, form: PreferencesForm) -> bool:
    numbers = {name: form.cleaned_data[name] for name in ("session_goal", "pause_minutes")}
    try:
        preferences.save(user=request.user, keys=form.keys(), **numbers)
    except preferences.CannotPrefer as refusal:
        form.add_error(None, str(refusal))
        return False
    return True
