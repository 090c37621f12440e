"""The form that starts a training: the same on the site and in the admin."""

from typing import Any

from django import forms

from labeling.models import Campaign, Snapshot, WorkState
from training import queries
from training.core.config import FIELDS, PRESETS
from training.core.networks import NETWORKS

COMMON = ("image_size", "batch_size", "epochs", "learning_rate", "seed", "device")
"""The settings with a field of their own; every other goes into the JSON of further ones."""


class SnapshotSelect(forms.Select):
    """Options that carry how many images they train on, for the page's cost line."""

    def create_option(self, name: str, value: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        option = super().create_option(name, value, *args, **kwargs)
        if snapshot := getattr(value, "instance", None):
            option["attrs"]["data-images"] = str(queries.images_in(snapshot, "train"))
        return option


class SnapshotField(forms.ModelChoiceField):  # type: ignore[type-arg]
    widget = SnapshotSelect

    def label_from_instance(self, obj: Any) -> str:
        return f"{obj.name} ({queries.images_in(obj, 'train'):,} training images)"


def _setting(name: str) -> forms.Field:
    setting = FIELDS[name]
    shared: dict[str, Any] = {
        "required": False,
        "label": name.replace("_", " ").capitalize(),
        "help_text": setting.about,
    }
    if setting.choices:
        choices = [("", "as in the preset"), *((str(choice), str(choice)) for choice in setting.choices)]
        return forms.ChoiceField(choices=choices, **shared)
    number = forms.NumberInput(attrs={"step": "any", "placeholder": "as in the preset"})
    field = forms.IntegerField if setting.kind is int else forms.FloatField
    return field(**shared, widget=number)


class SettingsField(forms.JSONField):
    """JSON that may be left empty, and then is shown empty."""

    def prepare_value(self, value: Any) -> Any:
        return "" if value is None else super().prepare_value(value)


class StartForm(forms.Form):
    """An empty setting means the preset's. What the core thinks of the settings, runs.start says."""

    snapshot = SnapshotField(
        queryset=Snapshot.objects.filter(state=WorkState.DONE),
        empty_label=None,
        help_text="What the network learns from. Only frozen ones are listed.",
    )
    network = forms.ChoiceField(choices=[(network.name, network.title) for network in NETWORKS.values()])
    preset = forms.ChoiceField(
        choices=[(name, name) for name in PRESETS],
        initial="quick",
        help_text="All settings at once; the table below shows what each preset sets.",
    )
    name = forms.CharField(max_length=200, required=False, help_text="Empty: the network and the snapshot.")
    image_size = _setting("image_size")
    batch_size = _setting("batch_size")
    epochs = _setting("epochs")
    learning_rate = _setting("learning_rate")
    seed = _setting("seed")
    device = _setting("device")
    further = SettingsField(
        required=False,
        label="Further settings",
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false", "placeholder": '{"rotation": 10}'}),
        help_text="As JSON, by the names in the table of settings.",
    )

    def clean_further(self) -> dict[str, Any]:
        further = self.cleaned_data["further"] or {}
        if not isinstance(further, dict):
            raise forms.ValidationError('This is not a JSON object. Write it like {"rotation": 10}.')
        return further

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        given = {name: cleaned[name] for name in COMMON if cleaned.get(name) not in (None, "")}
        if twice := sorted(given.keys() & cleaned.get("further", {}).keys()):
            self.add_error("further", f"Given twice: {', '.join(twice)}. Leave one of the two empty.")
        cleaned["settings"] = given | cleaned.get("further", {})
        return cleaned

    def asked(self) -> dict[str, Any]:
        """The keywords for runs.start."""
        return {key: self.cleaned_data[key] for key in ("snapshot", "network", "preset", "name", "settings")}


class PredictForm(forms.Form):
    campaign = forms.ModelChoiceField(queryset=Campaign.objects.all(), empty_label=None)


class OpenRoundForm(forms.Form):
    """Which faces go back before annotators, and for how many fresh votes each."""

    campaign_face = forms.TypedMultipleChoiceField(coerce=int, required=False)
    votes_per_face = forms.IntegerField(min_value=1, max_value=1000, initial=5, label="Votes per face")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Any number will do here: whether it is a face that can be re-opened, relabeling.open_round says.
        self.fields["campaign_face"].valid_value = str.isdigit  # type: ignore[attr-defined]
