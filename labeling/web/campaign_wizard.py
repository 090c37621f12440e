"""Making and changing a campaign, step by step, with what each choice would mean."""

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.forms import Form
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from labeling import campaign_changes, campaign_queries, campaigns, licensing, quality_rule
from labeling.campaign_settings import ICONS, CannotSet
from labeling.consensus.trial import Rule, telling, trial
from labeling.licence_words import left_out_line
from labeling.models import Campaign, CampaignFace, Face
from labeling.quality_words import kept_out_line, reasons, unmeasured_line
from labeling.rules import may_manage
from labeling.web import campaign_words, paging
from labeling.web.campaign_forms import CampaignForm, DuplicateForm, ExtendForm, FacesForm, TrialForm
from labeling.web.doors import door
from labeling.web.quality_forms import QualityPart

GIVEN = "given"
"""Instead of a campaign's key: try a rule on the votes that sources came with."""
NO_ROWS = [None] * 3
"""Empty lines for more expressions, where no script can add them."""


STEPS = {
    "faces": gettext_lazy("Faces"),
    "question": gettext_lazy("Question"),
    "consensus": gettext_lazy("Votes and consensus"),
    "gold": gettext_lazy("Gold and qualification"),
    "people": gettext_lazy("Who and when"),
    "quality": gettext_lazy("Quality"),
    "rights": gettext_lazy("Rights"),
}
"""The parts of the form, in order; a new campaign has the faces first, and quality and rights with them."""


@dataclass(frozen=True)
class Step:
    """One part of the form, and its line in the list beside it."""

    key: str
    line: str
    before: str
    """The key of the part before it; empty for the first. So for `after`, and the last."""
    after: str

    @property
    def title(self) -> Any:
        return STEPS[self.key]

    @property
    def title_after(self) -> Any:
        return STEPS.get(self.after, "")

    @property
    def template(self) -> str:
        return f"labeling/campaign_form_{self.key}.html"


@door(may_manage)
def campaign_new(request: HttpRequest) -> HttpResponseBase:
    form, faces = CampaignForm(request.POST or None), FacesForm(request.POST or None)
    if request.POST and faces.is_valid() and form.is_valid():
        try:
            return _create(request, form, faces)
        except CannotSet as refusal:
            form.refuse(refusal)
    return _page(request, "labeling/campaign_new.html", form, faces_form=faces)


def _create(request: HttpRequest, form: CampaignForm, faces: FacesForm) -> HttpResponseBase:
    with transaction.atomic():
        made = campaigns.create(**form.values(), created_by=request.user)
        choice = faces.choice()
        added = campaigns.add_faces(
            campaign=made, faces=choice.matching(), limit=choice.limit, by=request.user
        )
    for line in filter(None, (left_out_line(added.left_out), kept_out_line(added.kept_out))):
        messages.warning(request, line)
    return redirect("labeling:campaign", made.pk)


@door(may_manage)
def campaign_edit(request: HttpRequest, pk: int) -> HttpResponseBase:
    shown = get_object_or_404(Campaign, pk=pk)
    form = _form_of(request, shown)
    if form.is_valid():
        try:
            return _change(request, shown, form)
        except CannotSet as refusal:
            form.refuse(refusal)
    return _page(
        request,
        "labeling/campaign_edit.html",
        form,
        campaign=shown,
        begun=form.fields["order"].disabled,
        settled=shown.campaign_faces.filter(state=CampaignFace.State.SETTLED).exists(),
    )


def _form_of(request: HttpRequest, campaign: Campaign) -> CampaignForm:
    kept = campaign_changes.used(campaign, set(campaign.expressions))
    begun = campaign_changes.has_begun(campaign)
    return CampaignForm(request.POST or None, campaign=campaign, kept=frozenset(kept), begun=begun)


