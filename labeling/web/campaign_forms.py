"""The forms of a campaign: what is asked, of which faces, by which rule."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from labeling.expressions import OTHER_ANSWERS, SEVEN
from labeling.models import Campaign, Detection, Source
from labeling.web.vote import KEYS


class FacesForm(forms.Form):
    """Which faces: by where they come from and what found them."""

    source = forms.ModelChoiceField(
        Source.objects.all(),
        required=False,
        empty_label="All sources",
        help_text="Where the faces come from.",
    )
    detector = forms.ChoiceField(
        required=False, help_text="Faces found by two detectors are two faces: choose one."
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        names = Detection.objects.order_by("detector").values_list("detector", flat=True).distinct()
        known = [(name, name) for name in names]
        self.fields["detector"].choices = [*known, ("", "Any")]  # type: ignore[attr-defined]


class CampaignForm(FacesForm):
    name = forms.CharField(max_length=200, help_text="Annotators see it.")
    question = forms.CharField(max_length=300, initial="Which expression do you see?")
    instructions = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Shown under “How to answer”. A blank line begins a paragraph.",
    )
    expressions = forms.CharField(
        initial=", ".join(SEVEN),
        help_text="In the order of the keys 1, 2, 3 …, with commas between. "
        "“Can't tell” and “not a face” are always offered.",
    )
    votes_per_face = forms.IntegerField(
        initial=10, min_value=1, max_value=1000, help_text="Each vote comes from another person."
    )
    rule = forms.ChoiceField(
        choices=Campaign.Rule.choices,
        initial=Campaign.Rule.STRICT_MAJORITY,
        label="A label needs",
        help_text="A tie, or too little agreement, is no consensus.",
    )
    minimum_agreement = forms.FloatField(
        initial=0.5,
        min_value=0.0,
        max_value=1.0,
        label="Set share",
        help_text="Of all votes, 0–1. Read only by the rule that names it.",
        widget=forms.NumberInput(attrs={"step": 0.05}),
    )
    field_order = (
        "name",
        "question",
        "instructions",
        "expressions",
        "votes_per_face",
        "rule",
        "minimum_agreement",
        "source",
        "detector",
    )

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if Campaign.objects.filter(name=name).exists():
            raise ValidationError("There is a campaign of this name. Choose another.")
        return name

    def clean_expressions(self) -> list[str]:
        names = [name.strip() for name in self.cleaned_data["expressions"].split(",")]
        named = [name for name in names if name]
        if len(named) < 2:
            raise ValidationError("Name at least two expressions, with commas between.")
        if len(set(named)) < len(named):
            raise ValidationError("An expression is named twice. Take one out.")
        if taken := set(named) & set(OTHER_ANSWERS):
            raise ValidationError(f"{taken.pop()} is always offered. Take it out of the list.")
        if len(named) > len(KEYS):
            raise ValidationError(f"There are keys for {len(KEYS)} expressions. Name fewer.")
        if any(len(name) > 40 for name in named):
            raise ValidationError("An expression's name has more than 40 characters. Shorten it.")
        return named
