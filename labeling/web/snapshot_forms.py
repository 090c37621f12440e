"""What a new snapshot needs to be told."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from labeling.licences import DEMANDS
from labeling.models import Campaign

SPLITS = ("train", "validation", "test")


class NewSnapshot(forms.Form):
    campaign = forms.ModelChoiceField(
        Campaign.objects.all(), label=_("Campaign"), empty_label=_("Choose a campaign")
    )
    name = forms.CharField(
        max_length=200, required=False, label=_("Name"), help_text=_("Empty: the campaign's name.")
    )
    splits = forms.ChoiceField(
        choices=[
            ("stratified", _("Drawn by class; everything of one media, and near-duplicates, in one split")),
            ("given", _("As the source gives them (FER2013's Usage column)")),
        ],
        initial="stratified",
        label=_("Splits"),
    )
    train = forms.FloatField(
        min_value=0, max_value=100, initial=80, label=_("Train"), help_text=_("Percent of the faces.")
    )
    validation = forms.FloatField(min_value=0, max_value=100, initial=10, label=_("Validation"))
    test = forms.FloatField(min_value=0, max_value=100, initial=10, label=_("Test"))
    seed = forms.IntegerField(
        min_value=0,
        max_value=2**31 - 1,
        initial=0,
        label=_("Seed"),
        help_text=_("The same seed draws the same splits."),
    )

    licences = forms.MultipleChoiceField(
        choices=[(key, _(demand.sentence)) for key, demand in DEMANDS.items()],
        required=False,
        label=_("Only media of which this is sure"),
        widget=forms.CheckboxSelectMultiple,
        help_text=_(
            "None ticked: any licence. A licence that is not known, or not understood, meets nothing."
        ),
    )

    def clean(self) -> dict[str, Any]:
        data = self.cleaned_data
        parts = [data.get(name) for name in SPLITS]
        if None not in parts and abs(sum(part or 0 for part in parts) - 100) > 1e-6:
            raise forms.ValidationError(_("Train, validation and test must add up to 100 percent."))
        return data

    def wanted(self) -> dict[str, Any]:
        """The arguments of freezing.freeze."""
        data = self.cleaned_data
        return {
            "campaign": data["campaign"],
            "name": data["name"],
            "fractions": {name: data[name] / 100 for name in SPLITS},
            "seed": data["seed"],
            "splits": data["splits"],
            "licences": data["licences"],
        }