def _change(request: HttpRequest, campaign: Campaign, form: CampaignForm) -> HttpResponseBase:
    changed = campaigns.change(
        campaign=campaign, by=request.user, settled_too=form.cleaned_data["settled_too"], **form.values()
    )
    messages.success(request, _("Changed.") if changed else _("Nothing was changed: all is as it was."))
    return redirect("labeling:campaign", campaign.pk)


def _page(request: HttpRequest, template: str, form: CampaignForm, **context: Any) -> HttpResponse:
    faces = context.get("faces_form")
    wrong = bool(form.errors or (faces and faces.errors))
    context |= {
        "form": form,
        "icons": ICONS,
        "no_rows": NO_ROWS,
        "tried": campaign_queries.campaigns_to_try_on(),
        "given": GIVEN,
        "given_there": campaign_queries.votes_were_given(),
        "steps": _steps(form, with_faces=faces is not None),
    }
    return render(request, template, context, status=400 if wrong else 200)


def _steps(form: CampaignForm, *, with_faces: bool) -> list[Step]:
    lines = _summary(form)
    without = ("quality", "rights") if with_faces else ("faces",)
    asked = [key for key in STEPS if key not in without]
    around = zip(["", *asked], asked, [*asked[1:], ""], strict=False)
    return [Step(key, lines.get(key, ""), before, after) for before, key, after in around]


def _summary(form: CampaignForm) -> dict[str, str]:
    if not form.is_bound:
        campaign = form.campaign or Campaign()
        groups = list(campaign.groups.values_list("name", flat=True)) if campaign.pk else []
        return campaign_words.summary(campaign, groups=groups)
    groups = [group.name for group in form.cleaned_data.get("groups", [])]
    return campaign_words.summary(form.draft(), groups=groups)


# ---- what a draft would mean; nothing is kept ----


@door(may_manage)
@require_POST
def draft_faces(request: HttpRequest) -> HttpResponseBase:
    """How many faces a choice takes, and some of them.

    `?without=`: a campaign whose faces are left out; then its rules on licences and quality hold, else those of the
    form.
    """
    form = FacesForm(request.POST)
    if not form.is_valid():
        return JsonResponse({"errors": _errors(form)})
    pk = paging.number(request, "without")
    without = get_object_or_404(Campaign, pk=pk) if pk else None
    rule = without.licence_rule if without else request.POST.getlist("licence_rule")
    quality = without.quality_rule if without else _quality(request)
    found = campaign_queries.chosen_faces(form.choice(), without=without, rule=rule, quality=quality)
    nothing = not found.all and not found.left_out.faces and not found.kept_out.faces
    context = {
        "found": found,
        "left_out": left_out_line(found.left_out),
        "kept_out": kept_out_line(found.kept_out),
        "unmeasured": unmeasured_line(found.kept_out),
        "there": nothing and form.choice().faces().exists(),
    }
    html = render_to_string("labeling/campaign_draft_faces.html", context)
    return JsonResponse({"html": html, "count": found.count, "line": campaign_words.faces_line(found)})


def _quality(request: HttpRequest) -> dict[str, Any]:
    """The rule on quality as it stands in the form; what makes no sense there asks for nothing."""
    form = QualityPart(request.POST)
    form.is_valid()
    rule = form.quality_rule()
    return {} if any(quality_rule.problems(rule)) else rule


@door(may_manage)
@require_POST
def draft_quality(request: HttpRequest) -> HttpResponseBase:
    """How many of a campaign's faces (`?campaign=`) would meet the rule of the form, and why others would not."""
    campaign = get_object_or_404(Campaign, pk=paging.number(request, "campaign") or 0)
    faces = Face.objects.filter(campaign_faces__campaign=campaign)
    kept_out = quality_rule.kept_out(faces, _quality(request))
    every = faces.count()
    context = {"every": every, "meet": every - kept_out.faces, "why": reasons(kept_out.why)}
    context |= {"unmeasured": unmeasured_line(kept_out)}
    return JsonResponse({"html": render_to_string("labeling/campaign_draft_quality.html", context)})


