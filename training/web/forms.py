"""The form that starts a training: the same on the site and in the admin."""

from typing import Any

from django import forms
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop, ngettext

from labeling.models import Campaign, Snapshot, WorkState
from training import queries
from training.core.config import FIELDS, PRESETS, SET_BY_FAST
from training.core.networks import NETWORKS
from training.models import TrainingRun

LABELS = {
    "image_size": gettext_noop("Image size"),
    "batch_size": gettext_noop("Batch size"),
    "epochs": gettext_noop("Epochs"),
    "learning_rate": gettext_noop("Learning rate"),
    "seed": gettext_noop("Seed"),
    "device": gettext_noop("Device"),
}
"""The settings with a field of their own; every other goes into the JSON of further ones."""
AS_IN_THE_PRESET = gettext_lazy("as in the preset")


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
        images = queries.images_in(obj, "train")
        said = ngettext("{name} ({images} training image)", "{name} ({images} training images)", images)
        return said.format(name=obj.name, images=number_format(images, force_grouping=True))


def _setting(name: str) -> forms.Field:
    setting = FIELDS[name]
    shared: dict[str, Any] = {
        "required": False,
        "label": gettext_lazy(LABELS[name]),
        "help_text": gettext_lazy(setting.about),
    }
    if setting.choices:
        choices = [("", AS_IN_THE_PRESET), *((str(choice), str(choice)) for choice in setting.choices)]
        return forms.ChoiceField(choices=choices, **shared)
    number = forms.NumberInput(attrs={"step": "any", "placeholder": AS_IN_THE_PRESET})
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
        label=gettext_lazy("Snapshot"),
        help_text=gettext_lazy("What the network learns from. Only frozen ones are listed."),
    )
    network = forms.ChoiceField(
        choices=[(network.name, network.title) for network in NETWORKS.values()],
        label=gettext_lazy("Network"),
    )
    preset = forms.ChoiceField(
        choices=[(name, name) for name in PRESETS],
        initial="quick",
        label=gettext_lazy("Preset"),
        help_text=gettext_lazy("All settings at once; the table below shows what each preset sets."),
    )
    fast = forms.BooleanField(
        required=False,
        label=gettext_lazy("Fast"),
        help_text=gettext_lazy(
            "Computes in bfloat16, with images as NHWC in memory, where the machine that trains has units for "
            "it, and in 32 bits elsewhere; weights are kept in 32 bits. The paper's network then learnt twice as "
            "fast on a processor with such units; figures come out a little different. What was set stands among "
            "the run's settings."
        ),
    )
    name = forms.CharField(
        max_length=200,
        required=False,
        label=gettext_lazy("Name"),
        help_text=gettext_lazy("Empty: the network and the snapshot."),
    )
    image_size = _setting("image_size")
    batch_size = _setting("batch_size")
    epochs = _setting("epochs")
    learning_rate = _setting("learning_rate")
    seed = _setting("seed")
    device = _setting("device")
    further = SettingsField(
        required=False,
        label=gettext_lazy("Further settings"),
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false", "placeholder": '{"rotation": 10}'}),
        help_text=gettext_lazy("As JSON, by the names in the table of settings."),
    )

    def clean_further(self) -> dict[str, Any]:
        further = self.cleaned_data["further"] or {}
        if not isinstance(further, dict):
            example = '{"rotation": 10}'
            raise forms.ValidationError(
                _("This is not a JSON object. Write it like {example}.").format(example=example)
            )
        return further

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        given = {name: cleaned[name] for name in LABELS if cleaned.get(name) not in (None, "")}
        if twice := sorted(given.keys() & cleaned.get("further", {}).keys()):
            self.add_error(
                "further",
                _("Given twice: {settings}. Leave one of the two empty.").format(settings=", ".join(twice)),
            )
        cleaned["settings"] = given | cleaned.get("further", {})
        return cleaned

    def asked(self) -> dict[str, Any]:
        """The keywords for runs.start."""
        keys = ("snapshot", "network", "preset", "name", "settings", "fast")
        return {key: self.cleaned_data[key] for key in keys}


def can_be_repeated(run: TrainingRun) -> bool:
    """Whether the form can ask for the like of this run: it does not offer every network, nor presets dropped since."""
    return run.network in NETWORKS and run.preset in PRESETS


def like(run: TrainingRun) -> dict[str, Any]:
    """What the start form begins with to ask for the same again: another seed or rate is then one field."""
    left_to_machine = SET_BY_FAST if run.fast else ()
    own = {
        row.name: row.value
        for row in queries.config_table(run)
        if row.differs and row.name not in left_to_machine
    }
    in_fields = {
        name for name in own if name in LABELS and own[name] in (FIELDS[name].choices or [own[name]])
    }
    return {
        "snapshot": run.snapshot_id,
        "network": run.network,
        "preset": run.preset,
        "fast": run.fast,
        **{name: own[name] for name in in_fields},
        "further": {name: value for name, value in own.items() if name not in in_fields} or None,
    }


class PredictForm(forms.Form):
    campaign = forms.ModelChoiceField(
        queryset=Campaign.objects.all(), empty_label=None, label=gettext_lazy("Campaign")
    )


class OpenRoundForm(forms.Form):
    """Which faces go back before annotators, and for how many fresh votes each."""

    campaign_face = forms.TypedMultipleChoiceField(coerce=int, required=False)
    votes_per_face = forms.IntegerField(
        min_value=1, max_value=1000, initial=5, label=gettext_lazy("Votes per face")
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Any number will do here: whether it is a face that can be re-opened, relabeling.open_round says.
        self.fields["campaign_face"].valid_value = str.isdigit  # type: ignore[attr-defined]
