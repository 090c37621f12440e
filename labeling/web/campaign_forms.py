"""The forms of a campaign: of which faces it asks, what, by which rule, and whom."""

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth.models import Group
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from labeling.campaign_queries import FaceChoice
from labeling.campaign_settings import SETTINGS, CannotSet, problems
from labeling.expressions import SEVEN, word
from labeling.licences import DEMANDS
from labeling.models import Campaign, Detection, Media, Outcome, Source
from labeling.preferences import OTHER_KEYS, keys_for
from labeling.web import quality_forms
from labeling.web.percent import PercentField
from labeling.web.quality_forms import QualityPart

OTHER_WORDS = {
    "cant_tell": gettext_lazy("can't tell"),
    "not_a_face": gettext_lazy("not a face"),
    "skip": gettext_lazy("skip"),
    "undo": gettext_lazy("undo"),
}
"""What every campaign offers besides its expressions."""
RULE_SENTENCES = {
    Campaign.Rule.PLURALITY: gettext_lazy("The answer given most often, however few gave it."),
    Campaign.Rule.STRICT_MAJORITY: gettext_lazy("Of ten votes six must say the same. The usual choice."),
    Campaign.Rule.MINIMUM_AGREEMENT: gettext_lazy(
        "The answer given most often, if that share of people gave it."
    ),
}
ORDER_SENTENCES = {
    Campaign.Order.BREADTH: gettext_lazy(
        "Everybody begins somewhere else, so votes spread over all faces. Good for a first overview."
    ),
    Campaign.Order.DEPTH: gettext_lazy(
        "All work on the same faces, so the first are settled soon. Good to train on early results."
    ),
    Campaign.Order.BALANCED: gettext_lazy(
        "As before, and each source in turn, so that no large source is settled before a small one."
    ),
}