def _errors(form: Form) -> dict[str, list[str]]:
    return {field: [str(error) for error in errors] for field, errors in form.errors.items()}


@door(may_manage)
@require_POST
def draft(request: HttpRequest) -> HttpResponseBase:
    """The settings in a line per step, their keys, and what is wrong. `?campaign=`: the one to be changed."""
    pk = paging.number(request, "campaign")
    form = CampaignForm(request.POST, campaign=get_object_or_404(Campaign, pk=pk) if pk else None)
    form.is_valid()
    drawn = form.draft()
    count = request.POST.get("counted", "")
    votes = campaign_words.votes_line(int(count), drawn) if count.isdecimal() and len(count) < 12 else ""
    return JsonResponse(
        {
            "summary": _summary(form),
            "votes": votes,
            "keys": [row.usual for row in form.rows()],
            "errors": _errors(form),
        }
    )


@door(may_manage)
@require_POST
def draft_trial(request: HttpRequest) -> HttpResponseBase:
    """What a rule makes of stored votes."""
    form = TrialForm(request.POST)
    if not form.is_valid():
        return JsonResponse({"errors": _errors(form)})
    asked = form.cleaned_data
    rule = Rule(asked["votes_per_face"], asked["rule"], asked["minimum_agreement"])
    expressions = [name for name in request.POST.getlist("expression") if name.strip()]
    stored = _stored(asked["tried_on"])
    context: dict[str, Any] = {
        "needs": campaign_words.needs(rule),
        "line": "",
        "odd": campaign_words.odd(rule, len(expressions)),
    }
    if stored:
        tried = trial([counts for _face, counts in stored], rule)
        context |= {
            "trial": tried,
            "line": campaign_words.trial_line(tried),
            "labels": sorted(tried.by_label.items(), key=lambda pair: -pair[1]),
            "examples": [campaign_words.example(face, rule) for face in telling(stored, rule)],
            "rule": rule,
        }
    html = render_to_string("labeling/campaign_draft_trial.html", context)
    return JsonResponse({"html": html, "line": context["line"]})


def _stored(tried_on: str) -> list[tuple[int, dict[str, int]]]:
    if tried_on == GIVEN:
        return campaign_queries.given_counts()
    if not tried_on.isdecimal():
        return []
    return campaign_queries.stored_counts(get_object_or_404(Campaign, pk=int(tried_on)))


# ---- from one campaign to the next ----


@door(may_manage)
@require_POST
def campaign_duplicate(request: HttpRequest, pk: int) -> HttpResponseBase:
    form = DuplicateForm(request.POST)
    original = get_object_or_404(Campaign, pk=pk)
    if not form.is_valid():
        messages.error(request, _("Give the copy a name of its own, of up to 200 characters."))
        return redirect("labeling:campaign", pk)
    try:
        made = campaigns.duplicate(campaign=original, by=request.user, **form.cleaned_data)
    except CannotSet as refusal:
        messages.error(request, str(refusal))
        return redirect("labeling:campaign", pk)
    messages.success(request, _("This is the copy. It is paused: look it over, then open it."))
    if form.cleaned_data["same_faces"]:
        faces = Face.objects.filter(campaign_faces__campaign=original)
        if line := left_out_line(licensing.left_out(faces, made.licence_rule)):
            messages.warning(request, line)
    return redirect("labeling:campaign_edit", made.pk)


@door(may_manage)
@require_POST
def campaign_extend(request: HttpRequest, pk: int) -> HttpResponseBase:
    form = ExtendForm(request.POST)
    shown = get_object_or_404(Campaign, pk=pk)
    if not form.is_valid():
        messages.error(request, _("Choose a day and a time for the new deadline."))
        return redirect("labeling:campaign", pk)
    try:
        campaigns.extend(campaign=shown, deadline=form.cleaned_data["deadline"], by=request.user)
    except CannotSet as refusal:
        messages.error(request, str(refusal))
    return redirect("labeling:campaign", pk)
