"""The page on which annotators choose their keys, a goal and pauses."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
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
        min_value=0,
        label=gettext_lazy("Votes a sitting"),
        help_text=gettext_lazy("Your own goal, shown to nobody else. 0 for none."),
    )
    pause_minutes = forms.IntegerField(
        min_value=0,
        label=gettext_lazy("A pause after so many minutes"),
        help_text=gettext_lazy("A quiet line, nothing stops. 0 for none."),
    )

    def __init__(self, *args: Any, expressions: Sequence[str] = (), **kwargs: Any) -> None:
        """expressions: campaigns' own, which get fields like the usual ones."""
        super().__init__(*args, **kwargs)
        self.own = list(expressions)
        for name in (*preferences.CHOOSABLE, *self.own):
            usual = USUAL.get(name, "")
            attrs = {"placeholder": usual, "autocapitalize": "off", "autocomplete": "off", "size": 2}
            self.fields[field_of(name)] = forms.CharField(
                required=False, max_length=1, label=_label(name), widget=forms.TextInput(attrs=attrs)
            )

    def key_fields(self) -> list[forms.BoundField]:
        return [self[field_of(name)] for name in preferences.CHOOSABLE]

    def own_key_fields(self) -> list[forms.BoundField]:
        return [self[field_of(name)] for name in self.own]

    def keys(self) -> dict[str, str]:
        return {name: self.cleaned_data[field_of(name)] for name in (*preferences.CHOOSABLE, *self.own)}


def field_of(name: str) -> str:
    """The form's field for the key of an answer; a campaign's own expression may hold what no id can."""
    return f"key_{name}" if name in preferences.CHOOSABLE else f"key_own_{name.encode().hex()}"


def _label(name: str) -> str:
    return {"skip": _("skip"), "undo": _("undo")}.get(name) or answer_word(name)


@door(may_vote)
@require_http_methods(["GET", "HEAD", "POST"])
def vote_preferences(request: HttpRequest) -> HttpResponse:
    wishes = preferences.of(request.user)
    expressions = preferences.own_expressions(wishes)
    form = PreferencesForm(request.POST or None, initial=_initial(wishes), expressions=expressions)
    if request.method == "POST" and form.is_valid() and _saved(request, form):
        messages.success(request, _("Your preferences are kept."))
        return redirect("labeling:vote_home")
    status = 400 if form.errors else 200
    return render(request, "labeling/vote_preferences.html", {"form": form}, status=status)


def _initial(wishes: Preferences) -> dict[str, Any]:
    own = {field_of(name): key for name, key in wishes.keys.items()}
    return {**own, "session_goal": wishes.session_goal, "pause_minutes": wishes.pause_minutes}


def _saved(request: HttpRequest, form: PreferencesForm) -> bool:
    numbers = {name: form.cleaned_data[name] for name in ("session_goal", "pause_minutes")}
    try:
        preferences.save(user=request.user, keys=form.keys(), **numbers)
    except preferences.CannotPrefer as refusal:
        form.add_error(None, str(refusal))
        return False
    return True