class FacesForm(forms.Form):
    """Which faces: by where they come from, what found them, how they look, and what people said of them before."""

    sources = forms.ModelMultipleChoiceField(
        Source.objects.all(),
        required=False,
        label=gettext_lazy("Sources"),
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy("None ticked: all of them."),
    )
    detector = forms.ChoiceField(
        required=False,
        label=gettext_lazy("Found by"),
        help_text=gettext_lazy("Faces found by two detectors are two faces: choose one."),
    )
    kind = forms.ChoiceField(required=False, label=gettext_lazy("In"))
    min_size = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=10_000,
        label=gettext_lazy("At least so large"),
        help_text=gettext_lazy("Pixels of the shorter side."),
    )
    min_score = forms.FloatField(
        required=False,
        label=gettext_lazy("At least so sure"),
        help_text=gettext_lazy("The detector's own score."),
        widget=forms.NumberInput(attrs={"step": "any"}),
    )
    licence = forms.CharField(
        required=False,
        max_length=200,
        label=gettext_lazy("Licence contains"),
        help_text=gettext_lazy("Such as “CC BY”."),
    )
    settled_in = forms.ModelChoiceField(
        Campaign.objects.all(),
        required=False,
        empty_label=gettext_lazy("no matter"),
        label=gettext_lazy("Settled in"),
    )
    outcome = forms.ChoiceField(required=False, label=gettext_lazy("with the outcome"))
    label = forms.ChoiceField(required=False, label=gettext_lazy("and the label"))
    agreement_below = PercentField(
        required=False,
        label=gettext_lazy("and agreement below %"),
        help_text=gettext_lazy("Share of the first answer among all votes."),
    )
    limit = forms.IntegerField(
        required=False,
        min_value=1,
        label=gettext_lazy("Not more than"),
        help_text=gettext_lazy("So many of them, at random. Empty: all."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        names = Detection.objects.order_by("detector").values_list("detector", flat=True).distinct()
        anything = ("", _("any"))
        self._offer("detector", [*((name, name) for name in names), ("", _("any detector"))])
        self._offer("kind", [("", _("pictures and videos")), *Media.Kind.choices])
        self._offer("outcome", [anything, *Outcome.choices])
        asked = Campaign.objects.order_by().values_list("expressions", flat=True)
        labels = dict.fromkeys(name for expressions in asked for name in expressions)
        self._offer("label", [anything, *((name, word(name)) for name in labels)])

    def _offer(self, field: str, choices: Sequence[tuple[str, str | Promise]]) -> None:
        self.fields[field].choices = choices  # type: ignore[attr-defined]

    def choice(self) -> FaceChoice:
        """What the valid form chooses."""
        asked = self.cleaned_data
        return FaceChoice(
            sources=tuple(source.pk for source in asked["sources"]),
            detector=asked["detector"],
            kind=asked["kind"],
            min_size=asked["min_size"] or 0,
            min_score=asked["min_score"],
            licence=asked["licence"],
            settled_in=asked["settled_in"].pk if asked["settled_in"] else None,
            outcome=asked["outcome"],
            label=asked["label"],
            agreement_below=asked["agreement_below"],
            limit=asked["limit"],
        )


@dataclass(frozen=True)
class ExpressionRow:
    """One line of the list of expressions, as it stands in the form."""

    name: str = ""
    key: str = ""
    icon: str = ""
    usual: str = ""
    """The key it has without one of its own."""
    kept: bool = False
    """It has been answered, so it stays."""


class ExpressionRows(forms.Widget):
    """Three columns of inputs, expression, key and icon, a row each; the template draws them."""

    def value_from_datadict(self, data: Any, files: Any, name: str) -> list[ExpressionRow]:
        columns = [data.getlist(column) for column in ("expression", "key", "icon")]
        rows = [ExpressionRow(*(cell.strip() for cell in row)) for row in zip(*columns, strict=False)]
        return [row for row in rows if row.name]


class CampaignForm(QualityPart):
    """All that is asked of a campaign besides its faces."""

    name = forms.CharField(
        max_length=200, label=gettext_lazy("Name"), help_text=gettext_lazy("Annotators see it.")
    )
    question = forms.CharField(
        max_length=300, label=gettext_lazy("Question"), initial=gettext_lazy("Which expression do you see?")
    )
    instructions = forms.CharField(
        required=False,
        label=gettext_lazy("Instructions"),
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text=gettext_lazy("Shown under “How to answer”. A blank line begins a paragraph."),
    )
    expressions = forms.Field(widget=ExpressionRows, required=False, label=gettext_lazy("Expressions"))
    mixed_allowed = forms.BooleanField(
        required=False,
        label=gettext_lazy("An answer may name a second, weaker expression"),
        help_text=gettext_lazy("The first one counts for the consensus; the second is kept beside it."),
    )
    votes_per_face = forms.IntegerField(
        initial=10,
        min_value=1,
        max_value=1000,
        label=gettext_lazy("Votes per face"),
        help_text=gettext_lazy("Each from another person. You need at least so many people."),
    )
    settled_too = forms.BooleanField(
        required=False,
        label=gettext_lazy("Ask for the additional votes of settled faces too"),
        help_text=gettext_lazy(
            "They open again. Whoever answered before may answer again; then the newer answer counts."
        ),
    )
    rule = forms.ChoiceField(
        choices=Campaign.Rule.choices,
        initial=Campaign.Rule.STRICT_MAJORITY,
        label=gettext_lazy("A label needs"),
        widget=forms.RadioSelect,
    )
    minimum_agreement = PercentField(
        initial=0.5,
        label=gettext_lazy("Set share, in %"),
        help_text=gettext_lazy("Of all votes on the face."),
    )
    gold_share = PercentField(
        most=50,
        initial=0.05,
        label=gettext_lazy("Gold, in %"),
        help_text=gettext_lazy("Of the faces handed out, as long as there is some. 0: none."),
    )
    qualification_faces = forms.IntegerField(
        initial=0,
        min_value=0,
        max_value=1000,
        label=gettext_lazy("Faces asked first"),
        help_text=gettext_lazy("0: everybody may begin at once."),
    )
    qualification_pass = PercentField(initial=0.7, label=gettext_lazy("Right to pass, in %"))
    qualification_attempts = forms.IntegerField(
        initial=3, min_value=1, max_value=100, label=gettext_lazy("Attempts")
    )
    groups = forms.ModelMultipleChoiceField(
        Group.objects.order_by("name"),
        required=False,
        label=gettext_lazy("Only members of"),
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy("None ticked: every annotator."),
    )
    languages = forms.MultipleChoiceField(
        required=False,
        label=gettext_lazy("Only people who use VEMO in"),
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy("None ticked: any language."),
    )
    daily_cap = forms.IntegerField(
        required=False,
        min_value=1,
        label=gettext_lazy("Most votes a person a day"),
        help_text=gettext_lazy("Empty: no limit."),
    )
    cap = forms.IntegerField(
        required=False,
        min_value=1,
        label=gettext_lazy("Most votes a person in all"),
        help_text=gettext_lazy("Empty: no limit."),
    )
    licence_rule = forms.MultipleChoiceField(
        choices=[(key, gettext_lazy(demand.sentence)) for key, demand in DEMANDS.items()],
        required=False,
        label=gettext_lazy("Only media of which this is sure"),
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy(
            "None ticked: any licence. A licence that is not known, or not understood, meets nothing."
        ),
    )
    order = forms.ChoiceField(
        choices=Campaign.Order.choices,
        initial=Campaign.Order.BREADTH,
        label=gettext_lazy("Which face comes next"),
        widget=forms.RadioSelect,
    )
    deadline = forms.DateTimeField(
        required=False,
        label=gettext_lazy("Deadline"),
        input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"],
        widget=forms.DateTimeInput(format="%Y-%m-%dT%H:%M", attrs={"type": "datetime-local"}),
    )
    undo_minutes = forms.IntegerField(
        initial=60,
        min_value=0,
        max_value=525_600,
        label=gettext_lazy("Minutes in which a vote may be taken back"),
        help_text=gettext_lazy("0: never."),
    )
    lease_seconds = forms.IntegerField(
        initial=600,
        min_value=10,
        max_value=86_400,
        label=gettext_lazy("Seconds a face is held for one person"),
        help_text=gettext_lazy("Then it is offered to others."),
    )

    def __init__(
        self,
        *args: Any,
        campaign: Campaign | None = None,
        kept: frozenset[str] = frozenset(),
        begun: bool = False,
        **kwargs: Any,
    ) -> None:
        """campaign: the one to be changed, None for a new one. kept: its expressions that have been answered.

        begun: somebody has joined it, so its order stays.
        """
        self.campaign, self.kept = campaign, kept
        if campaign is not None:
            kwargs.setdefault("initial", _initial(campaign))
        super().__init__(*args, **kwargs)
        self.fields["languages"].choices = settings.LANGUAGES  # type: ignore[attr-defined]
        self.fields["order"].disabled = begun
        zone = timezone.get_current_timezone_name()
        self.fields["deadline"].help_text = _(
            "In the time zone {zone}. The campaign closes by itself then. Empty: never."
        ).format(zone=zone)
        for name, usual in OTHER_KEYS.items():
            self.fields[f"key_{name}"] = forms.CharField(
                required=False,
                max_length=1,
                label=OTHER_WORDS[name],
                initial=(campaign.keys if campaign else {}).get(name, ""),
                widget=forms.TextInput(
                    attrs={"placeholder": usual, "autocomplete": "off", "autocapitalize": "none"}
                ),
            )

    # ---- what the template draws ----

    def rows(self) -> list[ExpressionRow]:
        """The expressions as they stand in the form, each with the key it would have."""
        if self.is_bound:
            given = ExpressionRows().value_from_datadict(self.data, None, "expressions")
        else:
            given = _rows(self.campaign or Campaign())
        own = self._keys(given)
        usual = keys_for([row.name for row in given], own)
        return [
            ExpressionRow(row.name, row.key, row.icon, usual.get(row.name, ""), row.name in self.kept)
            for row in given
        ]

    def other_keys(self) -> list[forms.BoundField]:
        return [self[f"key_{name}"] for name in OTHER_KEYS]

    def rules(self) -> Iterator[tuple[Any, str | Promise]]:
        yield from zip(self["rule"], RULE_SENTENCES.values(), strict=True)

    def orders(self) -> Iterator[tuple[Any, str | Promise]]:
        yield from zip(self["order"], ORDER_SENTENCES.values(), strict=True)

    # ---- what it says ----

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        for problem in problems(self.draft()):
            self.refuse(CannotSet(problem.text, problem.field))
        return cleaned

    def refuse(self, refusal: CannotSet) -> None:
        """Say it at the setting it is about, once."""
        elsewhere = {"keys": "expressions", "icons": "expressions", "quality_rule": "quality_max_brightness"}
        field = elsewhere.get(refusal.field, refusal.field)
        if field not in self.fields:
            self.add_error(None, str(refusal))
        elif field not in self.errors:
            self.add_error(field, str(refusal))

    def draft(self) -> Campaign:
        """The campaign as it would be; where the form makes no sense yet, as it is or as usual."""
        drawn = copy(self.campaign) if self.campaign else Campaign(name="…")
        for name, value in self.values().items():
            # The list of expressions is shown as it is, whatever is wrong with it.
            if name != "groups" and (name == "expressions" or name not in self.errors):
                setattr(drawn, name, value)
        return drawn

    def values(self) -> dict[str, Any]:
        """The settings for the verbs, as far as they are sound."""
        given = self.cleaned_data.get("expressions", [])
        asked = {
            name: value for name, value in self.cleaned_data.items() if name in SETTINGS or name == "groups"
        }
        asked |= {
            "expressions": [row.name for row in given],
            "keys": self._keys(given),
            "icons": {row.name: row.icon for row in given if row.icon},
            "quality_rule": self.quality_rule(),
        }
        before = self.campaign.deadline if self.campaign else None
        if before and asked.get("deadline") == before.replace(second=0, microsecond=0):
            # The browser asks for minutes; that is no change.
            asked["deadline"] = before
        return asked

    def _keys(self, rows: Sequence[ExpressionRow]) -> dict[str, str]:
        own = {row.name: row.key.lower() for row in rows if row.key}
        return own | {name: key.lower() for name in OTHER_KEYS if (key := self._other_key(name))}

    def _other_key(self, name: str) -> str:
        field = f"key_{name}"
        if self.is_bound:
            return str(self.data.get(field, "")).strip()
        return str(self.fields[field].initial or "") if field in self.fields else ""


def _initial(campaign: Campaign) -> Mapping[str, Any]:
    names = [name for name in SETTINGS if name in CampaignForm.base_fields and name != "expressions"]
    return {
        **{name: getattr(campaign, name) for name in names},
        **quality_forms.initial(campaign),
        "groups": list(campaign.groups.all()),
    }


def _rows(campaign: Campaign) -> list[ExpressionRow]:
    names = campaign.expressions or SEVEN
    return [ExpressionRow(name, campaign.keys.get(name, ""), campaign.icons.get(name, "")) for name in names]


class DuplicateForm(forms.Form):
    name = forms.CharField(max_length=200, label=gettext_lazy("Name of the copy"))
    same_faces = forms.BooleanField(
        required=False, initial=True, label=gettext_lazy("With the same faces, without their votes")
    )


class ExtendForm(forms.Form):
    deadline = forms.DateTimeField(
        label=gettext_lazy("New deadline"),
        input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"],
        widget=forms.DateTimeInput(format="%Y-%m-%dT%H:%M", attrs={"type": "datetime-local"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        zone = timezone.get_current_timezone_name()
        self.fields["deadline"].help_text = _("In the time zone {zone}.").format(zone=zone)


class TrialForm(forms.Form):
    """On which stored votes a rule is tried: a campaign's key, or `given` for the votes sources came with."""

    tried_on = forms.CharField(required=False, max_length=20)
    votes_per_face = CampaignForm.base_fields["votes_per_face"]
    rule = CampaignForm.base_fields["rule"]
    minimum_agreement = CampaignForm.base_fields["minimum_agreement"]
